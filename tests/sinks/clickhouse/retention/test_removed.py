"""Removed rows are explained by the log: nothing is loaded again, nothing counts as missing, damage still shows."""

from __future__ import annotations

import time
from collections import Counter
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from esep.codec import encode
from esep.errors import UsageError
from esep.lineage import TopicPartition
from esep.schemas import schema
from esep.sinks.clickhouse.client import connect
from esep.sinks.clickhouse.continuous import compare_new, compare_past
from esep.sinks.clickhouse.frames import Records, rows_of
from esep.sinks.clickhouse.reconcile import reconcile
from esep.sinks.clickhouse.retention.away import Away
from esep.sinks.clickhouse.retention.removed import Closed, is_removed
from esep.sinks.clickhouse.retention.removing import Remover
from esep.sinks.clickhouse.store import Store
from esep.sinks.clickhouse.tables import LEDGER_TABLE, topics_to_load
from esep.status import lags_of
from esep.topics import LEDGER, LOADER, receipts_topic
from tests.sinks.line import BINS, WAIT_S
from tests.sinks.loading import load_all, note_and_insert_first_months

if TYPE_CHECKING:
    from tests.sinks.line import Line, Servers

IN_2032 = datetime(2032, 2, 1, tzinfo=UTC)  # What `fill` writes is of 2026, and past its term then.


@given(st.dictionaries(st.sampled_from([202609, 202610, 202611]), st.integers(0, 30)), st.data())
def test_record_is_removed_by_its_month_and_offset_alone(ends: dict[int, int], data: st.DataObject) -> None:
    """As the log says it, record by record; a range that begins below an end was there whole."""
    records = data.draw(st.lists(st.tuples(st.integers(9, 11), st.integers(0, 40)), min_size=1))
    frame = pl.DataFrame(
        {
            "occurred_at": [datetime(2026, month, 3, tzinfo=UTC) for month, _ in records],
            "offset": [o for _, o in records],
        }
    )
    told = frame.select(gone=is_removed(LEDGER_TABLE, ends, pl.col("offset")))["gone"].to_list()
    assert told == [offset < ends.get(202600 + month, 0) for month, offset in records]
    source = TopicPartition("ledger", 0)
    for _, first in records:
        assert Closed({source: ends}).months_from(source, first) == {m for m, end in ends.items() if end > first}


@pytest.fixture
def line(servers: Servers) -> Line:
    return servers.line()


@pytest.mark.kafka
@pytest.mark.clickhouse
@pytest.mark.long
def test_removed_rows_are_neither_missing_nor_loaded_again(line: Line) -> None:
    """O9-4.7, DESIGN §5: what was compared before it went, what was not, and what was inserted and is noted still."""
    line.fill(1)
    load_all(line)
    assert compare_new(line.settings, BINS).differences == ()
    line.fill(1)
    load_all(line)  # Compared by nobody when it goes.
    line.fill(1)
    note_and_insert_first_months(line)
    before = {table: _rows(line, table) for table in ("ledger", "rejected", "receipts")}
    assert _remove(line) == before
    assert compare_past(line.settings) == []
    with line.loader() as loader:
        line.wait_rows(line.total() - sum(before.values()))
        line.fill(1)  # Rows go on where they were, though the tables have forgotten them.
        line.wait_rows(line.total() - sum(before.values()))
        _await_committed(line)
        with pytest.raises(UsageError, match="rows are not removed while they are loaded"):
            _remove(line)
        assert loader.stop() == 0
    report = reconcile(line.settings, BINS)
    assert all(books.balanced for books in report.lanes), report.differences
    assert report.rollups == ()
    assert {one.organizer_bin: (one.receipts_accepted, one.ledger_rows) for one in report.organizers} == _sent(line)
    assert compare_new(line.settings, BINS).differences == ()
    assert compare_past(line.settings) == []
    _damage_still_shows(line)


def _await_committed(line: Line) -> None:
    until = time.monotonic() + WAIT_S
    while any(lag.lag for lag in lags_of(line.bootstrap_servers, LOADER, topics_to_load(line.settings, BINS))):
        assert time.monotonic() < until
        time.sleep(0.1)


def _remove(line: Line) -> dict[str, int]:
    """Remove all there is in 2032; return the rows that went, by table."""
    gone: Counter[str] = Counter()
    with connect(line.settings) as client:
        for entry in Remover(client, Away(line.settings, client, 0.0), IN_2032).run():
            assert entry.state == "REMOVED"
            gone[entry.place.table] += entry.rows
    return dict(gone)


def _rows(line: Line, table: str) -> int:
    with connect(line.settings) as client:
        return int(client.query(f"SELECT count() FROM {table}").result_rows[0][0])


def _sent(line: Line) -> dict[str, tuple[int, int]]:
    """Return what each organizer was told in all, and its postings in all."""
    ledger = pl.concat([frame for source, frames in line.sent.items() if source.topic == LEDGER for frame in frames])
    told = {bin_: 7 * line.count(TopicPartition(receipts_topic(bin_), 0)) for bin_ in BINS}
    return {bin_: (told[bin_], ledger.filter(organizer_bin=bin_).height) for bin_ in BINS}


def _damage_still_shows(line: Line) -> None:
    """A row that is back, and one that is gone for no reason."""
    with connect(line.settings) as client:
        (one,) = client.query("SELECT min(row) FROM ledger WHERE ledger_partition = 0").result_rows[0]
        change = f"ALTER TABLE ledger DELETE WHERE ledger_partition = 0 AND row = {one}"
        client.command(change, settings={"mutations_sync": 1})
    (missing,) = (books for books in reconcile(line.settings, BINS).lanes if not books.balanced)
    assert [f"row {one}," in entry and entry.endswith("is not in ClickHouse") for entry in missing.entries] == [True]
    (past,) = compare_past(line.settings)
    assert (past.lane, past.removed.count > 0) == (missing.lane, True)
    back = line.sent[TopicPartition(LEDGER, 1)][0].head(1)
    rows = rows_of(
        Records(
            TopicPartition(LEDGER, 1), line.offsets[TopicPartition(LEDGER, 1)][:1], list(encode(back, schema(LEDGER)))
        ),
        None,
    )
    store = Store(line.settings)
    store.insert(LEDGER_TABLE, "again", rows.block(next(iter(rows.months()))))
    store.close()
    _, twice = (books for books in reconcile(line.settings, BINS).lanes if not books.balanced)
    assert [entry.endswith("is in ClickHouse although it was removed") for entry in twice.entries] == [True]
