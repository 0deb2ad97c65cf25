"""Several loaders side by side, of which any may sleep at any effect and wake when all has changed: one row a record.

Method: each loader is the real one on a thread of its own, between a group and tables that are played; an adversary
draws whose turn it is, when time passes, when the partition moves, who is killed and whose place is taken. A loader
without a turn is asleep: its heartbeats stop, and after a session the group gives its partition away, which it is not
told.
"""

from __future__ import annotations

import io
import logging
import random
import threading
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from esep.codec import encode_one
from esep.errors import PlaceTaken, SinkUnavailable
from esep.lineage import TopicPartition
from esep.schemas import schema
from esep.settings import Settings
from esep.sinks.clickhouse import loader as module
from esep.sinks.clickhouse.frames import Records
from esep.sinks.clickhouse.group import Mark, Superseded
from esep.sinks.clickhouse.loader import Loader
from esep.sinks.clickhouse.pending import Committed, Pending
from esep.sinks.clickhouse.retention.removed import Closed
from esep.sinks.clickhouse.store import Held
from esep.topics import REJECTED, events_topic
from tests.sinks.line import BINS, rejected
from tests.support.examples import examples

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from esep.sinks.clickhouse.tables import Table

SOURCE = TopicPartition(REJECTED, 0)
LANE = TopicPartition(events_topic(BINS[0]), 0)
VALUES = [encode_one(record, schema("rejected")) for record in rejected(30, bin_=BINS[0])]
SESSION_S, DAY_S = 10.0, 86_400.0
STEPS_MAX = 4_000
PLACES = (0, 1)
MONTHS = (202610, 202611, 202609)  # Of the records in turn, as `rejected` makes them.


class Killed(BaseException):
    """The process is no more."""


@dataclass(eq=False)
class World:
    """What all loaders share: the group, the tables, the clock; and the adversary's draws.

    offsets: of the committed records. naps: whether a loader may fall asleep between its look at the clock and its
    request: then only a token tells a repetition, so that no day may pass meanwhile. trouble_left: how much more the
    adversary does.
    """

    offsets: list[int]
    seed: int
    naps: bool
    trouble_left: int
    committed: Mark | None = None
    owner: Process | None = None
    generation: int = 0
    tokens: set[str] = field(default_factory=set)
    rows: Counter[int] = field(default_factory=Counter)
    now_s: float = 1_800_000_000.0
    seen: Counter[str] = field(default_factory=Counter)
    processes: list[Process] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.draw = random.Random(self.seed)

    @property
    def done(self) -> bool:
        return self.committed is not None and self.committed.offset > self.offsets[-1]

    def records(self, first: int, end: int) -> Records:
        chosen = [offset for offset in self.offsets if first <= offset < end]
        return Records(SOURCE, chosen, [VALUES[self.offsets.index(offset)] for offset in chosen])

    def month(self, offset: int) -> int:
        return MONTHS[self.offsets.index(offset) % 3]

    def give(self, process: Process) -> None:
        """Give the partition to a loader; who had it hears of that when the broker next answers it."""
        self.owner, self.generation = process, self.generation + 1

    def start(self, place: int) -> None:
        """Start a loader; one that has its place is put out at once, however young its confirmation is."""
        before = [one for one in self.processes if one.place == place and one.alive]
        process = Process(self, place)
        self.processes.append(process)
        for one in before:
            one.put_out = True
            self.seen["place taken"] += 1
        if self.owner is None or self.owner in before or not self.owner.alive:
            self.give(process)

    def pass_time(self, seconds: float) -> None:
        self.now_s += seconds
        if seconds >= DAY_S:
            self.seen["rolled over"] += bool(self.tokens)
            self.tokens.clear()

    def make_trouble(self) -> None:
        """Do one thing that loaders do not like."""
        self.trouble_left -= 1
        match self.draw.choice(["session", "move", "move", "kill", "start", "day"]):
            case "session":
                self.pass_time(SESSION_S)
            case "move":
                self.move()
            case "kill" if self.living():
                self.draw.choice(self.living()).kill()
                self.seen["killed"] += 1
            case "start":
                self.start(self.draw.choice(PLACES))
            case "day" if not self.naps:
                self.pass_time(DAY_S)

    def move(self) -> None:
        """Give the partition to another loader, as the group may: to whoever asks, if the owner is silent or gone."""
        others = [one for one in self.living() if one is not self.owner and not one.put_out]
        if not others:
            return
        owner = self.owner
        if owner is None or not owner.alive or self.now_s - owner.heard_at >= SESSION_S:
            self.seen["moved from a sleeper"] += owner is not None and owner.alive
            self.give(self.draw.choice(others))
        else:
            self.seen["moved"] += 1
            owner.is_to_leave = self.draw.choice(others)

    def living(self) -> list[Process]:
        return [one for one in self.processes if one.alive]

    def play(self) -> None:
        """Let loaders and adversary take turns until all is loaded; then wake all that sleep, a day later."""
        for place in PLACES:
            self.start(place)
        for _ in range(STEPS_MAX):
            if self.done:
                break
            if self.trouble_left and self.draw.random() < 0.12:
                self.make_trouble()
            else:
                self.turn()
        else:
            pytest.fail(f"no progress: {self.committed}, {[(one.place, one.alive) for one in self.processes]}")
        if not self.naps:
            self.pass_time(DAY_S)
        for process in self.living():
            for _ in range(60):
                process.step()

    def turn(self) -> None:
        self.now_s += 0.01
        for place in PLACES:
            if not any(one.place == place and one.alive for one in self.processes):
                self.start(place)  # As a supervisor does.
        if self.owner is None or not self.owner.alive:
            self.give(self.draw.choice(self.living()))
        self.draw.choice([*self.living(), *([self.owner] if self.owner in self.living() else [])]).step()


