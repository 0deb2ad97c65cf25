"""`python -m bench.poll`: what one small poll takes of processor time, stage by stage, and what of it is fixed.

Reads     nothing: it makes its events
Returns   a table on stdout (`make bench-poll`)
Promises  the stages that run, without a broker, each on what the one before it made; process time, not the clock, and
          the median of many polls after the first ones, so that what else the machine does tells little

A line at 5,000 events/s hands each stage a few hundred events at a time. What a poll of so few takes is mostly fixed,
and by it decides how long the stage rests (decision 0034).
"""

from __future__ import annotations

import tempfile
import time
from collections import defaultdict
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from statistics import median
from typing import Any

import polars as pl

from bench.events import made_up_iins
from bench.receipts import intake_stage
from bench.streams import Streams
from esep.cli.output import print_table
from esep.clock import to_ms
from esep.lineage import Position, TopicPartition
from esep.producers.simulate.register import made_up_register, write_register
from esep.sinks.clickhouse.frames import Records, block_of, rows_of_each
from esep.stream_apps.alerts.stage import AlertsStage
from esep.stream_apps.stage import Batch, PartitionState, Result, Stage, Write
from esep.stream_apps.totals.stage import TotalsStage
from esep.stream_apps.transaction import writes_of
from esep.topics import ACCEPTED, LEDGER

EVENTS = (30, 300)  # Of one poll: what the two differ by is what events take, the rest is fixed.
PARTITIONS = (4, 240)  # Of all organizers.
_PERSONS = 2_000
_POLLS, _WARM = 30, 10
_PER_TOPIC = 2
_WINS_EVERY = 250


class Timed:
    """A stage and its state, and what each poll took (ms of process time)."""

    def __init__(self, stage: Stage[Any]) -> None:
        self.took_ms: list[float] = []
        self._stage = stage
        self._states: dict[TopicPartition, PartitionState[Any]] = {}

    def poll(self, batches: Sequence[Batch]) -> Sequence[Write]:
        """Process and settle a poll; return what it writes to other topics."""
        for batch in batches:
            if batch.source not in self._states:
                self._states[batch.source] = PartitionState(Position(0), self._stage.empty(batch.source))
        result: Result = _timed(self.took_ms, lambda: self._settled(batches))
        return result.outputs

    def _settled(self, batches: Sequence[Batch]) -> Result:
        result = self._stage.process(batches, self._states)
        list(writes_of(result, self._stage))
        self._stage.settle(self._states, result.changes)
        for source, position in result.positions.items():
            self._states[source] = PartitionState(position, self._states[source].data)
        return result


class Loading:
    """The loader's work on a poll's ledger records, up to the block."""

    def __init__(self) -> None:
        self.took_ms: list[float] = []
        self._last: dict[TopicPartition, dict[TopicPartition, int]] = defaultdict(dict)

    def round(self, batches: Sequence[Batch]) -> None:
        """Make a block of one round."""
        _timed(self.took_ms, lambda: self._block(batches))

    def _block(self, batches: Sequence[Batch]) -> None:
        rows = rows_of_each([Records(one.source, one.offsets, one.values) for one in batches], self._last)
        for one in rows:
            self._last[one.source].update(one.last_rows)
        for month in {month for one in rows for month in one.months()}:
            block_of(rows, month)


def main() -> None:
    """Print the table."""
    took = {(size, partitions): _measure(size, partitions) for partitions in PARTITIONS for size in EVENTS}
    rows = [
        (part, partitions, *(f"{took[size, partitions][part]:.2f}" for size in EVENTS))
        for partitions in PARTITIONS
        for part in took[EVENTS[0], partitions]
    ]
    columns = ("part", "organizer partitions", *(f"{size} events, ms" for size in EVENTS))
    print_table("processor time of one poll", columns, rows)


def _measure(size: int, partitions: int, polls: int = _POLLS + _WARM) -> dict[str, float]:
    """Return the median milliseconds of a poll of so many events, by part."""
    now = datetime.now(UTC).replace(microsecond=0)
    register = made_up_register(partitions // _PER_TOPIC, 1, now)
    with tempfile.TemporaryDirectory() as folder:
        write_register(register, Path(folder) / "register.yaml")
        stage = intake_stage(Path(folder) / "register.yaml", now, _PER_TOPIC)
    streams = Streams(register, _PER_TOPIC, made_up_iins(_PERSONS))
    intake, totals, alerts, loading = Timed(stage), Timed(TotalsStage()), Timed(AlertsStage()), Loading()
    sent, accepted, ledger = Feed(), Feed(), Feed()
    for number in range(polls):
        messages, received_ms = streams.chunk(size, _WINS_EVERY, number), to_ms(datetime.now(UTC))
        written = intake.poll(sent.batches(_messages(messages), received_ms))
        posted = totals.poll(accepted.batches(_to(ACCEPTED, written), received_ms))
        booked = ledger.batches(_to(LEDGER, posted), received_ms)
        alerts.poll(booked)
        loading.round(booked)
    parts = {"intake": intake, "totals": totals, "alerts": alerts, "loader, to the block": loading}
    return {name: median(part.took_ms[_WARM:]) for name, part in parts.items()}


class Feed:
    """Gives records the offsets that their partitions would give them."""

    def __init__(self) -> None:
        self._next: defaultdict[TopicPartition, int] = defaultdict(int)

    def batches(self, writes: Sequence[Write], received_ms: int) -> list[Batch]:
        """Return what was written as batches of a poll, received then."""
        batches = []
        for write in writes:
            first, count = self._next[write.target], len(write.keys)
            self._next[write.target] += count
            offsets = list(range(first, first + count))
            batches.append(Batch(write.target, offsets, [received_ms] * count, list(write.keys), list(write.values)))
        return batches


def _messages(messages: pl.DataFrame) -> list[Write]:
    return [
        Write(
            TopicPartition(str(topic), int(str(partition))),
            part["stream_id"].cast(pl.Binary).to_list(),
            part["value"].to_list(),
        )
        for (topic, partition), part in messages.group_by("topic", "partition", maintain_order=True)
    ]


def _to(topic: str, writes: Sequence[Write]) -> list[Write]:
    return [write for write in writes if write.target.topic == topic]


def _timed(took_ms: list[float], work: Callable[[], Any]) -> Any:
    started_ns = time.process_time_ns()
    answer = work()
    took_ms.append((time.process_time_ns() - started_ns) / 1e6)
    return answer


if __name__ == "__main__":
    main()
