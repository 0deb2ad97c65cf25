"""Restore a stage's state when partitions are assigned, and find out where to read on (DESIGN §5, "Hand-over").

Reads     the group's committed offsets, the ends of the changelogs, the changelogs
Returns   per partition the state whose position record equals the committed offset
Promises  no partition is read on from a state that is not the one its last committed transaction left; where that
          cannot be proved, PositionMismatch, and where it could not be read, BrokerUnavailable (boxes: intake, totals,
          alerts)
"""

from __future__ import annotations

import logging
import time
from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING, Generic, TypeVar

import confluent_kafka as ck
from confluent_kafka import KafkaError
from confluent_kafka.admin import AdminClient, OffsetSpec

from esep.errors import BrokerUnavailable, InvariantBroken, PositionMismatch
from esep.lineage import POSITION_KEY, Position, TopicPartition, source_and_key
from esep.outsider import outsider
from esep.security import PLAIN
from esep.stream_apps.stage import PartitionState

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from esep.stream_apps.stage import Memory

S = TypeVar("S")

LOG = logging.getLogger(__name__)

HAND_OVER_S_MAX = 60.0  # A stopped worker's transaction lives 15 s, and up to 10 s more until the broker looks.
CONSUME_RECORDS = 10_000
CONSUME_S = 0.05  # `consume` waits for all that it was asked for, so that the end of a changelog costs one such wait.
# A consumer of librdkafka whose broker is killed while it reads may never read on (see decision 0020): a new one does.
PATIENCE_S = 5.0
ASK_S_MAX = 2.0  # One question to the group's coordinator; in between the worker looks whether it is to stop.
ASK_AGAIN_S = 0.05
ASK_AGAIN = {
    KafkaError.UNSTABLE_OFFSET_COMMIT,  # The offset is part of an open transaction.
    KafkaError.COORDINATOR_LOAD_IN_PROGRESS,
    KafkaError.COORDINATOR_NOT_AVAILABLE,
    KafkaError.NOT_COORDINATOR,
    KafkaError._TIMED_OUT,
    KafkaError._TRANSPORT,
    KafkaError._WAIT_COORD,
}


class Verdict(Enum):
    """What is known of a partition's state on its way back."""

    READY = "ready"
    READ_ON = "read on"
    MISMATCH = "mismatch"


@dataclass(slots=True)
class Restoration(Generic[S]):
    """One partition on its way back: what the group has committed, and what the changelog has said so far.

    committed: the next offset to read, None if the group has none. first: the earliest offset of the input.
    end: the changelog's end, open transactions included. reached: the changelog has been read up to here.
    whole: the last record read was a position record, which ends each transaction's part of a changelog.
    """

    source: TopicPartition
    committed: int | None
    first: int
    end: int
    data: S
    position: Position | None = None
    reached: int = 0
    whole: bool = True

    def feed(self, memory: Memory[S], keys: Sequence[bytes], values: Sequence[bytes | None]) -> None:
        """Apply the next committed records of the changelog, in order; there is at least one."""
        self.whole = keys[-1] == POSITION_KEY
        pairs = [(key, value) for key, value in zip(keys, values, strict=True) if key != POSITION_KEY]
        if len(pairs) < len(keys):
            latest = max(index for index, key in enumerate(keys) if key == POSITION_KEY)
            self.position = Position.decode(values[latest] or b"")
        if pairs:
            memory.restore(self.data, [key for key, _ in pairs], [value for _, value in pairs])

    def verdict(self) -> Verdict:
        """Return whether this is the state that the last committed transaction left.

        Without a committed offset it is so if the changelog holds nothing. Else the position record must equal the
        committed offset; while it does not, an answer of the broker may have been behind: read on.
        """
        if self.committed is not None and self.committed < self.first:
            return Verdict.MISMATCH  # Input records were deleted before they were read.
        if self.reached < self.end or not self.whole:
            return Verdict.READ_ON
        if self.committed is None:
            return Verdict.READY if self.position is None else Verdict.MISMATCH
        if self.position is None or self.position.next_offset != self.committed:
            return Verdict.READ_ON
        return Verdict.READY

    def state(self) -> PartitionState[S]:
        """Return what was restored; where nothing was ever committed, reading begins at the earliest offset."""
        return PartitionState(self.position or Position(self.first), self.data)

    def overdue(self) -> PositionMismatch | BrokerUnavailable:
        """Return the error after a time in which it should have been ready: what was not read may still fit."""
        if self.reached >= self.end and self.whole:
            return self.mismatch()
        return BrokerUnavailable(
            f"The changelog of {self.source} could not be read in time.",
            detail=f"read to {self.reached} of {self.end}",
            hint="Is the broker up, and is no transaction left open?",
        )

    def mismatch(self) -> PositionMismatch:
        """Return the error that says what does not fit."""
        recorded = self.position.next_offset if self.position else None
        return PositionMismatch(
            f"The state of {self.source} cannot be restored.",
            detail=f"committed offset {self.committed}, position record {recorded}, earliest input {self.first}, "
            f"changelog read to {self.reached} of {self.end}",
            hint="Somebody deleted or moved the group's offsets, the changelog or unread input; restore them together.",
        )


