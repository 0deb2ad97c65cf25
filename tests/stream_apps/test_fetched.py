"""Two ways, one answer: our columns hold the records that aiokafka itself makes of the same fetch."""

from __future__ import annotations

import asyncio
import struct
from typing import TYPE_CHECKING, Any, NoReturn

import aiokafka
import pytest
from aiokafka.consumer.fetcher import READ_COMMITTED, FetchResult, PartitionRecords
from aiokafka.consumer.subscription_state import Assignment as FetchAssignment
from aiokafka.errors import CorruptRecordException
from aiokafka.protocol.fetch import FetchRequest
from aiokafka.protocol.produce import ProduceRequest
from aiokafka.record.default_records import DefaultRecordBatchBuilder
from aiokafka.record.memory_records import MemoryRecords
from aiokafka.record.util import calc_crc32c
from hypothesis import example, given
from hypothesis import strategies as st

from esep.lineage import TopicPartition
from esep.stream_apps.fetched import Room, reread_with, take_batch, unpack
from tests.support.kafka_topics import CountTopics

if TYPE_CHECKING:
    from collections.abc import Sequence

    from esep.stream_apps.stage import Batch
    from tests.support.brokers import Broker

LZ4, ATTRIBUTES_AT, CRC_AT, CONTROL = 3, 21, 17, 0x20
ABORT, COMMIT = struct.pack(">hh", 0, 0), struct.pack(">hh", 0, 1)
PARTITION = aiokafka.TopicPartition("accepted", 0)

cells = st.none() | st.binary(max_size=8)
blocks = st.tuples(
    st.sampled_from(["plain", "transactional", "commit", "abort"]),
    st.integers(1, 3),  # producer
    st.lists(st.tuples(st.integers(0, 9), cells, cells), min_size=1, max_size=5),  # offset delta, key, value
    st.integers(0, 2),  # offsets that compaction took from the end
    st.booleans(),  # compressed
)


def sealed(block: bytearray) -> bytes:
    """Return a block with the checksum of what it holds now."""
    struct.pack_into(">I", block, CRC_AT, calc_crc32c(bytes(block[ATTRIBUTES_AT:])))
    return bytes(block)


def block_bytes(
    base: int,
    kind: str,
    producer: int,
    rows: Sequence[tuple[int, bytes | None, bytes | None]],
    taken: int,
    lz4: bool,
) -> tuple[bytes, int]:
    """Return a record block as a broker would send it, and the offset after it."""
    marker = kind in ("commit", "abort")
    transactional = kind != "plain"
    builder = DefaultRecordBatchBuilder(
        2, 0 if marker or not lz4 else LZ4, int(transactional), producer if transactional else -1, 0, 0, 1 << 20
    )
    deltas = sorted({delta for delta, _, _ in rows})
    if marker:
        deltas, rows = [0], [(0, ABORT if kind == "abort" else COMMIT, b"\x00\x00\x00\x00\x00\x00")]
    for delta, (_, key, value) in zip(deltas, rows, strict=False):
        builder.append(delta, 1_000 + delta, key, value, [("source", b"test")])
    block = builder.build()
    last_delta = deltas[-1] + taken
    struct.pack_into(">q", block, 0, base)
    struct.pack_into(">i", block, ATTRIBUTES_AT + 2, last_delta)
    if marker:
        block[ATTRIBUTES_AT + 1] |= CONTROL
    return sealed(bytearray(block)), base + last_delta + 1


def log_of(descriptions: Sequence[Any]) -> tuple[bytes, list[tuple[int, int]]]:
    """Return a log and the aborted transactions (producer, first offset) that a broker would name with it."""
    log, base = b"", 0
    aborted: list[tuple[int, int]] = []
    begun: dict[int, int] = {}
    for kind, producer, rows, taken, lz4 in descriptions:
        if kind == "transactional":
            begun.setdefault(producer, base)
        elif kind == "abort" and producer in begun:
            aborted.append((producer, begun.pop(producer)))
        elif kind == "commit":
            begun.pop(producer, None)
        block, base = block_bytes(base, kind, producer, rows, taken, lz4)
        log += block
    return log, aborted


def records_of(log: bytes, aborted: list[tuple[int, int]], first: int = 0) -> PartitionRecords:
    return PartitionRecords(
        PARTITION, MemoryRecords(log), list(aborted), first, None, None, check_crcs=True, isolation_level=READ_COMMITTED
    )


def no_reread(source: TopicPartition, first: int, end: int) -> NoReturn:
    raise AssertionError(f"{source} {first} {end}")


def columns(batches: Sequence[Batch | None]) -> list[tuple[int, int, bytes | None, bytes | None]]:
    return [
        row
        for batch in batches
        if batch is not None
        for row in zip(batch.offsets, batch.timestamps_ms, batch.keys, batch.values, strict=True)
    ]


