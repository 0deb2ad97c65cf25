"""One stream's sequences against a dict of them, one record at a time."""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import pairwise

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from esep.stream_apps.intake.sequences import CONFLICT, DUPLICATE, FRESH, PAGE, SLOTS, Stream

BODIES = [bytes([number]) * 16 for number in (1, 2, 255)]
Arrivals = list[tuple[int, bytes]]


@dataclass
class Naive:
    """A body per sequence, for ever; it is compared only while its page is the highest that its slot has seen."""

    bodies: dict[int, bytes] = field(default_factory=dict)
    highest: dict[int, int] = field(default_factory=dict)

    def take(self, sequence: int, body: bytes) -> int:
        page = sequence // PAGE
        if sequence not in self.bodies:
            self.bodies[sequence] = body
            self.highest[page % SLOTS] = max(page, self.highest.get(page % SLOTS, 0))
            return FRESH
        held = self.highest[page % SLOTS] == page
        return CONFLICT if held and self.bodies[sequence] != body else DUPLICATE

    def ranges(self) -> list[tuple[int, int]]:
        known = sorted(self.bodies)
        cuts = [at for at, (before, after) in enumerate(pairwise(known), 1) if after != before + 1]
        return [(known[a], known[b - 1]) for a, b in pairwise([0, *cuts, len(known)])] if known else []


@st.composite
def arrivals(draw: st.DrawFn) -> Arrivals:
    """Runs up and down, repeated and not, around page bounds of slots that several pages share."""
    found: Arrivals = []
    for _ in range(draw(st.integers(1, 6))):
        page = draw(st.sampled_from([0, 1, 2, SLOTS - 1, SLOTS, SLOTS + 1, 2 * SLOTS, 2**57]))
        first = max(1, page * PAGE + draw(st.integers(-3, PAGE)))
        run = range(first, first + draw(st.sampled_from([1, 2, 5, PAGE, 3 * PAGE])))
        order = draw(st.sampled_from([list(run), list(reversed(run)), [*run, *run[:2]]]))
        bodies = draw(st.lists(st.sampled_from(BODIES), min_size=len(order), max_size=len(order)))
        found += zip(order, bodies, strict=True)
    return found


def take(stream: Stream, taken: Arrivals) -> list[int]:
    sequences = np.array([sequence for sequence, _ in taken], np.int64)
    bodies = [body for _, body in taken]
    verdicts: list[int] = stream.take(sequences, b"".join(bodies), [2 * body for body in bodies]).tolist()
    return verdicts


@settings(deadline=None)
@given(arrivals(), st.data())
def test_verdicts_and_ranges_are_those_of_a_dict_however_arrivals_are_cut(taken: Arrivals, data: st.DataObject) -> None:
    """Clause O9-4.5: what is repeated counts once, and what differs is noticed."""
    cuts = sorted(data.draw(st.lists(st.integers(0, len(taken)), max_size=4)))
    naive, stream = Naive(), Stream()
    verdicts = []
    for start, end in pairwise([0, *cuts, len(taken)]):
        stream = stream.successor()
        verdicts += take(stream, taken[start:end])
    assert verdicts == [naive.take(sequence, body) for sequence, body in taken]
    assert list(zip(stream.consumed.firsts, stream.consumed.lasts, strict=True)) == naive.ranges()
    whole = Stream()
    take(whole, taken)
    assert stream == whole


@settings(deadline=None)
@given(arrivals(), arrivals())
def test_successor_leaves_its_predecessor_as_it_was(first: Arrivals, second: Arrivals) -> None:
    stream, same = Stream(), Stream()
    take(stream, first)
    take(same, first)
    take(stream.successor(), second)
    assert stream == same


@settings(deadline=None)
@given(st.permutations(range(1, 3 * PAGE)))
def test_order_of_arrival_leaves_no_trace(order: list[int]) -> None:
    shuffled, sorted_ = Stream(), Stream()
    digest = {sequence: BODIES[sequence % 3] for sequence in order}
    take(shuffled, [(sequence, digest[sequence]) for sequence in order])
    take(sorted_, [(sequence, digest[sequence]) for sequence in sorted(order)])
    assert shuffled == sorted_
    assert (shuffled.consumed.firsts, shuffled.consumed.lasts) == ([1], [3 * PAGE - 1])


def test_long_stream_keeps_the_latest_bodies_and_no_more() -> None:
    """The limit that is documented: what is older than the last 512 pages is a duplicate, whatever its bytes."""
    stream, count = Stream(), (SLOTS + 3) * PAGE
    take(stream, [(sequence, BODIES[0]) for sequence in range(1, count)])
    assert len(stream.pages) == SLOTS
    assert sum(len(page.digests) for page in stream.pages.values()) == SLOTS * PAGE * 16
    assert take(stream, [(3 * PAGE - 1, BODIES[1]), (3 * PAGE, BODIES[1])]) == [DUPLICATE, CONFLICT]


def test_other_bytes_neither_consume_nor_replace_what_was_first() -> None:
    stream = Stream()
    assert take(stream, [(7, BODIES[0]), (7, BODIES[1]), (7, BODIES[1]), (7, BODIES[0])]) == [
        FRESH, CONFLICT, CONFLICT, DUPLICATE,
    ]  # fmt: skip
