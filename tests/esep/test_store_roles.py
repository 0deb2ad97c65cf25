"""The declaration of roles: nobody but an officer has persons, and what is granted is what is meant (J127-5)."""

from __future__ import annotations

import doctest

import pytest
from hypothesis import given
from hypothesis import strategies as st

from esep import store_roles as module
from esep.store_roles import OF_PERSONS, ROLES, case_and_basis

PEOPLE = [role for role in ROLES.values() if role.use == "views"]


@pytest.mark.parametrize("role", ["analyst", "auditor"])
def test_who_sees_pseudonyms_is_granted_no_table_with_persons(role: str) -> None:
    """Clauses O9-5.1, J127-5."""
    for privilege, name in ROLES[role].granted("esep"):
        table = name.rpartition(".")[2]
        assert name.startswith(("esep_analysts.", "system.")) or role == "auditor"
        assert name.startswith("esep_analysts.") or table not in OF_PERSONS or "iin" not in privilege.lower()
        assert name.startswith("esep_analysts.") or table not in OF_PERSONS or privilege != "SELECT"


def test_people_only_read_and_have_limits() -> None:
    for role in PEOPLE:
        assert {privilege.partition("(")[0] for privilege in role.grants} == {"SELECT"}
        assert role.limits["max_execution_time"] <= 60


def test_who_sees_persons_states_a_basis() -> None:
    """Clause J127-7."""
    for role in PEOPLE:
        sees = {name.rpartition(".")[2] for privilege, name in role.granted("esep") if privilege == "SELECT"}
        of_persons = sees & set(OF_PERSONS) and role.role not in {"analyst", "auditor"}
        assert bool(of_persons) == role.basis
    assert ROLES["keeper"].basis


@given(st.text("ab:/-. \n", max_size=20))
def test_basis_is_a_case_and_a_law(text: str) -> None:
    found = case_and_basis(text)
    if found is not None:
        case, basis = found
        assert case
        assert len(basis) >= 3
        assert ":" not in case
        assert text.strip().startswith(case)


def test_examples_run() -> None:
    assert doctest.testmod(module).failed == 0
