"""Texts become values exactly, or not at all."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from esep.producers.converters import instants, odds_milli, tiyn


@settings(deadline=None)
@given(st.decimals(-(10**8), 10**8, places=2), st.integers(-5, 5))
def test_amount_is_exact_however_it_is_written(tenge: Decimal, exponent: int) -> None:
    written = [str(tenge), f"{tenge.scaleb(-exponent):f}e{exponent}", f"{tenge.scaleb(-exponent):f}E{exponent:+03d}"]
    assert tiyn(pl.Series(written)).to_list() == [int(tenge * 100)] * 3


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("1e+06", 100_000_000),
        ("1.15e+06", 115_000_000),
        ("0.53", 53),
        (".5", 50),
        ("5.", 500),
        ("-3", -300),
        ("+3", 300),
        ("0", 0),
        ("999999999999999", None),  # Far more than any bet.
        ("99999999999999", 9_999_999_999_999_900),
    ],
)
def test_amount_of_a_text(text: str, expected: int | None) -> None:
    assert tiyn(pl.Series([text])).to_list() == [expected]


@pytest.mark.parametrize(
    "text",
    [
        "",
        " 1",
        "1 000",
        "1,5",
        "0.005",
        "1_000",
        "NaN",
        "Infinity",
        "1e99",
        "1e999999999",
        "0x10",
        "١٢",
        "0.0100000000000000000001",
    ],
)
def test_text_that_is_no_whole_number_of_tiyn_is_no_amount(text: str) -> None:
    assert tiyn(pl.Series([text])).to_list() == [None]


@settings(deadline=None)
@given(st.integers(0, 2**31 - 1))
def test_odds_are_exact_in_thousandths(milli: int) -> None:
    assert odds_milli(pl.Series([str(Decimal(milli).scaleb(-3))])).to_list() == [milli]


@pytest.mark.parametrize("text", ["1.8505", "NA", "1,85", "99999999999"])
def test_text_that_is_no_odds_in_thousandths_is_none(text: str) -> None:
    assert odds_milli(pl.Series([text])).to_list() == [None]


@settings(deadline=None)
@given(
    st.datetimes(datetime(1, 1, 2), datetime(9999, 12, 30)),  # noqa: DTZ001 - the zone is drawn beside it
    st.integers(-14 * 60, 14 * 60),
)
def test_instant_with_an_offset_is_the_one_that_python_reads(local: datetime, offset_minutes: int) -> None:
    local = local.replace(microsecond=local.microsecond // 1000 * 1000)
    instant = local.replace(tzinfo=timezone(timedelta(minutes=offset_minutes)))
    assert instants(pl.Series([instant.isoformat()]))[0] == instant


@settings(deadline=None)
@given(st.datetimes(datetime(1900, 1, 1), datetime(2200, 1, 1)))  # noqa: DTZ001 - as above
def test_instant_with_z_is_utc(naive: datetime) -> None:
    naive = naive.replace(microsecond=0)
    assert instants(pl.Series([f"{naive.isoformat()}Z"]))[0] == naive.replace(tzinfo=UTC)


@pytest.mark.parametrize(
    "text",
    [
        "2021-10-31",
        "2021-10-31T15:38:55",
        "2021-10-31 15:38:55Z",
        "2021-02-30T00:00:00Z",
        "2021-10-31T24:00:00Z",
        "2021-10-31T23:59:60Z",
        "31.10.2021 15:38",
        " 2021-10-31T15:38:55Z",
        "2021-1-3T15:38:55Z",
        "yesterday",
        "",
    ],
)
def test_text_that_is_no_instant_is_none(text: str) -> None:
    assert instants(pl.Series([text])).to_list() == [None]


def test_missing_values_stay_missing() -> None:
    nothing = pl.Series([None, None], dtype=pl.String)
    for convert in (tiyn, odds_milli, instants):
        assert convert(nothing).to_list() == [None, None]
