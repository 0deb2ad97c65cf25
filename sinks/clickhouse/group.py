"""The loader's place in its consumer group: what it was given, how far it has committed, and whether it still holds it.

Reads     the topics to load, committed records only; the group's committed offsets with their metadata
Writes    offsets with metadata, under the credentials of one assignment
Promises  nothing is committed under other credentials than those the partitions were given under; what another loader
          may have been given is not confirmed any more (DESIGN §5 "Loader"; box: sinks/clickhouse)

librdkafka tells nobody of its heartbeats. What stands in for an accepted one is an accepted commit: for it the broker
checks member and generation and counts it as a sign of life. The clock for its age runs while the process is stopped
and while the machine sleeps. What remains: a process that is stopped after the look at the clock and before its request
is out sends it late; then only the token tells it from a new one.
"""

from __future__ import annotations

import logging
import time
from collections import defaultdict
from typing import TYPE_CHECKING, Any, NamedTuple

import confluent_kafka as ck
from confluent_kafka import KafkaError, KafkaException

from esep.closing import HangWatch
from esep.errors import BrokerUnavailable, EsepError, InvariantBroken, PlaceTaken, SettingInvalid, Unfenced
from esep.group_watch import GroupWatch
from esep.lineage import TopicPartition
from esep.security import client_security
from esep.sinks.clickhouse.frames import Records
from esep.sinks.clickhouse.pending import Committed, Pending
from esep.topics import LOADER

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from esep.settings import Settings

ANSWER_S_MAX = 10.0  # Of one request to a broker.
COMMIT_S_MAX = 30.0  # A coordinator that moves to another broker is back within seconds.
RETRY_S = 0.1
IDLE_MS_MAX = 300_000  # Without a fetch for so long the group gives the partitions away: longer than any wait here.
NEWS_MS_MAX = 10_000  # A new organizer's topic is found within so long.
QUEUE_KBYTES = 128 * 1024  # Fetched ahead while an insert runs; a full round of the ledger is half of it.
_SUPERSEDED = {
    KafkaError.ILLEGAL_GENERATION,
    KafkaError.REBALANCE_IN_PROGRESS,
    KafkaError.UNKNOWN_MEMBER_ID,
    KafkaError._ASSIGNMENT_LOST,
}
_TAKEN = {KafkaError.FENCED_INSTANCE_ID, KafkaError._FENCED, KafkaError._FATAL}  # No other error of a member is fatal.
_MISSING = {KafkaError.UNKNOWN_TOPIC_OR_PART, KafkaError._UNKNOWN_TOPIC, KafkaError._UNKNOWN_PARTITION}
LOG = logging.getLogger(__name__)
_CLOCK = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)  # The first exists on Linux only, and counts sleep too.


class Superseded(Exception):
    """The group has given the partitions to somebody else, or is about to: forget what is at hand."""


class Mark(NamedTuple):
    """What is committed for one partition: the next offset to load, and the range in progress or an empty text."""

    offset: int
    metadata: str = ""


