"""Calendar buckets: the Almaty day, ISO week or month by which the alerts of a rule are told apart.

Reads     instants, UTC, ms
Returns   the buckets that instants fall into, each with its name and span; the first day of a bucket by its name
Promises  buckets of a kind follow each other without gap or overlap; the name alone says which kind it is; days are
          Almaty's (DESIGN §7; J127-17)
"""

from __future__ import annotations

from datetime import date, datetime, time, timedelta
from functools import lru_cache
from typing import TYPE_CHECKING, Literal, NamedTuple
from zoneinfo import ZoneInfo

from esep.clock import ALMATY, almaty_day_of, to_ms

if TYPE_CHECKING:
    from collections.abc import Iterator

Calendar = Literal["day", "week", "month"]
DAYS_MAX: dict[Calendar, int] = {"day": 1, "week": 7, "month": 31}


class Span(NamedTuple):
    """From an instant on and before another, UTC, ms."""

    start_ms: int
    end_ms: int


class Bucket(NamedTuple):
    """A bucket: 2026-11-28, 2026-W48 or 2026-11, and its span."""

    name: str
    span: Span


def buckets(kind: Calendar, first_ms: int, last_ms: int) -> Iterator[Bucket]:
    """Yield the buckets from that of one instant to that of another.

    >>> [bucket.name for bucket in buckets("week", 1_767_207_599_999, 1_767_207_600_000 + 5 * 86_400_000)]
    ['2026-W01', '2026-W02']
    """
    start, last = _start(kind, almaty_day_of(first_ms)), almaty_day_of(last_ms)
    while start <= last:
        yield _bucket(kind, start)
        start = _start(kind, start + timedelta(days=DAYS_MAX[kind]))


def first_day_of(name: str) -> date:
    """Return the first day of a bucket.

    >>> [str(first_day_of(name)) for name in ("2026-11-28", "2026-W48", "2026-11")]
    ['2026-11-28', '2026-11-23', '2026-11-01']
    """
    year, _, within = name.partition("-")
    if within.startswith("W"):
        return date.fromisocalendar(int(year), int(within[1:]), 1)
    return date.fromisoformat(name if "-" in within else f"{name}-01")


def start_ms_of(name: str) -> int:
    """Return the instant at which a bucket begins, UTC."""
    return _midnight(first_day_of(name))


def _start(kind: Calendar, day: date) -> date:
    if kind == "week":
        return day - timedelta(days=day.weekday())
    return day.replace(day=1) if kind == "month" else day


@lru_cache(maxsize=1000)
def _bucket(kind: Calendar, start: date) -> Bucket:
    end = _start(kind, start + timedelta(days=DAYS_MAX[kind]))
    week = start.isocalendar()
    names = {"day": start.isoformat(), "week": f"{week.year:04}-W{week.week:02}", "month": start.isoformat()[:7]}
    return Bucket(names[kind], Span(_midnight(start), _midnight(end)))


def _midnight(day: date) -> int:
    return to_ms(datetime.combine(day, time(), ZoneInfo(ALMATY)))
