"""The books of both sides: equal after loading, and every way in which they can differ is named by its lane."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

import polars as pl
import pytest

from esep.lineage import TopicPartition
from esep.schemas import schema
from esep.sinks.clickhouse.client import connect
from esep.sinks.clickhouse.reconcile import rebuild_rollups, reconcile
from esep.sinks.clickhouse.rollups import ROLLUPS
from esep.topics import ACCEPTED, LEDGER, receipts_topic
from tests.sinks.line import BINS, IINS, Line, frame_of, postings, receipts

if TYPE_CHECKING:
    from tests.sinks.line import Servers


@pytest.fixture(scope="module")
def line(servers: Servers) -> Line:
    """A line whose organizers were told of exactly the postings that are in `accepted` and in the ledger."""
    made = servers.line()
    producer = made.producer()
    events: Counter[str] = Counter()
    for partition in range(made.partitions):
        frame = postings(200, partition=partition)
        made.send(producer, TopicPartition(LEDGER, partition), "ledger", frame)
        accepted = frame.with_columns(accepted_row=pl.col("row")).select(schema("accepted").fields)
        made.send(producer, TopicPartition(ACCEPTED, partition), "accepted", accepted)
        events.update(frame["organizer_bin"].to_list())
    for bin_ in BINS:
        told = frame_of("receipt", receipts([events[bin_] - 5, 5], bin_=bin_))
        made.send(producer, TopicPartition(receipts_topic(bin_), 0), "receipt", told)
    del made.sent[TopicPartition(ACCEPTED, 0)], made.sent[TopicPartition(ACCEPTED, 1)]  # The loader does not load it.
    with made.loader() as loader:
        made.wait_rows(made.total())
        assert loader.stop() == 0
    return made


@pytest.mark.kafka
@pytest.mark.clickhouse
def test_books_balance_when_all_is_loaded_and_show_what_is_changed_then(line: Line) -> None:
    report = reconcile(line.settings, BINS)
    assert report.balanced, report.differences
    sent = pl.concat([frame for target, frames in line.sent.items() if target.topic == LEDGER for frame in frames])
    for event_type in ("WAGER", "PAYOUT"):
        amount = sent.filter(pl.col("event_type") == event_type)["amount_tiyn"].sum()
        assert report.amount_tiyn(event_type, "kafka") == report.amount_tiyn(event_type, "clickhouse") == amount
    assert [books.lane.output for books in report.lanes if books.lane.output.topic == LEDGER] == [
        TopicPartition(LEDGER, 0),
        TopicPartition(LEDGER, 1),
    ]
    _row_twice(line)
    _false_correction(line)
    _row_gone(line)


def _false_correction(line: Line) -> None:
    """What takes back other values than were booked is named by its entry; what takes back the right ones is not."""
    moved = ", ".join(f"1000000 + {name} AS {name}" for name in ("ledger_offset", "row_behind", "cause_behind"))
    with connect(line.settings) as client:
        for row, amount in ((3, "-amount_tiyn"), (4, "-amount_tiyn - 1")):
            client.command(
                f"INSERT INTO ledger SELECT * REPLACE (1 AS revision, -1 AS leg, {amount} AS amount_tiyn,"
                f" -won_tiyn AS won_tiyn, {moved}) FROM ledger WHERE ledger_partition = 0 AND row = {row}"
            )
        (entry,) = client.query(
            "SELECT entry_id FROM ledger WHERE ledger_partition = 0 AND row = 4 AND leg = 1"
        ).result_rows
        assert client.query("SELECT entry_id, revision FROM correction_mismatches").result_rows == [(*entry, 1)]
    report = reconcile(line.settings, BINS)
    assert report.mismatches == (f"{entry[0]} revision 1",)
    assert f"{entry[0]} revision 1 takes back other values than were booked" in report.differences
    with connect(line.settings) as client:
        client.command("ALTER TABLE ledger DELETE WHERE leg = -1", settings={"mutations_sync": 1})
    _rebuild(line)


def _rebuild(line: Line) -> None:
    """What was deleted or merged in the ledger is in the roll-ups still, until they are added up anew."""
    report = reconcile(line.settings, BINS)
    assert report.differences == report.rollups != ()
    assert {place.rollup for place in rebuild_rollups(line.settings)} == set(ROLLUPS)
    assert reconcile(line.settings, BINS).balanced


def _row_twice(line: Line) -> None:
    """A row that is there twice is seen before ClickHouse merges it, in its lane only."""
    with connect(line.settings) as client:
        client.command("SYSTEM STOP MERGES ledger")
        client.command("INSERT INTO ledger SELECT * FROM ledger WHERE ledger_partition = 0 AND row = 7")
    report = reconcile(line.settings, BINS)
    assert [(books.clickhouse.count, books.clickhouse.distinct) for books in report.lanes if not books.balanced] == [
        (201, 200)
    ]
    (entry,) = [entry for books in report.lanes for entry in books.entries]
    assert "row 7, entry " in entry
    assert entry.endswith(" is in ClickHouse 2 times")
    with connect(line.settings) as client:
        client.command("SYSTEM START MERGES ledger")
        client.command("OPTIMIZE TABLE ledger FINAL")
    _rebuild(line)


def _row_gone(line: Line) -> None:
    with connect(line.settings) as client:
        client.command(
            "ALTER TABLE ledger DELETE WHERE ledger_partition = 1 AND row = 9", settings={"mutations_sync": 1}
        )
    report = reconcile(line.settings, BINS)
    assert not report.balanced
    text = str(report)
    assert "accepted/1 to ledger/1" in report.differences[0]
    assert report.differences[0].endswith(" is not in ClickHouse")
    assert any("organizer" in difference for difference in report.differences)
    assert not any(iin in text or iin in str(report.to_json()) for iin in IINS)
