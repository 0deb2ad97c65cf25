"""What the stage alerts keeps of a partition, and what of it is too old to matter.

Reads     `Changes` of a poll
Returns   `AlertsData`; a `Sweep`
Promises  what is dropped is never looked at again, so that no alert depends on when it is dropped (box: alerts)
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date
from typing import NamedTuple

import numpy as np

from esep.stream_apps.alerts.columns import Columns, Winning, day_of
from esep.stream_apps.alerts.rules import KEPT_MS
from esep.stream_apps.alerts.winnings import Winnings

SWEEP_SLOTS_MAX = 10_000  # Persons and days dropped with one poll: some megabytes of tombstones at the most.
LargeKey = tuple[bytes, str]  # Person key and entry id.
DayKey = tuple[bytes, str]  # Person key and Almaty day.
OPEN, UPDATED, WITHDRAWN = "OPEN", "UPDATED", "WITHDRAWN"  # Statuses of an alert.
DIGEST_BYTES = 16
_EPOCH_DAY = date(1970, 1, 1).toordinal()


class AlertState(NamedTuple):
    """What was last said of an alert. revision: 0 if nothing was. digest: of its evidence."""

    revision: int
    status: str
    digest: bytes


UNTOLD = AlertState(0, WITHDRAWN, bytes(DIGEST_BYTES))


class Entry(NamedTuple):
    """An entry that is large: its postings and its alert.

    day: the day of the clock (UTC+5) when the latest of them arrived.
    """

    day: int
    legs: tuple[Winning, ...]
    alert: AlertState


class Sweep(NamedTuple):
    """What is too old. day: all of it lies before this day; None: nobody looked. slots: numbers in `small`."""

    day: int | None
    slots: np.ndarray
    large: list[LargeKey]
    days: list[DayKey]


class Changes(NamedTuple):
    """What a poll changes. small: the new postings. large, days: the new content of each that changes."""

    clock_ms: int
    sweep: Sweep
    small: Columns
    large: dict[LargeKey, Entry]
    days: dict[DayKey, AlertState]


@dataclass(slots=True)
class AlertsData:
    """The data of one input partition.

    clock_ms: the latest received_at. swept_day: all before it is gone. small: the payouts of winnings below the
    monitored sum, kept by when they occurred. large: the others by entry, kept by when they arrived, since each of them
    is to be told, however late. days: what was last said of each person and Almaty day.
    """

    clock_ms: int = 0
    swept_day: int = 0
    small: Winnings = field(default_factory=Winnings)
    large: dict[LargeKey, Entry] = field(default_factory=dict)
    days: dict[DayKey, AlertState] = field(default_factory=dict)

    def sweep(self) -> Sweep:
        """Return what may be dropped as of the clock: the oldest part of it where it is much."""
        day = first_day_kept(self.clock_ms)
        if day <= self.swept_day:
            return Sweep(None, np.zeros(0, np.int64), [], [])
        large = [key for key, entry in self.large.items() if entry.day < day]
        days = [(person, almaty_day) for person, almaty_day in self.days if _number(almaty_day) < day]
        return Sweep(day, self.small.past(day, SWEEP_SLOTS_MAX), large, days)

    def apply(self, changes: Changes) -> None:
        """Make the changes of a poll."""
        self.clock_ms = changes.clock_ms
        sweep = changes.sweep
        for large in sweep.large:
            del self.large[large]
        for day in sweep.days:
            del self.days[day]
        self.small.drop(sweep.slots)
        if sweep.day is not None and len(sweep.slots) < SWEEP_SLOTS_MAX:
            self.swept_day = sweep.day
        self.small.put(changes.small)
        self.large.update(changes.large)
        self.days.update(changes.days)


def first_day_kept(clock_ms: int) -> int:
    """Return the first day of UTC+5 whose postings still matter at a clock."""
    return day_of(clock_ms - KEPT_MS)


def _number(almaty_day: str) -> int:
    return date.fromisoformat(almaty_day).toordinal() - _EPOCH_DAY
