"""Texts become days and logins, or errors that name the option and nobody's number."""

from __future__ import annotations

import getpass
from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from esep.cli.given import day_of, officer_of
from esep.errors import UsageError


@given(st.dates(min_value=date(1990, 1, 1)))
def test_day_is_read_as_it_is_written(day: date) -> None:
    assert day_of(day.isoformat(), "--from") == day


@pytest.mark.parametrize("text", ["", "soon", "2026-13-01", "01.11.2026", "2026-11-01T00:00"])
def test_other_texts_are_refused_by_the_name_of_their_option(text: str) -> None:
    with pytest.raises(UsageError, match="--until is no day"):
        day_of(text, "--until")


def test_login_is_taken_as_given_or_from_who_is_logged_in() -> None:
    assert officer_of("a.serikova") == "a.serikova"
    assert officer_of("") == getpass.getuser()


def test_number_of_a_person_is_no_login_and_is_not_told() -> None:
    with pytest.raises(UsageError) as refused:
        officer_of("900101300007")
    assert "900101300007" not in str(refused.value)
