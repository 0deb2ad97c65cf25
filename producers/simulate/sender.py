"""Put simulated messages on the topics as they are, good and bad, at a given rate or as fast as it goes.

Reads     frames of messages (columns of MESSAGES)
Writes    organizer.<BIN>.events, each message in the partition that it names
Promises  messages of a partition keep their order; each is acknowledged by all replicas, and its offset told, or an
          error raised (box: producers)
"""

from __future__ import annotations

import logging
import time
from array import array
from collections import defaultdict
from hashlib import sha256
from typing import TYPE_CHECKING, Any

import polars as pl
from confluent_kafka import KafkaError, KafkaException, Producer

from esep.errors import BrokerUnavailable, UsageError
from esep.producers.faults import fault_of, no_topic
from esep.producers.simulate.generator import MESSAGES
from esep.security import PLAIN
from esep.topics import EVENT_BYTES_MAX, events_topic

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

    from esep.register import Register

# What is known of a message once it is sent: what it is meant to be, and where it lies.
SENT = pl.Schema(
    [
        *((name, kind) for name, kind in MESSAGES.items() if name not in {"key", "value"}),
        ("offset", pl.Int64()),
        ("body_sha256", pl.String()),
    ]
)
_FLUSH_S = 60.0
_QUEUE_FULL_S = 60.0
_SERVE_EVERY = 1_000  # Messages between two looks at what has been delivered.
_STEPS_PER_S = 20  # How often a paced sender goes on.
_log = logging.getLogger(__name__)


class Pace:
    """Keeps to a rate (messages per second; None: none). clock, sleep: seconds."""

    def __init__(
        self,
        rate: float | None,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        if rate is not None and rate <= 0:
            raise UsageError("a rate must be above 0", hint="leave --rate out to send as fast as it goes")
        self._rate, self._clock, self._sleep = rate, clock, sleep
        self._started_s: float | None = None
        self._done = 0

    def steps(self, frame: pl.DataFrame) -> Iterator[pl.DataFrame]:
        """Yield the frame in pieces, each not before it is due."""
        if self._rate is None:
            yield frame
            return
        for piece in frame.iter_slices(max(1, int(self._rate / _STEPS_PER_S))):
            self._started_s = self._clock() if self._started_s is None else self._started_s
            early_s = self._started_s + self._done / self._rate - self._clock()
            if early_s > 0:
                self._sleep(early_s)
            self._done += piece.height
            yield piece


class MessageSender:
    """Sends messages for any organizers. Not for several threads at once; connects when first needed.

    security: see `esep.security`; of a principal that may write all their topics.
    """

    def __init__(self, bootstrap_servers: str, *, security: Mapping[str, str] = PLAIN) -> None:
        self._servers = bootstrap_servers
        self._producer = Producer(_config(bootstrap_servers, security), logger=_log)
        self._offsets: defaultdict[tuple[str, int], array[int]] = defaultdict(lambda: array("q"))
        self._failure: tuple[KafkaError, str] | None = None

    def partitions(self, register: Register, timeout_s: float = 10.0) -> int:
        """Return how many partitions the topics of all organizers have; an error if one is missing or differs."""
        try:
            topics = self._producer.list_topics(timeout=timeout_s).topics
        except KafkaException as error:
            raise fault_of(error.args[0], "organizer.*.events", self._servers) from error
        counts = {}
        for topic in map(events_topic, register.bins):
            if topic not in topics:
                raise no_topic(topic)
            counts[topic] = len(topics[topic].partitions)
        if len(set(counts.values())) != 1:
            raise UsageError("the organizers' topics differ in their partitions", hint="simulate them one by one")
        return next(iter(counts.values()))

    def send(
        self, frames: Iterable[pl.DataFrame], pace: Pace, told: Callable[[int], None] = lambda _: None
    ) -> pl.DataFrame:
        """Send all messages; return what is known of them (columns of SENT), in order.

        told: called with the number of messages handed over, now and then.
        """
        handed = [self._hand_over(piece) for frame in frames for piece in _telling(pace.steps(frame), told)]
        left = self._producer.flush(_FLUSH_S)
        self._raise_failure()
        if left:
            raise BrokerUnavailable(
                f"Kafka at {self._servers} has not acknowledged {left:,} messages after {_FLUSH_S:.0f} s",
                hint="see that the broker runs; then simulate with another seed",
            )
        return _with_offsets(pl.concat(handed), self._taken_offsets())

    def _hand_over(self, messages: pl.DataFrame) -> pl.DataFrame:
        produce, poll = self._producer.produce, self._producer.poll
        digests = []
        columns = messages.select("topic", "partition", "key", "value").iter_rows()
        for place, (topic, partition, key, value) in enumerate(columns):
            digests.append(sha256(value or b"").hexdigest())
            while True:
                try:
                    produce(topic, value, key, partition, on_delivery=self._delivered)
                except BufferError:
                    self._wait_for_room()
                except KafkaException as error:
                    raise fault_of(error.args[0], topic, self._servers) from error
                else:
                    break
            if place % _SERVE_EVERY == 0:
                poll(0)
                self._raise_failure()
        return messages.drop("key", "value").with_columns(pl.Series("body_sha256", digests, dtype=pl.String))

    def _wait_for_room(self) -> None:
        deadline_s = time.monotonic() + _QUEUE_FULL_S
        while self._producer.poll(0.1) == 0:
            if time.monotonic() > deadline_s:
                raise BrokerUnavailable(f"Kafka at {self._servers} takes no messages", hint="see that it runs")
        self._raise_failure()

    def _delivered(self, error: KafkaError | None, message: Any) -> None:
        if error is not None:
            self._failure = self._failure or (error, message.topic())
        else:
            self._offsets[message.topic(), message.partition()].append(message.offset())

    def _raise_failure(self) -> None:
        if self._failure is not None:
            raise fault_of(self._failure[0], self._failure[1], self._servers)

    def _taken_offsets(self) -> pl.DataFrame:
        """Return the offsets of each partition in order: an idempotent producer keeps that of the hand-over."""
        taken, self._offsets = self._offsets, defaultdict(lambda: array("q"))
        rows = [
            pl.DataFrame({"offset": sorted(offsets)}, schema={"offset": pl.Int64}).with_columns(
                topic=pl.lit(topic), partition=pl.lit(partition, pl.Int32), _nth=pl.int_range(pl.len(), dtype=pl.Int64)
            )
            for (topic, partition), offsets in taken.items()
        ]
        return pl.concat(rows)


def _with_offsets(handed: pl.DataFrame, offsets: pl.DataFrame) -> pl.DataFrame:
    nth = pl.int_range(pl.len(), dtype=pl.Int64).over("topic", "partition").alias("_nth")
    placed = handed.with_columns(nth).join(
        offsets, on=["topic", "partition", "_nth"], how="left", maintain_order="left"
    )
    return placed.select(SENT.names())


def _telling(pieces: Iterator[pl.DataFrame], told: Callable[[int], None]) -> Iterator[pl.DataFrame]:
    for piece in pieces:
        yield piece
        told(piece.height)


def _config(bootstrap_servers: str, security: Mapping[str, str]) -> dict[str, Any]:
    return {
        **security,
        "bootstrap.servers": bootstrap_servers,
        "enable.idempotence": True,
        "acks": "all",
        "compression.type": "lz4",
        "linger.ms": 20,
        "message.max.bytes": EVENT_BYTES_MAX,
        "queue.buffering.max.messages": 500_000,
        "queue.buffering.max.kbytes": 256 * 1024,
        "reconnect.backoff.max.ms": 1000,
    }