def feed_changelog(
    memory: Memory[S],
    restorations: Sequence[Restoration[S]],
    keys: Sequence[bytes],
    values: Sequence[bytes | None],
) -> bool:
    """Apply the next committed records of one changelog partition to the states that are kept there.

    Where input partitions share it, what is of others is passed over. Return whether any of it was theirs.
    """
    if not memory.shares_changelogs:
        (restoration,) = restorations
        restoration.feed(memory, keys, values)
        return True
    parts: dict[bytes, tuple[list[bytes], list[bytes | None]]]
    parts = {str(one.source).encode(): ([], []) for one in restorations}
    for shared, value in zip(keys, values, strict=True):
        source, key = source_and_key(shared)
        if (part := parts.get(source)) is not None:
            part[0].append(key)
            part[1].append(value)
    for restoration, part in zip(restorations, parts.values(), strict=True):
        if part[0]:
            restoration.feed(memory, *part)
    return any(own for own, _ in parts.values())


def is_current(kept: PartitionState[S] | None, committed: int | None) -> bool:
    """Return whether a state kept from an earlier assignment is the one that the last committed transaction left."""
    return kept is not None and kept.position.next_offset == committed


def restore(
    memory: Memory[S],
    sources: Iterable[TopicPartition],
    kept: Mapping[TopicPartition, PartitionState[S]],
    *,
    bootstrap_servers: str,
    group: str,
    in_force: Callable[[], bool],
    security: Mapping[str, str] = PLAIN,
    seconds_max: float = HAND_OVER_S_MAX,
) -> dict[TopicPartition, PartitionState[S]] | None:
    """Return each partition's state, or None once `in_force` says that the assignment is not ours any more.

    kept: states of an earlier assignment, used again where their position equals the committed offset.
    Blocks, so it runs on a thread of its own. Raises PositionMismatch, BrokerUnavailable.
    """
    deadline = time.monotonic() + seconds_max
    partitions = sorted(sources)
    changelogs = {memory.changelog_of(source) for source in partitions}
    if not memory.shares_changelogs and len(changelogs) < len(partitions):
        raise InvariantBroken(f"{memory.name} keeps two input partitions in one changelog partition.")
    states: dict[TopicPartition, PartitionState[S]] = {}
    try:
        while missing := [source for source in partitions if source not in states]:
            consumer = ck.Consumer(_settings(group, bootstrap_servers, security), logger=LOG)
            admin = AdminClient({"bootstrap.servers": bootstrap_servers, **security, "log_level": 4}, logger=LOG)
            try:
                found = _restore_with(consumer, admin, memory, missing, kept, in_force, deadline)
            finally:
                consumer.close()
            if found is None:
                return None
            states |= found
    except ck.KafkaException as failure:
        raise BrokerUnavailable(
            f"The state of {memory.name} could not be read.", detail=failure.args[0].str(), hint="Is the broker up?"
        ) from failure
    return states


def _restore_with(
    consumer: ck.Consumer,
    admin: AdminClient,
    memory: Memory[S],
    partitions: Sequence[TopicPartition],
    kept: Mapping[TopicPartition, PartitionState[S]],
    in_force: Callable[[], bool],
    deadline: float,
) -> dict[TopicPartition, PartitionState[S]] | None:
    """Return the states that this consumer could restore; those of other partitions are left to the next one."""
    committed = committed_offsets(consumer, partitions, in_force, deadline)
    if committed is None:
        return None
    changelogs = {source: memory.changelog_of(source) for source in partitions}
    ends, firsts = (
        offsets_at(admin, changelogs.values(), OffsetSpec.latest()),
        offsets_at(admin, partitions, OffsetSpec.earliest()),
    )
    states = {source: kept[source] for source in partitions if is_current(kept.get(source), committed[source])}
    under_way = [
        Restoration(source, committed[source], firsts[source], ends[changelog], memory.empty(source))
        for source, changelog in changelogs.items()
        if source not in states
    ]
    ready = _read_changelogs(consumer, memory, under_way, in_force, deadline)
    return None if ready is None else states | {one.source: one.state() for one in ready}


