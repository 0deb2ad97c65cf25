"""A small stand-in for intake: knows each event again, refuses what it is told to, and writes signed receipts.

It shares no code with the real one. Receipts are written in Kafka transactions, as the real one does.
"""

from __future__ import annotations

import threading
import time
import uuid
from collections import defaultdict
from hashlib import sha256
from itertools import pairwise
from typing import Any, Self

import confluent_kafka as ck
from confluent_kafka.admin import AdminClient, NewTopic
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from esep.codec import decode_body, encode_body, encode_one, wire_header
from esep.schemas import all_schemas, schema
from esep.topics import events_topic, receipts_topic
from tests.support.receipt_signing import SIGNING_KEY

WAIT_S = 30.0
PARTITIONS = 2
ACCOUNT = {  # What a receipt may say of a stream.
    "stream_id": "desk-7",
    "consumed": [{"first": 1, "last": 4}, {"first": 6, "last": 6}],
    "missing": [{"first": 5, "last": 5}],
    "accepted_count": 4,
    "rejected_count": 1,
    "duplicate_count": 2,
    "held_count": 0,
    "root_through": 4,
    "root": "ab" * 32,
}


def make_topics(bootstrap_servers: str, organizer_bin: str, partitions: int = PARTITIONS) -> None:
    """Create both topics of an organizer; they are there, with leaders, when this returns."""
    stamped = {"message.timestamp.type": "LogAppendTime"}
    topics = [
        NewTopic(events_topic(organizer_bin), partitions, 1, config=stamped),
        NewTopic(receipts_topic(organizer_bin), 1, 1),
    ]
    admin = AdminClient({"bootstrap.servers": bootstrap_servers})
    for created in admin.create_topics(topics).values():
        created.result(WAIT_S)
    deadline = time.monotonic() + WAIT_S
    while not all(_has_leaders(admin, topic.topic) for topic in topics):  # The broker hears of it a little later.
        assert time.monotonic() < deadline
        time.sleep(0.02)


def _has_leaders(admin: AdminClient, topic: str) -> bool:
    known = admin.list_topics(timeout=WAIT_S).topics.get(topic)
    return known is not None and bool(known.partitions) and all(part.leader >= 0 for part in known.partitions.values())


def read_events(bootstrap_servers: str, organizer_bin: str, count: int) -> list[ck.Message]:
    """Return the first `count` messages on an organizer's topic, by partition and offset."""
    consumer = _consumer(bootstrap_servers, events_topic(organizer_bin), PARTITIONS)
    messages: list[ck.Message] = []
    deadline = time.monotonic() + WAIT_S
    while len(messages) < count and time.monotonic() < deadline:
        messages += consumer.consume(10_000, 0.1)
    consumer.close()
    assert [m.error() for m in messages if m.error()] == []
    assert len(messages) == count
    return sorted(messages, key=lambda message: (message.partition(), message.offset()))


def decoded(message: ck.Message) -> dict[str, Any]:
    """Return the record of a message, read one by one."""
    value = message.value()
    written = next(one for one in all_schemas() if value.startswith(wire_header(one)))
    return decode_body(value[len(wire_header(written)) :], written)


def content_of(organizer_bin: str, partition: int, first: int, last: int, **said: Any) -> dict[str, Any]:
    """Return the content of a receipt for the messages from one offset through another."""
    counts = dict.fromkeys(("accepted_count", "duplicate_count", "held_count"), 0)
    nothing: dict[str, Any] = {"streams": [], **counts, "rejects": [], "settled": []}
    where = {"organizer_bin": organizer_bin, "topic": events_topic(organizer_bin), "partition": partition}
    content = {**where, "from_offset": first, "through_offset": last, **nothing, **said}
    return {
        **content,
        "streams": [{"root": None, "root_through": 0, "held_count": 0, **account} for account in content["streams"]],
    }


def receipt_of(said: dict[str, Any], key: Ed25519PrivateKey = SIGNING_KEY.key, **other: Any) -> bytes:
    """Return the message value of a receipt."""
    body = encode_body(said, schema("receipt_content"))
    digest = sha256(body)
    receipt = {
        "row": 1,
        "received_at": 0,
        "cause_topic": said["topic"],
        "cause_partition": said["partition"],
        "cause_offset": said["through_offset"],
        "organizer_bin": said["organizer_bin"],
        "through_offset": said["through_offset"],
        "content": body,
        "content_sha256": digest.hexdigest(),
        "issued_at": 0,
        "key_id": SIGNING_KEY.key_id,
        "certificate": SIGNING_KEY.certificate_der,
        "signature": key.sign(digest.digest()),
        **other,
    }
    return encode_one(receipt, schema("receipt"))


