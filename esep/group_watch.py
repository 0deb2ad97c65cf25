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
    """Looks at one group from time to time; one thread at a time."""

    def __init__(self, group: str, bootstrap_servers: str, security: Mapping[str, str]) -> None:
        self._group = group
        self._admin = AdminClient({"bootstrap.servers": bootstrap_servers, **security, "log_level": 0})
        self._left_out: set[TopicPartition] = set()
        self._look_at = float("inf")

    def assigned(self) -> None:
        """Note an assignment: from now on there is something to look at."""
        self._look_at = time.monotonic() + SETTLED_S

    def is_due(self) -> bool:
        """Return whether it is time for the next look."""
        return time.monotonic() >= self._look_at

    def left_out(self, topics: Collection[str]) -> set[TopicPartition]:
        """Return the partitions of these topics (names, patterns begin with ^) that two looks in a row found nobody's.

        Nothing where a broker does not answer: the next look may say more.
        """
        try:
            found = self._wanted(topics) - self._given()
        except KafkaException as error:
            LOG.warning("the group %s was not described: %s", self._group, error.args[0].str())
            found = set()
        again = found & self._left_out
        self._left_out = found - again
        self._look_at = time.monotonic() + (SETTLED_S if self._left_out else LOOK_EVERY_S)
        return again

    def _wanted(self, topics: Collection[str]) -> set[TopicPartition]:
        names, patterns = set(topics), [topic for topic in topics if topic.startswith("^")]
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
            for member in answer.result(ANSWER_S_MAX).members
            for one in member.assignment.topic_partitions
        }
