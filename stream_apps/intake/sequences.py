"""One stream's sequences: which have been consumed, exactly, and what the recent ones looked like.

Reads     sequences and digests of bodies, in the order in which they arrived
Returns   a verdict for each: FRESH (now consumed), DUPLICATE or CONFLICT
Promises  how arrivals are cut into calls changes neither a verdict nor the state; consecutive numbers cost no work per
          record (DESIGN §4 "Sequence"; clause O9-4.5; box: intake)

Digests are kept in pages of 32 sequences, page n in slot n mod 512, where a higher page puts out a lower one: the last
16,384 sequences of a stream without gaps. A repetition of an older one counts as a duplicate; comparing it with the
ledger comes later.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from dataclasses import dataclass, field
from itertools import pairwise
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterator

FRESH, DUPLICATE, CONFLICT = 0, 1, 2
PAGE = 32  # Sequences of a page: a transaction rewrites one page of each stream at least, half a kilobyte.
SLOTS = 512  # Pages of a stream at most: 256 kB.
DIGEST_BYTES = 16  # Of the SHA-256: whoever finds two bodies that agree in these would only hide its own conflict.


class Page(NamedTuple):
    """Digests of the sequences number × PAGE … + PAGE - 1, up to the last known one; zeros where none is known."""

    number: int
    digests: bytes


@dataclass(slots=True)
class Stream:
    """All that is known of one stream.

    accepted, rejected, duplicates: how many so far. firsts, lasts: the ranges of consumed sequences, disjoint, not
    adjacent, ascending. pages: by slot. changed_ranges, changed_slots: what has changed since `successor`: ranges by
    their first sequence (None: no longer one), and slots.
    """

    accepted: int = 0
    rejected: int = 0
    duplicates: int = 0
    firsts: list[int] = field(default_factory=list)
    lasts: list[int] = field(default_factory=list)
    pages: dict[int, Page] = field(default_factory=dict)
    changed_ranges: dict[int, int | None] = field(default_factory=dict, compare=False)
    changed_slots: set[int] = field(default_factory=set, compare=False)

    def successor(self) -> Stream:
        """Return a copy to go on with; what is done to it does not change this one."""
        return Stream(
            self.accepted, self.rejected, self.duplicates, self.firsts.copy(), self.lasts.copy(), self.pages.copy()
        )

    def take(self, sequences: np.ndarray, digests: bytes) -> np.ndarray:
        """Consume the sequences that are new; return a verdict for each (int8).

        sequences: int64, from 1 on, in order of arrival. digests: of their bodies, DIGEST_BYTES each, joined.
        """
        verdicts = np.zeros(len(sequences), np.int8)
        for start, end in _consecutive(sequences):
            at, first = start, int(sequences[start])
            while at < end:
                consumed, count = self._alike(first, end - at)
                part = digests[at * DIGEST_BYTES : (at + count) * DIGEST_BYTES]
                if consumed:
                    verdicts[at : at + count] = self._compare(first, part)
                else:
                    self._consume(first, first + count - 1)
                    self._remember(first, part)
                at, first = at + count, first + count
        return verdicts

    def put_range(self, first: int, last: int | None) -> None:
        """Set the range that begins at `first`, or with None remove it; for restoring, so ranges may overlap."""
        at = bisect_left(self.firsts, first)
        known = at < len(self.firsts) and self.firsts[at] == first
        if last is None:
            del self.firsts[at : at + known], self.lasts[at : at + known]
        else:
            self.firsts[at : at + known], self.lasts[at : at + known] = [first], [last]

    def _alike(self, first: int, count: int) -> tuple[bool, int]:
        """Return whether `first` has been consumed, and of how many of the next `count` the same can be said."""
        at = bisect_right(self.firsts, first)
        if at and first <= self.lasts[at - 1]:
            return True, min(count, self.lasts[at - 1] - first + 1)
        return False, min(count, self.firsts[at] - first) if at < len(self.firsts) else count

    def _consume(self, first: int, last: int) -> None:
        """Add a range of which nothing has been consumed yet."""
        at = bisect_right(self.firsts, first)
        if at < len(self.firsts) and self.firsts[at] == last + 1:
            self.changed_ranges[last + 1] = None
            last = self.lasts[at]
            del self.firsts[at], self.lasts[at]
        if at and self.lasts[at - 1] == first - 1:
            first = self.firsts[at - 1]
            self.lasts[at - 1] = last
        else:
            self.firsts.insert(at, first)
            self.lasts.insert(at, last)
        self.changed_ranges[first] = last

    def _remember(self, first: int, digests: bytes) -> None:
        """Keep digests of consecutive sequences, from `first` on."""
        last = first + len(digests) // DIGEST_BYTES - 1
        oldest = (last // PAGE - SLOTS + 1) * PAGE  # What lies before is put out by what comes behind.
        for number, offset, part in _by_page(max(first, oldest), digests[max(0, oldest - first) * DIGEST_BYTES :]):
            slot = number % SLOTS
            held = self.pages.get(slot)
            if held is not None and held.number > number:
                continue
            known = held.digests if held is not None and held.number == number else b""
            whole = known[:offset].ljust(offset, b"\0") + part + known[offset + len(part) :]
            self.pages[slot] = Page(number, whole)
            self.changed_slots.add(slot)

    def _compare(self, first: int, digests: bytes) -> np.ndarray:
        """Return DUPLICATE or CONFLICT for consecutive sequences, all consumed, from `first` on."""
        verdicts = np.full(len(digests) // DIGEST_BYTES, DUPLICATE, np.int8)
        at = 0
        for number, offset, part in _by_page(first, digests):
            count = len(part) // DIGEST_BYTES
            held = self.pages.get(number % SLOTS)
            if held is not None and held.number == number:
                known = held.digests[offset : offset + len(part)]
                if known != part:
                    verdicts[at : at + count][_differ(known, part)] = CONFLICT
            at += count
        return verdicts


def _consecutive(sequences: np.ndarray) -> Iterator[tuple[int, int]]:
    """Yield start and end of each run of consecutive numbers."""
    cuts = np.flatnonzero(np.diff(sequences) != 1) + 1
    return pairwise([0, *cuts.tolist(), len(sequences)] if len(sequences) else [])


def _by_page(first: int, digests: bytes) -> Iterator[tuple[int, int, bytes]]:
    """Yield the number of each page, where in it the digests begin (bytes), and the digests."""
    at, sequence = 0, first
    while at < len(digests):
        number, place = divmod(sequence, PAGE)
        size = (PAGE - place) * DIGEST_BYTES
        yield number, place * DIGEST_BYTES, digests[at : at + size]
        at, sequence = at + size, sequence + PAGE - place


def _differ(left: bytes, right: bytes) -> np.ndarray:
    """Return which digests differ."""
    words = (np.frombuffer(side, np.uint64).reshape(-1, DIGEST_BYTES // 8) for side in (left, right))
    return np.asarray((next(words) != next(words)).any(axis=1))