def _read_changelogs(
    consumer: ck.Consumer,
    memory: Memory[S],
    restorations: Sequence[Restoration[S]],
    in_force: Callable[[], bool],
    deadline: float,
) -> list[Restoration[S]] | None:
    """Read until each partition is ready, or there is no news for `PATIENCE_S`; return those that are ready.

    None if the assignment is not in force any more. Raises PositionMismatch, and BrokerUnavailable past the deadline.
    """
    open_ones: dict[TopicPartition, list[Restoration[S]]] = {}  # By changelog partition.
    for one in _still(list(restorations), deadline):
        open_ones.setdefault(memory.changelog_of(one.source), []).append(one)
    for topic in {changelog.topic for changelog in open_ones}:
        consumer.list_topics(topic, ASK_S_MAX)  # Without it librdkafka looks for the leaders once a second only.
    consumer.assign([ck.TopicPartition(*changelog, ck.OFFSET_BEGINNING) for changelog in open_ones])
    news_at = time.monotonic()
    while open_ones and time.monotonic() < news_at + PATIENCE_S:
        if not in_force():
            return None
        for changelog, messages in _by_partition(consumer.consume(CONSUME_RECORDS, CONSUME_S)).items():
            if changelog in open_ones and _feed(open_ones[changelog], memory, messages):
                news_at = time.monotonic()
        for changelog in [changelog for changelog, waiting in open_ones.items() if not _still(waiting, deadline)]:
            del open_ones[changelog]
            consumer.incremental_unassign([ck.TopicPartition(*changelog)])
    if open_ones:
        LOG.warning("no news from %s: read again from the beginning", ", ".join(map(str, open_ones)))
    unread = {one.source for waiting in open_ones.values() for one in waiting}
    return [one for one in restorations if one.source not in unread]


def _still(waiting: list[Restoration[S]], deadline: float) -> list[Restoration[S]]:
    """Take out those that are ready, which are fed no more; return the list."""
    waiting[:] = [one for one in waiting if not _is_ready(one, deadline)]
    return waiting


def _is_ready(restoration: Restoration[S], deadline: float) -> bool:
    verdict = restoration.verdict()
    if verdict is Verdict.MISMATCH:
        raise restoration.mismatch()
    if verdict is Verdict.READ_ON and time.monotonic() > deadline:
        raise restoration.overdue()
    return verdict is Verdict.READY


def _feed(waiting: Sequence[Restoration[S]], memory: Memory[S], messages: Sequence[ck.Message]) -> bool:
    """Apply what has been read of a changelog partition; return whether it is news to those who wait for it.

    Past the end that they wait for only what is theirs is: others may go on writing there without an end.
    """
    records = [message for message in messages if message.error() is None]
    news = any(one.reached < one.end for one in waiting)
    if records:
        keys, values = [record.key() for record in records], [record.value() for record in records]
        news = feed_changelog(memory, waiting, keys, values) or news
    last = messages[-1]
    for one in waiting:
        one.reached = last.offset() + (1 if last.error() is None else 0)
    return news


def _by_partition(messages: Iterable[ck.Message]) -> dict[TopicPartition, list[ck.Message]]:
    """Return records and ends of partitions, in order; raises what else a consumer has to say."""
    grouped: dict[TopicPartition, list[ck.Message]] = {}
    for message in messages:
        error = message.error()
        if error is not None and error.code() != KafkaError._PARTITION_EOF:
            raise ck.KafkaException(error)
        grouped.setdefault(TopicPartition(message.topic(), message.partition()), []).append(message)
    return grouped


def committed_offsets(
    consumer: ck.Consumer, partitions: Sequence[TopicPartition], in_force: Callable[[], bool], deadline: float
) -> dict[TopicPartition, int | None] | None:
    """Return the group's offsets once none is part of an open transaction.

    librdkafka asks with `require_stable` when isolation.level is read_committed (`rd_kafka_committed` in rdkafka.c),
    and the broker then refuses with UNSTABLE_OFFSET_COMMIT while a transaction is open (KIP-447).
    """
    asked = [ck.TopicPartition(*partition) for partition in partitions]
    while partitions and in_force():
        try:
            answers = consumer.committed(asked, timeout=ASK_S_MAX)
            errors = [answer.error for answer in answers if answer.error is not None]
        except ck.KafkaException as failure:
            errors = [failure.args[0]]
        if not errors:
            return {
                TopicPartition(answer.topic, answer.partition): answer.offset if answer.offset >= 0 else None
                for answer in answers
            }
        if time.monotonic() > deadline or any(error.code() not in ASK_AGAIN for error in errors):
            raise ck.KafkaException(errors[0])
        time.sleep(ASK_AGAIN_S)
    return None if partitions else {}


def offsets_at(
    admin: AdminClient, partitions: Iterable[TopicPartition], which: OffsetSpec
) -> dict[TopicPartition, int]:
    """Return earliest or latest offsets, the latter at read_uncommitted: the last stable offset may lag behind a
    transaction whose offset is visible already (DESIGN §5).
    """
    asked = {ck.TopicPartition(*partition): which for partition in partitions}
    futures = admin.list_offsets(asked) if asked else {}
    return {TopicPartition(key.topic, key.partition): future.result().offset for key, future in futures.items()}


def _settings(group: str, bootstrap_servers: str, security: Mapping[str, str]) -> dict[str, object]:
    return {
        **outsider(bootstrap_servers, group, security),  # Only the group's offsets are asked for; it is not joined.
        "auto.offset.reset": "error",
        "enable.partition.eof": True,
        "fetch.wait.max.ms": 10,  # The end of a partition is reported with an empty answer: let it come soon.
        "retry.backoff.max.ms": 100,  # An offset in an open transaction is asked for again by librdkafka, at this pace.
        "retry.backoff.ms": 20,
    }