class FakeIntake:
    """A thread that reads an organizer's topic from its beginning. refused: (type, wager id) → code."""

    def __init__(self, bootstrap_servers: str, organizer_bin: str) -> None:
        self.organizer_bin = organizer_bin
        self.refused: dict[tuple[str, str], str] = {}
        self.counted: dict[tuple[str, int], dict[str, Any]] = {}
        self.receipts_written = 0
        self._servers = bootstrap_servers
        self._bytes: dict[tuple[str, int], bytes] = {}
        self._sums: defaultdict[str, list[int]] = defaultdict(lambda: [0, 0, 0])
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="fake intake")

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join(WAIT_S)
        assert not self._thread.is_alive()

    def _run(self) -> None:
        consumer = _consumer(self._servers, events_topic(self.organizer_bin), PARTITIONS)
        producer = ck.Producer({"bootstrap.servers": self._servers, "transactional.id": f"fake-{uuid.uuid4()}"})
        producer.init_transactions(WAIT_S)
        while not self._stop.is_set():
            by_partition: defaultdict[int, list[ck.Message]] = defaultdict(list)
            for message in consumer.consume(2_000, 0.05):
                by_partition[message.partition()].append(message)
            for partition, messages in by_partition.items():
                producer.begin_transaction()
                receipt = receipt_of(self._content(partition, messages))
                producer.produce(receipts_topic(self.organizer_bin), receipt, str(partition))
                producer.commit_transaction(WAIT_S)
                self.receipts_written += 1
        consumer.close()

    def _content(self, partition: int, messages: list[ck.Message]) -> dict[str, Any]:
        accepted = duplicate = 0
        rejects = []
        touched: set[str] = set()
        for message in messages:
            record = decoded(message)
            stream, sequence = record["stream_id"], record["sequence"]
            touched.add(stream)
            code = self._code(record, message.value())
            if code == "ACCEPTED":
                accepted += 1
                self.counted[stream, sequence] = record
            elif code == "DUPLICATE":
                duplicate += 1
            else:
                where = {"stream_id": stream, "sequence": sequence, "offset": message.offset()}
                rejects.append({**where, "reject_code": code, "field": None})
            self._sums[stream][{"ACCEPTED": 0, "DUPLICATE": 2}.get(code, 1)] += 1
        return content_of(
            self.organizer_bin,
            partition,
            messages[0].offset(),
            messages[-1].offset(),
            streams=[self._account(stream) for stream in sorted(touched)],
            accepted_count=accepted,
            duplicate_count=duplicate,
            rejects=rejects,
        )

    def _code(self, record: dict[str, Any], value: bytes) -> str:
        identity = record["stream_id"], record["sequence"]
        if identity in self._bytes:
            return "DUPLICATE" if self._bytes[identity] == value else "SEQUENCE_CONFLICT"
        self._bytes[identity] = value
        return self.refused.get(("payout" if "kind" in record else "wager", record.get("wager_id")), "ACCEPTED")

    def _account(self, stream: str) -> dict[str, Any]:
        consumed = ranges([sequence for name, sequence in self._bytes if name == stream])
        accepted, rejected, duplicate = self._sums[stream]
        missing = [{"first": a["last"] + 1, "last": b["first"] - 1} for a, b in pairwise(consumed)]
        sums = {"accepted_count": accepted, "rejected_count": rejected, "duplicate_count": duplicate}
        return {"stream_id": stream, "consumed": consumed, "missing": missing, **sums}


def ranges(numbers: list[int]) -> list[dict[str, int]]:
    """Return distinct numbers as ranges, ascending.

    >>> ranges([3, 1, 2, 7])
    [{'first': 1, 'last': 3}, {'first': 7, 'last': 7}]
    """
    found: list[dict[str, int]] = []
    for number in sorted(numbers):
        if found and found[-1]["last"] == number - 1:
            found[-1]["last"] = number
        else:
            found.append({"first": number, "last": number})
    return found


def _consumer(bootstrap_servers: str, topic: str, partitions: int) -> ck.Consumer:
    config = {"bootstrap.servers": bootstrap_servers, "group.id": f"fake-{uuid.uuid4()}", "enable.auto.commit": False}
    consumer = ck.Consumer({**config, "auto.offset.reset": "earliest", "fetch.wait.max.ms": 20})
    consumer.assign([ck.TopicPartition(topic, partition, 0) for partition in range(partitions)])
    return consumer
