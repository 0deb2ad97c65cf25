"""`python -m bench.commit`: what a transaction takes by the number of partitions that it writes to.

Reads     nothing: it makes its records
Returns   a table on stdout, a row for each of `SHAPES`, from medians over rounds that take the shapes by turns
Promises  a broker of its own; the writer's producer and the offsets of all organizer partitions, as intake commits;
          wall time from begin to committed, and the processor time of writer and broker in the same run
"""

from __future__ import annotations

import struct
import tempfile
import time
from collections import defaultdict
from pathlib import Path
from statistics import median
from typing import Any, NamedTuple

import psutil  # type: ignore[import-untyped]  # it ships no types
from confluent_kafka import Consumer, Producer

from esep.admin import create_topics
from esep.cli.output import print_table
from esep.embedded.kafka import KafkaBroker
from esep.lineage import TopicPartition
from esep.stream_apps.batches import Assignment
from esep.stream_apps.stage import Write
from esep.stream_apps.transaction import Place, TransactionalWriter
from esep.topics import Topic

INPUTS = 240  # Organizer partitions, of half as many organizers.
RECORDS = 600  # Of one transaction: two for each organizer partition, and postings.
_ROUNDS, _WARM = 12, 2
_PLACE = Place("bench", 0)
_STATIC = {"group.instance.id": str(_PLACE), "enable.auto.commit": False, "log_level": 0, "session.timeout.ms": 45_000}
_FIRST = 20  # Partitions of a transaction that are written to for the first time.
_EACH = 4  # Transactions of a shape in a round: the broker's processor time is told in steps of 10 ms.


class Shape(NamedTuple):
    """What intake writes to: partitions of changelogs, of receipts, of `accepted`."""

    changelogs: int
    receipts: int
    accepted: int = 4


SHAPES = (Shape(INPUTS, INPUTS // 2), Shape(8, INPUTS // 2), Shape(INPUTS, 0), Shape(8, 0))


def main() -> None:
    """Print the table."""
    with tempfile.TemporaryDirectory(prefix="esep-commit-") as folder, KafkaBroker(Path(folder)) as broker:
        sizes = {"in": INPUTS, **SHAPES[0]._asdict()}
        create_topics(broker.bootstrap_servers, [Topic(name, of, "any", "bench", ()) for name, of in sizes.items()], 1)
        took = _measure(broker)
    columns = ("changelogs", "receipts", "accepted", "partitions", "wall, ms", "writer's CPU, ms", "broker's CPU, ms")
    rows = [(*shape, sum(shape), *(f"{median(of[_WARM:]):.0f}" for of in took[shape])) for shape in SHAPES]
    print_table(f"a transaction of intake with {INPUTS} organizer partitions", columns, rows)


def _measure(broker: KafkaBroker) -> dict[Shape, tuple[list[float], ...]]:
    """Return wall time, the writer's and the broker's processor time of a transaction, round by round (ms)."""
    writer = TransactionalWriter(_PLACE, broker.bootstrap_servers)
    writer.open()
    consumer = Consumer({"bootstrap.servers": broker.bootstrap_servers, "group.id": _PLACE.group} | _STATIC)
    member = _joined(consumer)
    server = psutil.Process(broker.pid)
    _write_first(broker.bootstrap_servers, writer, member)
    took: dict[Shape, tuple[list[float], ...]] = defaultdict(lambda: ([], [], []))
    for number in range(_ROUNDS):
        for shape in SHAPES:
            writes = _writes(shape)
            before = (time.monotonic(), time.process_time(), _cpu_s(server))
            for _ in range(_EACH):
                if not writer.commit(writes, {TopicPartition("in", one): number for one in range(INPUTS)}, member):
                    raise RuntimeError("the group refused a commit")
            after = (time.monotonic(), time.process_time(), _cpu_s(server))
            for of, start, end in zip(took[shape], before, after, strict=True):
                of.append((end - start) * 1000 / _EACH)
            consumer.poll(0)
    consumer.close()
    return took


def _write_first(bootstrap_servers: str, writer: TransactionalWriter, member: Assignment) -> None:
    """Let the broker open its files for every partition, and learn of the writer, in transactions of a few."""
    producer, every = Producer({"bootstrap.servers": bootstrap_servers}), _writes(SHAPES[0])
    for write in every:
        producer.produce(write.target.topic, b"v", b"k", write.target.partition)
    if producer.flush(300) != 0:
        raise RuntimeError("the broker did not take all records")
    for start in range(0, len(every), _FIRST):
        writer.commit(every[start : start + _FIRST], {}, member)


def _joined(consumer: Consumer) -> Assignment:
    """Return the credentials of a member of the group, by which the broker fences commits."""
    consumer.subscribe(["in"])
    while not consumer.assignment():
        consumer.poll(0.1)
    (generation,) = struct.unpack("=i", consumer.consumer_group_metadata()[7:11])
    return Assignment(generation, consumer.memberid(), frozenset(), epoch=1)


def _writes(shape: Shape) -> list[Write]:
    writes: list[Write] = []
    for topic, partitions in shape._asdict().items():
        for partition in range(partitions):
            count = max(1, RECORDS // 3 // partitions)
            writes.append(Write(TopicPartition(topic, partition), [b"k"] * count, [bytes(200)] * count))
    return writes


def _cpu_s(process: Any) -> float:
    times = process.cpu_times()
    return float(times.user + times.system)


if __name__ == "__main__":
    main()
