"""Each committed record is one row, whatever is killed, stopped, repeated or late.

First the loader itself between a group and a store that do as an adversary likes; then a real loader process between a
real broker and a real engine.
"""

from __future__ import annotations

import io
import logging
import random
import signal
import threading
import time
from collections import Counter
from contextlib import suppress
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, NoReturn

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from esep.codec import encode_one
from esep.errors import BrokerUnavailable, InvariantBroken, SinkUnavailable
from esep.lineage import TopicPartition
from esep.schemas import schema
from esep.settings import Settings
from esep.sinks.clickhouse import inserting
from esep.sinks.clickhouse.client import connect
from esep.sinks.clickhouse.frames import Records
from esep.sinks.clickhouse.group import QUEUE_KBYTES, Mark, Superseded, _configuration
from esep.sinks.clickhouse.loader import REST_S_MAX, Loader, Round
from esep.sinks.clickhouse.pending import Committed, Pending
from esep.sinks.clickhouse.retention.removed import Closed
from esep.sinks.clickhouse.rollups import differences
from esep.sinks.clickhouse.store import Held
from esep.sinks.clickhouse.tables import LEDGER_TABLE, TABLES
from esep.sinks.clickhouse.turns import Turns, _joined
from esep.topics import LEDGER, REJECTED, events_topic, receipts_topic
from tests.sinks.line import BINS, Line, rejected
from tests.support.examples import examples

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from esep.sinks.clickhouse.tables import Table
    from tests.sinks.line import Servers

SOURCE = TopicPartition(REJECTED, 0)
LANE = TopicPartition(events_topic(BINS[0]), 0)
VALUES = [encode_one(record, schema("rejected")) for record in rejected(40, bin_=BINS[0])]


FAULTS = (
    *("kill before commit", "kill after commit", "fence", "rebalance", "doubt", "kill between steps"),
    *("kill while inserting", "kill after insert", "lose request", "lose answer", "swallow", "half", "hold back"),
)


class Killed(BaseException):
    """The process is no more."""


