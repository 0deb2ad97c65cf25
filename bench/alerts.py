"""What the rules take of the stage alerts: the two that are LIVE, and all of them, over one ledger.

Reads     a month of the simulator (`bench/simulated.py`): few persons bet very often, the keenest has one posting in
          twenty; every fiftieth person, the keenest too, stakes twenty times as much; every fiftieth is on a list
Returns   `Measured` for both, in events per second of processor time
Promises  the stage alone, as one process runs it, `alerts.instruments` read as it is written; both read the same polls
          by turns, and all but the first are timed; also bytes of state per person and of changelog per posting

A poll of the line is a second or two, so that the ledger is nearly in the order of receipt. Here it is days, and put
into that order.
"""

from __future__ import annotations

import sys
import time
from collections import defaultdict
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import polars as pl

from bench.codec import Measured
from bench.simulated import Written, batches_of, ledger_polls
from esep.flags import FLAGS
from esep.lineage import Position, TopicPartition
from esep.producers.simulate.people import people_of
from esep.producers.simulate.plan import Plan, last_midnight
from esep.producers.simulate.register import made_up_register
from esep.rules import RULES_FILE, RuleSet, load_rules, parse_rules
from esep.stream_apps.alerts.stage import AlertsStage
from esep.stream_apps.alerts.state import AlertsData
from esep.stream_apps.poll import read_poll
from esep.stream_apps.stage import Batch, PartitionState
from esep.topics import ALERTS, INSTRUMENTS
from esep.versions import encode_oldest

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

MESSAGES = 200_000
_PERSONS, _ORGANIZERS, _DAYS, _CORRECTIONS = 20_000, 20, 30, 0.01
_PARTITIONS = 4  # Of each topic.
_EVERY, _TIMES = 50, 20
_SEED = 42


def measure_alerts(messages: int = MESSAGES) -> list[Measured]:
    """Return the rules that are LIVE, and all rules beside them."""
    runs = [_Run(AlertsStage(rules, partitions=_PARTITIONS)) for rules in (load_rules(), all_live())]
    for poll in made_up_ledger(messages):
        for run in runs:
            run.take(poll)
    live, every = runs
    return [
        Measured("alerts, the rules that are LIVE", live.rate, "", 0.0, live.note),
        Measured("alerts, all rules LIVE", every.rate, "those LIVE", live.rate, every.note),
    ]


def all_live() -> RuleSet:
    """Return the rules of esep, all of them LIVE."""
    return parse_rules(RULES_FILE.read_text("utf-8").replace("mode: SHADOW", "mode: LIVE"))


def made_up_ledger(messages: int) -> Iterator[list[Batch]]:
    """Yield polls of a ledger in which some persons reach rules."""
    until = last_midnight(datetime.now(UTC))
    plan = Plan(
        made_up_register(_ORGANIZERS, _SEED, until), messages, _SEED, until,
        days=_DAYS, corrections=_CORRECTIONS, persons=_PERSONS,
    )  # fmt: skip
    keenest = people_of(_PERSONS, _ORGANIZERS, _SEED).iins[0]
    for poll in ledger_polls(plan):
        yield [_as_received(batch, keenest) for batch in poll]


def _as_received(batch: Batch, keenest: str) -> Batch:
    """Return a batch in the order of receipt, with higher stakes of some persons, and others on lists."""
    frame = read_poll([batch], "ledger").frame
    order = frame["received_at"].to_numpy().argsort(kind="stable").tolist()
    frame, keys = frame[order], [batch.keys[place] for place in order]
    drawn = pl.col("iin").hash(_SEED)
    listed = drawn // _EVERY % len(FLAGS)
    changed = frame.with_columns(
        amount_tiyn=pl.col("amount_tiyn")
        * pl.when((drawn % _EVERY == 0) | (pl.col("iin") == keenest)).then(_TIMES).otherwise(1),
        flags=pl.when(drawn % _EVERY == 1).then(listed.replace_strict(range(len(FLAGS)), list(FLAGS.values())))
        .otherwise("flags").cast(frame.schema["flags"]),
    )  # fmt: skip
    return Batch(batch.source, batch.offsets, batch.timestamps_ms, keys, [*encode_oldest(changed, "ledger")])


@dataclass
class _Run:
    """A stage on its way through a ledger. timed: postings after the first poll, in processor_s."""

    stage: AlertsStage
    states: dict[TopicPartition, PartitionState[AlertsData]] = field(default_factory=dict)
    ends: defaultdict[TopicPartition, int] = field(default_factory=lambda: defaultdict(int))
    persons: set[bytes | None] = field(default_factory=set)
    postings: int = 0
    timed: int = 0
    revisions: int = 0
    changelog_bytes: int = 0
    processor_s: float = 0.0

    @property
    def rate(self) -> float:
        """Postings of the ledger per second of processor time."""
        return self.timed / self.processor_s

    @property
    def note(self) -> str:
        """What it took beside time."""
        state_bytes = sum(
            state.data.postings.nbytes + _bytes(state.data.entries) + _bytes(state.data.alerts)
            for state in self.states.values()
        )
        return (
            f"{state_bytes / len(self.persons):,.0f} bytes of state per person, "
            f"{self.changelog_bytes / self.postings:,.0f} of changelog per posting, "
            f"{self.revisions / self.postings:.1%} of postings raise or change an alert"
        )

    def take(self, poll: list[Batch]) -> None:
        """Process a poll, and what it writes by means of payment."""
        is_first, count = not self.states, sum(map(len, poll))
        self.persons.update(*(batch.keys for batch in poll))
        linked = self._processed(poll)
        if linked:
            self._processed(linked)
        self.postings += count
        self.timed += 0 if is_first else count
        self.processor_s = 0.0 if is_first else self.processor_s

    def _processed(self, poll: Sequence[Batch]) -> list[Batch]:
        for one in poll:
            self.states.setdefault(one.source, PartitionState(Position(0), self.stage.empty(one.source)))
        started = time.process_time()
        result = self.stage.process(poll, self.states)
        self.stage.settle(self.states, result.changes)
        self.processor_s += time.process_time() - started
        for source, position in result.positions.items():
            self.states[source] = PartitionState(position, self.states[source].data)
        for keys, values in result.changelog.values():
            self.changelog_bytes += sum(map(len, keys)) + sum(len(value) for value in values if value)
        made: defaultdict[TopicPartition, Written] = defaultdict(list)
        for write in result.outputs:
            made[write.target] += zip(write.keys, write.values, strict=True)
        self.revisions += sum(len(rows) for target, rows in made.items() if target.topic == ALERTS)
        linked = batches_of(made, INSTRUMENTS, self.ends)
        self.ends.update((one.source, one.next_offset) for one in linked)
        return linked


def _bytes(held: object) -> int:
    """Return the bytes of an object and of all that it holds."""
    inner = (*held.keys(), *held.values()) if isinstance(held, dict) else held if isinstance(held, tuple) else ()
    return sys.getsizeof(held) + sum(map(_bytes, inner))
