"""The period of a report: a day, a month, half a year or a year, by Almaty's calendar.

Reads     a text such as 2026-11-20, 2026-11, 2026-H2, 2026
Returns   `Period`: first and last day, both included; the months in it or before it
Promises  pure; every text names one period or none (clause J127-17; box: sinks/clickhouse)
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import date, timedelta

from esep.errors import UsageError

_SHAPE = re.compile(r"([0-9]{4})(?:-(?:H([12])|([0-9]{2})(?:-([0-9]{2}))?))?")
_DAY = timedelta(days=1)
_MONTHS = 12


@dataclass(frozen=True, slots=True)
class Period:
    """From first_day to last_day, both included (Almaty). label: as a person asks for it."""

    label: str
    first_day: date
    last_day: date

    def __str__(self) -> str:
        """Return the label with the days that it stands for, as they are written in the country."""
        first, last = f"{self.first_day:%d.%m.%Y}", f"{self.last_day:%d.%m.%Y}"
        return f"{self.label} ({first})" if first == last else f"{self.label} ({first} – {last})"


def period_of(text: str) -> Period:
    """Return the period that a text names; UsageError if it names none.

    >>> str(period_of("2026-H2"))
    '2026-H2 (01.07.2026 – 31.12.2026)'
    """
    found = _SHAPE.fullmatch(text)
    if found is None:
        raise _none()
    year, half, month, day = found.groups()
    try:
        if day:
            only = date(int(year), int(month), int(day))
            return Period(text, only, only)
        if month:
            return month_of(date(int(year), int(month), 1))
        first = date(int(year), 7 if half == "2" else 1, 1)
        return Period(text, first, date(int(year), 6 if half == "1" else 12, 30 if half == "1" else 31))
    except ValueError as error:
        raise _none() from error


def _none() -> UsageError:
    hint = "write a day, month, half or year: 2026-11-20, 2026-11, 2026-H2, 2026"
    return UsageError("this is no period of a report", hint=hint)


def month_of(day: date) -> Period:
    """Return the month of a day."""
    first = day.replace(day=1)
    return Period(first.isoformat()[:7], first, (first + 31 * _DAY).replace(day=1) - _DAY)


def months_before(period: Period, count: int = _MONTHS) -> list[Period]:
    """Return the month in which a period begins and so many before it, the earliest first.

    >>> [one.label for one in months_before(period_of("2026-01"), 2)]
    ['2025-11', '2025-12', '2026-01']
    """
    found = [month_of(period.first_day)]
    for _ in range(count):
        found.insert(0, month_of(found[0].first_day - _DAY))
    return found


def months_of(year: int) -> list[Period]:
    """Return the months of a year."""
    return [month_of(date(year, number, 1)) for number in range(1, _MONTHS + 1)]
