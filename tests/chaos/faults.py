"""Do to a line what a schedule says, when it says so, and end it all.

Reads     a `Stack` of three brokers, the `Link` between its loaders and ClickHouse; `Fault`s
Writes    signals to its processes
Promises  a broker is not touched before every replica is in sync again, so that never two are away; what was begun is
          ended; every wait is bounded
"""

from __future__ import annotations

import logging
import time
from collections import Counter
from collections.abc import Callable, Iterable, Mapping

from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient

from esep.embedded.clickhouse import ClickHouseServer
from esep.embedded.kafka import KafkaBroker, KafkaCluster
from esep.embedded.kafka_ready import Readiness
from esep.embedded.stack import Stack
from esep.security import PLAIN
from tests.chaos.link import WHOLE, Link
from tests.chaos.schedule import APPS, BROKERS, CLICKHOUSE, KILL, LONG_PAUSE, PAUSE, RESTART, WIRE, Fault

log = logging.getLogger("esep.chaos")
_IN_SYNC_S = 120.0
_ASK_S = 5.0
_ASK_EVERY_S = 0.5
_STOP_S = 10.0


class Trouble:
    """The faults of a run under way. trouble_s: when the last may begin, be it held up or not. clock: seconds.

    done: how many of each kind have met a part that ran; missed: those whose part was away by itself, or that brokers
    out of sync have held up for too long.
    """

    def __init__(
        self,
        stack: Stack,
        wire: Link,
        faults: Iterable[Fault],
        trouble_s: float,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.done: Counter[str] = Counter()
        self.missed = 0
        self._stack, self._wire, self._trouble_s, self._clock = stack, wire, trouble_s, clock
        self._started_s = clock()
        self._to_come = sorted(faults, reverse=True)
        self._under_way: list[tuple[float, Fault]] = []  # With the instant at which each is over.
        self._asked_s = -_ASK_EVERY_S
        self._held_since_s: float | None = None

    @property
    def is_over(self) -> bool:
        """Whether every fault has been and gone."""
        return not (self._to_come or self._under_way)

    def go_on(self) -> None:
        """Begin what is due and end what is over."""
        now_s = self._clock() - self._started_s
        for over_s, fault in list(self._under_way):
            if now_s >= over_s and self._end(fault, is_late=now_s >= over_s + _STOP_S):
                self._under_way.remove((over_s, fault))
        if now_s > self._trouble_s:
            self.missed += len(self._to_come)
            self._to_come.clear()
        held = []
        while self._to_come and self._to_come[-1].at_s <= now_s:
            fault = self._to_come.pop()
            if fault.part in BROKERS and not self._brokers_are_whole():
                held.append(fault)
            else:
                self._begin(fault)
                self._under_way.append((self._clock() - self._started_s + fault.lasts_s, fault))
        self._to_come += sorted(held, reverse=True)

    def _brokers_are_whole(self) -> bool:
        """Return whether no broker is in trouble and none lags; AssertionError if that takes too long."""
        if any(fault.part in BROKERS for _, fault in self._under_way):
            return False
        now_s = self._clock()
        if now_s - self._asked_s < _ASK_EVERY_S:
            return False
        self._asked_s = now_s
        if are_whole(brokers_of(self._stack)):
            self._held_since_s = None
            return True
        self._held_since_s = self._held_since_s or now_s
        assert now_s - self._held_since_s < _IN_SYNC_S, "the replicas do not get in sync"
        return False

    def _begin(self, fault: Fault) -> None:
        log.info("%s", fault)
        if fault.part in APPS:
            met = self._begin_of_app(fault)
        elif fault.part == WIRE:
            self._wire.set(fault.kind)
            met = True
        else:
            service = service_of(self._stack, fault.part)
            met = service.is_running()
            if met:
                {KILL: service.kill, RESTART: service.terminate}.get(fault.kind, service.pause)()
        self.done[fault.kind] += met
        self.missed += not met

    def _begin_of_app(self, fault: Fault) -> bool:
        app = self._stack.apps[fault.part]
        if not app.process.is_running():
            return False
        if fault.kind in {PAUSE, LONG_PAUSE}:
            app.process.pause()
            return True
        (app.process.kill if fault.kind == KILL else app.process.terminate)()
        app.restart_at = time.monotonic() + fault.lasts_s  # Or once it has ended: the stack tends to it.
        return True

    def _end(self, fault: Fault, *, is_late: bool) -> bool:
        """End a fault; return False if its part is still about to stop. is_late: it has had time enough to."""
        if fault.part in APPS:
            self._stack.apps[fault.part].process.resume()
            return True
        if fault.part == WIRE:
            self._wire.set(WHOLE)
            return True
        service = service_of(self._stack, fault.part)
        if fault.kind in {PAUSE, LONG_PAUSE}:
            service.resume()
        elif service.is_running() and not is_late:
            return False
        else:
            service.stop(0)
            service.start()
        return True


def service_of(stack: Stack, part: str) -> KafkaBroker | ClickHouseServer:
    """Return a service of the line by the name that schedules use."""
    return stack.clickhouse if part == CLICKHOUSE else brokers_of(stack)[BROKERS.index(part)]


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