@given(st.lists(blocks, max_size=8), st.integers(0, 40), st.integers(1, 12))
def test_columns_hold_what_aiokafka_returns_record_by_record(
    descriptions: list[Any], first: int, records_max: int
) -> None:
    log, aborted = log_of(descriptions)
    theirs = records_of(log, aborted, first)
    expected = [(record.offset, record.timestamp, record.key, record.value) for record in theirs]
    ours = records_of(log, aborted, first)
    batches = []
    while ours._records.has_next():
        batches.append(unpack(ours, Room(records_max, 1 << 20), no_reread))
    assert columns(batches) == expected
    assert ours.next_fetch_offset == theirs.next_fetch_offset


LARGE = ("plain", 1, [(place, b"12345678", b"12345678") for place in range(5)], 0, False)


@given(st.lists(blocks, min_size=2, max_size=8), st.integers(1, 40))
@example([LARGE] * 3, 40)
def test_poll_exceeds_its_bytes_by_one_block_at_most(descriptions: list[Any], bytes_max: int) -> None:
    log, aborted = log_of(descriptions)
    records, room = records_of(log, aborted), Room(1_000, bytes_max)
    batch = unpack(records, room, no_reread)
    size = sum(len(cell) for cell in (*batch.keys, *batch.values) if cell) if batch else 0
    assert room.size_bytes == bytes_max - size
    assert not records._records.has_next() or size >= bytes_max
    assert size < bytes_max + 5 * 16


def test_damaged_block_is_an_error() -> None:
    block, _ = block_bytes(0, "plain", 1, [(0, b"k", b"value")], 0, lz4=False)
    damaged = block[:-2] + bytes([block[-2] ^ 1]) + block[-1:]
    with pytest.raises(CorruptRecordException):
        unpack(records_of(damaged, []), Room(10, 100), no_reread)


def test_records_fetched_before_a_seek_are_left_and_the_rest_moves_the_position() -> None:
    async def run() -> None:
        block, end = block_bytes(0, "plain", 1, [(0, b"k", b"v"), (1, b"k", b"w")], 0, lz4=False)
        assignment = FetchAssignment([PARTITION])
        for position, taken in ((7, []), (0, [0, 1])):
            assignment.state_value(PARTITION).seek(position)
            fetched = FetchResult(PARTITION, assignment=assignment, partition_records=records_of(block, []), backoff=0)
            batch = take_batch(fetched, Room(10, 100), no_reread)
            assert (batch.offsets if batch else []) == taken
            assert not fetched.has_more()
        assert assignment.state_value(PARTITION).position == end

    asyncio.run(run())


@pytest.mark.kafka
def test_block_with_a_header_name_that_is_no_text_is_read_all_the_same(broker: Broker) -> None:
    """aiokafka decodes header names strictly; a broker does not look at them, so any organizer could send one."""
    topics = CountTopics(broker.bootstrap_servers, partitions=1)
    topics.send(3)
    builder = DefaultRecordBatchBuilder(2, 0, 0, -1, -1, -1, 1 << 20)
    for delta in range(3):
        builder.append(delta, 1_000, b"key", b"value %d" % delta, [("name", b"x")])
    asyncio.run(_produce_raw(topics, sealed(bytearray(builder.build().replace(b"name", b"\xff\xfe\xfd\xfc")))))
    topics.send(3)

    log = asyncio.run(_fetch_raw(topics, 4))
    with pytest.raises(UnicodeDecodeError):
        list(records_of(log, []))
    batch = unpack(
        PartitionRecords(
            aiokafka.TopicPartition(*topics.source(0)), MemoryRecords(log), [], 4, None, None, True, READ_COMMITTED
        ),
        Room(100, 1 << 20),
        reread_with(broker.bootstrap_servers, "totals"),
    )
    assert batch is not None
    assert batch.offsets == [4, 5, 6, 7, 8]
    assert batch.values == [b"value 1", b"value 2", b"v", b"v", b"v"]


async def _produce_raw(topics: CountTopics, block: bytes) -> None:
    producer = aiokafka.AIOKafkaProducer(bootstrap_servers=topics.bootstrap_servers)
    await producer.start()
    try:
        await producer.client._wait_on_metadata(topics.source(0).topic)
        request = ProduceRequest(None, 1, 10_000, [(topics.source(0).topic, [(0, block)])])
        response = await producer.client.send(1, request)
        ((_, ((_, error_code, *_),)),) = response.topics
        assert error_code == 0
    finally:
        await producer.stop()


async def _fetch_raw(topics: CountTopics, first: int) -> bytes:
    consumer = aiokafka.AIOKafkaConsumer(topics.source(0).topic, bootstrap_servers=topics.bootstrap_servers)
    await consumer.start()
    try:
        request = FetchRequest(100, 1, 1 << 20, READ_COMMITTED, [(topics.source(0).topic, [(0, first, 1 << 20)])])
        response = await consumer._client.send(1, request)
        ((_, (partition,)),) = response.topics
        return bytes(partition[-1])
    finally:
        await consumer.stop()
