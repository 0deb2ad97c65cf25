"""The working calendar of Kazakhstan: which days are worked, and which is the next one.

Reads     holidays.yaml beside this file, or another of its form
Returns   `Holidays` as plain sets of days; `is_working_day`, `next_working_day` over any such sets; `end_of_day`
Promises  pure but for `load_holidays`; a year that the file does not know is an error and never a guess; days are
          Almaty's (clause O9-5.3: "within 1 working day"; J127-17)
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from itertools import count
from pathlib import Path
from zoneinfo import ZoneInfo

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from esep.clock import ALMATY
from esep.errors import FileUnusable
from esep.yaml_text import from_yaml

HOLIDAYS_FILE = Path(__file__).with_name("holidays.yaml")
_DAY = timedelta(days=1)
_SATURDAY = 5  # As datetime numbers the days of the week: Monday is 0.
_OFF_DAYS_MAX = 31  # In a row; the longest time off in the country's calendars is six days.


@dataclass(frozen=True, slots=True)
class Holidays:
    """Where the calendar departs from the week, from first_year to last_year, wherever that comes from.

    off: days on which nobody works although they may be weekdays. worked: weekend days on which people work.
    """

    off: frozenset[date]
    worked: frozenset[date]
    first_year: int
    last_year: int


class _Fact(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class _Yearly(_Fact):
    """Days of every year, as MM-DD, from a day on and before another (null: no end)."""

    month_days: tuple[str, ...] = Field(min_length=1, alias="days")
    valid_from: date | None = Field(default=None, alias="from")
    valid_to: date | None = Field(default=None, alias="to")
    kk: str
    ru: str

    def days(self, year: int) -> list[date]:
        of_year = [date.fromisoformat(f"{year}-{month_day}") for month_day in self.month_days]
        return [
            day
            for day in of_year
            if (self.valid_from is None or self.valid_from <= day) and (self.valid_to is None or day < self.valid_to)
        ]


class _KurbanAit(_Fact):
    day: date
    expected: bool = False


class _Moved(_Fact):
    free: date
    worked: date | None = None
    source: str = Field(min_length=1)


class _File(_Fact):
    holidays: tuple[_Yearly, ...]
    days_off: tuple[_Yearly, ...]
    kurban_ait: tuple[_KurbanAit, ...] = Field(min_length=1)
    moved: tuple[_Moved, ...]


def is_working_day(day: date, holidays: Holidays) -> bool:
    """Return whether people work on a day; FileUnusable if the calendar does not know its year."""
    if not holidays.first_year <= day.year <= holidays.last_year:
        raise FileUnusable(
            f"the working calendar does not know the year {day.year}",
            detail=f"it goes from {holidays.first_year} to {holidays.last_year}",
            hint="write the holidays of that year into esep/holidays.yaml",
        )
    return day in holidays.worked or (day.weekday() < _SATURDAY and day not in holidays.off)


def next_working_day(day: date, holidays: Holidays) -> date:
    """Return the first working day after a day.

    >>> next_working_day(date(2026, 3, 20), load_holidays())  # Nauryz meets a weekend
    datetime.date(2026, 3, 26)
    """
    for further in range(1, _OFF_DAYS_MAX + 1):
        if is_working_day(day + further * _DAY, holidays):
            return day + further * _DAY
    raise FileUnusable(f"the working calendar has no working day within {_OFF_DAYS_MAX} days after {day}")


def end_of_day(day: date) -> datetime:
    """Return the last millisecond of a day in Almaty, UTC.

    >>> end_of_day(date(2026, 11, 23)).isoformat()
    '2026-11-23T18:59:59.999000+00:00'
    """
    return start_of_day(day + _DAY) - timedelta(milliseconds=1)


def start_of_day(day: date) -> datetime:
    """Return the first instant of a day in Almaty, UTC."""
    return datetime.combine(day, time(), ZoneInfo(ALMATY)).astimezone(UTC)


def load_holidays(path: Path = HOLIDAYS_FILE) -> Holidays:
    """Return the calendar in a YAML file; FileUnusable says where it is wrong.

    A holiday on a weekend makes the next working day a day off, in the order of the holidays.
    """
    file = _read(path)
    years = sorted({fact.day.year for fact in file.kurban_ait})
    if years != list(range(years[0], years[-1] + 1)):
        raise FileUnusable(f"the calendar {path} leaves out a year", detail=f"Kurban Ait is given for {years}")
    celebrated = sorted(day for year in years for fact in file.holidays for day in fact.days(year))
    plain = {day for year in years for fact in file.days_off for day in fact.days(year)}
    plain |= {fact.day for fact in file.kurban_ait} | {fact.free for fact in file.moved}
    worked = frozenset(fact.worked for fact in file.moved if fact.worked is not None)
    off = {*celebrated, *plain}
    for holiday in celebrated:
        if holiday.weekday() >= _SATURDAY:
            off.add(_next_free(holiday, off, worked))
    return Holidays(frozenset(off), worked, years[0], years[-1])


def _next_free(holiday: date, off: set[date], worked: frozenset[date]) -> date:
    """Return the first day after a holiday that would be worked but for it."""
    later = (holiday + further * _DAY for further in count(1))
    return next(day for day in later if day in worked or (day.weekday() < _SATURDAY and day not in off))


def _read(path: Path) -> _File:
    try:
        return _File.model_validate(from_yaml(path.read_text(encoding="utf-8")))
    except OSError as error:
        raise FileUnusable(f"the calendar {path} cannot be read", detail=error.strerror or "") from error
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise FileUnusable(f"the calendar {path} is not YAML", detail=str(error)) from error
    except ValidationError as error:
        faults = "; ".join(f"{'.'.join(map(str, fault['loc']))}: {fault['msg']}" for fault in error.errors())
        raise FileUnusable(f"the calendar {path} does not say what it must", detail=faults) from error