class Process:
    """A loader that has its turns: everything it sees of the world is asked of this."""

    def __init__(self, world: World, place: int) -> None:
        self.world, self.place = world, place
        self.alive, self.put_out = True, False
        self.is_to_leave: Process | None = None
        self.generation: int | None = None
        self.position: int | None = None
        self.confirmed_at, self.heard_at = float("-inf"), world.now_s
        self.error: BaseException | None = None
        self.go, self.back = threading.Semaphore(0), threading.Semaphore(0)
        self.thread = threading.Thread(target=self._run, daemon=True)
        self.thread.start()

    def step(self) -> None:
        """Let it go on up to its next effect; the group has put out who was silent for a session."""
        if self.alive:
            if self.world.owner is self and self.world.now_s - self.heard_at >= SESSION_S:
                self.world.owner, self.world.generation = None, self.world.generation + 1
            self.heard_at = self.world.now_s
            self.go.release()
            self.back.acquire()

    def kill(self) -> None:
        if self.alive:
            self.alive = False
            self.go.release()
            self.back.acquire()

    def sleep(self) -> None:
        """Wait for its turn: whatever happens meanwhile, it does not know."""
        self.back.release()
        self.go.acquire()
        if not self.alive:
            raise Killed

    def _run(self) -> None:
        self.go.acquire()
        world = self.world

        def read(servers: str, source: TopicPartition, first: int, end: int) -> Iterator[Records]:
            yield world.records(first, end)

        def join(_: Any, topics: Any, *, on_assigned: Any, on_revoked: Any) -> Process:
            self.on_assigned, self.on_revoked = on_assigned, on_revoked
            return self

        try:
            if self.alive:
                stop, place = Done(self), Settings(ordinal=self.place)
                with Loader(place, self, read, stop, lambda _: self.sleep(), AtOnce(), lambda: world.now_s) as loader:  # type: ignore[arg-type]
                    loader.run([REJECTED], join)  # type: ignore[arg-type]
        except BaseException as error:  # noqa: BLE001 - the test looks at it
            self.error = error
        self.alive = False
        self.back.release()

    # As LoaderGroup

    def fetch(self, records_max: int, wait_s: float) -> list[Records]:
        self.sleep()
        world = self.world
        self._hear()
        if self.is_to_leave is not None and world.owner is self:
            world.give(self.is_to_leave)
            self.is_to_leave = None
        if world.owner is not self:
            self._lose()
            return []
        if self.generation != world.generation:
            self._lose()
            self.generation = world.generation
            try:
                self.position = self.on_assigned([SOURCE])[SOURCE]
            except Superseded:
                return []
        assert self.position is not None
        offsets = [offset for offset in world.offsets if offset >= self.position][: world.draw.randrange(1, 8)]
        if not offsets:
            return []
        self.position = offsets[-1] + 1
        return [world.records(offsets[0], offsets[-1] + 1)]

    def _hear(self) -> None:
        if self.put_out:
            raise PlaceTaken("another loader runs at this place")

    def _lose(self) -> None:
        if self.generation is not None:
            self.generation = self.position = None
            self.on_revoked()

    def commit(self, marks: dict[TopicPartition, Mark]) -> None:
        self.sleep()
        self._hear()
        if self.generation is None or self.generation != self.world.generation:
            self.world.seen["refused"] += 1
            self.generation = self.position = None
            raise Superseded
        self.world.committed = marks[SOURCE]
        self.confirmed_at = self.world.now_s

    def committed(self, sources: list[TopicPartition]) -> dict[TopicPartition, Committed | None]:
        self.sleep()
        mark = self.world.committed
        return {SOURCE: None if mark is None else Committed(mark.offset, Pending.decode(mark.metadata))}

    def is_confirmed(self) -> bool:
        return self.generation is not None and self.world.now_s - self.confirmed_at < SESSION_S

    def earliest(self, source: TopicPartition) -> int:
        return 0

    def positions(self, sources: Any) -> dict[TopicPartition, int]:
        """Behind what was fetched come markers, up to the next record: there it may be anywhere."""
        if self.position is None:
            return {}
        later = [offset for offset in self.world.offsets if offset >= self.position]
        return dict.fromkeys(sources, self.world.draw.randint(self.position, later[0] if later else self.position))

    # As Store

    def held(self, table: Table) -> dict[TopicPartition, Held]:
        self.sleep()
        rows, offsets = self.world.rows, self.world.offsets
        if not rows:
            return {}
        return {SOURCE: Held(max(rows), rows.total(), {LANE: max(map(offsets.index, rows)) + 1})}

    def layout(self, table: Table) -> int:
        return 1

    def closed(self, table: Table) -> Closed:
        return Closed()

    def present(self, table: Table, source: TopicPartition, pending: Pending, months: Any) -> dict[int, int]:
        self.sleep()
        found: Counter[int] = Counter()
        for offset, count in self.world.rows.items():
            if pending.first <= offset <= pending.last and self.world.month(offset) in months:
                found[self.world.month(offset)] += count
        return dict(found)

    def insert(self, table: Table, token: str, block: bytes) -> None:
        world = self.world
        if world.naps:
            self.sleep()
        fault = ""
        if world.trouble_left and world.draw.random() < 0.2:
            world.trouble_left -= 1
            fault = world.draw.choice(["lose request", "lose answer", "kill"])
        if fault != "lose request" and token not in world.tokens:
            world.tokens.add(token)
            world.rows.update(pl.read_ipc_stream(io.BytesIO(block))["rejected_offset"].to_list())
        self.sleep()
        if fault == "kill":
            self.alive = False
            raise Killed
        if fault:
            raise SinkUnavailable("ClickHouse did not answer")

    def close(self) -> None:
        """As both."""


