"""Periods by Almaty's calendar: every day is in one day, month, half and year (J127-17)."""

from __future__ import annotations

from datetime import date, timedelta
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from esep.errors import UsageError
from esep.sinks.clickhouse.reports.period import month_of, months_before, months_of, period_of


@given(st.dates(date(1, 2, 1), date(9998, 12, 31)))
def test_period_of_a_day_holds_it_and_ends_where_the_next_begins(day: date) -> None:
    half = 1 if day.month <= 6 else 2
    for label in (f"{day}", f"{day.year:04d}-{day.month:02d}", f"{day.year:04d}-H{half}", f"{day.year:04d}"):
        period = period_of(label)
        assert (period.label, period.first_day <= day <= period.last_day) == (label, True)
        after = period.last_day + timedelta(days=1)
        if len(label) < 10:
            assert (period.first_day.day, after.day) == (1, 1)
            assert f"{period.first_day:%d.%m.}" in str(period)
    assert month_of(day) == period_of(f"{day.year:04d}-{day.month:02d}")


@given(st.dates(date(3, 1, 1), date(9998, 12, 31)))
def test_months_follow_each_other(day: date) -> None:
    for months in (months_before(month_of(day)), months_of(day.year)):
        for before, month in pairwise(months):
            assert before.last_day + timedelta(days=1) == month.first_day
    assert (len(months_before(month_of(day))), len(months_of(day.year))) == (13, 12)
    assert months_before(month_of(day))[-1] == month_of(day)


@pytest.mark.parametrize(
    "text", ["", "2026-13", "2026-02-30", "2026-H3", "26-11", "2026-11-20 ", "2026-1", "0000", "٢٠٢٦"]
)
def test_what_is_no_period_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match="no period"):
        period_of(text)
