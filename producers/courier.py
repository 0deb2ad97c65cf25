"""The thread that brings a spool's events to the broker, in order, for as long as it takes.

Reads     the spool
Writes    organizer.<BIN>.events, message key = stream id; acknowledgements into the spool
Promises  every event of the spool arrives, again after a restart if its acknowledgement is not in the spool; in a
          stream no event arrives before an earlier one has; at most `_WINDOW` events are in memory, however long the
          broker is away (DESIGN §5 "Outbox"; box: producers)

The producer is idempotent and gapless and never gives an event up by itself. If one is refused all the same (no access,
no such topic, too large for the broker), everything under way is thrown away and sending begins anew with the first
event that is not acknowledged, by a producer of its own: what had arrived arrives again, as a duplicate.

A broker takes any first number of a producer that it does not know: if a new producer's first batch were refused, the
second would be taken, were it under way already (seen). So the first event of each stream goes alone.
"""

from __future__ import annotations

import logging
import sqlite3
import threading
import time
from concurrent.futures import Future, wait
from contextlib import closing, suppress
from functools import partial
from typing import TYPE_CHECKING, Any

from confluent_kafka import KafkaError, KafkaException, Producer

from esep.errors import EsepError, SettingInvalid, SpoolUnwritable
from esep.producers.faults import fault_of
from esep.producers.late import LateWatch
from esep.producers.spool import Ack
from esep.producers.spool_reader import SpoolReader
from esep.topics import EVENT_BYTES_MAX, events_topic

if TYPE_CHECKING:
    from collections.abc import Mapping

    from esep.producers.group_commit import GroupCommit
    from esep.producers.spool import Spool

_WINDOW = 10_000  # Events under way or acknowledged and not noted yet.
_WINDOW_KBYTES = 32 * 1024  # As librdkafka counts what is under way.
_RECORD_EVERY_S = 0.05  # A commit each time: rare beside the callers' own.
_SERVE_S = 0.02
_IDLE_S = 0.2
_PAUSE_S, _PAUSE_S_MAX = 0.2, 10.0  # Before a new beginning after a refusal, doubled each time.
_PURGE_S = 5.0
_log = logging.getLogger(__name__)


