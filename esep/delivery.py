"""Finished messages onto an organizer's topic, all acknowledged or an error: for whoever passes on what others made.

Reads     keys and values as they are to lie on the topic
Writes    organizer.<BIN>.events
Promises  the bytes are not touched; a message goes where the Java client would put it; what has been returned lies in
          every copy (idempotent producer, acks=all); every wait is bounded; a repetition only adds duplicates, which
          intake knows by their numbers (clause O114-3; boxes: gateway, producers)
"""

from __future__ import annotations

import logging
import threading
import time
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple

from confluent_kafka import KafkaError, KafkaException, Producer

from esep.security import PLAIN
from esep.topics import EVENT_BYTES_MAX, events_topic

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

MESSAGE_BYTES_MAX = EVENT_BYTES_MAX - 512  # Key and value together; the rest is what the broker counts beside them.
_QUEUE_RECORDS_MAX = 100_000
_POLL_S = 0.05
_REPORT_S = 5.0  # After the time for a message is up, librdkafka is given this long to say so.
_log = logging.getLogger(__name__)

Message = tuple[bytes, bytes]  # Key and value.


class Placed(NamedTuple):
    """Where the broker has put a message."""

    partition: int
    offset: int


class Delivery:
    """A producer for one organizer's finished messages; for several threads, one after the other.

    timeout_s: after that a message that no broker took is given up. security: as `esep.security` has it.
    """

    def __init__(
        self,
        organizer_bin: str,
        bootstrap_servers: str,
        *,
        security: Mapping[str, str] = PLAIN,
        timeout_s: float = 30.0,
    ) -> None:
        self.topic = events_topic(organizer_bin)
        self._timeout_s = timeout_s
        self._turn = threading.Lock()  # So that whoever polls is told of his own messages and of no other's.
        self._producer = Producer({**_config(bootstrap_servers, timeout_s), **security}, logger=_log)

    def has_topic(self, timeout_s: float) -> bool:
        """Return whether the brokers show this organizer its topic; KafkaException if none answers in time."""
        return self.topic in self._producer.list_topics(timeout=timeout_s).topics

    def deliver(self, messages: Sequence[Message]) -> list[Placed]:
        """Return where each message lies, once the broker has acknowledged all of them.

        Raises KafkaException with the first error: some of the messages may lie on the topic then, and all may be
        delivered again.
        """
        if not self._turn.acquire(timeout=self._timeout_s):
            raise KafkaException(KafkaError(KafkaError._TIMED_OUT))
        try:
            return self._deliver(messages)
        finally:
            self._turn.release()

    def _deliver(self, messages: Sequence[Message]) -> list[Placed]:
        answers = _Answers(len(messages))
        deadline_s = time.monotonic() + self._timeout_s + _REPORT_S
        for place, message in enumerate(messages):
            self._hand_over(message, partial(answers.take, place), deadline_s)
        while answers.outstanding:
            if time.monotonic() > deadline_s:
                raise KafkaException(KafkaError(KafkaError._TIMED_OUT))
            self._producer.poll(_POLL_S)
        if answers.error is not None:
            raise KafkaException(answers.error)
        return [answers.placed[place] for place in range(len(messages))]

    def _hand_over(self, message: Message, on_delivery: Any, deadline_s: float) -> None:
        key, value = message
        while True:
            try:
                self._producer.produce(self.topic, value, key, on_delivery=on_delivery)
            except BufferError as error:
                if time.monotonic() > deadline_s:
                    raise KafkaException(KafkaError(KafkaError._QUEUE_FULL)) from error
                self._producer.poll(_POLL_S)
            else:
                return


class _Answers:
    """What the broker has said of the messages of one delivery."""

    def __init__(self, count: int) -> None:
        self.outstanding = count
        self.placed: dict[int, Placed] = {}
        self.error: KafkaError | None = None

    def take(self, place: int, error: KafkaError | None, message: Any) -> None:
        if error is None:
            self.placed[place] = Placed(message.partition(), message.offset())
        else:
            self.error = self.error or error
        self.outstanding -= 1


def _config(bootstrap_servers: str, timeout_s: float) -> dict[str, Any]:
    return {
        "bootstrap.servers": bootstrap_servers,
        "enable.idempotence": True,
        "acks": "all",
        "partitioner": "murmur2_random",  # As in Java (DESIGN §3).
        "compression.type": "lz4",
        "linger.ms": 5,
        "message.max.bytes": EVENT_BYTES_MAX,
        "message.timeout.ms": int(timeout_s * 1000),
        "queue.buffering.max.messages": _QUEUE_RECORDS_MAX,
        "reconnect.backoff.max.ms": 1000,
        "allow.auto.create.topics": False,
    }
