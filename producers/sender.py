"""Hand over events that have their numbers already, or get them in memory: for files, and where nothing need last.

Reads     events of `esep.events`; unified frames with whose and which one each event is
Writes    organizer.<BIN>.events, message key = stream id
Promises  an event is on the topic once per hand-over (idempotent producer, acks=all), in the partition where the Java
          client would put it; what could not be delivered is raised, at the latest by `flush` (box: producers)

    with EventSender("940140000385", "127.0.0.1:9092", next_sequences={"desk-7": 118}) as sender:
        entry_id = sender.send(wager, "desk-7")         # '940140000385/desk-7/118'

Sequences are kept in memory: a process that starts anew must say where each stream continues. A file is its own
outbox, for its numbers are a function of what stands in it; a program uses `OrganizerClient`, which keeps on disk.
"""

from __future__ import annotations

import logging
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self

import polars as pl
from confluent_kafka import KafkaError, KafkaException, Producer

from esep.errors import BrokerUnavailable, EsepError, UsageError
from esep.events import Event, encoded
from esep.identifiers import is_bin
from esep.producers.faults import fault_of, no_topic
from esep.producers.numbering import refuse_stream_id
from esep.producers.records import value_of
from esep.security import PLAIN
from esep.topics import EVENT_BYTES_MAX, events_topic

if TYPE_CHECKING:
    from collections.abc import Mapping
    from types import TracebackType

_SLICE_ROWS = 10_000  # Rows encoded at a time: some 3 MB of messages.
_SERVE_EVERY = 1_000  # Messages between two looks at what has been delivered.
_LEAVE_S = 5.0  # How long a sender that ends by an error waits for what it throws away.
_log = logging.getLogger(__name__)


@dataclass(slots=True)
class Span:
    """What the broker has acknowledged in one partition: first and last offset, and how many messages of ours."""

    partition: int
    first: int
    last: int
    count: int = 1

    @property
    def is_ours_alone(self) -> bool:
        """Whether no other producer's message lies between the first and the last."""
        return self.last - self.first + 1 == self.count

    def add(self, offset: int) -> None:
        """Take in another acknowledged message."""
        self.first, self.last, self.count = min(self.first, offset), max(self.last, offset), self.count + 1


