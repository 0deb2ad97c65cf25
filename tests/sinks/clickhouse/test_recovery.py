"""Ranges that are inserted together are in their table once each, whoever takes over which of their partitions when.

Method: the real loader between a group and tables that are played. Each process is given some of the partitions. An
adversary kills at every effect, lets a commit come to some of its partitions only, delivers what a dead process had
sent at any later time, or never, and lets another process come up for the other partitions, and work to its end, at
any effect of the first one.
"""

from __future__ import annotations

import io
import logging
import random
import threading
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NoReturn

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from esep.codec import encode_one
from esep.errors import InvariantBroken, SinkUnavailable
from esep.lineage import TopicPartition
from esep.schemas import schema
from esep.settings import Settings
from esep.sinks.clickhouse.frames import Records
from esep.sinks.clickhouse.group import Mark, Superseded
from esep.sinks.clickhouse.loader import Loader
from esep.sinks.clickhouse.pending import Committed, Pending, Span, noted, token
from esep.sinks.clickhouse.retention.removed import Closed
from esep.sinks.clickhouse.store import Held
from esep.topics import REJECTED, events_topic
from tests.sinks.clickhouse.test_loaders import AtOnce
from tests.sinks.line import BINS, rejected
from tests.support.examples import examples

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from esep.sinks.clickhouse.tables import Table

SOURCES = [TopicPartition(REJECTED, partition) for partition in range(3)]
LANE = TopicPartition(events_topic(BINS[0]), 0)
VALUES = [encode_one(record, schema("rejected")) for record in rejected(8, bin_=BINS[0])]
MONTHS = (202610, 202611, 202609)  # Of the records in turn, as `rejected` makes them.
INSERT_FAULTS = ("kill while inserting", "kill after insert", "lose request", "lose answer", "swallow", "half")
FAULTS = (*INSERT_FAULTS, "kill before commit", "kill after commit", "part of a commit", "rebalance", "leave")
Row = tuple[int, int]  # Partition and offset.


class Killed(BaseException):
    """The process is no more."""


