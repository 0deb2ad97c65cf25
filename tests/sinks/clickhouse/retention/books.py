"""A ledger of many years, with refused messages and receipts, and what the tables come to, for tests of retention."""

from __future__ import annotations

import random
import uuid
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from esep.codec import encode
from esep.lineage import TopicPartition
from esep.schemas import schema
from esep.settings import Settings
from esep.sinks.clickhouse.client import connect
from esep.sinks.clickhouse.frames import Records, rows_of
from esep.sinks.clickhouse.migrate import migrate
from esep.sinks.clickhouse.pending import Pending, token
from esep.sinks.clickhouse.rollups import HISTORY
from esep.sinks.clickhouse.store import Store
from esep.sinks.clickhouse.tables import table_of
from esep.topics import LEDGER, REJECTED, receipts_topic
from tests.sinks.line import BINS, IINS, frame_of, postings, receipts, rejected

if TYPE_CHECKING:
    from collections.abc import Iterator

    import polars as pl
    from clickhouse_connect.driver.client import Client

    from esep.embedded.clickhouse import ClickHouseServer

NOW = datetime(2026, 3, 1, tzinfo=UTC)  # Bets of 2020 need not be kept any more, those of 2021 must be.
INSTANTS = [  # When bets are made: months that are past their term, the turn of the year, later ones.
    *(datetime(2020, 3, 5, tzinfo=UTC), datetime(2020, 11, 30, 23, 59, 59, tzinfo=UTC)),
    *(datetime(2020, 12, 10, tzinfo=UTC), datetime(2020, 12, 31, 19, tzinfo=UTC)),
    *(datetime(2021, 4, 1, tzinfo=UTC), datetime(2026, 2, 1, tzinfo=UTC)),
]
RECEIVED = [INSTANTS[0], INSTANTS[3], INSTANTS[5]]  # When messages were refused and receipts given.
NEW_YEAR_2021 = INSTANTS[3]  # The year 2021 in Almaty, December 2020 in the tables.


def ledger(count: int, *, partition: int, first_row: int = 1, instants: list[datetime] = INSTANTS) -> pl.DataFrame:
    """Return postings of these instants: wagers, payouts of earlier wagers, and corrections that take back and book."""
    draw = random.Random(f"{partition}-{first_row}")
    rows = postings(count, partition=partition, first_row=first_row).to_dicts()
    for row in rows:
        row["occurred_at"] = draw.choice(instants) + timedelta(milliseconds=draw.randrange(1_000))
        row["received_at"] = row["occurred_at"] + timedelta(seconds=1)
        row["iin"] = IINS[2 * partition + draw.randrange(2)]  # A person has one partition.
        if row["event_type"] == "PAYOUT":
            row["wager_occurred_at"] = row["occurred_at"] - timedelta(days=draw.choice([0, 0, 40]))
    for back, now in zip(rows[3::10], rows[4::10], strict=False):
        shared = {"organizer_bin": BINS[0], "sequence": back["row"], "revision": 1}
        back.update(**shared, leg=-1, amount_tiyn=-back["amount_tiyn"])
        now.update(**shared, iin=back["iin"])
    return frame_of("ledger", rows)


@contextmanager
def database(clickhouse: ClickHouseServer, name: str) -> Iterator[tuple[Settings, Client]]:
    """Give a database of its own with all tables, empty."""
    own = Settings(clickhouse_url=clickhouse.url, clickhouse_database=f"{name}_{uuid.uuid4().hex[:8]}")
    migrate(own)
    with connect(own) as client:
        yield own, client


def load(own: Settings, source: TopicPartition, frame: pl.DataFrame, first_offset: int, layout: int = 1) -> Pending:
    """Insert records as the loader does, each at an offset of its own; return the range."""
    table, offsets = table_of(source.topic), list(range(first_offset, first_offset + frame.height))
    rows = rows_of(Records(source, offsets, list(encode(frame, schema(table.record)))), None)
    pending = Pending(offsets[0], offsets[-1], frame.height, layout)
    store = Store(own)
    for month in rows.months():
        store.insert(table, token(source, pending, month, table.name), rows.block(month))
    store.close()
    return pending


def fill(own: Settings) -> None:
    """Load a ledger of two partitions, refused messages and receipts of all the years."""
    for partition in (0, 1):
        load(own, TopicPartition(LEDGER, partition), ledger(80, partition=partition), 0)
    bin_ = BINS[0]
    refused = [_received(row) for row in rejected(12, bin_=bin_)]
    load(own, TopicPartition(REJECTED, 0), frame_of("rejected", refused), 0)
    told = [_received(row) for row in receipts([7] * 12, bin_=bin_)]
    load(own, TopicPartition(receipts_topic(bin_), 0), frame_of("receipt", told), 0)


def _received(row: dict[str, Any]) -> dict[str, Any]:
    return row | {"received_at": RECEIVED[row["row"] % len(RECEIVED)] + timedelta(milliseconds=row["row"])}


def months(client: Client, table: str) -> dict[int, int]:
    """Return the rows of each month that a table holds."""
    instant = "occurred_at" if table in {"ledger", HISTORY} else "received_at"
    what, month = ("sum(posting_count)", "month") if table.endswith(("_day", "_hour", "_month")) else ("count()", None)
    month = month or f"toYYYYMM({instant})"
    return dict(client.query(f"SELECT {month} AS m, {what} FROM {table} GROUP BY m ORDER BY m").result_rows)


def totals(client: Client) -> list[tuple[Any, ...]]:
    """Return every person's totals, of every year and of all time."""
    return sorted(client.query("SELECT * FROM person_totals").result_rows)
