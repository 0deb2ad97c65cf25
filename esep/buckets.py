"""Calendar buckets: the Almaty day, ISO week or month by which the alerts of a rule are told apart.

Reads     instants, UTC, ms
Returns   the bucket that an instant falls into, with its name and span; the first day of a bucket by its name
Promises  buckets of a kind follow each other without gap or overlap; the name alone says which kind it is; days are
          Almaty's (DESIGN §7; J127-17)
"""

from __future__ import annotations

from datetime import date, datetime, time, timedelta
from functools import lru_cache
from typing import Literal, NamedTuple
from zoneinfo import ZoneInfo

from esep.clock import ALMATY, almaty_day_of, to_ms

Calendar = Literal["day", "week", "month"]
_HOUR_MS = 3_600_000
DAYS_MAX: dict[Calendar, int] = {"day": 1, "week": 7, "month": 31}


class Span(NamedTuple):
    """From an instant on and before another, UTC, ms."""

    start_ms: int
    end_ms: int


class Bucket(NamedTuple):
    """A bucket: 2026-11-28, 2026-W48 or 2026-11, and its span."""

    name: str
    span: Span


def bucket_of(kind: Calendar, instant_ms: int) -> Bucket:
    """Return the bucket of an instant.

    >>> [bucket_of(kind, 1_767_207_600_000).name for kind in DAYS_MAX]
    ['2026-01-01', '2026-W01', '2026-01']
    """
    return _bucket_of_hour(kind, instant_ms // _HOUR_MS)


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


@lru_cache(maxsize=10_000)
def _bucket_of_hour(kind: Calendar, hour: int) -> Bucket:
    """Return the bucket of all instants of an hour: midnight in Almaty is a whole hour of UTC."""
    return _bucket(kind, _start(kind, almaty_day_of(hour * _HOUR_MS)))


@lru_cache(maxsize=1000)
def _bucket(kind: Calendar, start: date) -> Bucket:
    end = _start(kind, start + timedelta(days=DAYS_MAX[kind]))
    week = start.isocalendar()
    names = {"day": start.isoformat(), "week": f"{week.year:04}-W{week.week:02}", "month": start.isoformat()[:7]}
    return Bucket(names[kind], Span(_midnight(start), _midnight(end)))


def _midnight(day: date) -> int:
    return to_ms(datetime.combine(day, time(), ZoneInfo(ALMATY)))
