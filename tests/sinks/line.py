"""What the sink's tests need: a stage that writes to the loader's topics, the loader as a process, and both ends read.

Reads     a broker, a ClickHouse
Returns   `Line`: topics and tables of its own on a shared broker; records in, rows out
"""

from __future__ import annotations

import hashlib
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time
import uuid
from collections import defaultdict
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import confluent_kafka as ck
import polars as pl
import psutil
from confluent_kafka.admin import AdminClient

from esep.admin import create_topics
from esep.codec import empty_frame, encode, encode_body
from esep.lineage import TopicPartition
from esep.schemas import schema
from esep.settings import Settings
from esep.sinks.clickhouse.client import connect
from esep.sinks.clickhouse.frames import HASHES
from esep.sinks.clickhouse.migrate import migrate
from esep.sinks.clickhouse.tables import TABLES, table_of
from esep.topics import (
    ACCEPTED,
    ALERTS,
    DISPOSITIONS,
    LEDGER,
    REJECTED,
    Topic,
    all_topics,
    events_topic,
    receipts_topic,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from esep.embedded.clickhouse import ClickHouseServer
    from esep.embedded.kafka import KafkaBroker

BINS = ["940140000385", "950341000052"]
IINS = ["900101300007", "900101300811", "061211600012", "830717350867"]
WAIT_S = 150.0  # A consumer that met a topic before it was there looks again after a minute.
BYTES = ("body", "message_key", "content", "certificate", "signature")
MONTHS = [
    datetime(2026, 9, 30, 23, 50, tzinfo=UTC),
    datetime(2026, 10, 15, tzinfo=UTC),
    datetime(2026, 11, 2, tzinfo=UTC),
]


def postings(count: int, *, partition: int, first_row: int = 1, seed: int = 1) -> pl.DataFrame:
    """Return `count` postings of one lane (accepted → ledger), of three months and several persons."""
    draw = random.Random(f"{partition}-{first_row}-{seed}")
    frame = empty_frame(schema("ledger"))
    rows = [_posting(draw, partition, row) for row in range(first_row, first_row + count)]
    filler = {name: [row.get(name, _neutral(kind)) for row in rows] for name, kind in frame.schema.items()}
    return pl.DataFrame(filler, schema=frame.schema)


def _neutral(kind: pl.DataType) -> Any:
    if kind.is_integer():
        return 0
    return [] if isinstance(kind, pl.List) else None


def _posting(draw: random.Random, partition: int, row: int) -> dict[str, Any]:
    bin_, kind = draw.choice(BINS), draw.choice(["WAGER", "PAYOUT"])
    occurred_at = draw.choice(MONTHS) + timedelta(milliseconds=draw.randrange(3_600_000))
    stream_id = f"desk-{partition}"
    return {
        "row": row,
        "received_at": occurred_at + timedelta(seconds=1),
        "cause_topic": ACCEPTED,
        "cause_partition": partition,
        "cause_offset": row - 1,
        "origin_topic": events_topic(bin_),
        "origin_offset": row - 1,
        "entry_id": f"{bin_}/{stream_id}/{row}",
        "leg": 1,
        "event_type": kind,
        "organizer_bin": bin_,
        "stream_id": stream_id,
        "sequence": row,
        "site_id": "almaty-1",
        "iin": draw.choice(IINS),
        "wager_id": f"W-{row}",
        "occurred_at": occurred_at,
        "amount_tiyn": draw.randrange(1, 10_000_000),
        "payment_method": "CARD",
        "channel": "ONLINE" if kind == "WAGER" else None,
        "kind": "WINNING" if kind == "PAYOUT" else None,
        "won_tiyn": 1 if kind == "PAYOUT" else None,
        "wager_occurred_at": occurred_at if kind == "PAYOUT" else None,
        "selections": [{"event_id": "E-7", "market_id": "1X2", "outcome_id": "1", "odds_milli": 1850}][: row % 2],
        "organizer_name": "ТОО «Бәс»",
        "organizer_kind": "BOOKMAKER",
        "licence_number": "24012345",
        "body_sha256": hashlib.sha256(f"{partition}/{row}".encode()).hexdigest(),
    }


def rejected(count: int, *, bin_: str, first_row: int = 1) -> list[dict[str, Any]]:
    """Return `count` refused messages of one lane (an organizer's partition 0 → rejected)."""
    return [
        {
            **_head(events_topic(bin_), row),
            "organizer_bin": bin_,
            "reject_code": "NOT_WIRE_FORMAT",
            "field": None,
            "stream_id": None,
            "sequence": None,
            "event_type": None,
            "schema_id": None,
            "message_key": b"desk-\xff" if row % 2 else None,
            "body": bytes(range(256)) * (row % 3),
            "body_sha256": hashlib.sha256(b"%d" % row).hexdigest(),
        }
        for row in range(first_row, first_row + count)
    ]


def receipts(accepted: Sequence[int], *, bin_: str, first_row: int = 1) -> list[dict[str, Any]]:
    """Return a receipt per number of accepted events, of which the last is a correction that had waited."""
    return [_receipt(row, count, bin_) for row, count in enumerate(accepted, first_row)]


def _receipt(row: int, accepted: int, bin_: str) -> dict[str, Any]:
    topic = events_topic(bin_)
    notice = {"offset": 3, "stream_id": None, "sequence": None, "reject_code": "EMPTY", "field": None}
    content = {
        "organizer_bin": bin_,
        "topic": topic,
        "partition": 0,
        "from_offset": row,
        "through_offset": row,
        "streams": [],
        "accepted_count": accepted - 1,
        "duplicate_count": 2,
        "held_count": 1,
        "rejects": [notice] * 3,
        "settled": [
            {"offset": 1, "stream_id": "desk-1", "sequence": number, "outcome": outcome}
            for number, outcome in enumerate(["ACCEPTED", "DUPLICATE", "CORRECTION_MISMATCH"], 1)
        ],
    }
    return {
        **_head(topic, row),
        "organizer_bin": bin_,
        "through_offset": row,
        "content": encode_body(content, schema("receipt_content")),
        "content_sha256": hashlib.sha256(b"%d" % row).hexdigest(),
        "issued_at": MONTHS[1],
        "key_id": "authority-1",
        "certificate": b"\x30\x00",
        "signature": bytes(64),
    }


def alerts(count: int, *, partition: int, first_row: int = 1) -> list[dict[str, Any]]:
    """Return `count` revisions of alerts: each alert has two."""
    evidence = {
        "entry_id": f"{BINS[0]}/desk-0/1",
        "revision": 0,
        "leg": 1,
        "occurred_at": MONTHS[0],
        "amount_tiyn": 120_000_000,
        "ledger_partition": partition,
        "ledger_offset": 4,
    }
    return [
        {
            **_head(LEDGER, row, partition),
            "alert_id": f"{partition:02d}{(row + 1) // 2:030d}",
            "revision": 2 - row % 2,
            "status": "OPEN" if row % 2 else "WITHDRAWN",
            "rule_id": "winning-1000000",
            "rule_version": 1,
            "severity": "MANDATORY",
            "mode": "LIVE",
            "iin": IINS[0],
            "bucket": "2026-10-01",
            "occurred_at": MONTHS[row % 3],
            "organizer_bins": BINS,
            "reason_kk": "ұтыс",
            "reason_ru": "выигрыш",
            "reason_en": "winnings",
            "basis": "191-IV 4(1)(1)",
            "observations": [{"name": "payout", "value": 5, "threshold": 4, "unit": "tiyn"}],
            "evidence": [evidence] * (row % 3),
            "reference_version": 1,
        }
        for row in range(first_row, first_row + count)
    ]


def dispositions(count: int, *, partition: int, first_row: int = 1) -> list[dict[str, Any]]:
    """Return `count` decisions about alerts of one partition."""
    return [
        {
            **_head(ALERTS, row, partition),
            "alert_id": f"{partition:02d}{row:030d}",
            "revision": 1,
            "verdict": ["CONFIRMED", "FALSE", "REPORTED"][row % 3],
            "reference": "2026/117" * (row % 2),
            "reason": "Төлем расталды.",
            "officer": "a.serikova",
            "decided_at": MONTHS[row % 3],
        }
        for row in range(first_row, first_row + count)
    ]


def _head(topic: str, row: int, partition: int = 0) -> dict[str, Any]:
    received_at = MONTHS[row % 3] + timedelta(milliseconds=row)
    return {
        "row": row,
        "received_at": received_at,
        "cause_topic": topic,
        "cause_partition": partition,
        "cause_offset": row - 1,
    }


def frame_of(record: str, rows: list[dict[str, Any]]) -> pl.DataFrame:
    """Return records as a frame with the columns of their schema."""
    return pl.DataFrame(rows, schema=empty_frame(schema(record)).schema)


@dataclass
class Servers:
    """A broker and an engine of the sink's tests' own: the names of the topics are the line's, and tests end both."""

    broker: KafkaBroker
    clickhouse: ClickHouseServer
    data_dir: Path

    def line(self) -> Line:
        """Return a line with topics and tables that are empty."""
        line = Line(self.broker.bootstrap_servers, self.clickhouse.url, self.data_dir)
        line.recreate_topics()
        return line

    def lose_clickhouse(self) -> None:
        """Lose the machine that the engine is on, and start another, empty one; backups are on another disk."""
        self.clickhouse.kill()
        shutil.rmtree(self.clickhouse.data_dir / "engine")
        self.clickhouse.start()
        self.clickhouse.wait_ready()


@dataclass
class Line:
    """The topics of the line on a broker of its own, a database, and what was committed to each partition."""

    bootstrap_servers: str
    clickhouse_url: str
    data_dir: Path
    partitions: int = 2
    sent: defaultdict[TopicPartition, list[pl.DataFrame]] = field(default_factory=lambda: defaultdict(list))
    offsets: defaultdict[TopicPartition, list[int]] = field(default_factory=lambda: defaultdict(list))
    database: str = field(default_factory=lambda: f"esep_{uuid.uuid4().hex[:8]}")

    def __post_init__(self) -> None:
        self.settings = self.settings_of(0)
        migrate(self.settings)

    def topics(self) -> list[Topic]:
        return all_topics(BINS, events_partitions=1, ledger_partitions=self.partitions)

    def settings_of(self, ordinal: int, **changed: Any) -> Settings:
        return Settings(
            bootstrap_servers=self.bootstrap_servers,
            clickhouse_url=self.clickhouse_url,
            clickhouse_database=self.database,
            events_partitions=1,
            ledger_partitions=self.partitions,
            ordinal=ordinal,
            session_timeout_ms=6_000,
            status_file=self.data_dir / f"loader-{ordinal}.json",
            **changed,
        )

    def producer(self) -> ck.Producer:
        producer = ck.Producer(
            {
                "bootstrap.servers": self.bootstrap_servers,
                "transactional.id": f"stage-{uuid.uuid4().hex}",
                "retry.backoff.ms": 1,
                "linger.ms": 1,
            }
        )
        producer.init_transactions(WAIT_S)
        return producer

    def send(
        self, producer: ck.Producer, target: TopicPartition, record: str, rows: pl.DataFrame, *, commit: bool = True
    ) -> None:
        """Write records in one transaction, which is committed or aborted."""
        offsets: list[int] = []
        producer.begin_transaction()
        for value in encode(rows, schema(record)):
            producer.produce(
                target.topic,
                value,
                partition=target.partition,
                on_delivery=lambda _, sent: offsets.append(sent.offset()),
            )
        if commit:
            producer.commit_transaction(WAIT_S)
            self.sent[target].append(rows)
            self.offsets[target] += sorted(offsets)
        else:
            producer.flush(WAIT_S)
            producer.abort_transaction(WAIT_S)

    def fill(self, rounds: int = 4, per_round: int = 25) -> None:
        """Write to every topic of the loader, several transactions each, with aborted ones in between."""
        producer = self.producer()
        for _ in range(rounds):
            for partition in range(self.partitions):
                target, first = TopicPartition(LEDGER, partition), self.count(TopicPartition(LEDGER, partition)) + 1
                self.send(producer, target, "ledger", postings(per_round, partition=partition, first_row=first))
                lost = postings(3, partition=partition, first_row=first + per_round, seed=9)
                self.send(producer, target, "ledger", lost, commit=False)
                target = TopicPartition(ALERTS, partition)
                rows = alerts(4, partition=partition, first_row=self.count(target) + 1)
                self.send(producer, target, "alert", frame_of("alert", rows))
                self._decide(producer, partition)
            for bin_ in BINS:
                done = sum(frame["organizer_bin"].eq(bin_).sum() for frame in self.sent[TopicPartition(REJECTED, 0)])
                rows = rejected(5, bin_=bin_, first_row=done + 1)
                self.send(producer, TopicPartition(REJECTED, 0), "rejected", frame_of("rejected", rows))
                target = TopicPartition(receipts_topic(bin_), 0)
                rows = receipts([7], bin_=bin_, first_row=self.count(target) + 1)
                self.send(producer, target, "receipt", frame_of("receipt", rows))

    def _decide(self, producer: ck.Producer, partition: int) -> None:
        target = TopicPartition(DISPOSITIONS, 0)
        done = sum(frame["cause_partition"].eq(partition).sum() for frame in self.sent[target])
        rows = dispositions(2, partition=partition, first_row=done + 1)
        self.send(producer, target, "disposition", frame_of("disposition", rows))

    def count(self, target: TopicPartition) -> int:
        """Return how many records were committed to a partition."""
        return sum(frame.height for frame in self.sent[target])

    def total(self) -> int:
        """Return how many records were committed in all."""
        return sum(map(self.count, list(self.sent)))

    def loader(self, ordinal: int = 0, **plan: Any) -> LoaderProcess:
        """Start a loader; plan: see loader_process.py."""
        return LoaderProcess(self, ordinal, plan)

    def rows(self) -> int:
        """Return the number of rows in all tables."""
        with connect(self.settings) as client:
            return sum(int(client.command(f"SELECT count() FROM {name}")) for name in [table.name for table in TABLES])

    def wait_rows(self, expected: int) -> None:
        """Return once the tables hold so many rows; more is an error."""
        until = time.monotonic() + WAIT_S
        while (rows := self.rows()) < expected:
            assert time.monotonic() < until, f"{rows} of {expected} rows came in time\n{self._told()}"
            time.sleep(0.05)
        assert rows == expected

    def _told(self) -> str:
        """Return what loaders say of themselves, and the last of what they have logged."""
        status = [path.read_text() for path in sorted(self.data_dir.glob("loader-*.json"))]
        logs = [path.read_text()[-3_000:] for path in sorted(self.data_dir.glob("loader-*.log"))]
        return "\n".join([*status, *logs])

    def assert_equal(self) -> None:
        """Compare every table with what was committed: rows, fields, partitions and offsets."""
        with connect(self.settings) as client:
            for target, frames in self.sent.items():
                table, sent = table_of(target.topic), pl.concat(frames)
                topic = f"AND {table.topic_column} = '{target.topic}'" if table.topic_column else ""
                answer = client.query(
                    f"SELECT {', '.join(sent.columns)}, {table.offset_column} FROM {table.name}"
                    f" WHERE {table.partition_column} = {target.partition} {topic} ORDER BY {table.offset_column}",
                    column_formats=dict.fromkeys(BYTES, "bytes"),
                    query_tz="UTC",
                )
                hashes = [pl.col(name).str.decode("hex") for name in HASHES if name in sent.columns]
                expected = sent.with_columns(*hashes, pl.Series(table.offset_column, self.offsets[target]))
                assert [_plain(row) for row in answer.result_rows] == [_plain(row) for row in expected.rows()], target

    def with_new_database(self) -> Line:
        """Return the same topics with tables that are empty."""
        return Line(self.bootstrap_servers, self.clickhouse_url, self.data_dir, self.partitions)

    def recreate_topics(self) -> None:
        """Remove all topics, and with them the offsets that were committed for them, and make them anew."""
        admin = AdminClient({"bootstrap.servers": self.bootstrap_servers})
        names, until = {topic.name for topic in self.topics()}, time.monotonic() + WAIT_S
        while there := names & set(admin.list_topics(timeout=WAIT_S).topics):
            assert time.monotonic() < until
            for removed in admin.delete_topics(sorted(there)).values():
                with suppress(ck.KafkaException):  # It was going already.
                    removed.result(WAIT_S)
        create_topics(self.bootstrap_servers, self.topics(), 1)
        self.sent.clear()
        self.offsets.clear()


def _plain(value: Any) -> Any:
    """Return a value in the form that both sides have in common: instants without a zone, tuples as lists."""
    if isinstance(value, datetime):
        return value.replace(tzinfo=None)
    if isinstance(value, dict):
        return {name: _plain(part) for name, part in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(part) for part in value]
    return value


class LoaderProcess:
    """A loader as a process of its own."""

    def __init__(self, line: Line, ordinal: int, plan: dict[str, Any]) -> None:
        self.status_file = line.data_dir / f"loader-{ordinal}.json"
        self.status_file.unlink(missing_ok=True)
        environment = {
            f"ESEP_{name.upper()}": str(value)
            for name, value in line.settings_of(ordinal).model_dump().items()
            if value is not None
        }
        self.log = line.data_dir / f"loader-{ordinal}.log"
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                [sys.executable, str(Path(__file__).with_name("loader_process.py")), json.dumps(plan)],
                env={**os.environ, **environment, "POLARS_MAX_THREADS": "1"},
                stdout=log,
                stderr=log,
            )

    def status(self) -> dict[str, Any]:
        return json.loads(self.status_file.read_text()) if self.status_file.exists() else {}

    def wait_ready(self) -> None:
        until = time.monotonic() + WAIT_S
        while self.status().get("state") != "ready":
            assert time.monotonic() < until, self.log.read_text()
            assert self.process.poll() is None, self.log.read_text()
            time.sleep(0.05)

    def wait_stopped(self) -> None:
        """Return once the process stands still by SIGSTOP."""
        until = time.monotonic() + WAIT_S
        while psutil.Process(self.process.pid).status() != psutil.STATUS_STOPPED:
            assert time.monotonic() < until, self.log.read_text()
            time.sleep(0.05)

    def wait(self) -> int:
        try:
            return self.process.wait(timeout=WAIT_S)
        except subprocess.TimeoutExpired:
            self.signal(signal.SIGABRT)  # Have it say where its threads are.
            self.process.wait(timeout=WAIT_S)
            raise AssertionError(self.log.read_text()[-6_000:]) from None

    def signal(self, number: int) -> None:
        self.process.send_signal(number)

    def stop(self) -> int:
        self.process.terminate()
        return self.wait()

    def __enter__(self) -> LoaderProcess:
        return self

    def __exit__(self, *_: object) -> None:
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait(timeout=WAIT_S)
