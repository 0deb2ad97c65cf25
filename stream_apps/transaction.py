"""Commit what a stage makes of a poll and how far it has read in one Kafka transaction, fenced by the assignment.

Reads     a stage's `Result` and the `Assignment` under which its records were fetched
Writes    outputs, changelog and position records, the group's offsets: all of them or none
Promises  a worker that has lost its place or its assignment commits nothing; after `commit` returned True every reader
          of committed records sees the result, after False none ever will (boxes: intake, totals, alerts)
"""

from __future__ import annotations

import logging
import struct
import threading
import time
from typing import TYPE_CHECKING, Any, NamedTuple

import confluent_kafka as ck
from confluent_kafka import KafkaError

from esep.closing import HangWatch
from esep.errors import BrokerUnavailable, InvariantBroken, PlaceTaken, Unfenced
from esep.lineage import POSITION_KEY, shared_key
from esep.security import PLAIN
from esep.stream_apps.stage import Write

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from esep.errors import EsepError
    from esep.lineage import TopicPartition
    from esep.stream_apps.batches import Assignment
    from esep.stream_apps.stage import Memory, Result

LOG = logging.getLogger(__name__)

TRANSACTION_MS_MAX = 15_000  # Then the broker aborts what a dead worker left open, and readers go on (DESIGN §5).
CALL_S_MAX = TRANSACTION_MS_MAX / 1000  # No call outlasts the transaction; librdkafka caps it likewise.
OPEN_S_MAX = 60.0  # A predecessor's transaction that is being ended must have ended first.
RECORD_BYTES_MAX = 32 << 20  # Each topic sets its own limit at the broker; the producer is not to have a smaller one.
HANG_S_MAX = 20  # Of one call, however long it was told to wait; then the process is ended (`HangWatch`).
ATTEMPTS = 2  # The same records once more against the old state, then the process stops (DESIGN §5).

FENCED = {KafkaError._FENCED, KafkaError.PRODUCER_FENCED, KafkaError.INVALID_PRODUCER_EPOCH}
SUPERSEDED = {
    KafkaError.FENCED_INSTANCE_ID,
    KafkaError.ILLEGAL_GENERATION,
    KafkaError.REBALANCE_IN_PROGRESS,
    KafkaError.UNKNOWN_MEMBER_ID,
}
TOO_LARGE = {KafkaError.MSG_SIZE_TOO_LARGE, KafkaError.RECORD_LIST_TOO_LARGE}


class Place(NamedTuple):
    """One worker's seat in a stage: a process that takes it puts out the one before it."""

    group: str
    ordinal: int

    def __str__(self) -> str:
        return f"{self.group}-{self.ordinal}"


