"""The signed receipts of one organizer from an offset on, as they lie on its topic.

Reads     organizer.<BIN>.receipts, with the organizer's own credentials
Returns   offsets and values; where to read on
Promises  committed receipts only, their bytes untouched, each once per reading; joins no group and commits nothing;
          size and time of an answer are bounded (clause O114-3; box: gateway)
"""

from __future__ import annotations

import logging
import threading
import time
from typing import TYPE_CHECKING, NamedTuple

from confluent_kafka import Consumer, KafkaError, KafkaException, TopicPartition

from esep.outsider import organizers_own
from esep.security import PLAIN
from esep.topics import receipts_topic

if TYPE_CHECKING:
    from collections.abc import Mapping

    from confluent_kafka import Message

RECEIPTS_MAX = 500  # In one answer.
RECEIPTS_BYTES_MAX = 8 * 1024 * 1024  # In one answer, but for the last few.
_TAKEN = 10  # At a time.
_WAIT_S = 5.0
_log = logging.getLogger(__name__)


class Receipts(NamedTuple):
    """Offset and value of each receipt; next_offset: where what comes later begins."""

    receipts: list[tuple[int, bytes]]
    next_offset: int


class ReceiptLog:
    """Reads one organizer's receipts; for several threads, one after the other."""

    def __init__(self, organizer_bin: str, bootstrap_servers: str, security: Mapping[str, str] = PLAIN) -> None:
        self.topic = receipts_topic(organizer_bin)
        self._organizer_bin = organizer_bin
        self._config = organizers_own(organizer_bin, bootstrap_servers, security) | {
            "enable.partition.eof": True,
            "auto.offset.reset": "error",
            "fetch.wait.max.ms": 100,
            "reconnect.backoff.max.ms": 1000,
        }
        self._consumer: Consumer | None = None
        self._lock = threading.Lock()

    def read(self, partition: int, from_offset: int, wait_s: float = _WAIT_S) -> Receipts:
        """Return the receipts that lie there now from an offset on, or the first of them if they are many.

        What has been removed for its age is passed over. KafkaException if the brokers do not answer within wait_s, or
        refuse; IndexError if there is no such partition.
        """
        with self._lock:
            if self._consumer is None:
                self._consumer = Consumer(self._config, logger=_log)
            known = self._consumer.list_topics(self.topic, timeout=wait_s).topics[self.topic]
            if known.error is not None:
                raise KafkaException(known.error)
            if partition not in known.partitions:
                raise IndexError(partition)
            place = TopicPartition(self.topic, partition)
            low, high = self._consumer.get_watermark_offsets(place, timeout=wait_s)
            start = max(low, from_offset)
            if start >= high:
                return Receipts([], from_offset)
            place.offset = start
            self._consumer.assign([place])
            try:
                return self._take(self._consumer, start, time.monotonic() + wait_s)
            finally:
                self._consumer.unassign()

    def close(self) -> None:
        """Leave the brokers; it may be read again."""
        with self._lock:
            if self._consumer is not None:
                self._consumer.close()
                self._consumer = None

    def _take(self, consumer: Consumer, next_offset: int, deadline_s: float) -> Receipts:
        taken: list[tuple[int, bytes]] = []
        size_bytes = 0
        while len(taken) < RECEIPTS_MAX and size_bytes < RECEIPTS_BYTES_MAX and time.monotonic() < deadline_s:
            for message in consumer.consume(_TAKEN, timeout=max(0.0, min(0.5, deadline_s - time.monotonic()))):
                if _is_end(message):
                    return Receipts(taken, max(next_offset, message.offset()))
                taken.append((message.offset(), message.value()))
                next_offset = message.offset() + 1
                size_bytes += len(message.value())
        return Receipts(taken, next_offset)


def _is_end(message: Message) -> bool:
    """Return whether a message says that nothing more is committed; KafkaException if it says something worse."""
    error = message.error()
    if error is not None and error.code() != KafkaError._PARTITION_EOF:
        raise KafkaException(error)
    return error is not None
