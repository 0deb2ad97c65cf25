"""One stream: which sequences have been consumed, what the recent ones looked like, what has been corrected.

Reads     sequences and digests of bodies, in the order in which they arrived
Returns   a verdict for each: FRESH (now consumed), DUPLICATE or CONFLICT
Promises  how arrivals are cut into calls changes neither a verdict nor the state; consecutive numbers cost no work per
          record (DESIGN §4 "Sequence", "Corrections"; clause O9-4.5; box: intake)

Digests are kept in pages of 32 sequences, page n in slot n mod 512, where a higher page puts out a lower one: the last
16,384 sequences of a stream without gaps. A repetition of an older one counts as a duplicate; `esep reconcile` compares
it with the ledger afterwards.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import pairwise
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from esep.mountains import Mountains
from esep.stream_apps.intake.ranges import Ranges

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

FRESH, DUPLICATE, CONFLICT = 0, 1, 2
PAGE = 32  # Sequences of a page: a transaction rewrites one page of each stream at least, half a kilobyte.
SLOTS = 512  # Pages of a stream at most: 256 kB.
DIGEST_BYTES = 16  # Of the SHA-256: whoever finds two bodies that agree in these would only hide its own conflict.
VOID = bytes(DIGEST_BYTES)  # Stands for the values of an event that is void; also: no digest is known.


class Page(NamedTuple):
    """Digests of the sequences number × PAGE … + PAGE - 1, up to the last known one; zeros where none is known."""

    number: int
    digests: bytes


class Held(NamedTuple):
    """A correction that waits for what it corrects: where and when it came, and its message value."""

    offset: int
    received_ms: int
    value: bytes


@dataclass(slots=True)
class Stream:
    """All that is known of one stream.

    accepted, rejected, duplicates: how many so far, held corrections apart. consumed: the sequences. mountains: over
    the SHA-256 of their messages. pages: by slot. refused: the sequences of refused wagers and payouts. amending: those
    of corrections, whatever became of them. revisions: by sequence of a corrected event, the digest of its values from
    each correction on (VOID: none). held: by their sequence. The last four are shared with the predecessor until they
    change. own: those of them that are not shared. changed_slots, changed_revisions, changed_held: what has changed
    since `successor`.
    """

    accepted: int = 0
    rejected: int = 0
    duplicates: int = 0
    consumed: Ranges = field(default_factory=Ranges)
    mountains: Mountains = field(default_factory=Mountains)
    pages: dict[int, Page] = field(default_factory=dict)
    refused: Ranges = field(default_factory=Ranges)
    amending: Ranges = field(default_factory=Ranges)
    revisions: dict[int, tuple[bytes, ...]] = field(default_factory=dict)
    held: dict[int, Held] = field(default_factory=dict)
    own: set[str] = field(default_factory=set, compare=False)
    changed_slots: set[int] = field(default_factory=set, compare=False)
    changed_revisions: set[int] = field(default_factory=set, compare=False)
    changed_held: set[int] = field(default_factory=set, compare=False)

    def successor(self) -> Stream:
        """Return a copy to go on with; what is done to it does not change this one."""
        after = Stream(consumed=self.consumed.copy(), mountains=self.mountains.copy(), pages=self.pages.copy())
        after.follow(self)
        return after

    def follow(self, before: Stream) -> None:
        """Take over what `take` does not change: counts, refusals and corrections."""
        self.accepted, self.rejected, self.duplicates = before.accepted, before.rejected, before.duplicates
        self.refused, self.amending = before.refused, before.amending
        self.revisions, self.held = before.revisions, before.held

    def refuse(self, sequences: np.ndarray) -> None:
        """Note that the events of these sequences, all consumed just now, were refused."""
        if len(sequences):
            self._own("refused")
            ordered = np.sort(sequences)
            for start, end in _consecutive(ordered):
                self.refused.add(int(ordered[start]), int(ordered[end - 1]))

    def amend(self, sequence: int) -> None:
        """Note that this sequence, consumed just now, is a correction's."""
        self._own("amending")
        self.amending.add(sequence, sequence)

    def revise(self, target: int, digest: bytes) -> None:
        """Put the next revision of an event in force: the digest of its values."""
        self._own("revisions")
        self.revisions[target] = (*self.revisions.get(target, ()), digest)
        self.changed_revisions.add(target)

    def hold(self, sequence: int, correction: Held | None) -> None:
        """Keep a correction until what it corrects has come; None: it waits no longer."""
        self._own("held")
        if correction is None:
            del self.held[sequence]
        else:
            self.held[sequence] = correction
        self.changed_held.add(sequence)

    @property
    def whole_through(self) -> int:
        """The last sequence up to which none is missing; 0 while the first is."""
        return self.consumed.lasts[0] if self.consumed.firsts[:1] == [1] else 0

    def digest_of(self, sequence: int) -> bytes | None:
        """Return the digest of a consumed sequence's body, None if it is not among the recent ones."""
        number, place = divmod(sequence, PAGE)
        held = self.pages.get(number % SLOTS)
        if held is None or held.number != number:
            return None
        known = held.digests[place * DIGEST_BYTES : (place + 1) * DIGEST_BYTES]
        return known if known.strip(b"\0") else None

    def take(self, sequences: np.ndarray, digests: bytes, leaves: Sequence[bytes]) -> np.ndarray:
        """Consume the sequences that are new; return a verdict for each (int8).

        sequences: int64, from 1 on, in order of arrival. digests: by which they are compared, DIGEST_BYTES each,
        joined. leaves: the SHA-256 of each message.
        """
        verdicts = np.zeros(len(sequences), np.int8)
        for start, end in _consecutive(sequences):
            at, first = start, int(sequences[start])
            while at < end:
                consumed, count = self.consumed.alike(first, end - at)
                part = digests[at * DIGEST_BYTES : (at + count) * DIGEST_BYTES]
                if consumed:
                    verdicts[at : at + count] = self._compare(first, part)
                else:
                    self.consumed.add(first, first + count - 1)
                    self.mountains.add(first, leaves[at : at + count])
                    self._remember(first, part)
                at, first = at + count, first + count
        return verdicts

    def _own(self, name: str) -> None:
        """Have a copy of one of the shared parts to change."""
        if name not in self.own:
            setattr(self, name, getattr(self, name).copy())
            self.own.add(name)

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
