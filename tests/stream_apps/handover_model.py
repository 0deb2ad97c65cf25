"""Broker and workers as the hand-over sees them, played: whatever may come late in a real one is a step of its own.

Reads     what the adversary does next: one call per step
Returns   `Broker.outputs`: what every reader of committed records sees, per input partition
Promises  stage, changelog records, `Restoration` and the use of kept states are the real ones; of the broker and of the
          worker's shell just what DESIGN §5 says of them is played, and each safeguard of it can be taken out

A transaction is decided at once (that is the coordinator's record), its markers come later: each partition's records
and the group's offsets show the decision when theirs has come. A process may be stopped anywhere and go on later.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field, replace

from esep.lineage import TopicPartition
from esep.stream_apps import handover
from esep.stream_apps.handover import Restoration, Verdict
from esep.stream_apps.stage import Batch, PartitionState, Result
from esep.stream_apps.transaction import writes_of
from tests.support.count_stage import Counts, CountStage

STAGES = (CountStage("totals"), CountStage("totals", shares_changelogs=True))
SOURCES = tuple(TopicPartition("totals.in", partition) for partition in range(2))


@dataclass(frozen=True)
class Safeguards:
    """What is taken out of the design, by name of what holds: all of it, unless a test says otherwise."""

    stamp: bool = True  # A poll is committed under the assignment under which it was fetched.
    uncommitted_end: bool = True  # The changelog's end is asked for at read_uncommitted.
    require_stable: bool = True  # Offsets are not told while a transaction with them is undecided.


class Refused(Exception):
    """The broker refuses a worker's step; fenced: its place was taken, or its transaction timed out."""

    def __init__(self, *, fenced: bool) -> None:
        self.fenced = fenced


@dataclass(eq=False)
class Transaction:
    """decided: None while it is open. late: what has not heard of the decision yet: changelogs, and None: offsets."""

    outputs: dict[TopicPartition, list[bytes | None]] = field(default_factory=dict)
    offsets: dict[TopicPartition, int] = field(default_factory=dict)
    decided: bool | None = None
    late: set[TopicPartition | None] = field(default_factory=set)