class EventSender:
    """Sends one organizer's events. Not for several threads at once.

    next_sequences: per stream the sequence of its next event; streams not named begin with 1. journal: keep when each
    message was handed over (24 bytes and more per message, so for measurements only). queue_records_max: messages
    under way at a time; more wait. delivery_timeout_s: after that an event that no broker took is given up and raised.
    security: see `esep.security`. Raises UsageError if organizer_bin is no BIN; connects when first needed.
    """

    def __init__(
        self,
        organizer_bin: str,
        bootstrap_servers: str,
        *,
        next_sequences: Mapping[str, int] | None = None,
        journal: bool = False,
        queue_records_max: int = 100_000,
        delivery_timeout_s: float = 60.0,
        security: Mapping[str, str] = PLAIN,
    ) -> None:
        if not is_bin(organizer_bin):
            raise UsageError(f"{organizer_bin!r} is no BIN", hint="12 digits with a right control digit")
        self.organizer_bin = organizer_bin
        self.bootstrap_servers = bootstrap_servers
        self.topic = events_topic(organizer_bin)
        self._delivery_timeout_s = delivery_timeout_s
        self._next_sequences = dict(next_sequences or {})
        self._journal: list[tuple[str, int, int]] | None = [] if journal else None
        self._spans: dict[int, Span] = {}
        self._first_failure: KafkaError | None = None
        self._failed_count = 0
        self._producer = Producer(
            _config(bootstrap_servers, queue_records_max, delivery_timeout_s, security), logger=_log
        )

    def ready(self, timeout_s: float = 10.0) -> None:
        """Return once a broker has answered and has the topic; BrokerUnavailable or SettingInvalid if not."""
        try:
            topics = self._producer.list_topics(timeout=timeout_s).topics
        except KafkaException as error:
            raise fault_of(error.args[0], self.topic, self.bootstrap_servers) from error
        if self.topic not in topics:
            raise no_topic(self.topic)

    def send(self, event: Event, stream_id: str) -> str:
        """Hand over one event under the stream's next sequence; return its entry id.

        Raises UsageError for a stream id that intake would refuse, or an event that no schema holds; and what went
        wrong with earlier events. A number is used up only if the event was handed over.
        """
        self._raise_failures()
        sequence = self._next_sequences.get(stream_id)
        if sequence is None:
            refuse_stream_id(stream_id)
            sequence = 1
        self._hand_over(stream_id, sequence, value_of(event, self.organizer_bin, stream_id, sequence))
        self._next_sequences[stream_id] = sequence + 1
        self._producer.poll(0)
        return f"{self.organizer_bin}/{stream_id}/{sequence}"

    def send_frame(self, frame: pl.DataFrame) -> None:
        """Hand over whole events in the order of the rows: the columns of `esep.events.unified`, numbered already.

        Encodes columns at a time; waits where the queue is full. Raises what went wrong with these or earlier events.
        """
        if not (frame["organizer_bin"] == self.organizer_bin).all():
            raise UsageError(f"the frame holds events of others than {self.organizer_bin}", hint="send each by its own")
        for part in frame.iter_slices(_SLICE_ROWS):
            self._raise_failures()
            streams, sequences = part["stream_id"].to_list(), part["sequence"].to_list()
            for place, value in enumerate(encoded(part)):
                self._hand_over(streams[place], sequences[place], value)
                if place % _SERVE_EVERY == 0:
                    self._producer.poll(0)
            self._next_sequences |= {stream: last + 1 for stream, last in zip(streams, sequences, strict=True)}
        self._producer.poll(0)
        self._raise_failures()

    def flush(self, timeout_s: float = 60.0) -> None:
        """Return once the broker has acknowledged everything handed over; BrokerUnavailable after timeout_s."""
        left = self._producer.flush(timeout_s)
        self._raise_failures()
        if left:
            raise BrokerUnavailable(
                f"Kafka at {self.bootstrap_servers} has not acknowledged {left:,} events after {timeout_s:.0f} s",
                detail="they are still under way, or no broker can be reached",
                hint="flush again, or send again later: what arrived counts as a duplicate",
            )

    def take_acknowledged(self) -> dict[int, Span]:
        """Return what has been acknowledged since the last call, by partition."""
        spans, self._spans = self._spans, {}
        return spans

    def handed_over(self) -> pl.DataFrame:
        """Return when each message was handed over: stream_id, sequence, handed_at (UTC, ns), in order of hand-over.

        Empty without `journal`.
        """
        columns = pl.Schema([("stream_id", pl.String), ("sequence", pl.Int64), ("handed_at", pl.Datetime("ns", "UTC"))])
        return pl.DataFrame(self._journal or [], schema=columns, orient="row")

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Wait for what is under way; after an error throw it away."""
        if kind is None:
            self.flush(self._delivery_timeout_s)
        else:
            self._producer.purge()
            self._producer.flush(_LEAVE_S)

    def _hand_over(self, stream_id: str, sequence: int, value: bytes) -> None:
        deadline = time.monotonic() + self._delivery_timeout_s
        while True:
            try:
                self._producer.produce(self.topic, value, stream_id, on_delivery=self._delivered)
            except BufferError as error:
                if time.monotonic() > deadline:
                    raise fault_of(KafkaError(KafkaError._QUEUE_FULL), self.topic, self.bootstrap_servers) from error
                self._producer.poll(0.1)
            except KafkaException as error:
                raise fault_of(error.args[0], self.topic, self.bootstrap_servers) from error
            else:
                break
        if self._journal is not None:
            self._journal.append((stream_id, sequence, time.time_ns()))

    def _delivered(self, error: KafkaError | None, message: Any) -> None:
        if error is not None:
            self._failed_count += 1
            self._first_failure = self._first_failure or error
            return
        partition, offset = message.partition(), message.offset()
        span = self._spans.get(partition)
        if span is None:
            self._spans[partition] = Span(partition, offset, offset)
        else:
            span.add(offset)

    def _raise_failures(self) -> None:
        if self._first_failure is None:
            return
        fault: EsepError = fault_of(self._first_failure, self.topic, self.bootstrap_servers)
        fault.detail = f"{self._failed_count:,} events were not delivered; the first: {fault.detail}"
        self._first_failure, self._failed_count = None, 0
        raise fault


def _config(
    bootstrap_servers: str, queue_records_max: int, delivery_timeout_s: float, security: Mapping[str, str]
) -> dict[str, Any]:
    return {
        **security,
        "bootstrap.servers": bootstrap_servers,
        "enable.idempotence": True,
        "acks": "all",
        "partitioner": "murmur2_random",  # As in Java; librdkafka's default puts 17 of 20 keys elsewhere (DESIGN §3).
        "compression.type": "lz4",
        "linger.ms": 5,  # One event goes out at once, many go out together.
        "message.max.bytes": EVENT_BYTES_MAX,
        "message.timeout.ms": int(delivery_timeout_s * 1000),
        "queue.buffering.max.messages": queue_records_max,
        "reconnect.backoff.max.ms": 1000,  # So that a broker that comes back is found soon.
    }
