"""A synthetic IIN is one that intake takes, of an adult, and each player has one of their own."""

from __future__ import annotations

import csv
from datetime import date

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from esep.identifier_columns import birth_year_hints, sex_hints, valid_iin
from esep.producers.synthetic import split_places, synthetic_iin, synthetic_iins
from tests.producers.bets import REAL_BETS

FIRST_BET = date(2021, 10, 31)  # Of the real file.
ADULT_YEARS = 21  # LEGAL, betting age.


@pytest.fixture(scope="module")
def names() -> list[str]:
    with REAL_BETS.open(encoding="utf-8", newline="") as file:
        return sorted({row["Username"] for row in csv.DictReader(file)})


def test_all_players_of_the_real_bets_have_valid_distinct_iins(names: list[str]) -> None:
    iins = synthetic_iins(pl.Series(names))
    assert len(names) == iins.n_unique() == 2081
    assert valid_iin(iins).all()


def test_all_players_are_adults_at_the_first_bet_and_of_both_sexes(names: list[str]) -> None:
    iins = synthetic_iins(pl.Series(names))
    for iin in iins:
        born = date(1900 + int(iin[:2]), int(iin[2:4]), int(iin[4:6]))
        assert born.replace(year=born.year + ADULT_YEARS, day=min(born.day, 28)) <= FIRST_BET
    assert birth_year_hints(iins).is_between(1950, 1999).all()
    women = (sex_hints(iins) == "F").sum()
    assert 900 < women < 1181


@settings(deadline=None)
@given(st.lists(st.one_of(st.none(), st.text(st.characters(codec="utf-8"), min_size=1)), max_size=30))
def test_any_name_has_a_valid_iin_that_depends_on_nothing_else(names: list[str | None]) -> None:
    iins = synthetic_iins(pl.Series(names, dtype=pl.String))
    assert iins.to_list() == [None if name is None else synthetic_iin(name) for name in names]
    assert valid_iin(iins.drop_nulls()).all()


def test_iin_of_a_name_never_changes() -> None:
    assert [synthetic_iin(name) for name in ("funxta", "rsf", "1-11ÔÂ")] == [
        "950820487354",
        "510705362762",
        "801011376654",
    ]


def test_players_are_split_over_four_organizers_about_evenly(names: list[str]) -> None:
    counts = split_places(pl.Series(names), 4).value_counts()["count"].to_list()
    assert sum(counts) == 2081
    assert min(counts) > 430
