"""Whether a consumer group has given away all that is asked for.

Reads     the brokers' topics; what the group has given to each of its members
Returns   the partitions that are nobody's
Promises  joins nothing and commits nothing; a group that settles just then is not taken for one that forgets (boxes:
          stream_apps, sinks/clickhouse)

A member that is back before its session is over is given what it had, whatever it asks for now (KIP-345). A topic that
it asks for since then, for an organizer that is new or after an upgrade, would be nobody's: it has to join anew.
"""

from __future__ import annotations

import logging
import re
import threading
import time
from typing import TYPE_CHECKING

from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient

from esep.lineage import TopicPartition

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

ANSWER_S_MAX = 10.0
SETTLED_S = 1.0  # After an assignment, and between two looks that may find the same.
LOOK_EVERY_S = 10.0
LOG = logging.getLogger(__name__)


class GroupWatch:
    """Looks at one group from time to time, on threads of its own; all methods are called on one and the same."""

    def __init__(self, group: str, bootstrap_servers: str, security: Mapping[str, str]) -> None:
        self._group = group
        self._configuration = {"bootstrap.servers": bootstrap_servers, **security, "log_level": 0}
        self._admin = AdminClient(self._configuration)
        self._left_out: set[TopicPartition] = set()
        self._look: Look | None = None  # Under way, or over and not yet judged.
        self._look_at = float("inf")

    def assigned(self) -> None:
        """Note an assignment: from now on there is something to look at, and what was seen before counts no more."""
        self._look, self._left_out = None, set()
        self._look_at = time.monotonic() + SETTLED_S

    def left_out(self, topics: Collection[str]) -> set[TopicPartition]:
        """Return the partitions of these topics (names, patterns begin with ^) that two looks in a row found nobody's.

        Waits for nothing: what a look finds is told by a later call, once. Where a broker does not answer, the look
        finds nothing; the next one may.
        """
        if self._look is None and time.monotonic() >= self._look_at:
            self._look = Look(self._admin, self._group, tuple(topics))
            self._look.start()
        if self._look is None or self._look.is_alive():
            return set()
        look, self._look = self._look, None
        if look.has_failed:  # A client goes on asking the broker that was the group's coordinator before.
            self._admin = AdminClient(self._configuration)
        again = look.found & self._left_out
        self._left_out = look.found - again
        self._look_at = time.monotonic() + (SETTLED_S if self._left_out else LOOK_EVERY_S)
        return again


class Look(threading.Thread):
    """One look, which may take long. found: what is nobody's, once the thread has ended; nothing if has_failed."""

    def __init__(self, admin: AdminClient, group: str, topics: Collection[str]) -> None:
        super().__init__(name=f"look at {group}", daemon=True)  # A worker that stops does not wait for it.
        self._admin = admin
        self._group = group
        self._topics = topics
        self.found: set[TopicPartition] = set()
        self.has_failed = False

    def run(self) -> None:
        """Ask the brokers."""
        try:
            self.found = self._wanted() - self._given()
        except (KafkaException, TimeoutError) as error:
            self.has_failed = True
            LOG.warning("the group %s was not described: %r", self._group, error)

    def _wanted(self) -> set[TopicPartition]:
        names, patterns = set(self._topics), [topic for topic in self._topics if topic.startswith("^")]
        return {
            TopicPartition(name, partition)
            for name, topic in self._admin.list_topics(timeout=ANSWER_S_MAX).topics.items()
            if name in names or any(re.fullmatch(pattern, name) for pattern in patterns)
            for partition in topic.partitions
        }

    def _given(self) -> set[TopicPartition]:
        (answer,) = self._admin.describe_consumer_groups([self._group], request_timeout=ANSWER_S_MAX).values()
        return {
            TopicPartition(one.topic, one.partition)
            for member in answer.result(2 * ANSWER_S_MAX).members
            for one in member.assignment.topic_partitions
        }
