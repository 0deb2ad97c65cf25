"""Pages follow each other over stops and failures, and tell later what the tables do not say any more."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import confluent_kafka as ck
import pytest
from confluent_kafka.admin import AdminClient

from esep.errors import BrokerUnavailable
from esep.lineage import TopicPartition
from esep.sinks.clickhouse import continuous
from esep.sinks.clickhouse.client import connect
from esep.sinks.clickhouse.continuous import compare_new, compare_past
from esep.sinks.clickhouse.tables import topics_to_load
from esep.status import lags_of
from esep.topics import LEDGER, LOADER
from tests.sinks.line import BINS, IINS, WAIT_S, Line

if TYPE_CHECKING:
    from tests.sinks.line import Servers

pytestmark = [pytest.mark.kafka, pytest.mark.clickhouse]
OVERLAPS = """
SELECT count() FROM (
    SELECT first_offset, max(end_offset) OVER (
        PARTITION BY topic, partition ORDER BY first_offset ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING
    ) AS before
    FROM (SELECT DISTINCT topic, partition, first_offset, end_offset FROM reconciliations FINAL)
) WHERE first_offset < before
"""


@pytest.fixture
def line(servers: Servers) -> Line:
    made = servers.line()
    made.fill(2)
    load(made)
    return made


def load(line: Line, gone: int = 0) -> None:
    """Have all loaded, where so many rows were removed, and offsets behind aborted records and markers committed."""
    topics, until = topics_to_load(line.settings, BINS), time.monotonic() + WAIT_S
    with line.loader() as loader:
        line.wait_rows(line.total() - gone)
        while any(lag.lag for lag in lags_of(line.bootstrap_servers, LOADER, topics)):
            assert time.monotonic() < until
            time.sleep(0.1)
        assert loader.stop() == 0


def value(line: Line, sql: str) -> Any:
    with connect(line.settings) as client:
        return client.query(sql).result_rows[0][0]


def change(line: Line, sql: str) -> None:
    with connect(line.settings) as client:
        client.command(sql, settings={"mutations_sync": 1})


@pytest.mark.long
def test_each_record_is_compared_once_when_it_is_loaded_and_what_is_under_way_is_no_difference(line: Line) -> None:
    first = compare_new(line.settings, BINS)
    assert (first.compared, first.differences) == (line.total(), ())
    before = line.total()
    line.fill(1)
    waiting = compare_new(line.settings, BINS)
    assert (waiting.compared, waiting.differences) == (0, ())
    assert waiting.behind > line.total() - before
    load(line)
    _differs_by_what_is_gone(line, line.total() - before)
    assert value(line, "SELECT sum(kafka_count) FROM reconciliations FINAL") == line.total()
    assert value(line, OVERLAPS) == 0
    _forgotten_uncompared(line)


def _differs_by_what_is_gone(line: Line, compared: int) -> None:
    """What is found is kept with its entries, and without a person."""
    change(line, "ALTER TABLE ledger DELETE WHERE ledger_partition = 0 AND row IN (53, 54)")
    progress = compare_new(line.settings, BINS)
    assert (progress.compared, progress.balanced) == (compared, False)
    entries = value(line, "SELECT entries FROM reconciliations FINAL WHERE NOT balanced")
    assert [entry.split(",")[1] for entry in entries] == [" row 53", " row 54"]
    assert all(entry.endswith("is not in ClickHouse") for entry in entries)
    assert all(entry in progress.differences[0] for entry in entries)
    assert not any(iin in str(progress.differences) for iin in IINS)


def _forgotten_uncompared(line: Line) -> None:
    """Offsets that Kafka deleted before they were compared are told, and the rest is compared."""
    before, source = line.total(), TopicPartition(LEDGER, 1)
    line.fill(1)
    load(line, gone=2)
    end = value(line, "SELECT max(end_offset) FROM reconciliations WHERE topic = 'ledger' AND partition = 1")
    forget(line, source)
    progress = compare_new(line.settings, BINS)
    (told,) = progress.differences
    assert told.startswith(f"{source}: offsets {end} to ")
    assert progress.compared == line.total() - before - 25


@pytest.mark.long
def test_stop_in_the_middle_leaves_whole_pages_by_which_damage_is_told_when_kafka_has_forgotten(
    line: Line, monkeypatch: pytest.MonkeyPatch
) -> None:
    compare, calls = continuous.lanes_between, []

    def stopped(*call: Any) -> Any:
        calls.append(call)
        if len(calls) % 3 == 0:
            raise BrokerUnavailable("no broker")
        return compare(*call)

    monkeypatch.setattr(continuous, "lanes_between", stopped)
    monkeypatch.setattr(continuous, "PAGE_OFFSETS_MAX", 30)
    failures = 0
    while True:
        try:
            compare_new(line.settings, BINS)
        except BrokerUnavailable:
            failures += 1
        else:
            break
    assert failures > 3
    assert value(line, "SELECT sum(kafka_count) FROM reconciliations FINAL") == line.total()
    assert value(line, OVERLAPS) == 0
    monkeypatch.setattr(continuous, "PAST_ROWS_MAX", 25)  # So that a lane is compared in several ranges.
    assert compare_past(line.settings) == []
    forget(line, TopicPartition(LEDGER, 0))
    assert compare_past(line.settings) == []
    _told_by_pages(line)
    new = compare_new(line.settings, BINS)
    assert (new.compared, new.differences) == (0, ()), "what was compared is not compared again"


def _told_by_pages(line: Line) -> None:
    """A row that is there twice, gone, or changed."""
    change(line, "SYSTEM STOP MERGES ledger")
    change(line, "INSERT INTO ledger SELECT * FROM ledger WHERE ledger_partition = 0 AND row = 7")
    (twice,) = compare_past(line.settings)
    assert (twice.clickhouse.count, twice.clickhouse.distinct) == (twice.kafka.count + 1, twice.kafka.distinct)
    change(line, "SYSTEM START MERGES ledger")  # A mutation waits for them.
    change(line, "ALTER TABLE ledger DELETE WHERE ledger_partition = 0 AND row = 7")
    (gone,) = compare_past(line.settings)
    assert (gone.lane, gone.clickhouse.count) == (twice.lane, gone.kafka.count - 1)
    change(line, "ALTER TABLE ledger UPDATE amount_tiyn = amount_tiyn + 1 WHERE ledger_partition = 1 AND row = 30")
    _, changed = compare_past(line.settings)
    assert changed.kafka.first <= 30 <= changed.kafka.last
    assert sum(changed.clickhouse.amounts_tiyn.values()) == sum(changed.kafka.amounts_tiyn.values()) + 1


def forget(line: Line, source: TopicPartition) -> None:
    """Have Kafka delete all records of a partition, as retention does."""
    admin = AdminClient({"bootstrap.servers": line.bootstrap_servers})
    (deleted,) = admin.delete_records([ck.TopicPartition(*source, ck.OFFSET_END)]).values()
    deleted.result(WAIT_S)
