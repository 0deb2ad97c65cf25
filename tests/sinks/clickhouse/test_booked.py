"""The ledger's sums per person, organizer and year, against sums in plain Python."""

from __future__ import annotations

import uuid
from collections import defaultdict
from datetime import UTC, datetime
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

import polars as pl
import pytest

from esep.codec import encode
from esep.lineage import TopicPartition
from esep.schemas import schema
from esep.settings import Settings
from esep.sinks.clickhouse.booked import booked, row_before, rows_there
from esep.sinks.clickhouse.client import connect
from esep.sinks.clickhouse.frames import Records, rows_of
from esep.sinks.clickhouse.migrate import migrate
from esep.sinks.clickhouse.store import Store
from esep.sinks.clickhouse.tables import LEDGER_TABLE
from esep.topics import LEDGER
from tests.sinks.line import postings

if TYPE_CHECKING:
    from esep.embedded.clickhouse import ClickHouseServer

pytestmark = pytest.mark.clickhouse
ALMATY = ZoneInfo("Asia/Almaty")
LAST_MOMENT = datetime(2025, 12, 31, 18, 59, 59, 999_000, tzinfo=UTC)  # Of the year 2025 in Almaty.


def load(settings: Settings, frame: pl.DataFrame, partition: int) -> None:
    """Insert postings of one lane as the loader does."""
    records = Records(TopicPartition(LEDGER, partition), list(range(frame.height)), encode(frame, schema("ledger")))
    rows = rows_of(records, None)
    store = Store(settings)
    for month in rows.months():
        store.insert(LEDGER_TABLE, f"{LEDGER}-{partition}-{month}", rows.block(month))
    store.close()


def test_sums_are_those_of_the_rows_up_to_the_one_asked_for(clickhouse: ClickHouseServer) -> None:
    """O9-4.6: by the Almaty year of the bet, per organizer, of one partition of the topic."""
    settings = Settings(clickhouse_url=clickhouse.url, clickhouse_database=f"booked_{uuid.uuid4().hex[:8]}")
    migrate(settings)
    at_the_end_of_a_year = pl.when(pl.col("row") == 3).then(pl.lit(LAST_MOMENT)).otherwise("occurred_at")
    frames = {
        partition: postings(80, partition=partition).with_columns(
            at_the_end_of_a_year.cast(pl.Datetime("ms", "UTC")).alias("occurred_at"),
            leg=pl.when(pl.col("row") % 7 == 0).then(-1).otherwise(1).cast(pl.Int32),
        )
        for partition in (0, 1)
    }
    for partition, frame in frames.items():
        load(settings, frame, partition)
    expected: defaultdict[tuple[str, int, int], list[int]] = defaultdict(lambda: [0, 0, 0, 0])
    for row in frames[1].filter(pl.col("row") <= 60).iter_rows(named=True):
        year = row["occurred_at"].astimezone(ALMATY).year
        sums = expected[row["iin"], int(row["organizer_bin"]), year]
        place = 0 if row["event_type"] == "WAGER" else 2
        sums[place] += row["leg"]
        sums[place + 1] += row["amount_tiyn"]
    with connect(settings) as client:
        assert (rows_there(client, 1, 60), rows_there(client, 1, 100), rows_there(client, 2, 5)) == (60, 80, 0)
        found = booked(client, 1, 60)
        causes = frames[1]["cause_offset"].to_list()
        assert row_before(client, 1, causes[60]) == 60, "the row of the posting before this one"
        assert row_before(client, 1, causes[-1] + 1) == 80
        assert row_before(client, 1, causes[0]) == row_before(client, 2, 9) == 0
        client.command("ALTER TABLE ledger DELETE WHERE ledger_partition = 1 AND row = 5 SETTINGS mutations_sync = 1")
        assert row_before(client, 1, causes[60]) is None, "not each of them is there"
    columns = ("wager_count", "wager_tiyn", "winning_count", "winning_tiyn")
    told = {(row["iin"], row["bin"], row["year"]): [row[name] for name in columns] for row in found.rows(named=True)}
    assert told == dict(expected)
    assert {year for _, _, year in told} == {2025, 2026}
    assert not found.select("refund_count", "cash_out_tiyn", "deposit_count", "withdrawal_tiyn").to_numpy().any()
