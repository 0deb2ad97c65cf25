"""Who may trouble what: faults by chance side by side, what is done on purpose alone; brokers one at a time, and whole.

Reads     the brokers
Returns   whether it may begin
Promises  a broker is not touched before every replica is in sync again, so that never two are away; no wait is endless
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Mapping

from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient

from esep.embedded.kafka import KafkaBroker, KafkaCluster
from esep.embedded.kafka_ready import Readiness
from esep.embedded.stack import Stack
from esep.security import PLAIN
from tests.chaos.schedule import BROKERS

CLUSTER = "brokers"
_IN_SYNC_S = 120.0
_ASK_S = 5.0
_ASK_EVERY_S = 0.5
_FORGET_S = 5.0  # Nobody has waited since the last look.


class Turns:
    """The turns of a run. brokers: all of the cluster. clock: seconds."""

    def __init__(self, brokers: tuple[KafkaBroker, ...], clock: Callable[[], float] = time.monotonic) -> None:
        self._brokers, self._clock = brokers, clock
        self._beside: Counter[str] = Counter()
        self._alone: set[str] = set()
        self._asked_s = float("-inf")
        self._held_since_s: float | None = None

    def enter(self, group: str, *, alone: bool = False) -> bool:
        """Return whether this group of parts may be troubled now, and note that it is, until `leave`."""
        if group in self._alone or ((alone or group == CLUSTER) and self._beside[group]):
            return False
        if group == CLUSTER and not self._is_whole():
            return False
        if alone:
            self._alone.add(group)
        self._beside[group] += 1
        return True

    def leave(self, group: str) -> None:
        """Note that the trouble is over."""
        self._alone.discard(group)
        self._beside[group] -= 1

    def _is_whole(self) -> bool:
        """Return whether no broker lags; asked now and then. AssertionError if it takes too long."""
        now_s = self._clock()
        if now_s - self._asked_s < _ASK_EVERY_S:
            return False
        if now_s - self._asked_s > _FORGET_S:
            self._held_since_s = None
        self._asked_s = now_s
        if are_whole(self._brokers):
            self._held_since_s = None
            return True
        self._held_since_s = self._held_since_s or now_s
        assert now_s - self._held_since_s < _IN_SYNC_S, "the replicas do not get in sync"
        return False


def group_of(part: str) -> str:
    """Return the group that a part of a schedule belongs to: its stage, the cluster, or itself.

    >>> group_of("totals-1"), group_of("broker-2"), group_of("wire")
    ('totals', 'brokers', 'wire')
    """
    return CLUSTER if part in BROKERS else part.partition("-")[0]


def brokers_of(stack: Stack) -> tuple[KafkaBroker, ...]:
    """Return the brokers of a line that has several."""
    assert isinstance(stack.broker, KafkaCluster)
    return stack.broker.brokers


def are_whole(brokers: tuple[KafkaBroker, ...], security: Mapping[str, str] = PLAIN) -> bool:
    """Return whether each broker answers and knows all the others, and every replica of each partition is in sync.

    The replicas alone do not tell: they are in sync by name until the session of a broker that was killed is over.
    """
    ids = frozenset(broker.plan.node_id for broker in brokers)
    if not all(Readiness(broker.plan, ids, security).is_ready() for broker in brokers):
        return False
    admin = AdminClient({"bootstrap.servers": brokers[0].bootstrap_servers, "log_level": 0, **security})
    try:
        topics = admin.list_topics(timeout=_ASK_S).topics
    except KafkaException:
        return False
    partitions = [partition for topic in topics.values() for partition in topic.partitions.values()]
    return all(one.leader >= 0 and set(one.isrs) == set(one.replicas) for one in partitions)
