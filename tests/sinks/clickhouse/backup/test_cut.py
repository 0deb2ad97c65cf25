"""Below and above the cut: the condition in SQL is the comparison of offsets, and a digest knows rows again."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from esep.lineage import TopicPartition
from esep.sinks.clickhouse.backup.cut import below, lanes_below, remove_above, rows_above
from esep.sinks.clickhouse.tables import LEDGER_TABLE, RECEIPTS_TABLE, TABLES, table_of
from esep.topics import LEDGER, REJECTED, receipts_topic
from tests.sinks.clickhouse.retention.books import database, fill
from tests.sinks.line import BINS

if TYPE_CHECKING:
    from esep.embedded.clickhouse import ClickHouseServer

CUTS = {
    TopicPartition(LEDGER, 0): 70,
    TopicPartition(LEDGER, 1): 0,
    TopicPartition(REJECTED, 0): 12,
    TopicPartition(receipts_topic(BINS[0]), 0): 5,
    TopicPartition(receipts_topic(BINS[1]), 0): 9,
}


def test_partition_that_has_no_cut_has_no_row_below_it() -> None:
    assert below(LEDGER_TABLE, {}) == "ledger_offset < [0][ledger_partition + 1]"
    assert below(RECEIPTS_TABLE, {}) == "receipt_offset < 0"
    assert below(RECEIPTS_TABLE, CUTS) == (
        "receipt_offset < multiIf(receipt_topic = 'organizer.940140000385.receipts', [5][receipt_partition + 1], "
        "receipt_topic = 'organizer.950341000052.receipts', [9][receipt_partition + 1], 0)"
    )


@pytest.mark.clickhouse
def test_rows_above_the_cut_are_removed_and_those_below_are_as_they_were(clickhouse: ClickHouseServer) -> None:
    """`fill` gives each row an offset of its own, from 0 on: 80 in each partition of the ledger, 12 in the others."""
    with database(clickhouse, "cut") as (own, client):
        fill(own)
        before = lanes_below(client, CUTS)
        assert {(lane.topic, lane.partition): lane.row_count for lane in before} == {
            (LEDGER, 0): 70,
            (REJECTED, 0): 12,
            (receipts_topic(BINS[0]), 0): 5,
        }
        ledger = next(lane for lane in before if lane.topic == LEDGER)
        assert (ledger.first_row, ledger.last_row, ledger.first_offset, ledger.last_offset) == (1, 70, 0, 69)
        assert str(ledger) == "accepted/0 → ledger/0"
        removed = {table.name: remove_above(client, table, CUTS) for table in TABLES}
        assert removed == {"ledger": 90, "rejected": 0, "receipts": 7, "alerts": 0, "dispositions": 0}
        assert sum(rows_above(client, table, CUTS) for table in TABLES) == 0
        assert lanes_below(client, CUTS) == before
        wider = dict.fromkeys(CUTS, 100)
        assert [lane for lane in lanes_below(client, wider) if table_of(lane.topic) is LEDGER_TABLE] == [ledger]
        change = "ALTER TABLE ledger UPDATE amount_tiyn = amount_tiyn + 1 WHERE row = 7"
        client.command(change, settings={"mutations_sync": 2})
        (changed,) = (lane for lane in lanes_below(client, CUTS) if lane.topic == LEDGER)
        assert changed.digest != ledger.digest
        assert changed.model_copy(update={"digest": ledger.digest}) == ledger
