"""What the shell and the stages hand each other: where a batch ends, and that nobody changes what he was given."""

from __future__ import annotations

from dataclasses import FrozenInstanceError

import pytest
from hypothesis import given
from hypothesis import strategies as st

from esep.lineage import Position, TopicPartition
from esep.stream_apps.stage import Batch, PartitionState, Result, Write

EVENTS = TopicPartition("organizer.940140000385.events", 0)


@given(st.lists(st.integers(0, 2**62), min_size=1, unique=True).map(sorted))
def test_batch_is_done_at_the_offset_after_its_last_record_holes_or_not(offsets: list[int]) -> None:
    """Transaction markers leave holes in offsets, so the length of a batch says nothing about where it ends."""
    some = len(offsets)
    batch = Batch(EVENTS, offsets, [1_767_207_600_000] * some, [b"desk-7"] * some, [None] * some)
    assert batch.next_offset == max(offsets) + 1
    assert len(batch) == some


@pytest.mark.parametrize(
    "handed",
    [
        Batch(EVENTS, [7], [1_767_207_600_000], [b"desk-7"], [b"\x00"]),
        Write(EVENTS, [b"desk-7"], [None]),
        PartitionState(Position(0), None),
        Result([], {}, {}),
    ],
    ids=lambda handed: type(handed).__name__,
)
def test_what_is_handed_over_cannot_be_exchanged(handed: object) -> None:
    """An aborted transaction repeats the same batches against the same state."""
    for name in type(handed).__slots__:
        with pytest.raises(FrozenInstanceError):
            setattr(handed, name, None)


def test_result_without_an_account_of_changes_settles_nothing() -> None:
    assert Result([], {}, {}).changes is None