class AtOnce:
    """Stands in for the executor: the second thread is the first."""

    def submit(self, work: Callable[..., Any], *given: Any) -> AtOnce:
        self.outcome, self.error = None, None
        try:
            self.outcome = work(*given)
        except Exception as error:  # noqa: BLE001 - told by `result`
            self.error = error
        return self

    def exception(self) -> Exception | None:
        return self.error

    def result(self) -> Any:
        if self.error is not None:
            raise self.error
        return self.outcome


class Done(threading.Event):
    """A stop that is set once all is loaded; a wait is a turn."""

    def __init__(self, process: Process) -> None:
        super().__init__()
        self.process = process

    def is_set(self) -> bool:
        return self.process.world.done

    def wait(self, timeout: float | None = None) -> bool:
        self.process.sleep()
        return False


@pytest.fixture(autouse=True, scope="module")
def _quiet_and_looking_around_in_each_round() -> Iterator[None]:
    for name in ("loader", "inserting"):
        logging.getLogger(f"esep.sinks.clickhouse.{name}").setLevel(logging.ERROR)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "STATUS_S", 0.0)
        yield


OFFSETS = st.lists(st.integers(0, 90), unique=True, min_size=1, max_size=30).map(sorted)


def played(world: World) -> World:
    try:
        world.play()
    finally:
        for process in world.processes:
            process.kill()
    errors = [one.error for one in world.processes if one.error is not None]
    assert all(isinstance(one, Killed | SinkUnavailable | PlaceTaken) for one in errors), errors
    return world


@settings(max_examples=examples(25), deadline=None)
@given(OFFSETS, st.integers(), st.integers(0, 30))
def test_loaders_that_sleep_at_any_effect_load_each_record_once_while_tokens_are_known(
    offsets: list[int], seed: int, trouble: int
) -> None:
    assert played(World(offsets, seed, naps=True, trouble_left=trouble)).rows == Counter(offsets)


@settings(max_examples=examples(25), deadline=None)
@given(OFFSETS, st.integers(), st.integers(0, 30))
def test_loaders_that_wake_up_after_the_window_rolled_over_send_nothing_that_is_another_s(
    offsets: list[int], seed: int, trouble: int
) -> None:
    """No token helps here: what holds is the look at the clock before each request, and the rows themselves."""
    assert played(World(offsets, seed, naps=False, trouble_left=trouble)).rows == Counter(offsets)


def test_adversary_does_all_that_he_can() -> None:
    """Or the properties above would hold of a world in which nothing happens."""
    worlds = [played(World(list(range(0, 60, 2)), seed, naps=False, trouble_left=20)) for seed in range(12)]
    seen = sum((world.seen for world in worlds), Counter())
    assert {"killed", "moved", "moved from a sleeper", "place taken", "refused", "rolled over"} <= {*+seen}