@dataclass
class Broker:
    """Changelogs, the group's offsets and members, the coordinator's transactions, and what readers have seen."""

    stage: CountStage
    changelogs: defaultdict[TopicPartition, list[tuple[Transaction, bytes, bytes | None]]] = field(
        default_factory=lambda: defaultdict(list)
    )
    committed: dict[TopicPartition, int | None] = field(default_factory=lambda: dict.fromkeys(SOURCES))
    outputs: dict[TopicPartition, list[bytes | None]] = field(default_factory=lambda: {one: [] for one in SOURCES})
    generation: int = 0
    members: dict[str, frozenset[TopicPartition]] = field(default_factory=dict)
    epochs: dict[int, int] = field(default_factory=dict)
    newest: dict[int, Transaction] = field(default_factory=dict)

    def take_place(self, place: int) -> int:
        """Abort what the place's holder left open, put him out, and return the new one's epoch."""
        if (left := self.newest.get(place)) is not None and left.decided is None:
            self._decide(left, well=False)
        self.epochs[place] = self.epochs.get(place, 0) + 1
        return self.epochs[place]

    def is_settled(self, place: int) -> bool:
        """Return whether all know of the place's last transaction; before that it gets no new one."""
        return place not in self.newest or not self.newest[place].late

    def begin(self, place: int, epoch: int) -> Transaction:
        self._check(place, epoch)
        self.newest[place] = Transaction()
        return self.newest[place]

    def write(self, place: int, epoch: int, source: TopicPartition, result: Result) -> None:
        """Take one input partition's outputs and changelog records: nobody asks who owns the partition."""
        self._check(place, epoch)
        transaction = self.newest[place]
        for write in writes_of(replace(result, positions={source: result.positions[source]}), self.stage):
            if write.target == self.stage.changelog_of(source):
                self.changelogs[write.target] += [
                    (transaction, key or b"", value) for key, value in zip(write.keys, write.values, strict=True)
                ]
                transaction.late.add(write.target)
            elif write.target.partition == source.partition and write.target.topic == "totals.out":
                transaction.outputs[source] = list(write.values)

    def send_offsets(self, place: int, epoch: int, member: str, generation: int, result: Result) -> None:
        """Take offsets from a member of the present generation; whether it owns the partitions is not looked at."""
        self._check(place, epoch)
        if generation != self.generation or member not in self.members:
            raise Refused(fenced=False)
        transaction = self.newest[place]
        transaction.offsets = {source: position.next_offset for source, position in result.positions.items()}
        transaction.late.add(None)

    def end(self, place: int, epoch: int, *, well: bool) -> None:
        self._check(place, epoch)
        self._decide(self.newest[place], well=well)

    def time_out(self, place: int) -> None:
        """Abort what is open too long; its producer is fenced by that."""
        if (open_one := self.newest.get(place)) is not None and open_one.decided is None:
            self._decide(open_one, well=False)
            self.epochs[place] += 1

    def deliver(self, transaction: Transaction, where: TopicPartition | None) -> None:
        """Let a decision be heard of at one of the places where it is late."""
        transaction.late.discard(where)
        if where is None and transaction.decided:
            self.committed.update(transaction.offsets)

    def undelivered(self) -> list[tuple[Transaction, TopicPartition | None]]:
        """Return which decisions are late where."""
        decided = [one for one in self.newest.values() if one.decided is not None]
        return [(one, where) for one in decided for where in sorted(one.late, key=str)]

    def offset(self, source: TopicPartition, *, stable: bool) -> tuple[bool, int | None]:
        """Return whether the committed offset is told, and it."""
        pending = any(None in one.late and source in one.offsets for one in self.newest.values())
        return not (stable and pending), self.committed[source]

    def stable_end(self, changelog: TopicPartition) -> int:
        """Return the last stable offset of a changelog."""
        log = self.changelogs[changelog]
        open_ones = (at for at, (one, _, _) in enumerate(log) if one.decided is None or changelog in one.late)
        return next(open_ones, len(log))

    def read(self, changelog: TopicPartition, first: int, end: int) -> list[tuple[bytes, bytes | None]]:
        """Return the committed records of a changelog."""
        return [(key, value) for one, key, value in self.changelogs[changelog][first:end] if one.decided]

    def _check(self, place: int, epoch: int) -> None:
        if self.epochs[place] != epoch:
            raise Refused(fenced=True)

    def _decide(self, transaction: Transaction, *, well: bool) -> None:
        transaction.decided = well
        for source, values in transaction.outputs.items() if well else ():
            self.outputs[source] += values