@dataclass
class World:
    """What all processes share: the group's offsets, the table with its roll-up, the clock, the adversary's draws."""

    offsets: dict[TopicPartition, list[int]]
    seed: int = 0
    faults_left: int = 0
    allowed: frozenset[str] = frozenset(FAULTS)
    committed: dict[TopicPartition, Mark] = field(default_factory=dict)
    rows: Counter[Row] = field(default_factory=Counter)
    rollup: Counter[Row] = field(default_factory=Counter)
    tokens: set[str] = field(default_factory=set)
    rollup_tokens: set[str] = field(default_factory=set)
    late: list[tuple[str, list[Row]]] = field(default_factory=list)
    owned: set[TopicPartition] = field(default_factory=set)
    layout: int = 1
    now_s: float = 1_800_000_000.0
    seen: Counter[str] = field(default_factory=Counter)

    def __post_init__(self) -> None:
        self.draw = random.Random(self.seed)
        self.share = self.draw.choice([1 / 3, 1 / 8, 1 / 25])

    @property
    def wanted(self) -> Counter[Row]:
        return Counter((source.partition, offset) for source, offsets in self.offsets.items() for offset in offsets)

    def is_done(self, source: TopicPartition) -> bool:
        mark = self.committed.get(source)
        return not self.offsets[source] or (mark is not None and mark.offset > self.offsets[source][-1])

    def month(self, source: TopicPartition, offset: int) -> int:
        return MONTHS[self.offsets[source].index(offset) % 3]

    def fault(self, *kinds: str) -> str:
        """Return what befalls a request, most often nothing; before it others may have their turn."""
        if self.late and self.draw.random() < 0.2:
            self.take(*self.late.pop(self.draw.randrange(len(self.late))))
            self.seen["arrival"] += 1
        free = [source for source in SOURCES if source not in self.owned and not self.is_done(source)]
        if free and self.owned and self.draw.random() < 0.1:
            self.seen["another"] += 1
            self.run(free)
        possible = [kind for kind in kinds if kind in self.allowed]
        if not possible or not self.faults_left or self.draw.random() > self.share:
            return ""
        self.faults_left -= 1
        fault = self.draw.choice(possible)
        self.seen[fault] += 1
        return fault

    def take(self, token: str, rows: list[Row], *, rollup: bool = True) -> None:
        if token not in self.tokens:
            self.tokens.add(token)
            self.rows.update(rows)
        if rollup and token not in self.rollup_tokens:
            self.rollup_tokens.add(token)
            self.rollup.update(rows)

    def run(self, mine: list[TopicPartition]) -> None:
        """Run a process that has these partitions until it has loaded them, is killed, gives up, or leaves."""
        self.owned.update(mine)
        process = Process(self, mine)
        try:
            with Loader(
                Settings(), process, process.read, process, lambda _: None, AtOnce(), lambda: self.now_s
            ) as one:  # type: ignore[arg-type]
                one.run([REJECTED], process.join)  # type: ignore[arg-type]
        except (Killed, SinkUnavailable):
            pass
        finally:
            self.owned.difference_update(mine)

    def run_alone(self, source: TopicPartition) -> None:
        """The same for one partition, with nobody coming up for the others meanwhile."""
        self.owned = {*SOURCES}
        self.run([source])

    def play(self, between: Callable[[], None] = lambda: None) -> World:
        """Give some of what is left to a process, again and again; then let all that is on its way arrive."""
        for _ in range(300):
            left = [source for source in SOURCES if not self.is_done(source)]
            if not left:
                break
            self.run(self.draw.sample(SOURCES, self.draw.randint(1, 3)))
            between()
        else:
            pytest.fail("the loaders make no progress")
        for insert in self.late:
            self.take(*insert)
        return self

    def forget_tokens(self) -> None:
        self.tokens.clear()
        self.rollup_tokens.clear()
        self.now_s += 86_400

    def restore(self) -> None:
        """Put another table in its place, without tokens: of what is noted some is in it, of each by its months."""
        kept: Counter[Row] = Counter()
        for source, offsets in self.offsets.items():
            mark = self.committed.get(source, Mark(0))
            months = self.draw.sample(MONTHS, self.draw.randint(0, 3)) if mark.metadata else []
            for offset in offsets:
                if offset < mark.offset or self.month(source, offset) in months:
                    kept[source.partition, offset] = self.rows[source.partition, offset]
        self.rows = +kept
        self.rollup, self.layout = Counter(self.rows), self.layout + 1
        self.tokens.clear()
        self.rollup_tokens.clear()


