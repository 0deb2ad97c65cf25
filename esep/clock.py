"""One clock: instants are UTC, days and years are the capital's (clause J127-17).

Reads     columns of instants, or one instant
Returns   the Almaty day or year of each
Promises  tz data 2024a or newer is in use (the country is at UTC+5 since 1 March 2024), or import fails
"""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

if TYPE_CHECKING:
    import polars as pl

ALMATY = "Asia/Almaty"
AHEAD_MAX = timedelta(minutes=5)  # How far an organizer's clock may run ahead of the broker's stamp (DESIGN §4).
# What a topic is to tell stages counts so much after the broker's stamp on it: by then all of them know of it.
PUBLISHED_DELAY_MS = 60_000
RETENTION_YEARS = 5  # Clause O9-4.7: at least 5 years, counted from 1 January of the year after the year of the bet.

if datetime(2024, 7, 1, tzinfo=ZoneInfo(ALMATY)).utcoffset() != timedelta(hours=5):
    raise ImportError("the time zone data of this machine are older than 2024a: install the tzdata package")


def almaty_year(instants: pl.Series) -> pl.Series:
    """Return the calendar year in Almaty of each UTC instant (Int32).

    >>> import polars as pl
    >>> almaty_year(pl.Series([datetime(2025, 12, 31, 18, 59), datetime(2025, 12, 31, 19)])).to_list()
    [2025, 2026]
    """
    return _in_almaty(instants).dt.year()


def almaty_day(instants: pl.Series) -> pl.Series:
    """Return the calendar day in Almaty of each UTC instant (Date)."""
    return _in_almaty(instants).dt.date()


def almaty_day_of(instant_ms: int) -> date:
    """Return the calendar day in Almaty of one UTC instant in milliseconds.

    >>> almaty_day_of(1_767_207_600_000)
    datetime.date(2026, 1, 1)
    """
    return datetime.fromtimestamp(instant_ms / 1000, ZoneInfo(ALMATY)).date()


def retention_horizon(now: datetime) -> datetime:
    """Return the first instant (UTC) whose events must still be kept: 1 January, Almaty, five full years back.

    A bet of year Y is kept through 31 December of Y + 5 (clause O9-4.7).

    >>> retention_horizon(datetime(2026, 11, 21, tzinfo=UTC)).isoformat()
    '2020-12-31T18:00:00+00:00'
    """
    year = now.astimezone(ZoneInfo(ALMATY)).year
    return datetime(year - RETENTION_YEARS, 1, 1, tzinfo=ZoneInfo(ALMATY)).astimezone(UTC)


def to_ms(instant: datetime) -> int:
    """Return an aware instant as milliseconds since 1970, UTC."""
    return (instant - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(milliseconds=1)


def _in_almaty(instants: pl.Series) -> pl.Series:
    aware = instants if getattr(instants.dtype, "time_zone", None) else instants.dt.replace_time_zone("UTC")
    return aware.dt.convert_time_zone(ALMATY)
