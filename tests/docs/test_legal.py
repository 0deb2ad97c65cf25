"""Every clause leads to what implements it and to the test that proves it, or says why it does not."""

from __future__ import annotations

import doctest

import pytest

from docs import legal
from docs.legal import clauses, ids_in, implementations, proofs, unknown_ids
from esep.codes import REJECT_CODES

each_clause = pytest.mark.parametrize("clause", clauses())
DOCUMENTS = {"O9": 18, "D934": 3, "R2021": 3, "J127": 9, "O114": 2}


@each_clause
def test_what_is_claimed_is_implemented_and_named_by_a_test(clause: str) -> None:
    if clauses()[clause].claim == "none":
        assert clause not in implementations(), f"{clause} is named in the code: claim it in docs/legal.yaml"
    else:
        assert implementations().get(clause), f"nothing names {clause}"
        assert proofs().get(clause), f"no test names {clause}"


@each_clause
def test_what_is_not_claimed_whole_says_what_is_open_and_why(clause: str) -> None:
    declared = clauses()[clause]
    assert (len(declared.open.split()) >= 8) == (declared.claim != "whole")
    assert declared.asks.endswith(".")


def test_code_and_tests_name_no_clause_that_the_list_has_not() -> None:
    assert unknown_ids() == set()


def test_every_reject_code_stands_under_a_clause_that_is_claimed() -> None:
    assert all(clauses()[code.clause].claim != "none" for code in REJECT_CODES)


def test_list_is_whole() -> None:
    """Counted in the table that it was copied from; the note to the list of O9 has got an id of its own."""
    counts = {document: sum(clause.startswith(f"{document}-") for clause in clauses()) for document in DOCUMENTS}
    assert counts == DOCUMENTS


@pytest.mark.parametrize(
    ("text", "ids"),
    [
        ("O9-L1 to L5, O9-4.6).", {"O9-L1", "O9-L2", "O9-L3", "O9-L4", "O9-L5", "O9-4.6"}),
        ("O9-L1..L3, O9-3.", {"O9-L1", "O9-L2", "O9-L3", "O9-3"}),
        ("J127-13..15; D934-7..11.", {"J127-13..15", "D934-7..11"}),
        ("clause O9-9.9", {"O9-9.9"}),
        ("FOO9-3, X-O9-3 and sha256", set()),
    ],
)
def test_ids_are_read_from_a_text_as_a_person_reads_them(text: str, ids: set[str]) -> None:
    assert ids_in(text) == ids


def test_example_in_the_docstring_runs() -> None:
    assert doctest.testmod(legal).attempted == 1
    assert doctest.testmod(legal).failed == 0


def test_page_names_every_clause_and_the_tests() -> None:
    page = legal.legal()
    assert all(f"**{clause}**" in page for clause in clauses())
    assert "test_what_is_claimed_is_implemented_and_named_by_a_test" not in page
    assert "`tests/esep/test_clock.py`" in page
