"""Streams through the changelog: replayed at any cut, compacted or not, they are what they were."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from esep.errors import InvariantBroken
from esep.stream_apps.intake.changelog import apply_changes, changes_of
from esep.stream_apps.intake.sequences import PAGE, SLOTS, Page, Stream

SEQUENCES = st.one_of(st.integers(1, 3 * PAGE), st.sampled_from([SLOTS * PAGE, 2 * SLOTS * PAGE + 1, 2**63 - 1]))
POLLS = st.lists(st.tuples(st.sampled_from(["desk-1", "desk_2.+"]), st.lists(SEQUENCES, min_size=1, max_size=8)))
Records = list[tuple[bytes, bytes | None]]


def grow(streams: dict[str, Stream], stream_id: str, sequences: list[int]) -> Records:
    """Take the sequences into a successor of the stream; return its records."""
    after = streams.get(stream_id, Stream()).successor()
    digests = b"".join(bytes([sequence % 251 + 1]) * 16 for sequence in sequences)
    leaves = [bytes([sequence % 251 + 1]) * 32 for sequence in sequences]
    fresh = int(np.count_nonzero(after.take(np.array(sequences, np.int64), digests, leaves) == 0))
    after.accepted, after.duplicates = after.accepted + fresh, after.duplicates + len(sequences) - fresh
    streams[stream_id] = after
    return list(changes_of(stream_id, after))


def replay(records: Sequence[tuple[bytes, bytes | None]], pieces: int = 1) -> dict[str, Stream]:
    streams: dict[str, Stream] = {}
    size = max(1, len(records) // pieces)
    for start in range(0, len(records), size):
        keys, values = zip(*records[start : start + size], strict=True)
        apply_changes(streams, keys, values)
    return streams


@settings(deadline=None)
@given(POLLS, st.integers(1, 5))
def test_replay_after_any_poll_gives_the_live_streams(polls: list[tuple[str, list[int]]], pieces: int) -> None:
    live: dict[str, Stream] = {}
    log: Records = []
    for stream_id, sequences in polls:
        log += grow(live, stream_id, sequences)
        assert replay(log, pieces) == live


@settings(deadline=None)
@given(POLLS, st.data())
def test_replay_of_a_compacted_log_gives_the_live_streams(
    polls: list[tuple[str, list[int]]], data: st.DataObject
) -> None:
    """The cleaner keeps the latest record of each key up to some place, and drops a null at some later time."""
    live: dict[str, Stream] = {}
    log: Records = []
    for stream_id, sequences in polls:
        log += grow(live, stream_id, sequences)
    clean = data.draw(st.integers(0, len(log)))
    latest = {key: place for place, (key, _) in enumerate(log[:clean])}
    nulls_kept = data.draw(st.booleans())
    kept = [
        record
        for place, record in enumerate(log)
        if place >= clean or (latest[record[0]] == place and (nulls_kept or record[1] is not None))
    ]
    assert replay(kept) == live


@settings(deadline=None)
@given(POLLS)
def test_records_are_small_whatever_the_state(polls: list[tuple[str, list[int]]]) -> None:
    live: dict[str, Stream] = {}
    for stream_id, sequences in polls:
        for key, value in grow(live, stream_id, sequences):
            assert len(key) + len(value or b"") <= 600 + len(stream_id)


@pytest.mark.parametrize(
    ("key", "value"),
    [
        (b"x/desk-1", b"1"),
        (b"c/desk-1", None),
        (b"c/desk-1", b"1 2"),
        (b"h/desk-1/3", None),
        (b"r/desk-1", b"5"),
        (b"r/desk-1/a", b"5"),
        (b"\xff", b""),
    ],
)
def test_record_that_is_none_stops_the_worker(key: bytes, value: bytes | None) -> None:
    with pytest.raises(InvariantBroken, match="none of intake's"):
        apply_changes({}, [key], [value])


def test_page_of_the_highest_sequence_survives() -> None:
    live: dict[str, Stream] = {}
    records = grow(live, "desk-1", [2**63 - 1])
    assert replay(records)["desk-1"].pages[SLOTS - 1] == Page(
        2**58 - 1, bytes(31 * 16) + bytes([(2**63 - 1) % 251 + 1]) * 16
    )