@dataclass
class World:
    """Kafka and ClickHouse as far as a loader sees them, and an adversary who decides at every request.

    offsets: of the committed records; the holes are markers and aborted records. seed: of the adversary, who spoils
    at most faults_left requests, `share` of those that he can: if many, a process dies in its first round.
    allowed: what he may do to them.
    late: inserts that were sent by a process that is no more and arrive at some time, or never.
    gone: what retention has removed from the rows; closed: what its log says of that.
    rollup: what stands in the roll-up, which has tokens of its own. now_s: the clock.
    """

    offsets: list[int]
    seed: int = 0
    faults_left: int = 0
    allowed: frozenset[str] = frozenset(FAULTS)
    committed: Mark | None = None
    tokens: set[str] = field(default_factory=set)
    rows: Counter[int] = field(default_factory=Counter)
    rollup_tokens: set[str] = field(default_factory=set)
    rollup: Counter[int] = field(default_factory=Counter)
    layout: int = 1
    now_s: float = 1_800_000_000.0
    gone: Counter[int] = field(default_factory=Counter)
    closed: Closed = field(default_factory=Closed)
    row_of: dict[int, int] = field(default_factory=dict)
    late: list[tuple[str, list[int]]] = field(default_factory=list)
    seen: set[str] = field(default_factory=set)
    dead: bool = False
    second: Second | None = None

    def __post_init__(self) -> None:
        self.draw = random.Random(self.seed)
        self.share = self.draw.choice([1 / 3, 1 / 8, 1 / 25])

    def kill(self) -> NoReturn:
        self.dead = True
        raise Killed

    def fault(self, *kinds: str) -> str:
        """Return what befalls a request that any of these may befall, most often nothing; threads may take turns."""
        if self.second is not None:
            self.second.take_turns()
        if self.late and self.draw.random() < 0.2:
            self.take(*self.late.pop(self.draw.randrange(len(self.late))))
            self.seen.add("arrival")
        possible = [kind for kind in kinds if kind in self.allowed]
        if not possible or self.faults_left == 0 or self.draw.random() > self.share:
            return ""
        self.faults_left -= 1
        fault = self.draw.choice(possible)
        self.seen.add(fault)
        return fault

    def take(self, token: str, offsets: list[int], *, rollup: bool = True) -> None:
        if token not in self.tokens:
            self.tokens.add(token)
            self.rows.update(offsets)
        if rollup and token not in self.rollup_tokens:
            self.rollup_tokens.add(token)
            self.rollup.update(offsets)

    def forget_tokens(self) -> None:
        """Let the deduplication windows roll over, for which a day goes by."""
        self.tokens.clear()
        self.rollup_tokens.clear()
        self.now_s += 86_400

    def remove(self) -> None:
        """Remove a month, as `esep retention` does while no loader runs and no insert is on its way."""
        while self.late:
            insert = self.late.pop()
            if self.draw.random() < 0.5:
                self.take(*insert)
        month = self.draw.choice([202609, 202610, 202611])
        going = {offset: count for offset, count in self.rows.items() if self.month_of(offset) == month and count}
        if not going:
            return
        self.seen.add("removal")
        self.gone.update(going)
        for offset in going:
            del self.rows[offset]
            self.rollup.pop(offset, None)
        self.tokens = {token for token in self.tokens if f":{month}:" not in token}
        self.rollup_tokens = {token for token in self.rollup_tokens if f":{month}:" not in token}
        ends = {**self.closed.ends.get(SOURCE, {}), month: max(going) + 1}
        row = max(self.offsets.index(offset) + 1 for offset in self.gone)
        self.closed = Closed({SOURCE: ends}, {SOURCE: {LANE: row}}, self.closed.layout + 1)

    def month_of(self, offset: int) -> int:
        return _month(self.offsets.index(offset))

    def add_up_anew(self) -> None:
        """Replace what is in the roll-up by what the table says, and with it go its tokens, as `rebuild` does."""
        self.rollup, self.layout = Counter(self.rows), self.layout + 1
        self.rollup_tokens.clear()

    def restore(self, kept: set[int]) -> None:
        """Put another table in its place that holds some of the rows, and no tokens; the roll-up is added up anew."""
        self.rows = Counter({offset: count for offset, count in self.rows.items() if offset in kept})
        self.tokens.clear()
        self.add_up_anew()

    def values(self, offsets: list[int]) -> Records:
        return Records(SOURCE, offsets, [VALUES[self.offsets.index(offset)] for offset in offsets])


class Second:
    """Stands in for the executor: the second thread, of which the adversary says when it runs.

    One of the two threads runs at a time, so that a seed tells all; they change where an effect is due. At the death of
    the process this one ends where it stands.
    """

    def __init__(self, world: World) -> None:
        self.world = world
        self.go, self.back = threading.Semaphore(0), threading.Semaphore(0)
        self.thread: threading.Thread | None = None
        self.outcome: Any = None
        self.error: BaseException | None = None

    def submit(self, work: Callable[..., Any], *given: Any) -> Second:
        assert self.thread is None, "one round at a time"
        self.error = None
        self.thread = threading.Thread(target=self._run, args=(work, given), daemon=True)
        self.thread.start()
        return self

    def take_turns(self) -> None:
        """Change threads, or not, as the adversary likes."""
        if threading.current_thread() is self.thread:
            if self.world.draw.random() < 0.5:
                self.back.release()
                self.go.acquire()
                if self.world.dead:
                    raise Killed
            return
        while self.thread is not None and self.world.draw.random() < 0.5:
            self._let_run()
            self.world.seen.add("overlap")
            if self.world.dead:
                raise Killed

    def exception(self) -> BaseException | None:
        while self.thread is not None:
            self._let_run()
        return self.error

    def result(self) -> Any:
        if (error := self.exception()) is not None:
            raise error
        return self.outcome

    def _let_run(self) -> None:
        self.go.release()
        self.back.acquire()

    def _run(self, work: Callable[..., Any], given: tuple[Any, ...]) -> None:
        self.go.acquire()
        try:
            if not self.world.dead:
                self.outcome = work(*given)
        except BaseException as error:  # noqa: BLE001 - the other thread raises it
            self.error = error
        self.thread = None
        self.back.release()


