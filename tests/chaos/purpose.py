"""Carry out what is to go wrong on purpose, strand beside strand, and see that it went wrong where it was to.

Reads     the marks of `fates`, what apps say of themselves
Writes    fates; signals; apps that are started again, or twice
Promises  an ordeal counts only if its proof is there: the mark of its step, and the end, exit code or state that must
          follow; whatever it has stopped runs again afterwards; every wait is bounded
"""

from __future__ import annotations

import logging
import signal
import time
from collections import Counter
from collections.abc import Callable, Generator, Mapping

from confluent_kafka.admin import AdminClient

from esep.embedded.stack import App
from esep.errors import BrokerUnavailable, PlaceTaken
from tests.chaos.fates import THROUGH, WOKEN, Mark, Told
from tests.chaos.line import Line
from tests.chaos.ordeals import Kind, Ordeal
from tests.chaos.turns import CLUSTER, Turns, brokers_of

log = logging.getLogger("esep.chaos")
Steps = Generator[None, None, bool]  # One look at a time; whether it was met in the end.
_MET_S = 120.0  # On two cores that others use too, and while brokers come and go.
_BACK_S = 180.0
_TURN_S = 120.0
_GIVEN_UP_S = 27.0  # A transaction's 15 s, the 10 s between two looks of the broker, and what a look takes.
_IN_THE_MIDDLE_S = 0.3
_AWAY_S = 2.0
_TRANSACTIONS = "__transaction_state"
_NEVER_S = float("inf")


