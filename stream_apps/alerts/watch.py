"""Find what the postings of a poll change: alerts to open, update or withdraw.

Reads     `Arrivals` of one partition, in offset order; its `AlertsData`
Returns   `Outcome`s in the order of the postings that caused them; the `Changes`
Promises  the set of alerts is a pure function of the set of postings, the order of arrival decides revisions only, and
          how it is cut into polls decides nothing (DESIGN §7); what is within reach, and which books are open, is all
          that changes, and decides nothing either (box: alerts)

Most persons are far from any threshold, and that is seen for all at once, from sums (`reach`). Only the others are
looked at closely, posting by posting. The clock is the latest received_at so far: a bucket that began a rule's lateness
or more before it is closed, and what a posting would change in it is left to SQL. What a rule looks at by itself is
told however late it is; a late correction of what arrived more than ENTRY_DAYS_MAX days before is left to SQL, for what
was said of it then is forgotten.
"""

from __future__ import annotations

from dataclasses import dataclass
from hashlib import sha256
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from esep.buckets import Span
from esep.rules import ENTRY_DAYS_MAX, LATENESS_MS, Rule
from esep.stream_apps.alerts.book import Book, Found
from esep.stream_apps.alerts.closely import books_of, closely
from esep.stream_apps.alerts.columns import Columns, Posting, day_of, days_of
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

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from esep.stream_apps.alerts.shelf import BookKey, Shelved

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
    persons, columns, bits, program = arrivals.persons, arrivals.columns, arrivals.bits, data.program
    occurred_ms = columns.facts["occurred_ms"]
    single = np.zeros(len(columns), np.bool_)
    for compiled in program.entry_rules:
        single |= ((bits & compiled.event_bit) != 0) & (occurred_ms >= compiled.since_ms)
    in_time = days_of(columns.slots) >= np.maximum(program.first_day, day_of(arrivals.clocks_ms - program.kept_ms))
    seen = np.zeros((len(program.window_rules), len(columns)), np.bool_)
    for number, compiled in enumerate(program.window_rules):
        seen[number] = compiled.sees(occurred_ms, bits) & in_time
    kept = np.flatnonzero(seen.any(axis=0))
    new = columns.taken(kept)
    look = closely(_owners(persons), seen, _within_reach(data, new, bits[kept], kept, len(columns)))
    books = books_of(persons, columns, seen, look, data)
    watcher = _Watcher(data, books.in_use)
    places = np.flatnonzero(single | look.booked.any(axis=0))
    rules = look.rules_of(places)
    for cause, posting, of_rules in zip(
        places.tolist(), columns.taken(places).postings(bits[places]), rules, strict=True
    ):
        clock_ms = int(arrivals.clocks_ms[cause])
        if single[cause]:
            watcher.see_entry(persons[cause], posting, int(arrivals.received_ms[cause]), clock_ms, cause)
        for number, is_decided in of_rules:
            watcher.see_window(number, persons[cause], posting, clock_ms if is_decided else None, cause)
    changes = Changes(
        arrivals.clock_ms, data.sweep(), new, watcher.entries, watcher.alerts, {**books.unused, **books.in_use}
    )
    return watcher.outcomes, changes


def _within_reach(data: AlertsData, new: Columns, bits: np.ndarray, places: np.ndarray, count: int) -> np.ndarray:
    """Return for each rule which of a poll's postings are within reach; those at `places` are new to the reach."""
    near = np.zeros((len(data.program.window_rules), count), np.bool_)
    for number, of_rule in enumerate(data.reach.add(new, bits)):
        near[number, places] = of_rule
    return near


class _Watcher:
    """Goes through the arrivals that need a closer look, one by one, and gathers what they change."""

    def __init__(self, data: AlertsData, books: Mapping[BookKey, Shelved]) -> None:
        self._data = data
        self._books = books
        self._rules = [
            (one.rule, one.rule.calendar, one.rule.lateness_ms)
            for one in data.program.window_rules
            if one.rule.calendar
        ]
        self._decided: dict[AlertKey, Found | None] = {}  # What each was last decided on.
        self.entries: dict[EntryKey, Entry] = {}
        self.alerts: dict[AlertKey, AlertState] = {}
        self.outcomes: list[Outcome] = []

    def see_window(self, number: int, person: bytes, posting: Posting, clock_ms: int | None, cause: int) -> None:
        """Book a posting; decide again on each bucket that has a window with it, unless lateness has closed it.

        clock_ms: None where the posting is in no window at which the rule is fulfilled.
        """
        rule, calendar, lateness_ms = self._rules[number]
        book = self._books[number, person].book
        book.add(posting)
        if clock_ms is None:
            return
        for bucket, span in book.touched(posting, calendar):
            if span.start_ms <= clock_ms - lateness_ms:
                continue
            key = AlertKey(person, rule.rule_id, rule.version, bucket)
            found = book.first(span)
            if self._decided.get(key, self) is not found:
                self._decided[key] = found
                before = self.alerts.get(key) or self._data.alerts.get(key, UNTOLD)
                after = self._decide(rule, person, bucket, before, found, cause)
                if after is not before:
                    self.alerts[key] = after

    def see_entry(self, person: bytes, posting: Posting, received_ms: int, clock_ms: int, cause: int) -> None:
        """Decide again on this entry, from all of its postings that are known; unless it is left to the nightly run."""
        program, key = self._data.program, (person, posting.entry_id)
        day, entry = day_of(received_ms), self.entries.get(key) or self._data.entries.get(key)
        if entry is None or entry.day < max(program.first_day_kept(clock_ms), day - ENTRY_DAYS_MAX):
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


def _digest(evidence: Sequence[Posting]) -> bytes:
    return sha256(repr([tuple(one[:_TOLD_FIELDS]) for one in evidence]).encode()).digest()[:DIGEST_BYTES]