class FakeGroup:
    """Stands in for LoaderGroup."""

    def __init__(self, world: World, on_assigned: Callable[..., Any], on_revoked: Callable[[], None]) -> None:
        self.world = world
        self.on_assigned, self.on_revoked = on_assigned, on_revoked
        self.position: int | None = None
        self.is_member = False

    def fetch(self, records_max: int, wait_s: float) -> list[Records]:
        world = self.world
        if world.fault("rebalance"):
            self.position, self.is_member = None, False
            self.on_revoked()
            assert world.second is not None
            assert world.second.thread is None, "the partitions went while a request was on its way"
        if self.position is None:
            try:
                self.is_member = True
                self.position = self.on_assigned([SOURCE])[SOURCE]
            except Superseded:
                return []
        size = world.draw.randrange(1, 10)
        offsets = [offset for offset in world.offsets if offset >= self.position][:size]
        if not offsets:
            return []
        self.position = offsets[-1] + 1
        return [world.values(offsets)]

    def commit(self, marks: dict[TopicPartition, Mark]) -> None:
        fault = self.world.fault("kill before commit", "kill after commit", "fence")
        if fault == "kill before commit":
            self.world.kill()
        if fault == "fence" or not self.is_member:
            self.position, self.is_member = None, False
            raise Superseded
        self.world.committed = marks[SOURCE]
        if fault == "kill after commit":
            self.world.kill()

    def committed(self, sources: list[TopicPartition]) -> dict[TopicPartition, Committed | None]:
        mark = self.world.committed
        return {SOURCE: None if mark is None else Committed(mark.offset, Pending.decode(mark.metadata))}

    def earliest(self, source: TopicPartition) -> int:
        return 0

    def positions(self, sources: Any) -> dict[TopicPartition, int]:
        return {} if self.position is None else dict.fromkeys(sources, self.position)

    def is_confirmed(self) -> bool:
        return not self.world.fault("doubt") and self.is_member

    def close(self) -> None:
        pass


class FakeStore:
    """Stands in for Store."""

    def __init__(self, world: World) -> None:
        self.world = world

    def closed(self, table: Table) -> Closed:
        return self.world.closed

    def held(self, table: Table) -> dict[TopicPartition, Held]:
        rows, ever = self.world.rows, {*self.world.rows, *self.world.gone}
        if not ever:
            return {}
        last = max(self.world.offsets.index(offset) + 1 for offset in ever)
        return {SOURCE: Held(max(ever), rows.total(), {LANE: last})}

    def layout(self, table: Table) -> int:
        return self.world.layout

    def present(self, table: Table, source: TopicPartition, pending: Pending, months: Any) -> dict[int, int]:
        found: Counter[int] = Counter()
        for offset, count in self.world.rows.items():
            month = _month(self.world.offsets.index(offset))
            if pending.first <= offset <= pending.last and month in months:
                found[month] += count
        return dict.fromkeys(self.world.closed.months_from(source, pending.first) & set(months), 0) | found

    def insert(self, table: Table, token: str, block: bytes) -> None:
        offsets = pl.read_ipc_stream(io.BytesIO(block))["rejected_offset"].to_list()
        fault = self.world.fault(*FAULTS[FAULTS.index("kill while inserting") :])
        if fault == "kill while inserting":
            self.world.late.append((token, offsets))
            self.world.kill()
        if fault == "lose request":
            raise SinkUnavailable("ClickHouse did not answer")
        if fault == "half":  # The server was killed between a block's part in the table and its part in the roll-up.
            self.world.take(token, offsets, rollup=False)
            raise SinkUnavailable("ClickHouse did not answer")
        if fault != "swallow" or token in self.world.tokens:  # As the embedded engine did with what it could not write.
            self.world.take(token, offsets)
        if fault == "lose answer":
            raise SinkUnavailable("ClickHouse did not answer")
        if fault == "kill after insert":
            self.world.kill()

    def close(self) -> None:
        pass


