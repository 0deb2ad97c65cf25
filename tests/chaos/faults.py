"""Do to a line what a schedule says, when it says so, and end it all.

Reads     a `Stack` of three brokers, the `Mesh` between them, the `Link` between loaders and ClickHouse; `Fault`s
Writes    signals to its processes
Promises  what was begun is ended; what has to wait for its turn waits in order; every wait is bounded
"""

from __future__ import annotations

import logging
import time
from collections import Counter
from collections.abc import Callable, Iterable

from esep.embedded.clickhouse import ClickHouseServer
from esep.embedded.kafka import KafkaBroker
from esep.embedded.stack import Stack
from tests.chaos.link import WHOLE, Link
from tests.chaos.mesh import Mesh
from tests.chaos.schedule import APPS, BROKERS, CLICKHOUSE, KILL, LONG_PAUSE, OF_WIRES, PAUSE, RESTART, WIRE, Fault
from tests.chaos.turns import Turns, brokers_of, group_of

log = logging.getLogger("esep.chaos")
_STOP_S = 10.0


class Trouble:
    """The faults of a run under way. trouble_s: when the last may begin if it is held up. clock: seconds.

    done: how many of each kind have met a part that ran; missed: those whose part was away by itself, or that did not
    get their turn in time.
    """

    def __init__(
        self,
        stack: Stack,
        wire: Link,
        mesh: Mesh,
        faults: Iterable[Fault],
        turns: Turns,
        trouble_s: float,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.done: Counter[str] = Counter()
        self.missed = 0
        self._stack, self._wire, self._mesh, self._turns = stack, wire, mesh, turns
        self._trouble_s, self._clock = trouble_s, clock
        self._started_s = clock()
        self._to_come = sorted(faults, reverse=True)
        self._under_way: list[tuple[float, Fault]] = []  # With the instant at which each is over.

    @property
    def is_over(self) -> bool:
        """Whether every fault has been and gone."""
        return not (self._to_come or self._under_way)

    def go_on(self, *, is_last: bool = True) -> None:
        """Begin what is due and end what is over. is_last: nothing else goes on beyond trouble_s."""
        now_s = self._clock() - self._started_s
        for over_s, fault in list(self._under_way):
            if now_s >= over_s and self._end(fault, is_late=now_s >= over_s + _STOP_S):
                self._under_way.remove((over_s, fault))
                self._turns.leave(group_of(fault.part))
        if is_last and now_s > self._trouble_s:
            self.missed += len(self._to_come)
            self._to_come.clear()
        held = []
        while self._to_come and self._to_come[-1].at_s <= now_s:
            fault = self._to_come.pop()
            is_busy = any(one.part == fault.part for _, one in self._under_way)  # What was held up may meet another.
            if not is_busy and self._turns.enter(group_of(fault.part)):
                self._begin(fault)
                self._under_way.append((self._clock() - self._started_s + fault.lasts_s, fault))
            else:
                held.append(fault)
        self._to_come += sorted(held, reverse=True)

    def _begin(self, fault: Fault) -> None:
        log.info("%s", fault)
        if fault.part in APPS:
            met = self._begin_of_app(fault)
        elif fault.part == WIRE:
            self._wire.set(fault.kind)
            met = True
        elif fault.kind in OF_WIRES:
            self._mesh.set_apart(fault.part, fault.kind)
            met = service_of(self._stack, fault.part).is_running()
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
        if fault.kind in OF_WIRES:
            self._mesh.set_apart(fault.part, WHOLE)
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
