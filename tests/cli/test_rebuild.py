"""`esep totals rebuild`: the state made anew is that of the stage, to the cell, and a lost changelog is put back."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import confluent_kafka as ck
import polars as pl
import pytest

from esep.cli import rebuild as module
from esep.codec import encode
from esep.errors import BooksUnbalanced, SinkUnavailable, UsageError
from esep.identifiers import PersonKeys
from esep.lineage import Position, TopicPartition
from esep.schemas import schema
from esep.sinks.clickhouse.client import connect
from esep.sinks.clickhouse.frames import Records, rows_of
from esep.sinks.clickhouse.retention.removing import Remover
from esep.sinks.clickhouse.store import Store
from esep.sinks.clickhouse.tables import LEDGER_TABLE
from esep.stream_apps.stage import Batch, PartitionState, Write
from esep.stream_apps.totals.cells import Cells
from esep.stream_apps.totals.remembered import frame_of, remembered
from esep.stream_apps.totals.stage import TotalsStage
from esep.topics import ACCEPTED, LEDGER, TOTALS
from tests.sinks.clickhouse.retention.books import NOW, ledger, months
from tests.support.command import command

if TYPE_CHECKING:
    from pathlib import Path

    from tests.sinks.line import Line, Servers

KEY = b"k" * 32
SORTED = ["person_0", "person_1", "bin", "year"]


@pytest.fixture
def line(servers: Servers, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Line:
    made = servers.line()
    (tmp_path / "routing.key").write_bytes(KEY)
    told = made.settings.model_dump() | {"routing_key_file": tmp_path / "routing.key", "status_file": None}
    for name, value in told.items():
        if value is not None:
            monkeypatch.setenv(f"ESEP_{name.upper()}", str(value))
    return made


@pytest.mark.kafka
@pytest.mark.clickhouse
@pytest.mark.long
def test_lost_changelog_is_put_back_from_balances_and_ledger(line: Line, tmp_path: Path) -> None:
    """O9-4.6, DESIGN §5: after months were removed; a worker would begin with exactly the state that was lost."""
    states = [_worked(line, partition) for partition in range(line.partitions)]
    with connect(line.settings) as client:
        assert {entry.state for entry in Remover(client, lambda: None, NOW).run()} == {"REMOVED"}
        assert 202003 not in months(client, "ledger")

    def rebuild(*words: str) -> Any:
        return command("totals", "rebuild", "--json", "--data-dir", tmp_path, *words)

    _refused(line, rebuild)
    put = json.loads(rebuild("--write").stdout)
    assert (put["equal"], sorted(put["written"])) == (True, ["0", "1"])
    for lost, found in zip(states, remembered(line.bootstrap_servers, line.partitions), strict=True):
        assert found.next_offset == lost.position.next_offset
        assert found.row == lost.position.rows[TopicPartition(LEDGER, found.partition)]
        assert found.cells.sort(SORTED).equals(frame_of(lost.data).sort(SORTED))
    again = rebuild("--write")
    assert (again.exit_code, json.loads(again.stdout)["written"]) == (0, {}), "a state that is there is left alone"
    with connect(line.settings) as client:
        change = "ALTER TABLE ledger UPDATE amount_tiyn = amount_tiyn + 1 WHERE ledger_partition = 1 AND row = 80"
        client.command(change, settings={"mutations_sync": 1})
    differing = rebuild()
    assert differing.exit_code == 1
    assert [one["differing"] for one in json.loads(differing.stdout)["partitions"]] == [0, 1]


def _refused(line: Line, rebuild: Any) -> None:
    """What would be written is not what was lost: an offset that was moved, a posting that is missing."""
    (end,) = (one.next_offset for one in [_batch(line, 0)])
    _commit(line, 0, end - 3)
    refused = rebuild("--write").exception
    assert isinstance(refused, BooksUnbalanced)
    assert f"totals has committed offset {end - 3}, the last posting is of {end - 1}" in str(refused)
    _commit(line, 0, end)
    with connect(line.settings) as client:
        client.command("ALTER TABLE ledger DELETE WHERE row = 80", settings={"mutations_sync": 1})
        behind = rebuild("--write").exception
        assert isinstance(behind, SinkUnavailable)
        assert "postings are not loaded yet" in str(behind)
    for partition in range(line.partitions):
        _load(line, partition, only_last=True)


def test_nothing_is_written_beside_a_worker(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "members_of", lambda *_: 2)
    with pytest.raises(UsageError, match="the group totals has 2 members"):
        module.put_back(None, None, None, lambda sums: sums)  # type: ignore[arg-type] - nobody is asked


def _worked(line: Line, partition: int) -> PartitionState[Cells]:
    """Have totals work through a partition, and its postings loaded; its changelog is lost. Return its last state."""
    producer, stage, source = line.producer(), TotalsStage(), TopicPartition(ACCEPTED, partition)
    frame = ledger(80, partition=partition).select(schema("accepted").fields)
    for part in (frame.head(50), frame.tail(30)):
        line.send(producer, source, "accepted", part)
    state = PartitionState(Position(0), stage.empty(source))
    result = stage.process([_batch(line, partition)], {source: state})
    stage.settle({source: state}, result.changes)
    (write,) = result.outputs
    _publish(line, producer, write)
    _load(line, partition)
    _commit(line, partition, result.positions[source].next_offset)
    return PartitionState(result.positions[source], state.data)


def _batch(line: Line, partition: int) -> Batch:
    source = TopicPartition(ACCEPTED, partition)
    frame, offsets = pl.concat(line.sent[source]), line.offsets[source]
    keys = PersonKeys(KEY)(frame["iin"].to_list())
    return Batch(source, offsets, [0] * len(offsets), list(keys), list(encode(frame, schema("accepted"))))


def _publish(line: Line, producer: ck.Producer, write: Write) -> None:
    def delivered(_: object, sent: ck.Message) -> None:
        line.offsets[write.target].append(sent.offset())

    producer.begin_transaction()
    for key, value in zip(write.keys, write.values, strict=True):
        producer.produce(write.target.topic, value, key, write.target.partition, on_delivery=delivered)
    producer.commit_transaction(60)
    VALUES[line.database, write.target] = list(write.values)


VALUES: dict[tuple[str, TopicPartition], list[bytes | None]] = {}


def _load(line: Line, partition: int, *, only_last: bool = False) -> None:
    source, store = TopicPartition(LEDGER, partition), Store(line.settings)
    start = -1 if only_last else 0
    records = Records(source, line.offsets[source][start:], VALUES[line.database, source][start:])
    rows = rows_of(records, None)
    for month in rows.months():
        store.insert(LEDGER_TABLE, f"{source}-{month}-{only_last}", rows.block(month))
    store.close()


def _commit(line: Line, partition: int, offset: int) -> None:
    consumer = ck.Consumer({"bootstrap.servers": line.bootstrap_servers, "group.id": TOTALS})
    consumer.commit(offsets=[ck.TopicPartition(ACCEPTED, partition, offset)], asynchronous=False)
    consumer.close()
