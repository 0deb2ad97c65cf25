"""What of a state is too old, and how it goes."""

from __future__ import annotations

from datetime import UTC, date, datetime

import pytest

from esep.stream_apps.alerts import state as module
from esep.stream_apps.alerts.columns import Winning
from esep.stream_apps.alerts.rules import DAY_MS, KEPT_MS
from esep.stream_apps.alerts.state import AlertsData, AlertState, Changes, Entry, first_day_kept
from tests.stream_apps.alerts.made import columns_of

PERSON = b"k" * 16
DAY = date(2026, 3, 11).toordinal() - date(1970, 1, 1).toordinal()
BEGIN_MS = int(datetime(2026, 3, 10, 19, tzinfo=UTC).timestamp() * 1000)
OPEN = AlertState(1, "OPEN", b"d" * 16)


def winning(day: int, entry_id: str = "940140000385/desk-1/1", leg: int = 1) -> Winning:
    return Winning(BEGIN_MS + (day - DAY) * DAY_MS, entry_id, 0 if leg > 0 else 1, leg, 5 * leg, 0)


def changes_of(data: AlertsData, clock_ms: int, small: list[Winning]) -> Changes:
    return Changes(clock_ms, data.sweep(), columns_of([PERSON] * len(small), small), {}, {})


def test_first_day_kept_is_the_one_that_holds_the_far_end_of_46_days() -> None:
    assert first_day_kept(BEGIN_MS + KEPT_MS) == DAY
    assert first_day_kept(BEGIN_MS + KEPT_MS - 1) == DAY - 1


def test_only_what_lies_before_the_first_day_kept_goes() -> None:
    large = {
        (PERSON, "old"): Entry(DAY - 1, (winning(DAY),), OPEN),
        (PERSON, "late"): Entry(DAY, (winning(DAY - 90),), OPEN),
    }
    data = AlertsData(large=large, days={(PERSON, "2026-03-10"): OPEN, (PERSON, "2026-03-11"): OPEN})
    data.apply(changes_of(data, BEGIN_MS + KEPT_MS, [winning(DAY - 1), winning(DAY)]))
    data.apply(changes_of(data, BEGIN_MS + KEPT_MS, []))
    assert set(data.large) == {(PERSON, "late")}
    assert set(data.days) == {(PERSON, "2026-03-11")}
    assert (len(data.small), data.swept_day) == (1, DAY)


def test_much_that_is_old_goes_in_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "SWEEP_SLOTS_MAX", 2)
    data = AlertsData()
    data.apply(changes_of(data, BEGIN_MS + KEPT_MS, [winning(DAY - number) for number in range(6)]))
    left = []
    for _ in range(4):
        data.apply(changes_of(data, BEGIN_MS + KEPT_MS, []))
        left.append((len(data.small), data.swept_day))
    assert left == [(4, 0), (2, 0), (1, DAY), (1, DAY)]


def test_nobody_looks_twice_for_one_day() -> None:
    data = AlertsData(clock_ms=BEGIN_MS + KEPT_MS)
    data.apply(changes_of(data, BEGIN_MS + KEPT_MS + DAY_MS - 1, []))
    assert data.sweep().day is None
    data.apply(changes_of(data, BEGIN_MS + KEPT_MS + DAY_MS, []))
    assert data.sweep().day == DAY + 1
