"""Digests are equal for equal lanes however they were read, and for no others."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from esep.stream_apps.replay import digests as module
from esep.stream_apps.replay.digests import LaneDigest, digest_of, pieces_of, told
from esep.topics import ACCEPTED
from tests.stream_apps.replay.memory import line, outputs

BYTES = st.none() | st.binary(max_size=3) | st.sampled_from([b"1,1:", b"-1,"])
PAIRS = st.lists(st.tuples(BYTES, BYTES), max_size=8)


@pytest.fixture(autouse=True, scope="module")
def _short() -> object:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "STRETCH_ROWS", 4)
        yield


@given(PAIRS, PAIRS)
def test_records_are_told_apart_by_keys_and_values(
    one: list[tuple[bytes | None, bytes | None]], other: list[tuple[bytes | None, bytes | None]]
) -> None:
    texts = [told([key for key, _ in pairs], [value for _, value in pairs]) for pairs in (one, other)]
    assert (texts[0] == texts[1]) == (one == other)


def lane_of(rows: list[int], cuts: list[int]) -> LaneDigest:
    digest = LaneDigest()
    for start, end in pairwise(sorted({0, len(rows), *(cut % len(rows) for cut in cuts)})):
        part = rows[start:end]
        digest.add(np.array(part), list(range(start, end)), [b"k"] * len(part), [b"%d" % row for row in part])
    return digest.close()


@given(st.lists(st.integers(1, 20), min_size=1, max_size=20), st.lists(st.integers(0, 20)))
def test_batches_leave_no_trace_and_order_and_repetition_do(rows: list[int], cuts: list[int]) -> None:
    digest = lane_of(rows, cuts)
    assert digest.stretches == lane_of(rows, []).stretches
    assert (digest.count, digest.first_row, digest.last_row) == (len(rows), min(rows), max(rows))
    in_order = sorted(set(rows))
    for number, stretch in digest.stretches.items():
        wanted = [row for row in in_order if (row - 1) // 4 == number]
        as_wanted = stretch.digest == digest_of([b"k"] * len(wanted), [b"%d" % row for row in wanted])
        places = [place for place, row in enumerate(rows) if (row - 1) // 4 == number]
        there = [rows[place] for place in places]
        broken = {place for place in range(places[0], places[-1]) if place not in places}
        assert as_wanted == (there == wanted and not broken)
        assert (stretch.first_offset, stretch.last_offset) == (places[0], places[-1])


def test_pieces_are_the_lanes_and_what_is_no_record() -> None:
    log = line()
    output = outputs(log, ACCEPTED)[0]
    (batch,) = log.copy(chunk=10_000).read(output, 0, log.end(output))
    batch.values[1] = b"no record"
    pieces, bad = pieces_of(batch, ACCEPTED)
    assert bad == {1: "NOT_WIRE_FORMAT"}
    assert sorted([*np.concatenate([piece.places for piece in pieces]), 1]) == list(range(len(batch)))
    for piece in pieces:
        assert piece.lane.output == output
        assert (np.diff(piece.rows) >= 1).all()