class Process(threading.Event):
    """What one loader sees of the world: group, store, and the stop, which is set once all that it has is loaded."""

    def __init__(self, world: World, mine: list[TopicPartition]) -> None:
        super().__init__()
        self.world, self.mine = world, sorted(mine)
        self.positions_: dict[TopicPartition, int] | None = None

    def join(self, _: Any, topics: Any, *, on_assigned: Any, on_revoked: Any) -> Process:
        self.on_assigned, self.on_revoked = on_assigned, on_revoked
        return self

    def read(self, servers: str, source: TopicPartition, first: int, end: int) -> Iterator[Records]:
        yield self._records(source, [offset for offset in self.world.offsets[source] if first <= offset < end])

    def _records(self, source: TopicPartition, offsets: list[int]) -> Records:
        return Records(source, offsets, [VALUES[self.world.offsets[source].index(offset)] for offset in offsets])

    def is_set(self) -> bool:
        return all(map(self.world.is_done, self.mine)) or self.world.fault("leave") == "leave"

    def wait(self, timeout: float | None = None) -> bool:
        return False

    # As LoaderGroup

    def fetch(self, records_max: int, wait_s: float) -> list[Records]:
        if self.world.fault("rebalance"):
            self.positions_ = None
            self.on_revoked()
        if self.positions_ is None:
            try:
                self.positions_ = {}
                self.positions_ = dict(self.on_assigned(self.mine))
            except Superseded:
                return []
        found = []
        for source in self.mine:
            size = self.world.draw.randrange(5)
            offsets = [offset for offset in self.world.offsets[source] if offset >= self.positions_[source]][:size]
            if offsets:
                self.positions_[source] = offsets[-1] + 1
                found.append(self._records(source, offsets))
        return found

    def commit(self, marks: dict[TopicPartition, Mark]) -> None:
        fault = self.world.fault("kill before commit", "kill after commit", "part of a commit")
        if fault == "kill before commit":
            raise Killed
        chosen = sorted(marks)
        if fault == "part of a commit":
            chosen = self.world.draw.sample(chosen, self.world.draw.randrange(len(chosen)))
        self.world.committed |= {source: marks[source] for source in chosen}
        if fault:
            raise Killed

    def committed(self, sources: list[TopicPartition]) -> dict[TopicPartition, Committed | None]:
        self.world.fault()
        marks = self.world.committed
        return {
            source: Committed(marks[source].offset, Pending.decode(marks[source].metadata)) if source in marks else None
            for source in sources
        }

    def is_confirmed(self) -> bool:
        return True

    def earliest(self, source: TopicPartition) -> int:
        return 0

    def positions(self, sources: Any) -> dict[TopicPartition, int]:
        return {}

    # As Store

    def held(self, table: Table) -> dict[TopicPartition, Held]:
        self.world.fault()
        found: dict[TopicPartition, Held] = {}
        for source in SOURCES:
            there = {offset: count for (place, offset), count in self.world.rows.items() if place == source.partition}
            if there:
                last_row = max(map(self.world.offsets[source].index, there)) + 1
                found[source] = Held(max(there), sum(there.values()), {LANE: last_row})
        return found

    def layout(self, table: Table) -> int:
        return self.world.layout

    def closed(self, table: Table) -> Closed:
        return Closed()

    def present(self, table: Table, source: TopicPartition, pending: Pending, months: Any) -> dict[int, int]:
        self.world.fault()
        found: Counter[int] = Counter()
        for (place, offset), count in self.world.rows.items():
            if place == source.partition and pending.first <= offset <= pending.last:
                found[self.world.month(source, offset)] += count
        return {month: count for month, count in found.items() if month in months}

    def insert(self, table: Table, token: str, block: bytes) -> None:
        frame = pl.read_ipc_stream(io.BytesIO(block)).select("rejected_partition", "rejected_offset")
        rows, world = list(frame.iter_rows()), self.world
        if len({partition for partition, _ in rows}) > 1:
            world.seen["together"] += 1
        fault = world.fault(*INSERT_FAULTS)
        if fault == "kill while inserting":
            world.late.append((token, rows))
            self._kill()
        if fault == "half":  # The server was killed between a block's part in the table and its part in the roll-up.
            world.take(token, rows, rollup=False)
        elif fault != "lose request" and (fault != "swallow" or token in world.tokens):
            world.take(token, rows)
        if fault in {"half", "lose request", "lose answer"}:
            raise SinkUnavailable("ClickHouse did not answer")
        if fault == "kill after insert":
            self._kill()

    def _kill(self) -> NoReturn:
        raise Killed

    def close(self) -> None:
        """As both."""


@pytest.fixture(autouse=True, scope="module")
def _quiet() -> None:
    for name in ("loader", "inserting", "recovery"):
        logging.getLogger(f"esep.sinks.clickhouse.{name}").setLevel(logging.ERROR)


def two_noted() -> World:
    """Return a world whose loader died when it had noted two ranges together; the second has no rows in month two."""
    world = World({SOURCES[0]: [3, 8], SOURCES[1]: [3], SOURCES[2]: []})
    notes = noted([Span(SOURCES[0], 3, 8, 2), Span(SOURCES[1], 3, 3, 1)], world.layout, int(world.now_s))
    world.committed = {source: Mark(3, note.encode()) for source, note in notes.items()}
    return world


OFFSETS = st.fixed_dictionaries(
    {source: st.lists(st.integers(0, 40), unique=True, max_size=8).map(sorted) for source in SOURCES}
)


@settings(max_examples=examples(60), deadline=None)
@given(OFFSETS, st.integers(), st.integers(0, 40))
def test_ranges_that_were_inserted_together_are_there_once_whoever_takes_them_over(
    offsets: dict[TopicPartition, list[int]], seed: int, faults: int
) -> None:
    world = World(offsets, seed, faults).play()
    assert world.rows == world.wanted
    assert world.rollup == world.wanted


@settings(max_examples=examples(24), deadline=None)
@given(OFFSETS, st.integers(), st.integers(0, 40))
def test_tokens_that_are_forgotten_between_processes_cost_nothing_where_nothing_is_late(
    offsets: dict[TopicPartition, list[int]], seed: int, faults: int
) -> None:
    world = World(offsets, seed, faults, frozenset(FAULTS) - {"kill while inserting"})
    assert world.play(between=world.forget_tokens).rows == world.wanted


