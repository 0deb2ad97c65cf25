"""Write to topics of which the writer has to know all that was written before: one at a time, in one transaction.

Reads     a topic of one partition, committed records only, under no consumer group
Writes    what it is given, in one transaction
Promises  who begins puts out who has not ended, and what that one had not committed never was; what is read after
          `open` is all there is, for there is no other writer then (DESIGN §5; decision 0022)
"""

from __future__ import annotations

import time
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING, NamedTuple

import confluent_kafka as ck
from confluent_kafka import KafkaError

from esep.errors import BrokerUnavailable, EsepError, PlaceTaken, SettingInvalid
from esep.security import PLAIN

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from esep.lineage import TopicPartition

READ_S_MAX = 60.0  # 100,000 decisions were read in 5.5 s on a machine with much else to do.
CALL_S_MAX = 30.0
_CONSUME_RECORDS, _CONSUME_S = 1_000, 0.1
_FENCED = {KafkaError._FENCED, KafkaError.PRODUCER_FENCED, KafkaError.INVALID_PRODUCER_EPOCH}
_MISSING = {KafkaError.UNKNOWN_TOPIC_OR_PART, KafkaError._UNKNOWN_TOPIC, KafkaError._UNKNOWN_PARTITION}


class Message(NamedTuple):
    """What is written where."""

    target: TopicPartition
    key: bytes
    value: bytes
    headers: list[tuple[str, bytes]]


class LoneWriter:
    """The one who may write now; `open` before anything else. what: it writes, as the end of a sentence.

    transactional_id: by which writers put each other out; also the name of a group that the caller may use.
    """

    def __init__(
        self, bootstrap_servers: str, transactional_id: str, what: str, security: Mapping[str, str] = PLAIN
    ) -> None:
        self._servers = {"bootstrap.servers": bootstrap_servers, **security, "log_level": 0}
        self._bootstrap_servers, self._name, self._what = bootstrap_servers, transactional_id, what
        self._producer = ck.Producer({**self._servers, "retry.backoff.ms": 1, "transactional.id": transactional_id})

    def open(self) -> None:
        """Put out another writer, and abort what it left open."""
        self._call(partial(self._producer.init_transactions, CALL_S_MAX), "")

    def read(self, topic: str) -> Iterator[ck.Message]:
        """Yield all that was committed to a topic of one partition before `open`."""
        consumer = ck.Consumer(
            {
                **self._servers,
                "enable.auto.commit": False,
                "enable.partition.eof": True,
                "group.id": self._name,  # Named because the client wants one; it is not joined.
                "isolation.level": "read_committed",
            }
        )
        deadline = time.monotonic() + READ_S_MAX
        try:
            self._call(partial(_find_topic, consumer, topic), topic)
            consumer.assign([ck.TopicPartition(topic, 0, ck.OFFSET_BEGINNING)])
            while True:
                for message in consumer.consume(_CONSUME_RECORDS, _CONSUME_S):
                    error = message.error()
                    if error is None:
                        yield message
                    elif error.code() == KafkaError._PARTITION_EOF:
                        return
                    elif not error.retriable():
                        raise self._failure(error, topic)
                if time.monotonic() > deadline:
                    raise BrokerUnavailable(f"the topic {topic} could not be read in {READ_S_MAX:.0f} s")
        finally:
            consumer.close()

    def write(self, first: Message, rest: Callable[[int], Sequence[Message]] = lambda _: ()) -> None:
        """Commit a message and those that name its offset as their cause, all of them or none.

        Raises PlaceTaken if somebody else began meanwhile, BrokerUnavailable if no broker answers in time: then it may
        be done again, whether or not it was committed, by who reads first what is there.
        """
        topic = first.target.topic
        self._call(self._producer.begin_transaction, topic)
        try:
            (offset,) = self._sent([first])
            self._sent(rest(offset))
            self._call(partial(self._producer.commit_transaction, CALL_S_MAX), topic)
        except BaseException:
            with suppress(ck.KafkaException):  # What went wrong before says more; the broker ends it in the end.
                self._producer.abort_transaction(CALL_S_MAX)
            raise

    def _sent(self, messages: Sequence[Message]) -> list[int]:
        """Send messages; return their offsets once the brokers have them."""
        offsets: list[int] = []
        failed: list[KafkaError] = []

        def delivered(error: KafkaError | None, message: ck.Message) -> None:
            if error is None:
                offsets.append(message.offset() or 0)
            else:
                failed.append(error)

        for one in messages:
            produce = partial(
                self._producer.produce, one.target.topic, one.value, one.key, one.target.partition,
                headers=one.headers, on_delivery=delivered,
            )  # fmt: skip
            self._call(produce, one.target.topic)
            self._call(partial(self._producer.poll, 0), one.target.topic)
        self._call(partial(self._producer.flush, CALL_S_MAX), self._what)
        if failed:
            raise self._failure(failed[0], messages[0].target.topic)
        if len(offsets) < len(messages):
            raise BrokerUnavailable(f"the brokers took no {self._what} in {CALL_S_MAX:.0f} s")
        return offsets

    def _call(self, call: Callable[[], object], topic: str) -> None:
        try:
            call()
        except (ck.KafkaException, SystemError) as failure:
            raise self._failure(_error_of(failure), topic) from failure

    def _failure(self, error: KafkaError, topic: str) -> EsepError:
        if error.code() in _FENCED:
            return PlaceTaken(
                f"somebody else began to record {self._what}", detail="nothing was recorded", hint="do it again"
            )
        if error.code() in _MISSING:
            return SettingInvalid(f"topic {topic} is missing", detail=error.str(), hint="run `esep setup`")
        used = f"the topic {topic}" if topic else "the brokers"
        return BrokerUnavailable(
            f"{used} at {self._bootstrap_servers} could not be used",
            detail=error.str(),
            hint="is the broker up? Do it again: what was recorded is not recorded twice",
        )


def _error_of(failure: ck.KafkaException | SystemError) -> KafkaError:
    """Return what Kafka's client says; raises a failure that is none of its.

    A fatal error is raised in one callback, and those of deliveries are called all the same: the first makes a
    SystemError of it (confluent-kafka 2.16).
    """
    cause = failure if isinstance(failure, ck.KafkaException) else failure.__cause__
    if not isinstance(cause, ck.KafkaException):
        raise failure
    error: KafkaError = cause.args[0]
    return error


def _find_topic(consumer: ck.Consumer, topic: str) -> None:
    """Raise KafkaException where the topic is missing: reading it would wait for it to come."""
    error = consumer.list_topics(topic, CALL_S_MAX).topics[topic].error
    if error is not None:
        raise ck.KafkaException(error)
