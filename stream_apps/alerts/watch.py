"""Find what the payouts of winnings of a poll change: alerts to open, update or withdraw.

Reads     `Arrivals` of one partition, in offset order; its `AlertsData`
Returns   `Outcome`s in the order of the postings that caused them; the `Changes`
Promises  the set of alerts is a pure function of the set of postings, the order of arrival decides revisions only, and
          how it is cut into polls decides nothing (DESIGN §7); changes nothing (box: alerts)

Most persons are far from any threshold, and that is seen for all at once: where all that was ever booked for a person
around a posting, and in this poll, stays below the sum, no window can reach it. Only the others are looked at closely,
posting by posting. The clock is the latest received_at so far: an Almaty day that began 45 days or more before it is
closed, and what a posting would change in it is left to the nightly run. A payout that reaches the sum alone is told
however late it is.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime, time
from functools import lru_cache
from hashlib import sha256
from typing import TYPE_CHECKING, NamedTuple
from zoneinfo import ZoneInfo

import numpy as np

from esep.clock import ALMATY, almaty_day_of, to_ms
from esep.stream_apps.alerts.book import Book, Span
from esep.stream_apps.alerts.columns import Columns, Winning, day_of, days_of, persons_of, slots_of
from esep.stream_apps.alerts.rules import KEPT_MS, LATENESS_MS, MONITORED_TIYN, WIN_STRUCTURED, WIN_THRESHOLD, Rule
from esep.stream_apps.alerts.state import (
    DIGEST_BYTES,
    OPEN,
    UNTOLD,
    UPDATED,
    WITHDRAWN,
    AlertsData,
    AlertState,
    Changes,
    DayKey,
    Entry,
    LargeKey,
    first_day_kept,
)
from esep.stream_apps.poll import PERSON_WORDS

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

_DAYS_AROUND = (-2, -1, 0, 1, 2)  # What the windows of an Almaty day can hold, wherever Almaty's midnight may lie.
_ALWAYS = Span(-(2**63), 2**63)


@dataclass(frozen=True, slots=True)
class Arrivals:
    """The payouts of winnings of one partition of a poll. clocks_ms: the latest received_at up to each of them.

    clock_ms: the same after the partition's last record, winnings or not.
    """

    persons: list[bytes]
    columns: Columns
    clocks_ms: np.ndarray
    clock_ms: int


class Outcome(NamedTuple):
    """A new revision of an alert. window: what it rests on, empty if withdrawn. cause: place among the arrivals."""

    rule: Rule
    person: bytes
    bucket: str
    state: AlertState
    window: Sequence[Winning]
    cause: int


def watch(arrivals: Arrivals, data: AlertsData) -> tuple[list[Outcome], Changes]:
    """Return the outcomes of a poll and the changes that go with them."""
    columns = arrivals.columns
    large = np.abs(columns.amounts) >= MONITORED_TIYN
    small = (days_of(columns.slots) >= day_of(arrivals.clocks_ms - KEPT_MS)) & ~large
    near = _near_the_sum(arrivals, small, data)
    watcher = _Watcher(data, _books(columns.slots[near], data))
    closely = np.flatnonzero(large | near)
    for cause, winning in zip(closely.tolist(), columns.taken(closely).winnings(), strict=True):
        see = watcher.see_large if large[cause] else watcher.see_small
        see(arrivals.persons[cause], winning, int(arrivals.clocks_ms[cause]), cause)
    new = columns.taken(np.flatnonzero(small))
    return watcher.outcomes, Changes(arrivals.clock_ms, data.sweep(), new, watcher.large, watcher.days)


class _Watcher:
    """Goes through the arrivals that need a closer look, one by one, and gathers what they change."""

    def __init__(self, data: AlertsData, books: dict[bytes, Book]) -> None:
        self._data = data
        self._books = books
        self._decided: dict[DayKey, Sequence[Winning]] = {}  # The window that each was last decided on.
        self.large: dict[LargeKey, Entry] = {}
        self.days: dict[DayKey, AlertState] = {}
        self.outcomes: list[Outcome] = []

    def see_small(self, person: bytes, winning: Winning, clock_ms: int, cause: int) -> None:
        """Decide again on each Almaty day that has a window with this posting, unless lateness has closed it."""
        book = self._books[person]
        book.add(winning)
        for almaty_day, span in _days_of_windows(winning.occurred_ms):
            key, window = (person, almaty_day), book.first(span)
            if span.start_ms > clock_ms - LATENESS_MS and self._decided.get(key) is not window:
                self._decided[key] = window
                before = self.days.get(key) or self._data.days.get(key, UNTOLD)
                after = self._decide(WIN_STRUCTURED, key, before, window, cause)
                if after is not before:
                    self.days[key] = after

    def see_large(self, person: bytes, winning: Winning, clock_ms: int, cause: int) -> None:
        """Decide again on this entry, from all of its postings that are known."""
        key = (person, winning.entry_id)
        entry = self.large.get(key) or self._data.large.get(key)
        if entry is None or entry.day < first_day_kept(clock_ms):
            entry = Entry(0, (), UNTOLD)
        legs = (*entry.legs, winning)
        alert = self._decide(WIN_THRESHOLD, key, entry.alert, Book(WIN_THRESHOLD, legs).first(_ALWAYS), cause)
        self.large[key] = Entry(day_of(clock_ms), legs, alert)

    def _decide(
        self, rule: Rule, key: tuple[bytes, str], before: AlertState, window: Sequence[Winning], cause: int
    ) -> AlertState:
        """Return what is said of an alert (person and bucket) from now on, which is an outcome if it is news."""
        stands, digest = before.status != WITHDRAWN, _digest(window) if window else UNTOLD.digest
        if not (window or stands) or (stands and before.digest == digest):
            return before
        status = (UPDATED if stands else OPEN) if window else WITHDRAWN
        after = AlertState(before.revision + 1, status, digest)
        self.outcomes.append(Outcome(rule, *key, after, window, cause))
        return after


def _near_the_sum(arrivals: Arrivals, small: np.ndarray, data: AlertsData) -> np.ndarray:
    """Return which small arrivals belong to a person of whom any one could be part of a window that reaches the sum.

    A window of 24 hours that holds a posting lies within the posting's day, the one before and the one after.
    """
    slots, booked = arrivals.columns.slots[small], np.maximum(arrivals.columns.amounts[small], 0)
    numbers = {key: number for number, key in enumerate(dict.fromkeys(arrivals.persons))}
    owner = np.fromiter(map(numbers.__getitem__, arrivals.persons), np.int64, len(arrivals.persons))
    in_poll = np.zeros(len(numbers), np.int64)
    np.add.at(in_poll, owner[small], booked)
    reach = in_poll[owner[small]]
    for days in (-1, 0, 1):
        reach += data.small.booked(_shifted(slots, days))
    near = np.zeros(len(numbers), np.bool_)
    near[owner[small][reach >= WIN_STRUCTURED.sum_tiyn]] = True
    return small & near[owner]


def _books(slots: np.ndarray, data: AlertsData) -> dict[bytes, Book]:
    """Return for each person in these slots a book of all that matters around the days in them."""
    around = [_shifted(slots, days) for days in _DAYS_AROUND]
    held = data.small.of(np.unique(np.concatenate(around), axis=0))
    known: dict[bytes, list[Winning]] = {person: [] for person in persons_of(slots)}
    for person, winning in zip(persons_of(held.slots), held.winnings(), strict=True):
        known[person].append(winning)
    return {person: Book(WIN_STRUCTURED, winnings) for person, winnings in known.items()}


def _shifted(slots: np.ndarray, days: int) -> np.ndarray:
    return slots_of(slots[:, :PERSON_WORDS], days_of(slots) + days)


def _days_of_windows(occurred_ms: int) -> Iterator[tuple[str, Span]]:
    """Give the Almaty days, each with its span, in which a window can hold a posting of this instant."""
    first, last = almaty_day_of(occurred_ms), almaty_day_of(occurred_ms + WIN_STRUCTURED.window_ms - 1)
    for ordinal in range(first.toordinal(), last.toordinal() + 1):
        yield _almaty_day(ordinal)


@lru_cache(maxsize=1000)
def _almaty_day(ordinal: int) -> tuple[str, Span]:
    starts = [datetime.combine(date.fromordinal(one), time(), ZoneInfo(ALMATY)) for one in (ordinal, ordinal + 1)]
    return starts[0].date().isoformat(), Span(*map(to_ms, starts))


def _digest(window: Sequence[Winning]) -> bytes:
    return sha256(repr([tuple(one) for one in window]).encode()).digest()[:DIGEST_BYTES]