class Courier:
    """Sends what is in a spool. security: properties of librdkafka for TLS and SASL. late_s: see `LateWatch`.

    Raises SettingInvalid for properties that librdkafka does not take.
    """

    def __init__(
        self,
        spool: Spool,
        writer: GroupCommit,
        bootstrap_servers: str,
        *,
        security: Mapping[str, str],
        late_s: float,
    ) -> None:
        self.topic = events_topic(spool.organizer_bin)
        self.recorded = threading.Condition()  # Told after each commit of acknowledgements.
        self.fault: EsepError | None = None  # What keeps it from sending, as far as it knows.
        self._spool = spool
        self._writer = writer
        self._servers = bootstrap_servers
        self._config = _config(bootstrap_servers, security)
        self._producer = self._new_producer()
        self._reader = SpoolReader(spool.path)
        self.late = LateWatch(late_s, self._reader.ends_unanswered(), time.monotonic())
        self._cursor = 0  # All events to send up to this id are under way.
        self._has_more = True
        self._probing: set[str] = set()  # Streams whose first event by this producer is under way,
        self._proven: set[str] = set()  # and those where it has arrived.
        self._refused: KafkaError | None = None
        self._pause_s = _PAUSE_S
        self._acks: list[Ack] = []
        self._recording: tuple[Future[None], list[Ack]] | None = None
        self._record_at_s = 0.0
        self._news = threading.Event()
        self._again = threading.Event()
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="esep-courier", daemon=True)
        self._thread.start()

    def wake(self) -> None:
        """Say that there is something new to send."""
        self._news.set()

    def start_over(self) -> None:
        """Say that events behind the cursor are to be sent again."""
        self._again.set()
        self._news.set()

    def stop(self) -> None:
        """Stop sending, note what is acknowledged by now, and end; the rest stays in the spool."""
        self._stopping.set()
        self._news.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._stopping.is_set():
            try:
                self._step()
            except KafkaException as error:  # Fatal for this producer: that is how it keeps the order.
                self._refused = error.args[0]
            except (EsepError, sqlite3.Error) as error:  # A certificate is gone, or the disk: both may come back.
                self.fault = error if isinstance(error, EsepError) else _unreadable(error)
                _log.warning("sending to %s pauses: %s", self.topic, error)
                self._stopping.wait(_PAUSE_S_MAX)
        self._discard()
        self._record_all()
        self._reader.close()

    def _step(self) -> None:
        if self._refused is not None:
            self._begin_anew(self._refused)
        self._hand_over()
        self._serve()
        self._record()

    def _hand_over(self) -> None:
        """Give librdkafka what the window has room for."""
        if self._news.is_set():
            self._news.clear()
            self._has_more = True
        if self._again.is_set():
            if self._under_way():
                return
            self._again.clear()
            self._cursor = 0
        room = _WINDOW - self._under_way()
        if not self._has_more or room <= 0:
            return
        with closing(self._reader.unsent(self._cursor)) as events:
            for event in events:
                if room == 0 or event.stream_id in self._probing:
                    return
                if not self._produce(event.event, event.stream_id, event.value):
                    return
                if event.stream_id not in self._proven:
                    self._probing.add(event.stream_id)
                self._cursor = event.event
                room -= 1
        self._has_more = False

    def _produce(self, event: int, stream_id: str, value: bytes) -> bool:
        """Return whether librdkafka has taken an event."""
        try:
            self._producer.produce(self.topic, value, stream_id, on_delivery=partial(self._delivered, event, stream_id))
        except BufferError:
            return False
        except KafkaException as error:
            self._refused = error.args[0]
            return False
        return True

    def _serve(self) -> None:
        """Let librdkafka say what it has to; wait for news if there is nothing else to do."""
        if self._under_way() or self._has_more:
            self._producer.poll(_SERVE_S)
        else:
            self._news.wait(_IDLE_S)
            self._producer.poll(0)
        self.late.look(time.monotonic())

    def _delivered(self, event: int, stream_id: str, error: KafkaError | None, message: Any) -> None:
        if error is not None:
            self._refused = self._refused or error
            return
        self._probing.discard(stream_id)
        self._proven.add(stream_id)
        self.fault = None
        self._pause_s = _PAUSE_S
        self._acks.append(Ack(event, message.partition(), message.offset()))

    def _record(self) -> None:
        """Let acknowledgements be noted in the spool, one batch after the other."""
        if self._recording is not None:
            future, acks = self._recording
            if not future.done():
                return
            self._recording = None
            self._recorded(acks, future.exception())
        now_s = time.monotonic()
        if self._acks and now_s >= self._record_at_s:
            self._record_at_s = now_s + _RECORD_EVERY_S
            acks, self._acks = self._acks, []
            self._recording = self._writer.submit(partial(self._spool.acknowledge, acks)), acks

    def _recorded(self, acks: list[Ack], error: BaseException | None) -> None:
        if error is not None:  # The disk is full: they are noted when there is room, and until then the window is.
            self._acks = acks + self._acks
            self._record_at_s = time.monotonic() + _PAUSE_S
            self.fault = error if isinstance(error, EsepError) else None
            return
        for partition in {ack.partition for ack in acks}:
            end = max(ack.offset for ack in acks if ack.partition == partition)
            self.late.note(partition, end, time.monotonic())
        with self.recorded:
            self.recorded.notify_all()

    def _record_all(self) -> None:
        """Note what is acknowledged, now or never: an acknowledgement that is lost makes a duplicate, no more."""
        for _ in range(3):  # What is under way, what is left, and its end.
            if self._recording is not None:
                wait([self._recording[0]], _PURGE_S)
            self._record_at_s = 0.0
            self._record()

    def _begin_anew(self, refused: KafkaError) -> None:
        """Throw away what is under way and go back to the first event without an acknowledgement."""
        self.fault = fault_of(refused, self.topic, self._servers)
        _log.warning("sending to %s begins anew in %.1f s: %s", self.topic, self._pause_s, refused.str())
        self._discard()
        self._record_all()
        self._stopping.wait(self._pause_s)
        self._pause_s = min(2 * self._pause_s, _PAUSE_S_MAX)
        self._producer = self._new_producer()
        self._probing.clear()
        self._proven.clear()
        self._refused = None
        self._cursor = 0
        self._has_more = True

    def _discard(self) -> None:
        self._producer.purge()
        with suppress(KafkaException):  # A producer past hope says so once more.
            self._producer.flush(_PURGE_S)

    def _under_way(self) -> int:
        return len(self._producer) + len(self._acks) + (len(self._recording[1]) if self._recording else 0)

    def _new_producer(self) -> Producer:
        try:
            return Producer({**self._config, "error_cb": self._told}, logger=_log)
        except KafkaException as error:
            raise SettingInvalid("librdkafka does not take these settings", detail=error.args[0].str()) from error

    def _told(self, error: KafkaError) -> None:
        self.fault = fault_of(error, self.topic, self._servers)


def _unreadable(error: sqlite3.Error) -> SpoolUnwritable:
    return SpoolUnwritable("the spool cannot be read", detail=str(error), hint="see to its disk")


def _config(bootstrap_servers: str, security: Mapping[str, str]) -> dict[str, Any]:
    return {
        **security,
        "bootstrap.servers": bootstrap_servers,
        "enable.idempotence": True,
        "enable.gapless.guarantee": True,  # One refused event stops all behind it, instead of letting them overtake.
        "acks": "all",
        "partitioner": "murmur2_random",  # As in Java; librdkafka's default puts 17 of 20 keys elsewhere (DESIGN §3).
        "compression.type": "lz4",
        "linger.ms": 5,
        "message.max.bytes": EVENT_BYTES_MAX,
        "message.timeout.ms": 0,  # Never: given up means overtaken (and the gapless guarantee leaves time-outs out).
        "queue.buffering.max.messages": _WINDOW,
        "queue.buffering.max.kbytes": _WINDOW_KBYTES,
        "topic.metadata.propagation.max.ms": 5000,  # So that a topic that is not there is soon told of.
        "reconnect.backoff.max.ms": 1000,  # So that a broker that comes back is found soon.
    }
