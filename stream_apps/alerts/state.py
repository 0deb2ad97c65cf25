"""What the stage alerts keeps of a partition, and what of it is too old to matter.

Reads     `Changes` of a poll
Returns   `AlertsData`; a `Sweep`
Promises  what is dropped is never looked at again, so that no alert depends on when it is dropped (box: alerts)

Where a program is about means of payment, a person key here is the key of one of them: both have 16 bytes.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from typing import NamedTuple

import numpy as np

from esep.buckets import first_day_of
from esep.stream_apps.alerts.columns import Columns, Posting
from esep.stream_apps.alerts.postings import Postings
from esep.stream_apps.alerts.program import Program
from esep.stream_apps.alerts.reach import Reach
from esep.stream_apps.alerts.shelf import BookKey, Shelf, Shelved

SWEEP_SLOTS_MAX = 10_000  # Persons and days dropped with one poll: some megabytes of tombstones at the most.
EntryKey = tuple[bytes, str]  # Person key and entry id.
RuleKey = tuple[str, int]  # Rule id and version.
OPEN, UPDATED, WITHDRAWN = "OPEN", "UPDATED", "WITHDRAWN"  # Statuses of an alert.
DIGEST_BYTES = 16
_EPOCH_DAY = date(1970, 1, 1).toordinal()


class AlertState(NamedTuple):
    """What was last said of an alert. revision: 0 if nothing was. digest: of its evidence."""

    revision: int
    status: str
    digest: bytes


UNTOLD = AlertState(0, WITHDRAWN, bytes(DIGEST_BYTES))


class AlertKey(NamedTuple):
    """Which alert of a rule that has buckets of the calendar."""

    person: bytes
    rule_id: str
    version: int
    bucket: str


class Entry(NamedTuple):
    """An entry that some rule looks at by itself: its postings and its alerts.

    day: of UTC+5, when the latest of them arrived. Without legs it is left to the nightly run.
    """

    day: int
    legs: tuple[Posting, ...]
    alerts: dict[RuleKey, AlertState]


class Sweep(NamedTuple):
    """What is too old. day: all of it lies before this day; None: nobody looked. slots: numbers in `postings`."""

    day: int | None
    slots: np.ndarray
    entries: list[EntryKey]
    alerts: list[AlertKey]


class Changes(NamedTuple):
    """What a poll changes. postings: the new ones. entries, alerts: the new content of each that changes.

    books: those that were open, to be kept. under: the data as they are under a file of rules that was taken, if any.
    """

    clock_ms: int
    sweep: Sweep
    postings: Columns
    entries: dict[EntryKey, Entry]
    alerts: dict[AlertKey, AlertState]
    books: Mapping[BookKey, Shelved]
    under: AlertsData | None = None


@dataclass(slots=True)
class AlertsData:
    """The data of one input partition.

    clock_ms: the latest received_at. swept_day: all before it is gone. postings: those that rules with windows look at,
    kept by when they occurred. entries: those that rules look at one by one, kept by when they arrived, since each of
    them is to be told, however late. alerts: what was last said of each person, rule and bucket of the calendar. reach,
    shelf: what spares work and decides nothing, so that neither is in the changelog and both may be ahead of a commit.
    takings: by number of each file of rules that was taken, the first offsets of the ledger, by its partition, of what
    arrived under it.
    """

    program: Program
    clock_ms: int = 0
    swept_day: int = 0
    postings: Postings = field(default_factory=Postings, init=False)
    reach: Reach = field(init=False)
    shelf: Shelf = field(default_factory=Shelf, init=False)
    entries: dict[EntryKey, Entry] = field(default_factory=dict)
    alerts: dict[AlertKey, AlertState] = field(default_factory=dict)
    takings: dict[int, Mapping[int, int]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Begin without postings."""
        self.reach = Reach([compiled.bounds for compiled in self.program.window_rules])

    def under(self, program: Program, begins: Mapping[int, int]) -> AlertsData:
        """Return the same data under the program of a file that is taken now; this object stays as it is.

        begins: see `takings`. What is kept is shared by both; what is not stored is worked out from it anew.
        """
        takings = {**self.takings, program.number: begins}
        after = AlertsData(self.program, self.clock_ms, self.swept_day, self.entries, self.alerts, takings)
        after.postings = self.postings
        after.take(program)
        return after

    def take(self, program: Program) -> None:
        """Go on under the program of a file that is among `takings`; open books know another one's filters."""
        self.program, self.shelf = program.begun(self.takings), Shelf()
        self._reach_anew()

    def sweep(self) -> Sweep:
        """Return what may be dropped as of the clock: the oldest part of it where it is much."""
        day = self.program.first_day_kept(self.clock_ms)
        if day <= self.swept_day:
            return Sweep(None, np.zeros(0, np.int64), [], [])
        entries = [key for key, entry in self.entries.items() if entry.day < day]
        alerts = [key for key in self.alerts if first_day_of(key.bucket).toordinal() - _EPOCH_DAY < day]
        return Sweep(day, self.postings.past(day, SWEEP_SLOTS_MAX), entries, alerts)

    def put(self, postings: Columns) -> None:
        """Add postings that were changes of a poll before."""
        self.postings.put(postings)
        self.reach.add(postings, self.program.bits(postings.facts))

    def apply(self, changes: Changes) -> None:
        """Make the changes of a poll; who worked them out has added the postings to `reach`."""
        if (under := changes.under) is not None:
            self.program, self.takings, self.reach, self.shelf = under.program, under.takings, under.reach, under.shelf
        self.clock_ms = changes.clock_ms
        sweep = changes.sweep
        for entry in sweep.entries:
            del self.entries[entry]
        for alert in sweep.alerts:
            del self.alerts[alert]
        self.postings.put(changes.postings)
        if self.postings.drop(sweep.slots):
            self._reach_anew()
        if sweep.day is not None and len(sweep.slots) < SWEEP_SLOTS_MAX:
            self.swept_day = sweep.day
        self.entries.update(changes.entries)
        self.alerts.update(changes.alerts)
        self.shelf.put(changes.books)

    def _reach_anew(self) -> None:
        kept = self.postings.all()
        self.reach = Reach([compiled.bounds for compiled in self.program.window_rules])
        self.reach.add(kept, self.program.bits(kept.facts))
