"""Follow a topic of one partition from its beginning on: what a stage has to know beside its own input.

Reads     the topic, committed records only, under no consumer group
Returns   `FollowedTopic`: hands on all records, in order
Promises  after `catch_up` all is read that may count for what was received by then, if what is published counts only
          PUBLISHED_DELAY_MS after the broker's stamp on it (decisions 0015, 0046)
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import confluent_kafka as ck
from confluent_kafka import KafkaError
from confluent_kafka.admin import AdminClient, OffsetSpec

from esep.admin import NO_LEADER_YET
from esep.clock import PUBLISHED_DELAY_MS
from esep.errors import BrokerUnavailable, SettingInvalid
from esep.outsider import outsider
from esep.security import PLAIN

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

CATCH_UP_S_MAX = 90.0  # Longer than the transaction of a writer that died, for which readers wait.
CLOCKS_APART_MS_MAX = 30_000  # What two brokers' clocks may differ by; well below PUBLISHED_DELAY_MS.
_CONSUME_RECORDS = 4  # At a time, so that few blocks are in memory at once.
_CONSUME_S = 0.05
_FETCH_WAIT_MS = 250  # So long the end of the topic takes to be told; what is published comes at once.
_CALL_S_MAX = 30.0
_ASK_AGAIN_S = 0.05
_BELIEVED_S = 1.0  # A client that is refused and older than this is not asked again: it looks for leaders rarely.
_ABSENT_S_MAX = 5.0  # A broker hears of a new topic a moment after it was made.
_ASK_AGAIN = NO_LEADER_YET | {KafkaError._TIMED_OUT, KafkaError._TRANSPORT}


class FollowedTopic:
    """Reads a topic from its beginning on and on.

    group: a name that the reader may use. take: is given the records that have come, in order.
    """

    def __init__(
        self,
        topic: str,
        take: Callable[[list[ck.Message]], None],
        bootstrap_servers: str,
        group: str,
        security: Mapping[str, str] = PLAIN,
    ) -> None:
        self._topic, self._take = topic, take
        self._bootstrap_servers = bootstrap_servers
        self._security = security
        self._admin, self._admin_since = self._new_admin(), time.monotonic()
        self._consumer = ck.Consumer(
            {
                **outsider(bootstrap_servers, group, security),
                "enable.partition.eof": True,
                "fetch.wait.max.ms": _FETCH_WAIT_MS,
                "log_level": 0,
                "queued.max.messages.kbytes": 4096,
            }
        )
        self._reached = -1  # The next offset to read; -1 before the first look.
        self._asked_ms = -PUBLISHED_DELAY_MS

    def catch_up(self, received_ms: int = 0, seconds_max: float = CATCH_UP_S_MAX) -> None:
        """Return once all is read that may count for what was received by `received_ms` (ms UTC, has been received).

        Asks the broker for the end only if an answer of before does not suffice: what is published later than an
        answer counts only PUBLISHED_DELAY_MS later. Waits for what is being published. Raises SettingInvalid if there
        is no such topic, BrokerUnavailable if the end is not reached in time.
        """
        if received_ms and received_ms < self._asked_ms + PUBLISHED_DELAY_MS - CLOCKS_APART_MS_MAX:
            return
        deadline = time.monotonic() + seconds_max
        end = self._end(deadline)
        while self._reached < end:
            if time.monotonic() > deadline:
                raise BrokerUnavailable(
                    f"the topic {self._topic} could not be read to its end in {seconds_max:.0f} s",
                    detail=f"read to {self._reached} of {end}",
                    hint="is something being published, or the broker busy? The process may be started again at once",
                )
            self._read(_CONSUME_S)
        self._asked_ms = max(self._asked_ms, received_ms)

    def look(self) -> None:
        """Take what has come, without a wait and without asking for the end."""
        self._read(0)

    def close(self) -> None:
        """End the consumer."""
        self._consumer.close()

    def _end(self, deadline: float) -> int:
        """Return the end of the topic, what is being published included."""
        partition = ck.TopicPartition(self._topic, 0)
        while True:
            try:
                if self._reached < 0:
                    self._begin()
                ends = self._admin.list_offsets({partition: OffsetSpec.latest()}, request_timeout=_CALL_S_MAX)
                end: int = ends[partition].result().offset
            except ck.KafkaException as failure:
                if failure.args[0].code() not in _ASK_AGAIN or time.monotonic() > deadline:
                    raise failure_of(failure.args[0], self._topic, self._bootstrap_servers) from failure
                if time.monotonic() > self._admin_since + _BELIEVED_S:  # It goes on asking the leader of before.
                    self._admin, self._admin_since = self._new_admin(), time.monotonic()
                time.sleep(_ASK_AGAIN_S)
            else:
                return end

    def _new_admin(self) -> AdminClient:
        return AdminClient({"bootstrap.servers": self._bootstrap_servers, **self._security, "log_level": 0})

    def _begin(self) -> None:
        deadline = time.monotonic() + _ABSENT_S_MAX
        while self._topic not in self._consumer.list_topics(timeout=_CALL_S_MAX).topics:
            if time.monotonic() > deadline:
                raise SettingInvalid(f"there is no topic {self._topic}", hint="make the topics with `esep setup`")
            time.sleep(_ASK_AGAIN_S)
        self._consumer.assign([ck.TopicPartition(self._topic, 0, ck.OFFSET_BEGINNING)])
        self._reached = 0

    def _read(self, seconds: float) -> None:
        messages = self._consumer.consume(_CONSUME_RECORDS, seconds)
        for message in messages:
            error = message.error()
            if error is not None and error.code() != KafkaError._PARTITION_EOF:
                raise failure_of(error, self._topic, self._bootstrap_servers)
        records = [message for message in messages if message.error() is None]
        if records:
            self._take(records)
        if messages:
            last = messages[-1]
            self._reached = last.offset() + (1 if last.error() is None else 0)


def failure_of(error: KafkaError, topic: str, bootstrap_servers: str) -> BrokerUnavailable:
    """Return what a client's error means to who wanted to use a topic."""
    return BrokerUnavailable(
        f"the topic {topic} at {bootstrap_servers} could not be used", detail=error.str(), hint="Is the broker up?"
    )
