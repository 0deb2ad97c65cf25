"""The hand-over against an adversary who orders all steps: what is committed is each input once, or a worker stops.

Method: Hypothesis draws which process, which marker or which accident comes next; `handover_model` plays the broker.
For each safeguard of DESIGN §5 there is a schedule that counts twice without it.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from esep.lineage import TopicPartition
from esep.stream_apps import handover
from esep.stream_apps.handover import Restoration, Verdict
from tests.stream_apps.handover_model import SOURCES, STAGES, Broker, Refused, Safeguards, Worker, expected
from tests.support.count_stage import Counts, CountStage

PLACES = (0, 1)
PROCESSES_MAX = 4  # Two of a place, and one that was put out but does not know it yet.
any_number = st.integers(0, 59)


class HandOver(RuleBasedStateMachine):
    """Workers of two places and two input partitions; `stopped` counts hand-overs that ended with a mismatch."""

    safeguards = Safeguards()
    stage = STAGES[0]

    def __init__(self) -> None:
        super().__init__()
        self.broker = Broker(self.stage)
        self.workers: list[Worker] = []
        self.started = 0
        self.damaged = False

    @initialize()
    def start_one_of_each_place(self) -> None:
        for place in PLACES:
            self.start(place)
        self.rebalance({0}, swap=False, prompt=True)

    @precondition(lambda self: len(self.workers) < PROCESSES_MAX)
    @rule(place=st.sampled_from(PLACES))
    def start(self, place: int) -> None:
        """A process takes a place; one that holds it lives on until it hears of that."""
        self.started += 1
        self.workers.append(Worker(self.broker, place, f"totals-{place}-{self.started}", self.safeguards))

    @precondition(lambda self: len(self.workers) > len(PLACES))
    @rule(which=any_number)
    def kill(self, which: int) -> None:
        self.workers.remove(self._one(which))

    @precondition(lambda self: self.workers)
    @rule(members=st.sets(st.integers(0, PROCESSES_MAX - 1), min_size=1), swap=st.booleans(), prompt=st.booleans())
    def rebalance(self, members: set[int], swap: bool, prompt: bool) -> None:
        """Some of the workers join; the others are asleep, or leave, and keep what they believe."""
        joined = {worker.place: worker for number, worker in enumerate(self.workers) if number in members}
        joined = {place: one for place, one in joined.items() if self.broker.epochs[place] == one.epoch}
        if not joined:
            return
        order = list(SOURCES)[:: -1 if swap else 1]
        shares = {worker: frozenset(order[at :: len(joined)]) for at, worker in enumerate(joined.values())}
        self.broker.generation += 1
        self.broker.members = {worker.name: share for worker, share in shares.items()}
        for worker, share in shares.items():
            worker.assign(share)

        for worker in joined.values():
            if prompt and not worker.steps:
                self._read(worker, ask=True)

    @precondition(lambda self: self._in(lambda one: one.partitions and one.ready is None and not one.steps))
    @rule(which=any_number)
    def ask(self, which: int) -> None:
        self._one(which, lambda one: one.partitions and one.ready is None and not one.steps).ask()

    @precondition(lambda self: self._in(lambda one: one.restoring))
    @rule(which=any_number)
    def read(self, which: int) -> None:
        """Read on; what can never match stops the process."""
        self._read(self._one(which, lambda one: one.restoring))

    def _read(self, worker: Worker, *, ask: bool = False) -> None:
        if ask:
            worker.ask()
        worker.read()
        if Verdict.MISMATCH in worker.verdicts():
            self.workers.remove(worker)
        elif worker.restoring and set(worker.verdicts()) == {Verdict.READY}:
            worker.settle_in()

    @precondition(lambda self: self._in(lambda one: one.ready is not None and one.poll is None))
    @rule(which=any_number, counts=st.lists(st.integers(1, 3), min_size=2, max_size=2), first=st.booleans())
    def fetch(self, which: int, counts: list[int], first: bool) -> None:
        worker = self._one(which, lambda one: one.ready is not None and one.poll is None)
        worker.fetch({source: counts[source.partition] for source in sorted(worker.states)}, offsets_first=first)

    @precondition(lambda self: self._in(lambda one: one.ready is not None and one.poll is None))
    @rule(which=any_number)
    def commit(self, which: int) -> None:
        """A whole transaction, of which all hear at once."""
        worker = self._one(which, lambda one: one.ready is not None and one.poll is None)
        worker.fetch(dict.fromkeys(sorted(worker.states), 1))
        self._go_on(worker, 5)
        while late := self.broker.undelivered():
            self.broker.deliver(*late[0])

    @precondition(lambda self: self._in(lambda one: one.poll))
    @rule(which=any_number, steps=st.integers(1, 5))
    def work(self, which: int, steps: int) -> None:
        """Go on in a transaction, by a step or to its end."""
        self._go_on(self._one(which, lambda one: one.poll), steps)

    def _go_on(self, worker: Worker, steps: int) -> None:
        for _ in range(steps):
            if worker.poll is None or (worker.steps[0] == "begin" and not self.broker.is_settled(worker.place)):
                return
            try:
                worker.step()
            except Refused as refusal:
                self._refused(worker, refusal)
                return

    def _refused(self, worker: Worker, refusal: Refused) -> None:
        if not refusal.fenced:
            with suppress(Refused):
                worker.give_up_poll()
                worker.steps = []
                return
        self.workers.remove(worker)

    @precondition(lambda self: self.broker.undelivered())
    @rule(which=any_number)
    def deliver(self, which: int) -> None:
        """A marker comes."""
        late = self.broker.undelivered()
        self.broker.deliver(*late[which % len(late)])

    @precondition(lambda self: any(one.decided is None for one in self.broker.newest.values()))
    @rule(place=st.sampled_from(PLACES))
    def time_out(self, place: int) -> None:
        self.broker.time_out(place)

    @precondition(lambda self: not self.damaged)
    @rule(source=st.sampled_from(SOURCES))
    def lose_offset(self, source: TopicPartition) -> None:
        """Somebody deletes a committed offset."""
        self.damaged |= self.broker.committed[source] is not None
        self.broker.committed[source] = None

    @precondition(lambda self: not self.damaged)
    @rule(source=st.sampled_from(SOURCES), kept=any_number)
    def lose_end_of_changelog(self, source: TopicPartition, kept: int) -> None:
        """Somebody puts an older changelog back."""
        changelog = self.stage.changelog_of(source)
        log = self.broker.changelogs[changelog]
        if log and self.broker.stable_end(changelog) == len(log):
            self.damaged = True
            del log[kept % len(log) :]

    @invariant()
    def every_output_is_the_next_one_of_an_uninterrupted_stage(self) -> None:
        for source, outputs in self.broker.outputs.items():
            assert outputs == expected(len(outputs)), source

    def teardown(self) -> None:
        """Where nobody lost anything, the next worker always comes up, and goes on where the outputs end."""
        if self.damaged:
            return
        heir = Worker(self.broker, 0, "totals-0-heir", self.safeguards)
        self.broker.time_out(1)
        while late := self.broker.undelivered():
            self.broker.deliver(*late[0])
        self.broker.generation += 1
        self.broker.members = {heir.name: frozenset(SOURCES)}
        heir.assign(frozenset(SOURCES))
        heir.ask()
        heir.read()
        assert set(heir.verdicts()) == {Verdict.READY}
        heir.settle_in()
        ends = {source: state.position.next_offset for source, state in heir.states.items()}
        assert ends == {source: len(outputs) for source, outputs in self.broker.outputs.items()}

    def _in(self, holds: Callable[[Worker], object]) -> bool:
        return any(holds(one) for one in self.workers)

    def _one(self, which: int, holds: Callable[[Worker], object] = bool) -> Worker:
        fit = [one for one in self.workers if holds is bool or holds(one)]
        return fit[which % len(fit)]


class SharedHandOver(HandOver):
    """The same with one changelog partition for both input partitions."""

    stage = STAGES[1]


TestHandOver = HandOver.TestCase
TestHandOver.settings = settings(max_examples=60, stateful_step_count=50, suppress_health_check=list(HealthCheck))
TestSharedHandOver = SharedHandOver.TestCase
TestSharedHandOver.settings = TestHandOver.settings


# One schedule for each safeguard: with it the next worker goes on where the outputs end, waits or stops; without it
# something is counted twice.


class Schedule:
    """A broker and what its workers do in order."""

    def __init__(self, stage: CountStage, **safeguards: bool) -> None:
        self.broker = Broker(stage)
        self.safeguards = Safeguards(**safeguards)

    def start(self, place: int) -> Worker:
        return Worker(self.broker, place, f"totals-{place}", self.safeguards)

    def two_workers(self) -> tuple[Worker, Worker]:
        """Return one that is ready with all partitions, and one that is asleep."""
        first, second = self.start(0), self.start(1)
        self.join(all=first)
        assert self.hand_over(first)
        return first, second

    def join(self, **shares: Worker) -> None:
        """Give `p0`, `p1` or `all` to workers; the others are asleep."""
        owned = {"p0": frozenset(SOURCES[:1]), "p1": frozenset(SOURCES[1:]), "all": frozenset(SOURCES)}
        self.broker.generation += 1
        self.broker.members = {worker.name: owned[share] for share, worker in shares.items()}
        for share, worker in shares.items():
            worker.assign(owned[share])

    def hand_over(self, worker: Worker) -> bool:
        """Return whether the worker is ready now."""
        worker.ask()
        worker.read()
        if worker.restoring and set(worker.verdicts()) == {Verdict.READY}:
            worker.settle_in()
        return worker.ready is not None

    def take_over(self, worker: Worker) -> bool:
        """Give all to a worker, and let it work if it is ready; return whether it is."""
        self.join(all=worker)
        ready = self.hand_over(worker)
        self.work(worker)
        return ready

    def work(self, worker: Worker) -> None:
        """Commit a record of each of the worker's partitions, and let all know."""
        if worker.ready is not None:
            worker.fetch(dict.fromkeys(sorted(worker.states), 1))
            self.finish(worker)

    def finish(self, worker: Worker) -> None:
        while worker.poll is not None:
            worker.step()
        self.deliver()

    def deliver(self) -> None:
        while late := self.broker.undelivered():
            self.broker.deliver(*late[0])

    def counts_each_once(self) -> bool:
        return all(outputs == expected(len(outputs)) for outputs in self.broker.outputs.values())


