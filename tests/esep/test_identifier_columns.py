"""IIN and BIN in columns are told as one by one, and an IIN's hints are those of its digits."""

from __future__ import annotations

from datetime import date

import polars as pl
from hypothesis import given
from hypothesis import strategies as st

from esep.identifier_columns import birth_year_hints, sex_hints, valid_bin, valid_iin
from esep.identifiers import is_bin, is_iin
from tests.support.numbers import ASCII, almost_numbers, is_one
from tests.support.records import control_digit_of, iins


@given(st.lists(almost_numbers(), max_size=20))
def test_columns_are_told_as_the_oracle_tells_them(numbers: list[str | None]) -> None:
    """Clause O9-L1: form and control digit, beside plain Python."""
    series = pl.Series("number", numbers, dtype=pl.String)
    assert valid_iin(series).to_list() == [is_one(number, of_person=True) for number in numbers]
    assert valid_bin(series).to_list() == [is_one(number, of_person=False) for number in numbers]
    assert valid_iin(series).name == "number"
    assert valid_iin(series).dtype == pl.Boolean


@given(almost_numbers())
def test_column_of_one_number_is_told_as_the_number(number: str | None) -> None:
    text = number or ""
    assert valid_iin(pl.Series([text]))[0] == is_iin(text)
    assert valid_bin(pl.Series([text]))[0] == is_bin(text)


def test_number_whose_second_pass_gives_ten_is_not_in_use() -> None:
    unused = [f"900101300{serial:02}" for serial in range(100) if control_digit_of(f"900101300{serial:02}") is None]
    assert unused
    for eleven in unused:
        assert not valid_iin(pl.Series([f"{eleven}{last}" for last in ASCII])).any()


def test_birth_date_that_cannot_be_never_rejects() -> None:
    """The date inside an IIN is not authoritative (LEGAL, facts around the law)."""
    eleven = "90133930001"
    iin = f"{eleven}{control_digit_of(eleven)}"
    assert is_iin(iin)
    assert valid_iin(pl.Series([iin])).all()
    assert birth_year_hints(pl.Series([iin])).to_list() == [None]


@given(st.lists(iins(), max_size=10))
def test_hints_say_what_the_digits_say(numbers: list[str]) -> None:
    series = pl.Series(numbers, dtype=pl.String)
    years = [{"3": 1900, "4": 1900, "5": 2000, "6": 2000}[iin[6]] + int(iin[:2]) for iin in numbers]
    assert birth_year_hints(series).to_list() == years
    assert birth_year_hints(series).dtype == pl.Int32
    assert sex_hints(series).to_list() == ["M" if int(iin[6]) % 2 else "F" for iin in numbers]


@given(st.integers(1, 6), st.dates(date(1800, 1, 1), date(2099, 12, 31)))
def test_year_is_of_the_century_that_the_seventh_digit_names(seventh: int, born: date) -> None:
    century = 1800 + (seventh - 1) // 2 * 100
    iin = f"{born:%y%m%d}{seventh}00000"  # Hints ask for the digits only.
    assert birth_year_hints(pl.Series([iin])).to_list() == [century + born.year % 100]


def test_unknown_century_gives_no_hint() -> None:
    foreigner = pl.Series(["900101000001"])
    assert birth_year_hints(foreigner).to_list() == [None]
    assert sex_hints(foreigner).to_list() == [None]
