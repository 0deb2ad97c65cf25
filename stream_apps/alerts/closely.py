"""Who of a poll is looked at closely by which rule, and the books for that.

Reads     the postings of one partition of a poll, and which of them rules see; `AlertsData`
Returns   `Closely`: which postings are booked and decided on; `Books`: the books of their persons
Promises  a posting that changes an alert is decided on, and all that its rule sees of its person in the poll is booked;
          a book has whatever may matter to what is booked in it (box: alerts)

A book stays open from poll to poll as long as its person is looked at: it then knows all that has come since it was
begun. Where the rule sees postings of a person who is out of reach, the book would have to be told of them; it is
closed instead.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from esep.rules import DAY_MS, LATENESS_MS
from esep.stream_apps.alerts.book import Book
from esep.stream_apps.alerts.columns import days_of, persons_of, slots_of
from esep.stream_apps.alerts.shelf import Shelved
from esep.stream_apps.poll import person_words

if TYPE_CHECKING:
    from collections.abc import Mapping

    from esep.stream_apps.alerts.columns import Columns, Posting
    from esep.stream_apps.alerts.program import Compiled
    from esep.stream_apps.alerts.shelf import BookKey
    from esep.stream_apps.alerts.state import AlertsData


@dataclass(frozen=True, slots=True)
class Closely:
    """What is looked at closely: a row for each rule with windows, a column for each posting.

    booked: what goes into a book. decided: that of it after which alerts may be others.
    """

    booked: np.ndarray
    decided: np.ndarray

    def rules_of(self, places: np.ndarray) -> list[list[tuple[int, bool]]]:
        """Return for each of these postings the numbers of the rules that book it, and whether they decide on it."""
        found: list[list[tuple[int, bool]]] = [[] for _ in places]
        postings, numbers = np.nonzero(self.booked[:, places].T)
        decided = self.decided[numbers, places[postings]]
        for posting, number, is_decided in zip(postings.tolist(), numbers.tolist(), decided.tolist(), strict=True):
            found[posting].append((number, is_decided))
        return found


@dataclass(frozen=True, slots=True)
class Books:
    """The books of a poll. in_use: those that are needed. unused: those that see nothing of their persons' postings."""

    in_use: dict[BookKey, Shelved]
    unused: dict[BookKey, Shelved]


def closely(owners: np.ndarray, seen: np.ndarray, near: np.ndarray) -> Closely:
    """Return what is looked at closely. owners: a number for the person of each. seen, near: by rule and posting."""
    decided, booked = near & seen, np.zeros_like(seen)
    for number in np.flatnonzero(decided.any(axis=1)).tolist():
        close = np.zeros(int(owners.max()) + 1, np.bool_)
        close[owners[decided[number]]] = True
        booked[number] = seen[number] & close[owners]
    return Closely(booked, decided)


def books_of(persons: list[bytes], columns: Columns, seen: np.ndarray, look: Closely, data: AlertsData) -> Books:
    """Return the books of whoever is looked at closely; those of `data` that are used are taken off its shelf."""
    shelved, in_use = data.shelf.taken(set(persons)), {}
    for number in np.flatnonzero(look.booked.any(axis=1)).tolist():
        first_days = _first_days(persons, columns, np.flatnonzero(look.booked[number]), data, number)
        begun = {}
        for person, first_day in first_days.items():
            known = shelved.pop((number, person), None)
            if known is None or known.first_day > first_day:
                begun[person] = first_day
            else:
                in_use[number, person] = known
        in_use.update(((number, person), book) for person, book in _begun(begun, data, number).items())
    seen_by = {number: {persons[place] for place in np.flatnonzero(seen[number])} for number, _ in shelved}
    return Books(in_use, {key: one for key, one in shelved.items() if key[1] not in seen_by[key[0]]})


def _first_days(
    persons: list[bytes], columns: Columns, places: np.ndarray, data: AlertsData, number: int
) -> dict[bytes, int]:
    """Return for each person of these postings the first day that may matter to them."""
    first_days: dict[bytes, int] = {}
    days = days_of(columns.slots)[places] - _days_around(data.program.window_rules[number])
    for place, day in zip(places.tolist(), days.tolist(), strict=True):
        first_days[persons[place]] = min(day, first_days.get(persons[place], day))
    first_kept = data.program.first_day_kept(data.clock_ms)
    return {person: max(day, first_kept) for person, day in first_days.items()}


def _begun(first_days: Mapping[bytes, int], data: AlertsData, number: int) -> dict[bytes, Shelved]:
    """Return for each person a book of all that a rule sees from a day on; its postings know of the rule's filters."""
    if not first_days:
        return {}
    compiled = data.program.window_rules[number]
    first = np.fromiter(first_days.values(), np.int64, len(first_days))
    counts = np.maximum(data.postings.last_day + 1 - first, 0)
    days = np.arange(counts.sum()) + np.repeat(first - (np.cumsum(counts) - counts), counts)
    held = data.postings.of(slots_of(np.repeat(person_words(list(first_days)), counts, axis=0), days))
    bits = data.program.bits(held.facts, compiled.bits)
    own = np.flatnonzero(compiled.sees(held.facts["occurred_ms"], bits))
    held = held.taken(own)
    known: dict[bytes, list[Posting]] = {person: [] for person in first_days}
    for person, posting in zip(persons_of(held.slots), held.postings(bits[own]), strict=True):
        known[person].append(posting)
    return {
        person: Shelved(Book(compiled, postings), first_days[person], len(postings))
        for person, postings in known.items()
    }


def _days_around(compiled: Compiled) -> int:
    """Return how many days before a posting the windows of its buckets can hold something."""
    bucket_ms = compiled.rule.lateness_ms - LATENESS_MS + DAY_MS
    return -(-(compiled.span_ms + bucket_ms) // DAY_MS)
