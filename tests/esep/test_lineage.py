"""Positions survive their wire form, and row numbers stay dense however the work is cut into polls."""

from __future__ import annotations

import json

from hypothesis import given
from hypothesis import strategies as st

from esep.lineage import POSITION_KEY, Lane, Position, TopicPartition

PARTITIONS = st.builds(
    TopicPartition, st.sampled_from(["accepted", "rejected", "organizer.940140000385.receipts"]), st.integers(0, 999)
)
POSITIONS = st.builds(Position, st.integers(0, 2**62), st.dictionaries(PARTITIONS, st.integers(1, 2**62), max_size=6))
WRITTEN = st.dictionaries(PARTITIONS, st.integers(0, 20_000), max_size=6)


@given(POSITIONS)
def test_position_survives_its_wire_form(position: Position) -> None:
    assert Position.decode(position.encode()) == position


@given(POSITIONS)
def test_equal_positions_have_equal_bytes_whatever_the_order(position: Position) -> None:
    reversed_rows = dict(reversed(position.rows.items()))
    assert Position(position.next_offset, reversed_rows).encode() == position.encode()


def test_operator_can_read_a_position_with_any_tool() -> None:
    position = Position(7, {TopicPartition("ledger", 3): 12, TopicPartition("ledger", 1): 5})
    assert json.loads(position.encode()) == {"next_offset": 7, "rows": [["ledger", 1, 5], ["ledger", 3, 12]]}


@given(st.lists(WRITTEN, max_size=6))
def test_rows_add_up_over_polls(polls: list[dict[TopicPartition, int]]) -> None:
    position = Position(0)
    for offset, written in enumerate(polls, start=1):
        position = position.advanced(offset, written)
    assert position.next_offset == len(polls)
    for output in {output for written in polls for output in written}:
        assert position.rows[output] == sum(written.get(output, 0) for written in polls)


@given(POSITIONS, WRITTEN)
def test_position_advanced_leaves_the_old_one_as_it_was(position: Position, written: dict[TopicPartition, int]) -> None:
    """The old state is what an aborted transaction is repeated against."""
    before = position.encode()
    after = position.advanced(position.next_offset + 1, written)
    assert position.encode() == before
    assert {output: after.rows[output] - position.rows.get(output, 0) for output in after.rows} == {
        output: written.get(output, 0) for output in {**position.rows, **written}
    }


@given(st.binary(min_size=16) | st.text(st.characters(min_codepoint=0x20), min_size=1).map(str.encode))
def test_no_key_of_a_state_is_the_position_key(key: bytes) -> None:
    """Keys of states hold a person key (16 bytes) or a stream id (printable)."""
    assert key != POSITION_KEY


def test_partition_reads_as_topic_and_number() -> None:
    lane = Lane(TopicPartition("accepted", 0), TopicPartition("ledger", 3))
    assert f"{lane.cause} to {lane.output}" == "accepted/0 to ledger/3"
