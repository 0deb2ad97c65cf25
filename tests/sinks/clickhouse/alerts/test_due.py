"""The term of a mandatory report is the end of the next working day in Almaty (AML law 191-IV, Art. 10)."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from esep.calendar import is_working_day, load_holidays
from esep.sinks.clickhouse.alerts.due import due_at, due_of

HOLIDAYS = load_holidays()
ALMATY = ZoneInfo("Asia/Almaty")
FIRST = datetime(2025, 1, 1, tzinfo=UTC)
paid = st.integers(0, 700 * 24 * 60).map(lambda minutes: FIRST + timedelta(minutes=minutes))


@given(paid)
def test_term_ends_with_the_first_working_day_after_the_day_of_the_payout(occurred_at: datetime) -> None:
    """J127-17: days are Almaty's. Held to a walk over the calendar's days."""
    due = due_at(occurred_at, HOLIDAYS).astimezone(ALMATY)
    assert (due.hour, due.minute, due.second, due.microsecond) == (23, 59, 59, 999_000)
    first = occurred_at.astimezone(ALMATY).date()
    between = [first + timedelta(days=n) for n in range(1, (due.date() - first).days + 1)]
    assert [is_working_day(day, HOLIDAYS) for day in between] == [False] * (len(between) - 1) + [True]


@pytest.mark.parametrize(
    ("occurred_at", "day"),
    [
        (datetime(2026, 11, 19, 18, 59, tzinfo=UTC), date(2026, 11, 20)),  # Thursday, 23:59 in Almaty.
        (datetime(2026, 11, 19, 19, 0, tzinfo=UTC), date(2026, 11, 23)),  # Friday, 0:00; the weekend is not worked.
        (datetime(2026, 3, 20, 7, 0, tzinfo=UTC), date(2026, 3, 26)),  # Nauryz.
    ],
)
def test_day_of_the_term_passes_over_weekends_and_holidays(occurred_at: datetime, day: date) -> None:
    assert due_at(occurred_at, HOLIDAYS).astimezone(ALMATY).date() == day


@given(st.lists(paid, max_size=8), paid)
def test_those_with_the_least_time_come_first_and_are_negative_once_overdue(
    payouts: list[datetime], now: datetime
) -> None:
    rows = [
        {
            "alert_id": f"{number:032x}",
            "revision": 1,
            "rule_id": "WIN_THRESHOLD",
            "occurred_at": occurred_at,
            "organizer_bins": ["940140000385"],
            "last_verdict": "",
        }
        for number, occurred_at in enumerate(payouts)
    ]
    found = due_of(rows, HOLIDAYS, now)
    assert sorted(one.alert_id for one in found) == [row["alert_id"] for row in rows]
    assert [one.hours_left for one in found] == sorted(one.hours_left for one in found)
    for one in found:
        assert abs(one.hours_left - (one.due_at - now).total_seconds() / 3600) <= 0.005
        assert one.to_json()["due_at"].endswith("Z")