def poll_in_hand_while_its_partition_moves(schedule: Schedule) -> None:
    first, second = schedule.two_workers()
    first.fetch(dict.fromkeys(SOURCES, 1))
    schedule.join(p0=first, p1=second)
    assert schedule.hand_over(second)
    schedule.work(second)
    schedule.hand_over(first)
    schedule.finish(first)


def worker_asleep_with_its_offsets_sent(schedule: Schedule) -> None:
    first, second = schedule.two_workers()
    first.fetch(dict.fromkeys(SOURCES, 1), offsets_first=True)
    first.step()
    first.step()
    schedule.take_over(second)
    schedule.finish(first)


def marker_late_on_the_changelog_of_a_group_without_offsets(schedule: Schedule) -> None:
    first, second = schedule.two_workers()
    first.fetch(dict.fromkeys(SOURCES, 1))
    while first.poll is not None:
        first.step()
    schedule.broker.deliver(schedule.broker.newest[0], None)
    schedule.broker.committed = dict.fromkeys(SOURCES)  # Somebody deletes the group's offsets.
    schedule.take_over(second)


def older_changelog_put_back(schedule: Schedule) -> None:
    first, second = schedule.two_workers()
    schedule.work(first)
    older = {source: len(log) for source, log in schedule.broker.changelogs.items()}
    schedule.work(first)
    for source, length in older.items():
        del schedule.broker.changelogs[source][length:]
    schedule.take_over(second)