class SlowTurns(Turns):
    """Lets what was fetched wait for a later round as often as the adversary likes."""

    def __init__(self, world: World) -> None:
        super().__init__(0)
        self.world = world

    def take(self, fetched: Iterable[Records]) -> list[Records]:
        for records in fetched:
            self._waiting.setdefault(records.source, []).append(records)
        return [] if self.world.fault("hold back") else [_joined(self._waiting.pop(one)) for one in [*self._waiting]]


class Impatient(threading.Event):
    """A stop that is set once all is loaded; waits for nothing."""

    def __init__(self, world: World) -> None:
        super().__init__()
        self.world = world

    def is_set(self) -> bool:
        committed = self.world.committed
        done = committed is not None and committed.offset > self.world.offsets[-1]
        return done or (committed is None and not self.world.offsets)

    def wait(self, timeout: float | None = None) -> bool:
        return False


def _month(place: int) -> int:
    return [202609, 202610, 202611][(place + 1) % 3]


@pytest.fixture(autouse=True, scope="module")
def _quiet() -> None:
    for name in ("loader", "inserting"):  # Thousands of retries are no news.
        logging.getLogger(f"esep.sinks.clickhouse.{name}").setLevel(logging.ERROR)


def _run(world: World) -> None:
    """Run one loader process until all is loaded, it is killed, or it gives up."""

    def read(servers: str, source: TopicPartition, first: int, end: int) -> Iterator[Records]:
        yield world.values([offset for offset in world.offsets if first <= offset < end])

    def on_step(step: str) -> None:
        if world.fault("kill between steps"):
            world.kill()

    def join(_: Any, topics: Any, *, on_assigned: Any, on_revoked: Any) -> FakeGroup:
        return FakeGroup(world, on_assigned, on_revoked)

    world.dead, world.second = False, Second(world)
    store, stop = FakeStore(world), Impatient(world)
    with Loader(Settings(), store, read, stop, on_step, world.second, lambda: world.now_s) as loader:  # type: ignore[arg-type]
        loader._turns = SlowTurns(world)
        loader.run([REJECTED], join)  # type: ignore[arg-type]


OFFSETS = st.lists(st.integers(0, 120), unique=True, min_size=1, max_size=30).map(sorted)


def _run_until_loaded(world: World, between: Callable[[], None] = lambda: None) -> None:
    for _ in range(100):
        try:
            _run(world)
        except (Killed, SinkUnavailable):
            between()
        else:
            return
    pytest.fail("the loader makes no progress")


@settings(max_examples=examples(80), deadline=None)
@given(OFFSETS, st.integers(), st.integers(0, 40))
def test_every_record_is_loaded_once_under_any_schedule(offsets: list[int], seed: int, faults: int) -> None:
    """The adversary kills before and after every effect, fences, rebalances, loses requests and answers, lets the
    engine acknowledge what it does not store, or end before the roll-up has its part, delivers the insert of a dead
    process at any later time, and lets the thread that inserts and the one that goes on take turns at every effect.
    """
    world = World(offsets, seed, faults)
    _run_until_loaded(world)
    for insert in world.late:
        world.take(*insert)
    assert world.rows == Counter(offsets)
    assert world.rollup == Counter(offsets)
    assert world.committed == Mark(offsets[-1] + 1)