class LoaderGroup:
    """A member of the group `loader`, at the place that settings.ordinal names.

    on_assigned: called with what was given, during `fetch`; returns from which offset each is to be read.
    on_revoked: called when all of it is to be forgotten.
    """

    def __init__(
        self,
        settings: Settings,
        topics: list[str],
        *,
        on_assigned: Callable[[list[TopicPartition]], Mapping[TopicPartition, int]],
        on_revoked: Callable[[], None],
    ) -> None:
        self._place = f"{LOADER}-{settings.ordinal}"
        self._session_s = settings.session_timeout_ms / 1000
        self._on_assigned = on_assigned
        self._on_revoked = on_revoked
        self._credentials: bytes | None = None
        self._confirmed_at = float("-inf")
        self._superseded_at: float | None = None
        self._topics = topics
        self._watch = GroupWatch(LOADER, settings.bootstrap_servers, client_security(settings))
        # A synchronous commit has no time-out: once its broker was killed and the session lapsed it may wait for ever.
        self._hang = HangWatch(self._place, COMMIT_S_MAX + self._session_s, BrokerUnavailable.exit_code)
        self._consumer = ck.Consumer(_configuration(settings, self._place))
        self._join()

    def close(self) -> None:
        """Leave; the place stays reserved for the session time-out."""
        with self._hang.call():
            self._consumer.close()

    def fetch(self, records_max: int, wait_s: float) -> list[Records]:
        """Return what has come within the wait, per partition; may call `on_assigned` and `on_revoked`."""
        if self._superseded_at is not None and _now_s() > self._superseded_at + 3 * self._session_s:
            raise BrokerUnavailable(f"{self._place}: the group gives no partitions any more")
        self._see_that_all_is_given()
        by_source: defaultdict[tuple[str, int], list[Any]] = defaultdict(list)
        for message in self._consumer.consume(records_max, wait_s):
            if (error := message.error()) is not None:
                self._judge(error, TopicPartition(message.topic(), message.partition()))
            else:
                by_source[message.topic(), message.partition()].append(message)
        if self._credentials is None:
            return []
        return [
            Records(TopicPartition(*source), list(map(ck.Message.offset, got)), list(map(ck.Message.value, got)))
            for source, got in by_source.items()
        ]

    def positions(self, sources: Iterable[TopicPartition]) -> dict[TopicPartition, int]:
        """Return the next offset to be fetched, behind any markers of transactions; only where one is known."""
        asked = self._consumer.position([ck.TopicPartition(*source) for source in sources])
        return {TopicPartition(one.topic, one.partition): one.offset for one in asked if one.offset >= 0}

    def earliest(self, source: TopicPartition) -> int:
        """Return the first offset that the partition still has."""
        try:
            with self._hang.call():
                low, _ = self._consumer.get_watermark_offsets(ck.TopicPartition(*source), timeout=ANSWER_S_MAX)
        except KafkaException as error:
            raise self._unavailable(error.args[0]) from error
        return int(low)

    def committed(self, sources: Iterable[TopicPartition]) -> dict[TopicPartition, Committed | None]:
        """Return what the group has committed, None where it has not."""
        wanted = [ck.TopicPartition(*source) for source in sources]
        try:
            with self._hang.call():
                asked = self._consumer.committed(wanted, timeout=ANSWER_S_MAX)
        except KafkaException as error:
            raise self._unavailable(error.args[0]) from error
        found: dict[TopicPartition, Committed | None] = {}
        for one in asked:
            if one.error is not None:
                raise self._unavailable(one.error)
            known = one.offset >= 0
            found[TopicPartition(one.topic, one.partition)] = (
                Committed(one.offset, Pending.decode(one.metadata)) if known else None
            )
        return found

    def is_confirmed(self) -> bool:
        """Say whether the broker has confirmed this assignment within the session time-out."""
        return self._credentials is not None and _now_s() - self._confirmed_at < self._session_s

    def commit(self, marks: Mapping[TopicPartition, Mark]) -> None:
        """Commit, and by that have the assignment confirmed; the same marks may be committed any number of times.

        Raises Superseded if the assignment is no longer in force, PlaceTaken if another loader has this place,
        BrokerUnavailable if no broker answers in time or the membership lapsed meanwhile.
        """
        offsets = [ck.TopicPartition(*source, mark.offset, metadata=mark.metadata) for source, mark in marks.items()]
        give_up_at = _now_s() + COMMIT_S_MAX
        while True:
            if self._credentials is None or self._consumer.consumer_group_metadata() != self._credentials:
                raise self._superseded()
            sent_at = _now_s()
            error = self._commit_once(offsets)
            if error is None:
                self._confirmed_at = sent_at
                return
            if error.code() in _SUPERSEDED:
                raise self._superseded()
            if error.code() in _TAKEN:
                raise self._fenced(error)
            if _now_s() > give_up_at:
                raise self._unavailable(error)
            time.sleep(RETRY_S)

    def _join(self) -> None:
        self._consumer.subscribe(self._topics, on_assign=self._assigned, on_revoke=self._revoked, on_lost=self._revoked)

    def _see_that_all_is_given(self) -> None:
        """Join anew where the group has left something out."""
        if self._credentials is not None and (left_out := self._watch.left_out(self._topics)):
            LOG.info("%s: joins anew, for nobody was given %s", self._place, ", ".join(map(str, sorted(left_out))))
            self._join()

    def _commit_once(self, offsets: list[Any]) -> Any:
        """Return None, or the error of the request or of the first partition that was refused."""
        try:
            with self._hang.call():
                answer = self._consumer.commit(offsets=offsets, asynchronous=False)
        except KafkaException as error:
            return error.args[0]
        return next((one.error for one in answer if one.error is not None), None)

    def _superseded(self) -> Superseded:
        self._credentials, self._superseded_at = None, _now_s()
        return Superseded()

    def _assigned(self, consumer: Any, partitions: list[Any]) -> None:
        self._credentials = credentials = consumer.consumer_group_metadata()
        self._superseded_at = None
        self._watch.assigned()
        _check_fenced(credentials)
        sources = sorted(TopicPartition(one.topic, one.partition) for one in partitions)
        try:
            starts = self._on_assigned(sources) if sources else {}
        except Superseded:
            starts = {}  # The group calls again once it has settled.
        consumer.assign([ck.TopicPartition(*source, offset) for source, offset in starts.items()])

    def _revoked(self, consumer: Any, partitions: list[Any]) -> None:  # noqa: ARG002 - librdkafka's signature
        self._credentials = None
        self._on_revoked()

    def _judge(self, error: Any, source: TopicPartition) -> None:
        """Raise what an error that came in place of a record means; pass over what librdkafka puts right itself."""
        code = error.code()
        if code == KafkaError._AUTO_OFFSET_RESET:
            raise InvariantBroken(
                f"{source}: records were deleted before they were loaded",
                detail=error.str(),
                hint="see the topic's retention; `esep reconcile` tells what is missing",
            )
        if code in _TAKEN:
            raise self._fenced(error)
        if code in _MISSING:
            raise SettingInvalid(f"topic {source.topic} is missing", hint="run `esep setup`")
        if not error.retriable() and code not in {KafkaError._TRANSPORT, KafkaError._ALL_BROKERS_DOWN}:
            raise self._unavailable(error)

    def _fenced(self, error: Any) -> EsepError:
        """Return what it means that the broker refused this place, after which the consumer is of no use.

        Once a session has lapsed without a broker librdkafka forgets who it was, and a commit that still waits goes out
        under no name: the broker takes it for another's, and there is none.
        """
        if _member_id(self._consumer.consumer_group_metadata()):
            return PlaceTaken(
                f"another loader runs as {self._place}",
                detail=error.str(),
                hint="give each loader an ESEP_ORDINAL of its own",
            )
        return BrokerUnavailable(f"{self._place}: no broker answered for longer than a session", detail=error.str())

    def _unavailable(self, error: Any) -> EsepError:
        return BrokerUnavailable(f"{self._place}: Kafka does not answer as it should", detail=error.str())