@dataclass(eq=False)
class Worker:
    """One process of a place, as `esep.stream_apps.worker` works: states, hand-over, one poll in hand."""

    broker: Broker
    place: int
    name: str
    safeguards: Safeguards
    epoch: int = 0
    generation: int = -1  # Of the newest assignment, as is what follows.
    partitions: frozenset[TopicPartition] = frozenset()
    ready: int | None = None  # The generation whose hand-over is complete.
    states: dict[TopicPartition, PartitionState[Counts]] = field(default_factory=dict)
    restoring: dict[TopicPartition, Restoration[Counts] | None] | None = None  # None: its state is kept.
    poll: tuple[int, Result] | None = None  # The generation of its fetch, and what the stage made of it.
    steps: list[str] = field(default_factory=list)  # Of the transaction under way, what is still to be done.

    def __post_init__(self) -> None:
        self.epoch = self.broker.take_place(self.place)

    def assign(self, partitions: frozenset[TopicPartition]) -> None:
        """Hear of a rebalance."""
        self.generation, self.partitions = self.broker.generation, partitions
        self.ready = self.restoring = None

    def ask(self) -> None:
        """Ask for offsets and ends, and see which states may be kept; again later, if an offset is not stable."""
        told = {source: self.broker.offset(source, stable=self.safeguards.require_stable) for source in self.partitions}
        if not all(known for known, _ in told.values()):
            return
        self.restoring = {}
        for source, (_, committed) in told.items():
            if handover.is_current(self.states.get(source), committed):
                self.restoring[source] = None
                continue
            stage = self.broker.stage
            changelog = stage.changelog_of(source)
            log = self.broker.changelogs[changelog]
            end = len(log) if self.safeguards.uncommitted_end else self.broker.stable_end(changelog)
            self.restoring[source] = Restoration(source, committed, 0, end, stage.empty(source))

    def read(self) -> None:
        """Read on in all changelogs, up to their last stable offsets."""
        for source, one in (self.restoring or {}).items():
            if one is not None and one.verdict() is Verdict.READ_ON:
                changelog = self.broker.stage.changelog_of(source)
                end = self.broker.stable_end(changelog)
                if records := self.broker.read(changelog, one.reached, end):
                    handover.feed_changelog(self.broker.stage, [one], *zip(*records, strict=True))
                one.reached = max(one.reached, end)

    def verdicts(self) -> list[Verdict]:
        """Return how far the hand-over is."""
        return [Verdict.READY if one is None else one.verdict() for one in (self.restoring or {}).values()]

    def settle_in(self) -> None:
        """Begin to work, if the broker would take a commit."""
        assert self.restoring is not None
        if self.generation == self.broker.generation and self.name in self.broker.members:
            self.states = {
                source: self.states[source] if one is None else one.state() for source, one in self.restoring.items()
            }
            self.ready = self.generation
        self.restoring = None

    def fetch(self, counts: dict[TopicPartition, int], *, offsets_first: bool = False) -> None:
        """Take so many records of each partition and let the stage process them.

        offsets_first: records are sent in the background, so the offsets may reach the broker before them.
        """
        batches = []
        for source, count in counts.items():
            first = self.states[source].position.next_offset
            batches.append(
                Batch(source, list(range(first, first + count)), [0] * count, [b"k"] * count, [b"v"] * count)
            )
        self.poll = (self.generation, self.broker.stage.process(batches, self.states))
        writes = [f"write {source.partition}" for source in counts]
        self.steps = ["begin", *(["offsets", *writes] if offsets_first else [*writes, "offsets"]), "end"]

    def step(self) -> None:
        """Do the next step of the transaction; raises Refused. A stale poll is dropped before the first one."""
        assert self.poll is not None
        generation, result = self.poll
        if self.steps[0] == "begin" and self.safeguards.stamp and generation != self.ready:
            self.poll = None
            return
        step = self.steps.pop(0)
        if step == "begin":
            self.broker.begin(self.place, self.epoch)
        elif step.startswith("write"):
            self.broker.write(self.place, self.epoch, SOURCES[int(step[-1])], result)
        elif step == "offsets":
            credentials = generation if self.safeguards.stamp else self.generation
            self.broker.send_offsets(self.place, self.epoch, self.name, credentials, result)
        else:
            self.broker.end(self.place, self.epoch, well=True)
            self._count(generation, result)

    def give_up_poll(self) -> None:
        """Abort the transaction; nothing more is fetched until the next assignment."""
        self.broker.end(self.place, self.epoch, well=False)
        self.poll, self.ready = None, None

    def _count(self, generation: int, result: Result) -> None:
        """Let the result count in the states, if they are those that it was made from."""
        self.poll = None
        if generation == self.ready:
            self.broker.stage.settle(self.states, result.changes)
            for source, position in result.positions.items():
                self.states[source] = PartitionState(position, self.states[source].data)


def expected(count: int) -> list[bytes]:
    """Return what an uninterrupted stage writes for the first records of a partition."""
    return [b"%d %d %d" % (offset + 1, offset, offset + 1) for offset in range(count)]