class Purpose:
    """The ordeals of a run under way. dealt: by strand. met: how often each was, by name; unmet: the others."""

    def __init__(self, line: Line, dealt: Mapping[str, list[Ordeal]], turns: Turns) -> None:
        self.met: Counter[str] = Counter()
        self.unmet: list[str] = []
        self._line, self._turns = line, turns
        self._to_come = {strand: list(reversed(each)) for strand, each in dealt.items() if each}
        self._under_way: dict[str, tuple[Ordeal, Steps]] = {}
        self._way = {
            Kind.CRASH: self._crash,
            Kind.WOKEN: self._woken,
            Kind.TIMED_OUT: self._timed_out,
            Kind.LOST: self._lost,
            Kind.ABORTABLE: self._abortable,
            Kind.FATAL: self._fatal,
            Kind.FENCED: self._fenced,
        }

    @property
    def is_over(self) -> bool:
        """Whether all have been and gone."""
        return not (self._to_come or self._under_way)

    def go_on(self) -> None:
        """Look once at each strand."""
        for strand in list(self._to_come):
            if strand not in self._under_way and self._turns.enter(strand, alone=True):
                ordeal = self._to_come[strand].pop()
                log.info("%s: %s", ordeal.part, ordeal.name)
                self._under_way[strand] = ordeal, self._way[ordeal.kind](ordeal)
            if not self._to_come[strand]:
                del self._to_come[strand]
        for strand, (ordeal, steps) in list(self._under_way.items()):
            try:
                next(steps)
            except StopIteration as end:
                del self._under_way[strand]
                self._turns.leave(strand)
                self._note(ordeal, is_met=end.value)

    def _note(self, ordeal: Ordeal, *, is_met: bool) -> None:
        log.info("%s: %s: %s", ordeal.part, ordeal.name, "met and survived" if is_met else "not met")
        if is_met:
            self.met[ordeal.name] += 1
        else:
            self.unmet.append(ordeal.name)

    def _crash(self, ordeal: Ordeal) -> Steps:
        app = self._app(ordeal)
        if (yield from self._mark(ordeal)) is None:
            return False
        code = yield from self._ended(app)
        yield from self._back(app)
        return code == -signal.SIGKILL

    def _woken(self, ordeal: Ordeal) -> Steps:
        app, other = self._app(ordeal), self._line.stack.apps[f"{ordeal.strand}-{1 - ordeal.ordinal}"]
        if (yield from self._mark(ordeal)) is None:
            return False
        own = set(app.status().get("positions", ()))
        has_moved = yield from _until(lambda: bool(own) and own <= set(other.status().get("positions", ())), _MET_S)
        app.process.resume()
        yield from self._back(app)
        return has_moved

    def _timed_out(self, ordeal: Ordeal) -> Steps:
        app = self._app(ordeal)
        if (yield from self._mark(ordeal)) is None:
            return False
        yield from _until(lambda: False, _GIVEN_UP_S)
        app.restart_at = _NEVER_S  # Its end is looked at here.
        app.process.resume()
        code = yield from self._ended(app)
        yield from self._back(app)
        return code == PlaceTaken.exit_code

    def _lost(self, ordeal: Ordeal) -> Steps:
        app, told = self._app(ordeal), self._told(ordeal)
        if not (yield from _until(lambda: self._turns.enter(CLUSTER, alone=True), _TURN_S)):
            return False
        try:
            if (yield from self._mark(ordeal)) is None:
                return False
            known = len(told.marks())
            broker = brokers_of(self._line.stack)[self._coordinator(ordeal.part) - 1]
            broker.pause()  # What it is asked from now on lies unread in its socket.
            app.process.resume()
            yield from _until(lambda: _has(told, known, WOKEN), _MET_S)
            yield from _until(lambda: False, _IN_THE_MIDDLE_S)
            is_in_the_middle = _has(told, known, WOKEN) and not _has(told, known, THROUGH)
            broker.kill()
            yield from _until(lambda: False, _AWAY_S)
            broker.start()
        finally:
            self._turns.leave(CLUSTER)
        yield from self._back(app)
        return is_in_the_middle

    def _abortable(self, ordeal: Ordeal) -> Steps:
        app, told = self._app(ordeal), self._told(ordeal)
        known = len(told.marks())
        if (mark := (yield from self._mark(ordeal))) is None:
            return False
        yield from _until(lambda: Mark(mark.pid, THROUGH) in told.marks()[known:], _MET_S)
        yield from self._back(app)
        return Mark(mark.pid, THROUGH) in told.marks()[known:]  # The same process has committed it after all.

    def _fatal(self, ordeal: Ordeal) -> Steps:
        app = self._app(ordeal)
        if (yield from self._mark(ordeal)) is None:
            return False
        code = yield from self._ended(app)
        yield from self._back(app)
        return code == BrokerUnavailable.exit_code

    def _fenced(self, ordeal: Ordeal) -> Steps:
        app, rival_name = self._app(ordeal), f"{ordeal.part}-rival"
        yield from self._back(app)
        app.restart_at = _NEVER_S
        self._line.start_again_as(ordeal.part, rival_name)
        code = yield from self._ended(app)
        rival = self._line.stack.apps.pop(rival_name)
        rival.process.terminate()
        yield from _until(lambda: not rival.process.is_running(), _BACK_S)
        rival.process.stop()
        yield from self._back(app)
        return code == PlaceTaken.exit_code

    def _mark(self, ordeal: Ordeal) -> Generator[None, None, Mark | None]:
        """Tell the app its fate; return the mark of it, None if none comes. Told anew where the app ends before."""
        app, told = self._app(ordeal), self._told(ordeal)
        assert ordeal.fate is not None
        known, give_up_at, pid = len(told.marks()), time.monotonic() + _MET_S, None
        while time.monotonic() < give_up_at:
            if new := told.marks()[known:]:
                return new[0]
            if app.process.is_running() and app.process.pid != pid:
                pid = app.process.pid
                told.tell(ordeal.fate)
            yield
        told.forget()
        return None

    def _ended(self, app: App) -> Generator[None, None, int | None]:
        """Return the exit code of an app that is about to end, None if it does not; this end is not the stack's."""
        if app.restart_at not in {None, _NEVER_S} and app.ended_at:  # The stack was quicker.
            app.ended_at.pop()
        app.restart_at = _NEVER_S
        yield from _until(lambda: not app.process.is_running(), _MET_S)
        return app.process.exit_code

    def _back(self, app: App) -> Steps:
        """Have an app started if it does not run, and wait until it is ready."""
        app.restart_at = None if app.process.is_running() else time.monotonic()
        return (yield from _until(lambda: app.status().get("state") == "ready", _BACK_S))

    def _coordinator(self, transactional_id: str) -> int:
        """Return the node that coordinates a stage's transactions: it leads the partition that the id falls into."""
        topics = AdminClient({"bootstrap.servers": self._line.servers, "log_level": 0}).list_topics(timeout=10).topics
        partitions = topics[_TRANSACTIONS].partitions
        return int(partitions[java_hash(transactional_id) % len(partitions)].leader)

    def _app(self, ordeal: Ordeal) -> App:
        return self._line.stack.apps[ordeal.part]

    def _told(self, ordeal: Ordeal) -> Told:
        return Told(self._line.fates, ordeal.part)


def java_hash(text: str) -> int:
    """Return Kafka's `Utils.abs(text.hashCode())`, by which a transactional id has its partition.

    >>> java_hash("totals-1") % 8
    1
    """
    value = 0
    for sign in text:
        value = (31 * value + ord(sign)) & 0xFFFFFFFF
    return value & 0x7FFFFFFF


def _has(told: Told, known: int, what: str) -> bool:
    return any(mark.what == what for mark in told.marks()[known:])


def _until(holds: Callable[[], bool], seconds: float) -> Steps:
    give_up_at = time.monotonic() + seconds
    while not holds():
        if time.monotonic() > give_up_at:
            return False
        yield
    return True