class TransactionalWriter:
    """The one transactional producer of a worker process."""

    def __init__(self, place: Place, bootstrap_servers: str, security: Mapping[str, str] = PLAIN) -> None:
        self._place = place
        self._producer = ck.Producer(
            {
                "batch.num.messages": 100_000,
                "bootstrap.servers": bootstrap_servers,
                **security,
                "compression.type": "lz4",
                "delivery.timeout.ms": TRANSACTION_MS_MAX,
                "enable.idempotence": True,
                "linger.ms": 5,  # While a poll's records are handed over; the commit sends the rest at once.
                "log_level": 4,  # Warnings.
                "message.max.bytes": RECORD_BYTES_MAX,
                "queue.buffering.max.kbytes": 2_097_151,  # A poll is bounded; half of one must not meet a full queue.
                "queue.buffering.max.messages": 0,  # No limit, for the same reason.
                "retry.backoff.max.ms": 20,
                "retry.backoff.ms": 1,  # With librdkafka's 100 one producer makes ten transactions a second.
                "transaction.timeout.ms": TRANSACTION_MS_MAX,
                "transactional.id": str(place),
            },
            logger=LOG,
        )
        self._busy = threading.Lock()  # A hand-over asks on its own thread while the last poll may be committing.
        self._watch = HangWatch(str(place), HANG_S_MAX, BrokerUnavailable.exit_code)

    def open(self) -> None:
        """Take the place: abort what its holder left open and put out the holder. Before anything is read."""
        deadline = time.monotonic() + OPEN_S_MAX
        while (error := self._error_of(lambda: self._producer.init_transactions(CALL_S_MAX))) is not None:
            if not error.retriable() or time.monotonic() > deadline:
                raise self._failure(error)

    def commit(self, writes: Sequence[Write], offsets: dict[TopicPartition, int], assignment: Assignment) -> bool:
        """Write and commit; False if the group no longer accepts the assignment, and nothing is written.

        offsets: per input partition the next offset to read. Raises Unfenced before anything is sent if the broker
        would not check the assignment; PlaceTaken; InvariantBroken if a record is too large; BrokerUnavailable after
        `ATTEMPTS` attempts, or if it stays open whether the transaction was committed.
        """
        metadata = group_metadata(self._place, assignment)
        with self._busy:
            for _ in range(ATTEMPTS):
                error = self._error_of(lambda: self._write(writes, offsets, metadata))
                if error is None and (error := self._end_of_commit()) is None:
                    return True
                self._abort(error)
                if error.code() in SUPERSEDED:
                    return False
                if error.code() in TOO_LARGE:
                    break
                LOG.warning("%s: a transaction was aborted: %s", self._place, error)
        raise self._failure(error)

    def holds(self, assignment: Assignment, partition: TopicPartition) -> bool:
        """Ask the broker whether it would take a commit under this assignment; changes nothing.

        A transaction that is aborted: nothing less makes the broker look at the producer's epoch and at the group's
        generation. partition: any input partition. Raises PlaceTaken, Unfenced, BrokerUnavailable.
        """
        metadata = group_metadata(self._place, assignment)
        with self._busy:
            error = self._error_of(lambda: self._write([], {partition: 0}, metadata))
            self._abort(error)
        if error is not None and error.code() not in SUPERSEDED:
            raise self._failure(error)
        return error is None

    def _write(self, writes: Sequence[Write], offsets: dict[TopicPartition, int], metadata: bytes) -> None:
        self._producer.begin_transaction()
        for write in writes:
            self._produce(write)
        consumed = [ck.TopicPartition(*source, offset) for source, offset in offsets.items()]
        self._producer.send_offsets_to_transaction(consumed, metadata, CALL_S_MAX)

    def _produce(self, write: Write) -> None:
        topic, partition = write.target
        if write.headers is not None:  # `produce_batch` drops headers without a word (confluent-kafka 2.16).
            for key, value, headers in zip(write.keys, write.values, write.headers, strict=True):
                self._producer.produce(topic, value, key, partition, headers=headers)
            return
        messages = [{"key": key, "value": value} for key, value in zip(write.keys, write.values, strict=True)]
        if self._producer.produce_batch(topic, messages, partition) < len(messages):
            raise ck.KafkaException(next(message["_error"] for message in messages if "_error" in message))

    def _end_of_commit(self) -> KafkaError | None:
        """Commit, and ask again while it is open whether the broker did."""
        deadline = time.monotonic() + CALL_S_MAX
        while (error := self._error_of(lambda: self._producer.commit_transaction(CALL_S_MAX))) is not None:
            if not error.retriable():
                return error
            if time.monotonic() > deadline:
                raise self._failure(error)
        self._producer.poll(0)  # Hands on what librdkafka has logged.
        return None

    def _abort(self, cause: KafkaError | None) -> None:
        if cause is not None and cause.fatal():
            raise self._failure(cause)
        deadline = time.monotonic() + CALL_S_MAX
        while (error := self._error_of(lambda: self._producer.abort_transaction(CALL_S_MAX))) is not None:
            if not error.retriable() or time.monotonic() > deadline:
                raise self._failure(error)

    def _error_of(self, call: Callable[[], object]) -> KafkaError | None:
        try:
            with self._watch.call():
                call()
        except ck.KafkaException as failure:
            error: KafkaError = failure.args[0]
            return error
        return None

    def _failure(self, error: KafkaError) -> EsepError:
        if error.code() in FENCED:
            return PlaceTaken(
                f"Another worker has taken the place {self._place}, or this one was stopped in a transaction.",
                detail=error.str(),
                hint="Start each worker of a stage with an ordinal of its own.",
            )
        if error.code() in TOO_LARGE:
            return InvariantBroken(
                f"{self._place} was to write a record that is larger than its topic takes.",
                detail=error.str(),
                hint="Raise max.message.bytes of the output topics above that of the input.",
            )
        return BrokerUnavailable(f"{self._place} could not commit.", detail=error.str(), hint="Is the broker up?")


def group_metadata(place: Place, assignment: Assignment) -> bytes:
    """Return the group metadata by which the broker fences a commit; raises Unfenced if it would not.

    The bytes that librdkafka's `Consumer.consumer_group_metadata()` returns for such a member
    (`rd_kafka_consumer_group_metadata_write` in rdkafka_cgrp.c), which can be had for its own consumers only.
    """
    if assignment.generation < 0 or not assignment.member_id:
        raise Unfenced(
            f"{place} was to commit without a generation or a member id.",
            detail=f"generation {assignment.generation}, member id {assignment.member_id!r}: the broker checks neither",
        )
    group, member, instance = place.group.encode(), assignment.member_id.encode(), str(place).encode()
    return b"CGMDv2:%b%b\0%b\0\0%b\0" % (struct.pack("=i", assignment.generation), group, member, instance)


def writes_of(result: Result, memory: Memory[Any]) -> Iterator[Write]:
    """Yield all that a result has to write: outputs, then each input partition's changelog with its position record."""
    yield from result.outputs
    for source, position in result.positions.items():
        keys, values = result.changelog.get(source, ((), ()))
        keys, values = [*keys, POSITION_KEY], [*values, position.encode()]
        if memory.shares_changelogs:
            keys = [shared_key(source, key) for key in keys]
        yield Write(memory.changelog_of(source), keys, values)
