"""The made-up register is one that intake reads, the same for the same seed."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from esep.errors import FileUnusable
from esep.producers.simulate.register import made_up_register, write_register
from esep.register import load_register
from tests.producers.simulate.made import UNTIL
from tests.support.examples import examples


@settings(max_examples=examples(10))
@given(organizers=st.integers(1, 40), seed=st.integers(0, 2**32))
def test_register_that_is_written_is_read_as_it_was_made(
    organizers: int, seed: int, tmp_path_factory: pytest.TempPathFactory
) -> None:
    register = made_up_register(organizers, seed, UNTIL)
    path = tmp_path_factory.mktemp("register") / "register.yaml"
    write_register(register, path)
    assert load_register(path) == register == made_up_register(organizers, seed, UNTIL)
    assert len(set(register.bins)) == organizers
    assert len({organizer.name_ru for organizer in register.organizers}) == organizers


def test_licences_are_in_force_but_for_one_month_two_years_ago() -> None:
    for organizer in made_up_register(5, 1, UNTIL).organizers:
        assert organizer.licence_at(UNTIL) is not None
        assert organizer.licence_at(datetime(2024, 2, 15, tzinfo=UTC)) is None
        assert organizer.licence_at(datetime(2024, 3, 2, tzinfo=UTC)) is not None


def test_both_kinds_of_organizers_occur() -> None:
    kinds = {organizer.licences[0].kind for organizer in made_up_register(5, 1, UNTIL).organizers}
    assert kinds == {"BOOKMAKER", "TOTALIZATOR"}


def test_place_that_cannot_be_written_is_said(tmp_path: Path) -> None:
    with pytest.raises(FileUnusable, match="cannot be written"):
        write_register(made_up_register(1, 1, UNTIL), tmp_path / "none" / "register.yaml")
