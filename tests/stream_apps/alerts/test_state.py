"""What of a state is too old, and how it goes."""

from __future__ import annotations

from datetime import UTC, date, datetime

import pytest

from esep.rules import DAY_MS, load_rules
from esep.stream_apps.alerts import state as module
from esep.stream_apps.alerts.columns import Posting, columns_of
from esep.stream_apps.alerts.program import compile_rules
from esep.stream_apps.alerts.state import AlertKey, AlertsData, AlertState, Changes, Entry

PERSON = b"k" * 16
PROGRAM = compile_rules(load_rules())
KEPT_MS = PROGRAM.kept_ms
DAY = date(2026, 3, 11).toordinal() - date(1970, 1, 1).toordinal()
BEGIN_MS = int(datetime(2026, 3, 10, 19, tzinfo=UTC).timestamp() * 1000)
OPEN = AlertState(1, "OPEN", b"d" * 16)


def posting(day: int, entry_id: str = "940140000385/desk-1/1", leg: int = 1) -> Posting:
    return Posting(BEGIN_MS + (day - DAY) * DAY_MS, entry_id, 0 if leg > 0 else 1, leg, 5 * leg, 0)


def changes_of(data: AlertsData, clock_ms: int, small: list[Posting]) -> Changes:
    return Changes(clock_ms, data.sweep(), columns_of([PERSON] * len(small), small), {}, {}, {})


def test_first_day_kept_is_the_one_that_holds_the_far_end_of_46_days() -> None:
    assert PROGRAM.first_day_kept(BEGIN_MS + KEPT_MS) == DAY
    assert PROGRAM.first_day_kept(BEGIN_MS + KEPT_MS - 1) == DAY - 1


def test_only_what_lies_before_the_first_day_kept_goes() -> None:
    told = {("WIN_THRESHOLD", 1): OPEN}
    entries = {
        (PERSON, "old"): Entry(DAY - 1, (posting(DAY),), told),
        (PERSON, "late"): Entry(DAY, (posting(DAY - 90),), told),
    }
    buckets = ("2026-03-10", "2026-03-11", "2026-W11", "2026-W12", "2026-03", "2026-04")
    keys = [AlertKey(PERSON, "WIN_STRUCTURED", 1, bucket) for bucket in buckets]
    data = AlertsData(PROGRAM, entries=entries, alerts=dict.fromkeys(keys, OPEN))
    data.apply(changes_of(data, BEGIN_MS + KEPT_MS, [posting(DAY - 1), posting(DAY)]))
    data.apply(changes_of(data, BEGIN_MS + KEPT_MS, []))
    assert set(data.entries) == {(PERSON, "late")}
    assert {key.bucket for key in data.alerts} == {"2026-03-11", "2026-W12", "2026-04"}
    assert (len(data.postings), data.swept_day) == (1, DAY)


def test_much_that_is_old_goes_in_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "SWEEP_SLOTS_MAX", 2)
    data = AlertsData(PROGRAM)
    data.apply(changes_of(data, BEGIN_MS + KEPT_MS, [posting(DAY - number) for number in range(6)]))
    left = []
    for _ in range(4):
        data.apply(changes_of(data, BEGIN_MS + KEPT_MS, []))
        left.append((len(data.postings), data.swept_day))
    assert left == [(4, 0), (2, 0), (1, DAY), (1, DAY)]


def test_nobody_looks_twice_for_one_day() -> None:
    data = AlertsData(PROGRAM, clock_ms=BEGIN_MS + KEPT_MS)
    data.apply(changes_of(data, BEGIN_MS + KEPT_MS + DAY_MS - 1, []))
    assert data.sweep().day is None
    data.apply(changes_of(data, BEGIN_MS + KEPT_MS + DAY_MS, []))
    assert data.sweep().day == DAY + 1