def partition_goes_and_comes_back(schedule: Schedule) -> None:
    first, second = schedule.two_workers()
    schedule.work(first)
    for owner in (second, first):
        assert schedule.take_over(owner)


SCHEDULES = (
    poll_in_hand_while_its_partition_moves,
    worker_asleep_with_its_offsets_sent,
    marker_late_on_the_changelog_of_a_group_without_offsets,
    older_changelog_put_back,
    partition_goes_and_comes_back,
)


each_stage = pytest.mark.parametrize("stage", STAGES, ids=["changelogs of their own", "shared changelogs"])


@each_stage
@pytest.mark.parametrize("play", SCHEDULES)
def test_schedule_counts_each_input_once(play: Callable[[Schedule], None], stage: CountStage) -> None:
    schedule = Schedule(stage)
    play(schedule)
    assert schedule.counts_each_once()
    assert any(schedule.broker.outputs.values())


@pytest.mark.parametrize(
    ("safeguard", "play"),
    [
        ("stamp", poll_in_hand_while_its_partition_moves),
        ("require_stable", worker_asleep_with_its_offsets_sent),
        ("uncommitted_end", marker_late_on_the_changelog_of_a_group_without_offsets),
    ],
)
@each_stage
def test_schedule_counts_twice_without_its_safeguard(
    safeguard: str, play: Callable[[Schedule], None], stage: CountStage
) -> None:
    schedule = Schedule(stage, **{safeguard: False})
    play(schedule)
    assert not schedule.counts_each_once()


@each_stage
def test_older_changelog_counts_twice_without_the_equality_of_position_and_committed_offset(
    monkeypatch: pytest.MonkeyPatch, stage: CountStage
) -> None:
    def any_end(self: Restoration[Counts]) -> Verdict:
        return Verdict.READ_ON if self.reached < self.end or not self.whole else Verdict.READY

    monkeypatch.setattr(Restoration, "verdict", any_end)
    schedule = Schedule(stage)
    older_changelog_put_back(schedule)
    assert not schedule.counts_each_once()


@each_stage
def test_kept_state_counts_twice_without_a_look_at_the_committed_offset(
    monkeypatch: pytest.MonkeyPatch, stage: CountStage
) -> None:
    monkeypatch.setattr(handover, "is_current", lambda kept, _: kept is not None)
    schedule = Schedule(stage)
    partition_goes_and_comes_back(schedule)
    assert not schedule.counts_each_once()
