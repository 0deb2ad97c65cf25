"""Find what the postings of a poll change: alerts to open, update or withdraw.

Reads     `Arrivals` of one partition, in offset order; its `AlertsData`
Returns   `Outcome`s in the order of the postings that caused them; the `Changes`
Promises  the set of alerts is a pure function of the set of postings, the order of arrival decides revisions only, and
          how it is cut into polls decides nothing (DESIGN §7); changes nothing (box: alerts)

Most persons are far from any threshold, and that is seen for all at once: where all that was ever booked for a person
around a posting, and in this poll, stays below an anchor of a rule, no window can reach it. Only the others are looked
at closely, posting by posting. The clock is the latest received_at so far: a bucket that began a rule's lateness or
more before it is closed, and what a posting would change in it is left to SQL. What a rule looks at by itself is told
however late it is; a late correction of what arrived more than ENTRY_DAYS_MAX days before is left to SQL, for what was
said of it then is forgotten.
"""

from __future__ import annotations

from dataclasses import dataclass
from hashlib import sha256
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from esep.buckets import Span
from esep.rules import DAY_MS, ENTRY_DAYS_MAX, LATENESS_MS, Rule
from esep.stream_apps.alerts.book import Book, Found
from esep.stream_apps.alerts.columns import Columns, Posting, day_of, days_of, persons_of, slots_of
from esep.stream_apps.alerts.state import (
    DIGEST_BYTES,
    OPEN,
    UNTOLD,
    UPDATED,
    WITHDRAWN,
    AlertKey,
    AlertsData,
    AlertState,
    Changes,
    Entry,
    EntryKey,
)
from esep.stream_apps.poll import PERSON_WORDS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from esep.stream_apps.alerts.program import Compiled

ALWAYS = Span(-(2**63), 2**63)
_TOLD_FIELDS = 6  # Of a posting: what an alert tells of its evidence.


@dataclass(frozen=True, slots=True)
class Arrivals:
    """The postings of one partition of a poll that some rule looks at. bits: the filters that each passes.

    received_ms: of each. clocks_ms: the latest received_at up to each of them. clock_ms: the same after the partition's
    last record.
    """

    persons: list[bytes]
    columns: Columns
    bits: np.ndarray
    received_ms: np.ndarray
    clocks_ms: np.ndarray
    clock_ms: int


class Outcome(NamedTuple):
    """A new revision of an alert. found: what it rests on, None if withdrawn. cause: place among the arrivals."""

    rule: Rule
    person: bytes
    bucket: str
    state: AlertState
    found: Found | None
    cause: int


def watch(arrivals: Arrivals, data: AlertsData) -> tuple[list[Outcome], Changes]:
    """Return the outcomes of a poll and the changes that go with them."""
    columns, bits, program = arrivals.columns, arrivals.bits, data.program
    occurred_ms = columns.facts["occurred_ms"]
    single = np.zeros(len(columns), np.bool_)
    for compiled in program.entry_rules:
        single |= ((bits & compiled.event_bit) != 0) & (occurred_ms >= compiled.since_ms)
    in_time = days_of(columns.slots) >= day_of(arrivals.clocks_ms - program.kept_ms)
    owners = _owners(arrivals.persons)
    kept, near = np.zeros(len(columns), np.bool_), []
    for number, compiled in enumerate(program.window_rules):
        seen = compiled.sees(occurred_ms, bits) & in_time
        kept |= seen
        near.append(_near_the_anchors(arrivals, owners, seen, data, number))
    watcher = _Watcher(data, [_books(columns, one, data, number) for number, one in enumerate(near)])
    closely = np.flatnonzero(single | np.logical_or.reduce(near)) if near else np.flatnonzero(single)
    for cause, posting in zip(closely.tolist(), columns.taken(closely).postings(bits[closely]), strict=True):
        person, clock_ms = arrivals.persons[cause], int(arrivals.clocks_ms[cause])
        if single[cause]:
            watcher.see_entry(person, posting, int(arrivals.received_ms[cause]), clock_ms, cause)
        for number, of_rule in enumerate(near):
            if of_rule[cause]:
                watcher.see_window(number, person, posting, clock_ms, cause)
    new = columns.taken(np.flatnonzero(kept))
    return watcher.outcomes, Changes(arrivals.clock_ms, data.sweep(), new, watcher.entries, watcher.alerts)