@settings(max_examples=examples(40), deadline=None)
@given(OFFSETS, st.integers(), st.integers(0, 40))
def test_tokens_forgotten_between_processes_cost_nothing_where_nothing_is_late(
    offsets: list[int], seed: int, faults: int
) -> None:
    """What is older than the deduplication window is told from the rows themselves."""
    world = World(offsets, seed, faults, frozenset(FAULTS) - {"kill while inserting"})
    _run_until_loaded(world, between=world.forget_tokens)
    assert world.rows == Counter(offsets)


@settings(max_examples=examples(60), deadline=None)
@given(OFFSETS, st.integers(), st.integers(0, 40))
def test_what_was_removed_between_an_insert_and_its_repetition_is_not_inserted_again(
    offsets: list[int], seed: int, faults: int
) -> None:
    """O9-4.7: months go while no loader runs, their tokens with them, whatever was noted and not committed."""
    world = World(offsets, seed, faults)
    _run_until_loaded(world, between=world.remove)
    assert world.rows + world.gone == Counter(offsets)
    assert not world.rollup - world.rows


def test_without_the_log_of_removals_the_same_ranges_are_inserted_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """The safeguard taken out: the property above fails then."""
    monkeypatch.setattr(FakeStore, "closed", lambda *_: Closed())
    monkeypatch.setattr(Closed, "months_from", lambda *_: set())
    for seed in range(60):
        world = World(list(range(0, 60, 2)), seed, 20)
        with suppress(InvariantBroken):
            _run_until_loaded(world, between=world.remove)
        if world.rows + world.gone > Counter(world.offsets):
            return
    pytest.fail("nothing was doubled")


