"""What tests of the workers need of a broker: the topics of a counting stage, records in them, and what came out."""

from __future__ import annotations

import time
import uuid
from collections import Counter
from dataclasses import dataclass, field

import confluent_kafka as ck
from confluent_kafka.admin import AdminClient, NewTopic

from esep.lineage import TopicPartition

WAIT_S = 60.0


@dataclass
class CountTopics:
    """Topics `<stage>.in`, `.out` and `.changelog`, with as many partitions each, and what was put into the first."""

    bootstrap_servers: str
    partitions: int = 4
    stage: str = field(default_factory=lambda: f"count-{uuid.uuid4().hex[:8]}")
    sent: dict[int, list[bytes]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        stamped, compacted = {"message.timestamp.type": "LogAppendTime"}, {"cleanup.policy": "compact"}
        topics = [
            NewTopic(f"{self.stage}.in", self.partitions, 1, config=stamped),
            NewTopic(f"{self.stage}.out", self.partitions, 1),
            NewTopic(f"{self.stage}.changelog", self.partitions, 1, config=compacted),
        ]
        admin = AdminClient({"bootstrap.servers": self.bootstrap_servers})  # Kept: without it the calls are dropped.
        for created in admin.create_topics(topics).values():
            created.result()
        self.sent = {partition: [] for partition in range(self.partitions)}
        admin.list_topics(f"{self.stage}.in", WAIT_S)
        self._producer = (
            ck.Producer(  # Idempotent, or what a broker refuses at first would come behind what follows it.
                {"bootstrap.servers": self.bootstrap_servers, "linger.ms": 2, "enable.idempotence": True}
            )
        )

    def source(self, partition: int) -> TopicPartition:
        return TopicPartition(f"{self.stage}.in", partition)

    def send(self, records: int, keys: int = 50) -> None:
        """Add so many records, spread over partitions and keys."""
        for number in range(records):
            partition, key = number % self.partitions, b"%d" % (number % keys)
            self._producer.produce(f"{self.stage}.in", b"v", key, partition)
            self.sent[partition].append(key)
        assert self._producer.flush(WAIT_S) == 0

    def expected(self) -> dict[int, list[bytes]]:
        """Return what an uninterrupted stage writes: `row offset count` in the order of the input."""
        outputs = {}
        for partition, keys in self.sent.items():
            counts: Counter[bytes] = Counter()
            rows = []
            for offset, key in enumerate(keys):
                counts[key] += 1
                rows.append(b"%d %d %d" % (offset + 1, offset, counts[key]))
            outputs[partition] = rows
        return outputs

    def outputs(self, at_least: int, quiet_s: float = 0.3) -> dict[int, list[bytes]]:
        """Return the committed outputs once there are so many and for `quiet_s` no more have come."""
        consumer = ck.Consumer(
            {
                "bootstrap.servers": self.bootstrap_servers,
                "group.id": "reader",
                "isolation.level": "read_committed",
                "enable.auto.commit": False,
            }
        )
        topic = f"{self.stage}.out"
        consumer.list_topics(topic, WAIT_S)
        consumer.assign([ck.TopicPartition(topic, partition, 0) for partition in range(self.partitions)])
        values: dict[int, list[bytes]] = {partition: [] for partition in range(self.partitions)}
        deadline, last_at = time.monotonic() + WAIT_S, time.monotonic()
        while (count := sum(map(len, values.values()))) < at_least or time.monotonic() < last_at + quiet_s:
            assert time.monotonic() < deadline, f"{count} of {at_least} outputs came in time"
            for message in consumer.consume(10_000, 0.05):
                assert message.error() is None, message.error()
                values[message.partition()].append(message.value())
                last_at = time.monotonic()
        consumer.close()
        return values
