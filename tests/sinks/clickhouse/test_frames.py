"""Records to blocks: nothing is lost, moved or made up, and no gap passes."""

from __future__ import annotations

import io

import polars as pl
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from esep.codec import encode
from esep.errors import InvariantBroken, RowGap
from esep.lineage import TopicPartition
from esep.schemas import schema
from esep.sinks.clickhouse.frames import HASHES, Records, rows_of
from esep.topics import ACCEPTED, ALERTS, LEDGER, REJECTED, receipts_topic
from tests.sinks.line import BINS, alerts, frame_of, postings, receipts, rejected
from tests.support.examples import examples
from tests.support.wide import widened

LEDGER_1 = TopicPartition(LEDGER, 1)
LANE = TopicPartition(ACCEPTED, 1)
POSTINGS = encode(postings(60, partition=1), schema("ledger"))
SENT = {
    LEDGER: ("ledger", postings(40, partition=0)),
    ALERTS: ("alert", frame_of("alert", alerts(40, partition=0))),
    REJECTED: ("rejected", frame_of("rejected", rejected(40, bin_=BINS[0]))),
    receipts_topic(BINS[0]): ("receipt", frame_of("receipt", receipts([4] * 40, bin_=BINS[0]))),
}


@pytest.mark.parametrize("topic", SENT)
def test_blocks_together_are_the_records_with_their_coordinates(topic: str) -> None:
    record, sent = SENT[topic]
    offsets = [7 + 2 * number for number in range(40)]  # Markers leave holes.
    rows = rows_of(Records(TopicPartition(topic, 0), offsets, list(encode(sent, schema(record)))), {})
    blocks = [pl.read_ipc_stream(io.BytesIO(rows.block(month))) for month in rows.months()]
    table = rows.table
    together = pl.concat(blocks).sort(table.offset_column)
    hexed = [pl.col(name).bin.encode("hex") for name in HASHES if name in together.columns]
    wide = pl.DataFrame(widened(together.to_dicts())) if topic == LEDGER else together
    back = wide.with_columns(*hexed).select(sent.columns)
    assert back.rows() == sent.rows()
    assert together[table.offset_column].to_list() == offsets
    assert together[table.partition_column].unique().to_list() == [0]
    for month, block in zip(rows.months(), blocks, strict=True):
        assert block[table.instant].dt.strftime("%Y%m").unique().to_list() == [str(month)]
        assert block.height == rows.months()[month]


def test_months_come_in_ascending_order() -> None:
    months = list(rows_of(_records(list(range(60))), {}).months())
    assert months == sorted(months)
    assert len(months) == 3


@st.composite
def nearly_dense(draw: st.DrawFn) -> list[int]:
    """Return places that follow each other, often with one left out, repeated or put elsewhere."""
    places = list(range(first := draw(st.integers(0, 4)), first + draw(st.integers(2, 12))))
    match draw(st.sampled_from(["as they are", "left out", "repeated", "moved"])):
        case "left out":
            places.pop(draw(st.integers(0, len(places) - 1)))
        case "repeated":
            places.insert(draw(st.integers(0, len(places))), draw(st.sampled_from(places)))
        case "moved":
            places.insert(draw(st.integers(0, len(places) - 1)), places.pop())
    return places


@settings(max_examples=examples(25))
@given(nearly_dense() | st.lists(st.integers(0, 59), min_size=1, max_size=12), st.integers(0, 3))
@example([0, 2], 0)
def test_rows_that_are_not_last_plus_one_are_refused(places: list[int], last: int) -> None:
    """Any choice of records, in any order: it passes if and only if its rows are last + 1, last + 2 …"""
    records = _records(places)
    dense = [place + 1 for place in places] == list(range(last + 1, last + 1 + len(places)))
    if dense:
        assert rows_of(records, {LANE: last}).last_rows == {LANE: last + len(places)}
    else:
        with pytest.raises(RowGap):
            rows_of(records, {LANE: last})


def test_range_read_again_may_begin_anywhere_but_has_no_hole() -> None:
    assert rows_of(_records([7, 8, 9]), None).last_rows == {LANE: 10}
    with pytest.raises(RowGap, match="row 10 at offset 1 follows row 8 at offset 0"):
        rows_of(_records([7, 9]), None)


@pytest.mark.parametrize("bad", [None, b"", b"not Avro at all", POSTINGS[0][:-1], POSTINGS[0] + b"\x00"])
def test_record_that_is_none_stops_the_loader_and_is_named_by_offset(bad: bytes | None) -> None:
    records = Records(LEDGER_1, [100, 102, 104], [POSTINGS[0], bad, POSTINGS[1]])
    with pytest.raises(InvariantBroken, match="ledger/1: offset 102"):
        rows_of(records, {})


def test_hash_that_is_none_stops_the_loader() -> None:
    frame = postings(2, partition=1).with_columns(body_sha256=pl.lit("ab"))
    with pytest.raises(InvariantBroken, match="body_sha256"):
        rows_of(Records(LEDGER_1, [1, 2], list(encode(frame, schema("ledger")))), {})


def test_counts_of_a_receipt_are_those_of_its_signed_content() -> None:
    sent = frame_of("receipt", receipts([4, 9], bin_=BINS[0]))
    source = TopicPartition(receipts_topic(BINS[0]), 0)
    frame = rows_of(Records(source, [0, 2], list(encode(sent, schema("receipt")))), {}).frame
    names = ("from_offset", "accepted_count", "duplicate_count", "rejected_count", "held_count", "released_count")
    counts = frame.select(*names, "receipt_topic")
    assert counts.rows() == [(1, 3, 2, 3, 1, 1, source.topic), (2, 8, 2, 3, 1, 1, source.topic)]


def _records(places: list[int]) -> Records:
    return Records(LEDGER_1, list(range(len(places))), [POSTINGS[place] for place in places])