def test_roll_up_that_the_server_had_not_written_is_completed_by_the_next_loader(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The server is killed between a block's part in the ledger and its part in a roll-up, and the loader with it."""
    to_come = ["half", "doubt", "kill before commit"]
    monkeypatch.setattr(World, "fault", lambda _, *kinds: to_come.pop(0) if to_come and to_come[0] in kinds else "")
    world = World([3, 4, 8])
    with pytest.raises(Killed):
        _run(world)
    assert world.rows.total() > world.rollup.total()
    _run(world)
    assert world.rows == world.rollup == Counter(world.offsets)


AFTER_AN_INSERT = ("kill after insert", "half", "lose answer", "doubt", "kill before commit")


@settings(max_examples=examples(20), deadline=None)
@given(OFFSETS, st.integers(), st.integers(0, 20))
def test_roll_up_that_is_added_up_anew_between_an_insert_and_its_repetition_has_each_row_once(
    offsets: list[int], seed: int, faults: int
) -> None:
    """It has forgotten the tokens then, however young they are."""
    world = World(offsets, seed, faults, frozenset(FAULTS) - {"kill while inserting"})
    _run_until_loaded(world, between=world.add_up_anew)
    assert world.rows == Counter(offsets)
    if "half" not in world.seen:  # What a server that is killed later leaves out is for the next loader or rebuild.
        assert world.rollup == Counter(offsets)
    assert not world.rollup - Counter(offsets)


@settings(max_examples=examples(20), deadline=None)
@given(OFFSETS, st.integers(), st.data())
def test_table_that_is_put_back_between_an_insert_and_its_repetition_has_each_row_once(
    offsets: list[int], seed: int, data: st.DataObject
) -> None:
    """Any of the noted range's months may be in the backup; what comes before the range is."""
    world = World(offsets, seed, 20, frozenset(AFTER_AN_INSERT))

    def put_back() -> None:
        noted = world.committed and Pending.decode(world.committed.metadata)
        first = noted.first if noted else world.committed.offset if world.committed else 0
        months = data.draw(st.sets(st.sampled_from([202609, 202610, 202611])), "months in the backup")
        world.restore({one for one in world.rows if one < first or _month(world.offsets.index(one)) in months})

    _run_until_loaded(world, between=put_back)
    assert world.rows == Counter(offsets)


def test_rows_that_were_deleted_and_whose_tokens_are_kept_stop_the_loader_until_somebody_says_so(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Under its token nothing is added: the loader sees that and moves no offset. Another layout has other tokens."""
    to_come = ["kill after insert"]
    monkeypatch.setattr(World, "fault", lambda _, *kinds: to_come.pop(0) if to_come and to_come[0] in kinds else "")
    world = World([3, 4, 8])
    with pytest.raises(Killed):
        _run(world)
    world.rows.clear()
    noted = world.committed
    for _ in range(2):
        with pytest.raises(SinkUnavailable, match="does not hold what ClickHouse acknowledged"):
            _run(world)
        assert world.committed == noted
    world.layout += 1
    _run(world)
    assert world.rows == Counter(world.offsets)


def test_range_that_has_lost_records_is_not_loaded() -> None:
    world = World([3, 8])
    world.committed = Mark(3, Pending(3, 8, 3, 1).encode())
    with pytest.raises(InvariantBroken, match="does not hold what was noted"):
        _run(world)
    assert not world.rows


def test_loader_that_slept_while_another_one_loaded_finds_no_contradiction(monkeypatch: pytest.MonkeyPatch) -> None:
    """It has asked for offsets, when there were none, and asks for rows, which are all there when it wakes up."""
    world = World([3, 4, 8])
    held = FakeStore.held

    def late(self: FakeStore, table: Table) -> dict[TopicPartition, Held]:
        if world.committed is None:
            world.rows.update(world.offsets)
            world.committed = Mark(9)
        return held(self, table)

    monkeypatch.setattr(FakeStore, "held", late)
    _run(world)
    assert (world.rows, world.committed) == (Counter(world.offsets), Mark(9))


def test_loader_whose_offsets_another_one_moves_at_every_look_is_started_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    world = World([3, 8])
    offsets = iter(range(100))
    moved = lambda *_: {SOURCE: Committed(next(offsets), None)}  # noqa: E731
    monkeypatch.setattr(FakeGroup, "committed", moved)
    with pytest.raises(BrokerUnavailable, match="another loader goes on"):
        _run(world)


def test_no_more_than_two_rounds_are_held_while_clickhouse_does_not_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    """One that is being inserted and one that is decoded; what else comes waits in librdkafka, which has a bound."""
    monkeypatch.setattr(inserting, "SINK_S_MAX", 0.3)
    monkeypatch.setattr(World, "fault", lambda _, *kinds: "lose request" if "lose request" in kinds else "")
    fetched: list[int] = []
    fetch = FakeGroup.fetch

    def counted(self: FakeGroup, records_max: int, wait_s: float) -> list[Records]:
        found = fetch(self, records_max, wait_s)
        fetched.extend(len(records.offsets) for records in found)
        return found

    monkeypatch.setattr(FakeGroup, "fetch", counted)
    world = World(list(range(40)))
    with pytest.raises(SinkUnavailable):
        _run(world)
    assert 1 <= len(fetched) <= 2
    assert not world.rows
    assert _configuration(Settings(), "loader-0")["queued.max.messages.kbytes"] == QUEUE_KBYTES == 128 * 1024


def test_offset_behind_markers_is_committed_but_not_past_a_range_that_is_being_inserted() -> None:
    """Such a commit has no range in its metadata: who took over would not repeat the one that is on its way."""
    world = World([3, 4, 8])
    with Loader(Settings(), FakeStore(world), None, threading.Event(), lambda _: None, Second(world)) as loader:  # type: ignore[arg-type]
        group = loader._group = FakeGroup(world, lambda _: {}, lambda: None)
        group.is_member, group.position = True, 12
        loader._next = {SOURCE: 9}
        loader._look_around()
        assert (world.committed, loader._next) == (Mark(12), {SOURCE: 12})
        loader._looked_at = float("-inf")
        group.position = 15
        one = SimpleNamespace(source=SOURCE)
        loader._round = Round([one], SimpleNamespace(exception=lambda: None))  # type: ignore[arg-type, list-item]
        loader._look_around()
        assert (world.committed, loader._next) == (Mark(12), {SOURCE: 12})


def test_offset_is_not_committed_past_what_waits_for_its_turn() -> None:
    """It has been fetched, so the position is behind it, and no round has taken it."""
    receipts = TopicPartition(receipts_topic(BINS[0]), 0)
    world = World([])
    with Loader(Settings(), FakeStore(world), None, threading.Event(), lambda _: None, Second(world)) as loader:  # type: ignore[arg-type]
        group = loader._group = FakeGroup(world, lambda _: {}, lambda: None)
        group.is_member, group.position = True, 12
        loader._next = {SOURCE: 12, receipts: 9}
        loader._turns._waiting[receipts] = [Records(receipts, [9], [b""])]
        loader._look_around()
        assert (world.committed, loader._next) == (None, {SOURCE: 12, receipts: 9})
        loader._forget()
        assert not loader._turns.sources


@pytest.mark.parametrize(("took_s", "gather_s"), [(0.0, 0.2), (0.05, 0.2), (0.2, 0.4), (5.0, REST_S_MAX)])
def test_round_gathers_longer_where_inserts_take_long(took_s: float, gather_s: float) -> None:
    """Else what is fixed about an insert would take all that ClickHouse has."""
    world = World([])
    with Loader(Settings(), FakeStore(world), None, threading.Event(), lambda _: None, Second(world)) as loader:  # type: ignore[arg-type]
        loader._inserter.took_s = took_s
        assert loader._gather_s() == gather_s


def test_adversary_does_all_that_he_can() -> None:
    """Or the properties above would hold of a world in which nothing happens."""
    worlds = [World(list(range(0, 60, 2)), seed, 20) for seed in range(50)]
    for world in worlds:
        _run_until_loaded(world)
    assert set.union(*(world.seen for world in worlds)) == {*FAULTS, "arrival", "overlap"}


# From here on with real processes.


@pytest.fixture(scope="module")
def line(servers: Servers) -> Line:
    """One line for all tests that leave it whole: each adds records and then compares all there are."""
    return servers.line()


@pytest.mark.kafka
@pytest.mark.clickhouse
def test_tables_hold_what_was_committed_field_by_field(line: Line) -> None:
    line.fill(3)
    with line.loader() as loader:
        loader.wait_ready()
        line.wait_rows(line.total())
        assert loader.stop() == 0
        assert loader.status()["state"] == "stopped"
    line.assert_equal()


KILLS = [("decoded", 1), ("noted", 1), ("inserted", 1), ("inserted", 4), ("advanced", 1)]
KILLS_WHILE_REPEATING = [("reread", 1), ("inserted", 1), ("inserted", 2), ("advanced", 1)]


@pytest.mark.kafka
@pytest.mark.clickhouse
@pytest.mark.long
def test_loader_killed_between_any_two_steps_loads_each_record_once(line: Line) -> None:
    """Each kill finds records that came while the loader was away; the last ones find a noted range as well."""
    for step, nth in KILLS:
        line.fill(1)
        _killed_at(line, step, nth)
    for step, nth in KILLS_WHILE_REPEATING:
        _killed_at(line, step, nth)
    with line.loader() as loader:
        line.wait_rows(line.total())
        assert loader.stop() == 0
    line.assert_equal()
    with connect(line.settings) as client:
        assert differences(client) == {}, "what was sent again was added to the roll-ups again"


def _killed_at(line: Line, step: str, nth: int) -> None:
    with line.loader(at=step, nth=nth, signal="SIGKILL") as loader:
        assert loader.wait() == -signal.SIGKILL, loader.log.read_text()


@pytest.mark.kafka
@pytest.mark.clickhouse
def test_loader_waits_while_clickhouse_is_away(line: Line, servers: Servers) -> None:
    with line.loader() as loader:
        loader.wait_ready()
        servers.clickhouse.kill()
        line.fill(1)
        time.sleep(2)  # Not for readiness: this long ClickHouse is to be away.
        servers.clickhouse.start()
        servers.clickhouse.wait_ready()
        line.wait_rows(line.total())
        assert loader.stop() == 0
    line.assert_equal()


@pytest.mark.kafka
@pytest.mark.clickhouse
def test_insert_that_was_acknowledged_and_not_stored_is_repeated_by_the_next_loader(line: Line) -> None:
    """The embedded engine acknowledges rows that break a constraint and drops them; a server refuses them."""
    with connect(line.settings) as client:
        client.command("ALTER TABLE ledger ADD CONSTRAINT closed CHECK ledger_offset < 0")
        with line.loader() as loader:
            loader.wait_ready()
            line.fill(1)
            assert loader.wait() in {70, 75}
        client.command("ALTER TABLE ledger DROP CONSTRAINT closed")
    with line.loader() as loader:
        line.wait_rows(line.total())
        assert loader.stop() == 0
    line.assert_equal()


@pytest.mark.kafka
@pytest.mark.clickhouse
@pytest.mark.long
def test_partitions_move_to_a_second_loader_and_back_from_one_that_was_stopped(line: Line) -> None:
    """One loader stops (SIGSTOP) with a range noted and not inserted; the other takes over; then the first wakes, when
    ClickHouse has forgotten all tokens: nothing else than its own look at the clock keeps it from inserting.
    """
    with line.loader(1) as second:
        second.wait_ready()
        with line.loader(0, at="noted", signal="SIGSTOP") as first:
            first.wait_ready()  # With its half of the partitions: the other must not load them all before it stops.
            line.fill(1)
            first.wait_stopped()
            line.wait_rows(line.total())  # The second loads its part, and the first one's after the session time-out.
            line.fill(1)
            line.wait_rows(line.total())
            _roll_over(line)
            first.signal(signal.SIGCONT)
            first.wait_ready()
            line.fill(1)
            line.wait_rows(line.total())
            assert first.stop() == 0
        assert second.stop() == 0
    line.assert_equal()
    with connect(line.settings) as client:
        assert differences(client) == {}


def _roll_over(line: Line) -> None:
    """Let every table forget its tokens, as after a day."""
    with connect(line.settings) as client:
        for name in [*(table.name for table in TABLES), *LEDGER_TABLE.rollups]:
            window = client.command(
                "SELECT extract(engine_full, 'non_replicated_deduplication_window = (\\\\d+)') FROM system.tables"
                f" WHERE database = currentDatabase() AND name = '{name}'"
            )
            for tokens in (0, window):
                client.command(f"ALTER TABLE {name} MODIFY SETTING non_replicated_deduplication_window = {tokens}")


@pytest.mark.kafka
@pytest.mark.clickhouse
def test_second_loader_of_the_same_place_puts_the_first_one_out(line: Line) -> None:
    with line.loader(0) as first:
        first.wait_ready()
        with line.loader(0) as second:
            assert first.wait() == 76
            line.fill(1)
            line.wait_rows(line.total())
            assert second.stop() == 0
    line.assert_equal()


@pytest.mark.kafka
@pytest.mark.clickhouse
def test_emptied_table_stops_the_loader(line: Line) -> None:
    """Offsets say that rows are there which are not: the next row is not last + 1."""
    emptied = line.with_new_database()
    line.fill(1)
    with emptied.loader() as loader:
        assert loader.wait() == 70
        assert "rows are not last + 1" in loader.log.read_text()


@pytest.mark.kafka
@pytest.mark.clickhouse
def test_lost_offsets_stop_the_loader_while_rows_are_there(line: Line) -> None:
    line.recreate_topics()
    line.fill(1)
    with line.loader() as loader:
        assert loader.wait() == 70
        assert "no offset is committed, but the table holds" in loader.log.read_text()
    assert line.count(TopicPartition(LEDGER, 0)) > 0
