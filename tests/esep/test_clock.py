"""Days and years are the capital's, on both sides of midnight and of 1 March 2024 (J127-17, O9-4.7)."""

from __future__ import annotations

import importlib
import zoneinfo
from datetime import UTC, date, datetime, timedelta, timezone
from typing import Any
from zoneinfo import ZoneInfo

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from esep import clock
from esep.clock import almaty_day, almaty_day_of, almaty_year, retention_horizon, to_ms
from tests.support.records import EPOCH, MILLISECOND, instants

FIVE, SIX = timezone(timedelta(hours=5)), timezone(timedelta(hours=6))
CHANGE = datetime(2024, 2, 29, 18, tzinfo=UTC)  # Midnight of UTC+6, when clocks went back to 23:00 of UTC+5.
YEARS = instants(datetime(2005, 6, 1, tzinfo=UTC), datetime(2100, 1, 1, tzinfo=UTC))


def oracle(instant: datetime) -> datetime:
    """Return the instant on Almaty's clocks: UTC+6 until 1 March 2024, UTC+5 since (no summer time since 2005)."""
    return instant.astimezone(SIX if instant < CHANGE else FIVE)


@given(st.lists(YEARS, max_size=10))
def test_days_and_years_are_almatys(moments: list[datetime]) -> None:
    series = pl.Series(moments, dtype=pl.Datetime("ms", "UTC"))
    assert almaty_day(series).to_list() == [oracle(moment).date() for moment in moments]
    assert almaty_year(series).to_list() == [oracle(moment).year for moment in moments]
    assert almaty_year(series).dtype == pl.Int32
    assert [almaty_day_of(to_ms(moment)) for moment in moments] == almaty_day(series).to_list()


@pytest.mark.parametrize(
    ("utc", "day"),
    [
        ("2023-12-31T17:59:59.999", date(2023, 12, 31)),
        ("2023-12-31T18:00:00.000", date(2024, 1, 1)),
        ("2024-02-29T17:59:59.999", date(2024, 2, 29)),
        ("2024-02-29T18:00:00.000", date(2024, 2, 29)),
        ("2024-02-29T18:59:59.999", date(2024, 2, 29)),
        ("2024-02-29T19:00:00.000", date(2024, 3, 1)),
        ("2025-12-31T18:59:59.999", date(2025, 12, 31)),
        ("2025-12-31T19:00:00.000", date(2026, 1, 1)),
    ],
)
def test_day_ends_at_almatys_midnight(utc: str, day: date) -> None:
    """The last day of February 2024 had 25 hours."""
    instant = datetime.fromisoformat(utc).replace(tzinfo=UTC)
    assert almaty_day_of(to_ms(instant)) == day
    assert almaty_day(pl.Series([instant])).to_list() == [day]
    assert almaty_year(pl.Series([instant])).to_list() == [day.year]


@given(YEARS)
def test_instant_counts_as_utc_where_it_has_no_zone_and_by_its_zone_where_it_has(moment: datetime) -> None:
    aware = pl.Series([moment], dtype=pl.Datetime("ms", "UTC"))
    for same in (aware.dt.replace_time_zone(None), aware.dt.convert_time_zone("America/New_York")):
        assert almaty_day(same).to_list() == almaty_day(aware).to_list()
        assert almaty_year(same).to_list() == almaty_year(aware).to_list()


@given(YEARS, YEARS)
def test_bet_is_kept_until_the_sixth_new_year_after_it_begins(bet: datetime, now: datetime) -> None:
    """Clause O9-4.7: five years, counted from 1 January of the year after the year of the bet."""
    counted_from = oracle(bet).year + 1
    must_be_kept = oracle(now).year < counted_from + 5
    assert (bet >= retention_horizon(now)) == must_be_kept


@given(YEARS, st.sampled_from([UTC, FIVE, ZoneInfo("America/New_York")]))
def test_horizon_is_a_new_years_midnight_in_almaty_in_utc(now: datetime, zone: Any) -> None:
    horizon = retention_horizon(now.astimezone(zone))
    assert horizon.tzinfo is UTC
    assert (oracle(horizon).replace(tzinfo=None) - datetime(oracle(now).year - 5, 1, 1)) == timedelta(0)  # noqa: DTZ001


@given(instants(datetime(1900, 1, 1, tzinfo=UTC), datetime(2200, 1, 1, tzinfo=UTC)), st.integers(0, 999))
def test_milliseconds_are_exact_and_finer_is_cut(moment: datetime, microseconds: int) -> None:
    finer = moment + timedelta(microseconds=microseconds)
    assert EPOCH + to_ms(finer) * MILLISECOND == moment
    assert to_ms(moment.astimezone(FIVE)) == to_ms(moment)


def test_time_zone_data_of_before_2024_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """Counting days an hour off would be worse than not starting."""
    real = zoneinfo.ZoneInfo
    monkeypatch.setattr(zoneinfo, "ZoneInfo", lambda name: SIX if name == "Asia/Almaty" else real(name))
    spec = importlib.util.spec_from_file_location("old_clock", clock.__file__)
    assert spec is not None
    assert spec.loader is not None
    with pytest.raises(ImportError, match="2024a"):
        spec.loader.exec_module(importlib.util.module_from_spec(spec))