def _configuration(settings: Settings, place: str) -> dict[str, Any]:
    return {
        "allow.auto.create.topics": False,
        "auto.offset.reset": "error",
        "bootstrap.servers": settings.bootstrap_servers,
        **client_security(settings),
        "client.id": place,
        "enable.auto.commit": False,
        "enable.auto.offset.store": False,
        "fetch.queue.backoff.ms": 10,  # Its default of a second would hold the loader back whenever the queue was full.
        "fetch.wait.max.ms": settings.loader_wait_ms,
        "group.id": LOADER,
        "group.instance.id": place,  # A loader that is started again gets its partitions back at once.
        "heartbeat.interval.ms": settings.session_timeout_ms // 5,
        "isolation.level": "read_committed",
        "log_level": 3,
        "max.poll.interval.ms": IDLE_MS_MAX,
        "partition.assignment.strategy": "roundrobin",
        "queued.max.messages.kbytes": QUEUE_KBYTES,
        "session.timeout.ms": settings.session_timeout_ms,
        "socket.timeout.ms": int(ANSWER_S_MAX * 1000),
        "topic.metadata.refresh.interval.ms": NEWS_MS_MAX,
    }


def _check_fenced(credentials: bytes) -> None:
    """Raise Unfenced for credentials that a broker would let pass."""
    generation = int.from_bytes(credentials[7:11], "little", signed=True)
    if generation < 0 or not _member_id(credentials):
        raise Unfenced("the group gave partitions without a generation or a member id", detail=f"{generation}")


def _member_id(credentials: bytes) -> bytes:
    """Return by which name the group knows us (`CGMDv2:`, generation, group, NUL, member, NUL); empty: by none."""
    return credentials[11:].split(b"\0")[1]


def _now_s() -> float:
    return time.clock_gettime(_CLOCK)
