"""What a loader does, without its process: insert what was sent and commit it, or be killed in the midst of that."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import confluent_kafka as ck
import polars as pl

from esep.codec import encode
from esep.lineage import TopicPartition
from esep.schemas import schema
from esep.sinks.clickhouse.frames import Records, rows_of
from esep.sinks.clickhouse.group import Mark
from esep.sinks.clickhouse.pending import Pending, token
from esep.sinks.clickhouse.store import Store
from esep.sinks.clickhouse.tables import table_of, topics_to_load
from esep.status import lags_of
from esep.topics import LOADER
from tests.sinks.line import BINS

if TYPE_CHECKING:
    from tests.sinks.line import Line


def load_frame(store: Store, topic: str, frame: pl.DataFrame) -> None:
    """Insert records of one partition that were never in Kafka, the first at offset 0."""
    table = table_of(topic)
    records = Records(TopicPartition(topic, 0), list(range(frame.height)), list(encode(frame, schema(table.record))))
    rows = rows_of(records, None)
    for month in rows.months():
        store.insert(table, f"{topic}:{month}", rows.block(month))


def load_all(line: Line) -> None:
    """Insert what was sent last of each partition as a loader does, and commit the offsets behind it."""
    _load(line, is_whole=True)


def note_and_insert_first_months(line: Line) -> None:
    """As a loader that is killed: each range is noted and the first of its months inserted."""
    _load(line, is_whole=False)


def committed(line: Line) -> dict[TopicPartition, int]:
    """Return the offsets that the loader's group has committed."""
    lags = lags_of(line.bootstrap_servers, LOADER, topics_to_load(line.settings, BINS))
    return {TopicPartition(lag.topic, lag.partition): lag.committed for lag in lags}


def _load(line: Line, *, is_whole: bool) -> None:
    store, first = Store(line.settings), committed(line)
    marks = {}
    for source, frames in line.sent.items():
        table, start = table_of(source.topic), first[source]
        new = [offset for offset in line.offsets[source] if offset >= start]
        values = encode(pl.concat(frames).tail(len(new)), schema(table.record))
        rows = rows_of(Records(source, new, list(values)), None)
        layout = store.layout(table) + store.closed(table).layout
        pending = Pending(start, new[-1], len(new), layout, int(time.time()))
        for month in list(rows.months())[: None if is_whole else 1]:
            store.insert(table, token(source, pending, month, table.name), rows.block(month))
        marks[source] = Mark(new[-1] + 1) if is_whole else Mark(start, pending.encode())
    store.close()
    consumer = ck.Consumer({"bootstrap.servers": line.bootstrap_servers, "group.id": LOADER})
    places = [ck.TopicPartition(*source, mark.offset, mark.metadata) for source, mark in marks.items()]
    consumer.commit(offsets=places, asynchronous=False)
    consumer.close()
