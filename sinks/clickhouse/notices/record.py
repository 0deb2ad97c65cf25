"""Issue notices, and know how much time is left for those that are not: the record in ClickHouse.

Reads     the notices of the last days (`query`), tables notices and notice_days
Writes    a row of `notices` per notice that had not been issued; a row of `notice_days` per day looked through
Promises  append-only: what was issued stays; an id is issued once however often it is asked (by one at a time); a day
          of which more became known has a second notice (clause O9-5.3; box: sinks/clickhouse)
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from esep.calendar import Holidays
from esep.clock import almaty_day_of, to_ms
from esep.sinks.clickhouse.notices.facts import Notice, due_at
from esep.sinks.clickhouse.notices.query import notices_of, row_count
from esep.sinks.clickhouse.tables import RECEIPTS_TABLE

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import date

    from clickhouse_connect.driver.client import Client

DAYS_BACK = 10  # Longer than any time off of the calendar with a weekend on each side, so that no term is forgotten.
_COLUMNS = ("notice_id", "organizer_bin", "day", "due_at", "issued_at", "content")
_HOUR = timedelta(hours=1)


@dataclass(frozen=True, slots=True)
class Standing:
    """The oldest day that nobody looked through, the end of its term (UTC), hours until then; negative: overdue."""

    day: date
    due_at: datetime
    hours_left: float

    def to_json(self) -> dict[str, Any]:
        """Return it for a program to read."""
        return {"day": str(self.day), "due_at": self.due_at.isoformat(), "hours_left": self.hours_left}


def complete_days(now: datetime, count: int = DAYS_BACK) -> list[date]:
    """Return the last days (Almaty) that are over, the oldest first.

    >>> from datetime import UTC
    >>> [str(day) for day in complete_days(datetime(2026, 11, 21, 19, tzinfo=UTC), 2)]
    ['2026-11-20', '2026-11-21']
    """
    today = almaty_day_of(to_ms(now))
    return [today - timedelta(days=further) for further in range(count, 0, -1)]


def open_notices(client: Client, days: Sequence[date], holidays: Holidays, organizer_bin: str = "") -> list[Notice]:
    """Return the notices of some days that were not issued yet, by day and organizer.

    A day that was looked through is not read again until rows have come that could change it.
    """
    return _open(client, list(_changed(client, days)), holidays, organizer_bin)


def issue(client: Client, days: Sequence[date], holidays: Holidays, now: datetime) -> list[Notice]:
    """Record the notices of some days that were not issued yet, and that the days were looked through; return them."""
    changed = _changed(client, days)  # Counted before the facts are read: what comes meanwhile changes the day again.
    found = _open(client, list(changed), holidays)
    if found:
        rows = [[one.notice_id, one.organizer_bin, one.day, one.due_at, now, one.content] for one in found]
        client.insert("notices", rows, column_names=_COLUMNS)
    if changed:
        looked = [[day, now, sum(one.day == day for one in found), count] for day, count in changed.items()]
        client.insert("notice_days", looked, column_names=("day", "examined_at", "notice_count", "row_count"))
    return found


def hours_left(notice: Notice, now: datetime) -> float:
    """Return the hours until a notice is due, negative once it is overdue."""
    return round((notice.due_at - now) / _HOUR, 2)


def standing(client: Client, holidays: Holidays, now: datetime) -> Standing | None:
    """Return the oldest of the last DAYS_BACK days that nobody looked through, from the first message on, or None."""
    days = complete_days(now)
    whole = f"SELECT count(), toUnixTimestamp64Milli(min(received_at)) FROM {RECEIPTS_TABLE.name}"  # noqa: S608 - our name
    count, first_ms = client.query(whole).result_rows[0]
    if not count:
        return None
    rows = client.query("SELECT DISTINCT day FROM notice_days WHERE day >= {day:Date}", parameters={"day": days[0]})
    examined = {row[0] for row in rows.result_rows}
    begun = almaty_day_of(int(first_ms))
    untold = next((day for day in days if day >= begun and day not in examined), None)
    if untold is None:
        return None
    due = due_at(untold, holidays)
    return Standing(untold, due, round((due - now) / _HOUR, 2))


def _open(client: Client, days: Sequence[date], holidays: Holidays, organizer_bin: str = "") -> list[Notice]:
    found = [notice for day in days for notice in notices_of(client, day, holidays, organizer_bin)]
    issued = _issued(client, days) if found else set()
    return [notice for notice in found if notice.notice_id not in issued]


def _changed(client: Client, days: Sequence[date]) -> dict[date, int]:
    """Return the days that nobody looked through as they are now, with the rows that their facts come from."""
    rows = client.query(
        "SELECT day, max(row_count) FROM notice_days WHERE day BETWEEN {first:Date} AND {last:Date} GROUP BY day",
        parameters={"first": min(days), "last": max(days)},
    ).result_rows
    seen = {row[0]: int(row[1]) for row in rows}
    counts = {day: row_count(client, day) for day in days}
    return {day: count for day, count in counts.items() if seen.get(day) != count}


def _issued(client: Client, days: Sequence[date]) -> set[str]:
    parameters = {"first": min(days), "last": max(days)}
    answer = client.query(
        "SELECT notice_id FROM notices WHERE day BETWEEN {first:Date} AND {last:Date}", parameters=parameters
    )
    return {row[0] for row in answer.result_rows}