class _Watcher:
    """Goes through the arrivals that need a closer look, one by one, and gathers what they change."""

    def __init__(self, data: AlertsData, books: list[dict[bytes, Book]]) -> None:
        self._data = data
        self._books = books  # Per rule with windows.
        self._decided: dict[AlertKey, Found | None] = {}  # What each was last decided on.
        self.entries: dict[EntryKey, Entry] = {}
        self.alerts: dict[AlertKey, AlertState] = {}
        self.outcomes: list[Outcome] = []

    def see_window(self, number: int, person: bytes, posting: Posting, clock_ms: int, cause: int) -> None:
        """Decide again on each bucket that has a window with this posting, unless lateness has closed it."""
        compiled, book = self._data.program.window_rules[number], self._books[number][person]
        rule = compiled.rule
        assert rule.calendar is not None  # noqa: S101 - it has windows
        book.add(posting)
        for bucket, span in book.touched(posting, rule.calendar):
            key = AlertKey(person, rule.rule_id, rule.version, bucket)
            found = book.first(span)
            if span.start_ms > clock_ms - rule.lateness_ms and self._decided.get(key, self) is not found:
                self._decided[key] = found
                before = self.alerts.get(key) or self._data.alerts.get(key, UNTOLD)
                after = self._decide(rule, person, bucket, before, found, cause)
                if after is not before:
                    self.alerts[key] = after

    def see_entry(self, person: bytes, posting: Posting, received_ms: int, clock_ms: int, cause: int) -> None:
        """Decide again on this entry, from all of its postings that are known; unless it is left to the nightly run."""
        program, key = self._data.program, (person, posting.entry_id)
        day, entry = day_of(received_ms), self.entries.get(key) or self._data.entries.get(key)
        if entry is None or entry.day < max(self._data.first_day_kept(clock_ms), day - ENTRY_DAYS_MAX):
            entry = Entry(0, (), {}) if _has_a_past(posting, received_ms) else None
        if entry is not None and not entry.legs:
            self.entries[key] = Entry(max(entry.day, day), (), {})
            return
        legs, alerts = (*(entry.legs if entry else ()), posting), dict(entry.alerts if entry else {})
        passing = program.with_bits(legs)
        for compiled in program.entry_rules:
            rule, own = compiled.rule, [leg for leg in passing if leg.occurred_ms >= compiled.since_ms]
            before = alerts.get((rule.rule_id, rule.version), UNTOLD)
            found = Book(compiled, own).first(ALWAYS)
            after = self._decide(rule, person, posting.entry_id, before, found, cause)
            if after is not before:
                alerts[rule.rule_id, rule.version] = after
        self.entries[key] = Entry(max(entry.day if entry else day, day), legs, alerts)

    def _decide(
        self, rule: Rule, person: bytes, bucket: str, before: AlertState, found: Found | None, cause: int
    ) -> AlertState:
        """Return what is said of an alert from now on, which is an outcome if it is news."""
        stands, digest = before.status != WITHDRAWN, _digest(found.evidence) if found else UNTOLD.digest
        if not (found or stands) or (stands and before.digest == digest):
            return before
        status = (UPDATED if stands else OPEN) if found else WITHDRAWN
        after = AlertState(before.revision + 1, status, digest)
        self.outcomes.append(Outcome(rule, person, bucket, after, found, cause))
        return after


def _has_a_past(posting: Posting, received_ms: int) -> bool:
    """Return whether something may have been said of a posting's entry, and forgotten since."""
    return posting.occurred_ms <= received_ms - LATENESS_MS and (posting.leg < 0 or posting.revision > 1)


def _owners(persons: list[bytes]) -> np.ndarray:
    """Return a number for each person, in the order in which they come."""
    numbers = {key: number for number, key in enumerate(dict.fromkeys(persons))}
    return np.fromiter(map(numbers.__getitem__, persons), np.int64, len(persons))


def _near_the_anchors(
    arrivals: Arrivals, owners: np.ndarray, seen: np.ndarray, data: AlertsData, number: int
) -> np.ndarray:
    """Return which of the postings that a rule sees belong to a person of whom any one could be in a fulfilling window.

    A window that holds a posting lies within the posting's period of that length, the one before and the one after.
    """
    near = seen
    for reach in data.postings.reaches[number]:
        places = np.flatnonzero(near)
        if not len(places):
            return near
        own, owner = arrivals.columns.taken(places), owners[places]
        in_poll = np.zeros(int(owners.max()) + 1, np.int64)
        np.add.at(in_poll, owner, reach.coming(own, arrivals.bits[places]))
        close = np.zeros(len(in_poll), np.bool_)
        close[owner[in_poll[owner] + reach.around(own) >= reach.anchor.limit]] = True
        near = near & close[owners]
    return near


def _books(columns: Columns, near: np.ndarray, data: AlertsData, number: int) -> dict[bytes, Book]:
    """Return for each person of these postings a book of all that matters to a rule around the days of them."""
    compiled = data.program.window_rules[number]
    slots = np.unique(columns.slots[near], axis=0)
    if not len(slots):
        return {}
    days = _days_around(compiled)
    around = [slots_of(slots[:, :PERSON_WORDS], days_of(slots) + later) for later in range(-days, days + 1)]
    held = data.postings.of(np.concatenate(around))
    bits = data.program.bits(held.facts)
    own = np.flatnonzero(compiled.sees(held.facts["occurred_ms"], bits))
    held = held.taken(own)
    known: dict[bytes, list[Posting]] = {person: [] for person in persons_of(slots)}
    for person, posting in zip(persons_of(held.slots), held.postings(bits[own]), strict=True):
        known[person].append(posting)
    return {person: Book(compiled, postings) for person, postings in known.items()}


def _days_around(compiled: Compiled) -> int:
    """Return how many days before and after a posting the windows of its buckets can hold something."""
    bucket_ms = compiled.rule.lateness_ms - LATENESS_MS + DAY_MS
    return -(-(compiled.span_ms + bucket_ms) // DAY_MS)


def _digest(evidence: Sequence[Posting]) -> bytes:
    return sha256(repr([tuple(one[:_TOLD_FIELDS]) for one in evidence]).encode()).digest()[:DIGEST_BYTES]
