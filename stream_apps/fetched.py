"""Turn what aiokafka fetched of a partition into one batch of parallel lists, committed records only.

Reads     the record blocks that wait in aiokafka's fetcher; where it cannot read one, the same offsets by librdkafka
Returns   a `Batch`, or None where there were markers and aborted records only
Promises  the records that aiokafka would return, in the same order, without an object of Python's for each

aiokafka makes a generator step and a named tuple of 11 fields of each record: half of a fetch's time (DESIGN §8).
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

import confluent_kafka as ck
from aiokafka.errors import CorruptRecordException

from esep.errors import BrokerUnavailable
from esep.lineage import TopicPartition
from esep.outsider import outsider
from esep.security import PLAIN
from esep.stream_apps.stage import Batch

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from aiokafka.consumer.fetcher import FetchResult, PartitionRecords

REREAD_S_MAX = 5.0  # Blocks the consumer's thread, so it must end before the broker misses its heartbeats.


class Row(NamedTuple):
    """One record as librdkafka read it; aiokafka's own records have the same attributes."""

    offset: int
    timestamp: int
    key: bytes | None
    value: bytes | None


class Room:
    """What a poll may still take, in records and in bytes of keys and values; false once it is full."""

    def __init__(self, records: int, size_bytes: int) -> None:
        self.records = records
        self.size_bytes = size_bytes

    def __bool__(self) -> bool:
        return self.records > 0 and self.size_bytes > 0


class Reread(Protocol):
    """Reads a partition's committed records from one offset up to another, exclusive."""

    def __call__(self, source: TopicPartition, first: int, end: int) -> Sequence[Row]:
        """Return the records in offset order."""
        ...


def take_batch(fetched: FetchResult, room: Room, reread: Reread) -> Batch | None:
    """Return the next committed records of a fetch result and move its partition's position behind them.

    Whole record blocks are taken until the room is used up, so that a poll may exceed its limits by one block.
    Nothing is taken where the position is not the one that was fetched from (after a seek or a rebalance).
    """
    if not (fetched.has_more() and fetched.check_assignment(fetched._topic_partition)):
        return None
    records = fetched._partition_records
    batch = unpack(records, room, reread)
    fetched._update_position()
    if not records._records.has_next():
        fetched._partition_records = None
    return batch


def unpack(records: PartitionRecords, room: Room, reread: Reread) -> Batch | None:
    """Return the committed records of the next blocks, as aiokafka's `PartitionRecords` does one by one."""
    source = TopicPartition(*records._tp)
    batch = Batch(source, [], [], [], [])
    while room and records._records.has_next():
        block = records._records.next_batch()
        if not block.validate_crc():
            raise CorruptRecordException(f"{source} has a damaged record block at offset {records.next_fetch_offset}.")
        if not _is_marker_or_aborted(records, block):
            _append(batch, _rows(block, source, records.next_fetch_offset, reread), room)
        records.next_fetch_offset = block.next_offset  # Even where compaction has removed the last record.
    return batch if batch.offsets else None


def reread_with(bootstrap_servers: str, group: str, security: Mapping[str, str] = PLAIN) -> Reread:
    """Return a reader by librdkafka, for blocks that aiokafka cannot read: it wants header names to be UTF-8."""

    def reread(source: TopicPartition, first: int, end: int) -> list[Row]:
        config = outsider(bootstrap_servers, group, security)
        consumer = ck.Consumer(config | {"auto.offset.reset": "error", "enable.partition.eof": True})
        try:
            consumer.list_topics(source.topic, REREAD_S_MAX)  # Without it the leader is looked for once a second only.
            consumer.assign([ck.TopicPartition(*source, first)])
            return _read_until(end, lambda: consumer.consume(1_000, 0.1), time.monotonic() + REREAD_S_MAX)
        finally:
            consumer.close()

    return reread


def _is_marker_or_aborted(records: PartitionRecords, block: Any) -> bool:
    if block.producer_id is not None:
        records._consume_aborted_up_to(block.base_offset)
        if block.is_control_batch and records._contains_abort_marker(block):
            records._aborted_producers.discard(block.producer_id)
        if block.is_transactional and block.producer_id in records._aborted_producers:
            return True
    return bool(block.is_control_batch)


def _rows(block: Any, source: TopicPartition, first: int, reread: Reread) -> Sequence[Any]:
    try:
        rows: Sequence[Any] = list(block)
    except UnicodeDecodeError:
        return reread(source, first, block.next_offset)
    return rows if rows and rows[0].offset >= first else [row for row in rows if row.offset >= first]


def _append(batch: Batch, rows: Sequence[Any], room: Room) -> None:
    keys = [row.key for row in rows]
    values = [row.value for row in rows]
    batch.offsets.extend([row.offset for row in rows])
    batch.timestamps_ms.extend([row.timestamp for row in rows])
    batch.keys.extend(keys)
    batch.values.extend(values)
    room.records -= len(rows)
    room.size_bytes -= sum(map(len, filter(None, keys))) + sum(map(len, filter(None, values)))


def _read_until(end: int, consume: Callable[[], list[ck.Message]], deadline: float) -> list[Row]:
    rows: list[Row] = []
    while time.monotonic() < deadline:
        for message in consume():
            error = message.error()
            if error is not None and error.code() != ck.KafkaError._PARTITION_EOF:
                raise BrokerUnavailable("A record block could not be read again.", detail=str(error))
            if message.offset() >= end or (error is not None and message.offset() == end):
                return rows
            if error is None:
                rows.append(Row(message.offset(), message.timestamp()[1], message.key(), message.value()))
                if message.offset() == end - 1:
                    return rows
    raise BrokerUnavailable("A record block could not be read again in time.", detail=f"read to {len(rows)} records")