@settings(max_examples=examples(24), deadline=None)
@given(OFFSETS, st.integers(), st.integers(0, 40))
def test_table_that_is_put_back_with_a_part_of_what_was_inserted_together_gets_the_rest_once(
    offsets: dict[TopicPartition, list[int]], seed: int, faults: int
) -> None:
    """As after a restore: some partitions' part of an insert is below the cut of the backup, some is not."""
    world = World(offsets, seed, faults, frozenset(FAULTS) - {"kill while inserting", "half"})
    assert world.play(between=world.restore).rows == world.wanted


@pytest.mark.parametrize("arrives_after", [1, 2])
@pytest.mark.parametrize("order", [(0, 1), (1, 0)])
@pytest.mark.parametrize("month", MONTHS[:2])
def test_request_of_a_dead_loader_that_arrives_late_adds_nothing_whoever_came_first(
    month: int, order: tuple[int, int], arrives_after: int
) -> None:
    world = two_noted()
    name = token(SOURCES[0], Pending.decode(world.committed[SOURCES[0]].metadata), month, REJECTED)  # type: ignore[arg-type]
    for nth, place in enumerate(order, 1):
        world.run_alone(SOURCES[place])
        if nth == arrives_after:
            world.take(name, [(0, 3), (1, 3)] if month == MONTHS[0] else [(0, 8)])
    assert world.rows == world.rollup == world.wanted


def test_request_of_a_dead_loader_does_not_stand_for_rows_that_clickhouse_acknowledged_and_dropped(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """It arrives after the rows were counted and holds the last one: count and last row are those that should be."""
    world = World({SOURCES[0]: [3, 8], SOURCES[1]: [], SOURCES[2]: []})
    pending = Pending(3, 8, 2, world.layout, int(world.now_s))
    world.committed = {SOURCES[0]: Mark(3, pending.encode())}
    present = Process.present

    def arrives(self: Process, *given: Any) -> dict[int, int]:
        world.take(token(SOURCES[0], pending, MONTHS[1], REJECTED), [(0, 8)])
        return present(self, *given)

    monkeypatch.setattr(Process, "present", arrives)
    with monkeypatch.context() as first:
        first.setattr(World, "fault", lambda _, *kinds: "swallow" if kinds == INSERT_FAULTS else "")
        world.run_alone(SOURCES[0])
    assert world.committed[SOURCES[0]].offset == 3
    world.run_alone(SOURCES[0])
    assert world.rows == world.wanted


@pytest.mark.parametrize("order", [(0, 1), (1, 0)])
def test_range_of_which_alone_a_commit_had_come_is_inserted_alone(order: tuple[int, int]) -> None:
    world = two_noted()
    del world.committed[SOURCES[1]]
    for place in order:
        world.run_alone(SOURCES[place])
    assert world.rows == world.rollup == world.wanted


def test_part_of_an_insert_that_a_restore_has_put_back_is_left_alone() -> None:
    world = two_noted()
    world.rows, world.layout = Counter({(0, 3): 1, (0, 8): 1}), 2
    world.run_alone(SOURCES[1])
    assert world.rows == world.wanted


def test_range_beside_that_has_lost_records_stops_whoever_would_repeat_it() -> None:
    world = World({SOURCES[0]: [3, 8], SOURCES[1]: [3], SOURCES[2]: []})
    notes = noted([Span(source, 3, 8, 2) for source in SOURCES[:2]], world.layout, int(world.now_s))
    world.committed = {source: Mark(3, note.encode()) for source, note in notes.items()}
    with pytest.raises(InvariantBroken, match=f"{SOURCES[1]}: a noted range does not hold what was noted"):
        world.run(SOURCES[:1])
    assert not world.rows


def test_adversary_does_all_that_he_can() -> None:
    """Or the properties above would hold of a world in which nothing happens."""
    everything = {source: list(range(0, 16, 2)) for source in SOURCES}
    seen: set[str] = set()
    for seed in range(40):
        seen |= World(everything, seed, 20).play().seen.keys()
        if seen >= {*FAULTS, "arrival", "another", "together"}:
            return
    pytest.fail(f"seen: {sorted(seen)}")
