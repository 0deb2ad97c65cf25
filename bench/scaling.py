"""`python -m bench.scaling`: how a stage's own work grows with persons, organizers and partitions, and with workers.

Reads     made-up events; for the workers a broker of its own (bench/workers.py)
Writes    tables on stdout (docs/scaling.md tells of one run)
Promises  the stages that run, by the processor time that they take, each size in a process of its own; every table has
          its yardstick, its first row, in the same run
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import psutil  # type: ignore[import-untyped]  # it ships no types

from bench.events import PERSONS, made_up_iins
from bench.receipts import intake_stage
from bench.streams import Streams
from bench.workers import measure_workers
from esep.cli.output import print_table
from esep.clock import to_ms
from esep.lineage import Position, TopicPartition
from esep.producers.simulate.register import made_up_register, write_register
from esep.stream_apps.poll import PERSON_WORDS
from esep.stream_apps.stage import Batch, PartitionState, Result, Stage, Write
from esep.stream_apps.totals.cells import CELL_KEY, WIDTH, Cells, changelog_records
from esep.stream_apps.totals.stage import TotalsStage
from esep.topics import ACCEPTED

ORGANIZERS = (2, 20, 100, 200)  # With two partitions each: 4 to 400 batches in a poll.
PERSONS_KNOWN = (10_000, 100_000, 1_000_000, 10_000_000)
ORGANIZERS_EACH = (1, 4, 10)
_POLL = 20_000  # Events of one poll, as ESEP_POLL_RECORDS_MAX.
_POLLS = 5
_PER_TOPIC = 2
_NO_WINS = 10**9
_YEAR = 2026
_RESTORED = 10_000  # Changelog records of one fetch.


def main() -> None:
    """Print all tables; with an argument measure that one size (a process of its own, see `_alone`)."""
    if len(sys.argv) > 1:
        measure = {"organizers": _organizers, "persons": _persons, "cells": _cells}[sys.argv[1]]
        sys.stdout.write(json.dumps(measure(*map(int, sys.argv[2:]))))
        return
    _print("intake, organizers of one worker (two partitions each)", [_alone("organizers", n) for n in ORGANIZERS])
    _print("totals, persons known, all polls of 20,000 different ones", [_alone("persons", n) for n in PERSONS_KNOWN])
    _print("totals, what a person with so many organizers takes", [_alone("cells", n) for n in ORGANIZERS_EACH])
    with tempfile.TemporaryDirectory(prefix="esep-scaling-") as folder:
        _print("workers of a stage, two cores, the broker on them too", measure_workers(Path(folder)))


def _print(title: str, rows: Sequence[Mapping[str, Any]]) -> None:
    print_table(title, list(rows[0]), [[f"{v:,}" if isinstance(v, int) else v for v in row.values()] for row in rows])


def _alone(what: str, size: int) -> dict[str, Any]:
    command = [sys.executable, "-m", "bench.scaling", what, str(size)]
    found: dict[str, Any] = json.loads(subprocess.run(command, capture_output=True, check=True, timeout=1800).stdout)
    return found


def _organizers(count: int) -> dict[str, Any]:
    """Return events per second of intake's own processor time, each poll spread over all organizers."""
    now = datetime.now(UTC).replace(microsecond=0)
    register = made_up_register(count, 1, now)
    with tempfile.TemporaryDirectory() as folder:
        write_register(register, Path(folder) / "register.yaml")
        stage = intake_stage(Path(folder) / "register.yaml", now, _PER_TOPIC)
    streams = Streams(register, _PER_TOPIC, made_up_iins(PERSONS))
    polls = [_batches(streams.chunk(_POLL, _NO_WINS, seed), now, seed) for seed in range(_POLLS + 1)]
    return {"organizers": count, "batches in a poll": len(polls[0]), **_timed(stage, polls)}


def _persons(count: int) -> dict[str, Any]:
    """Return events per second of totals' own processor time with so many persons known, a cell for each."""
    draw = np.random.default_rng(1)
    persons, cells = _known(count, 1, draw)
    accepted = _accepted()
    polls = []
    for seed in range(_POLLS + 1):
        keys = np.ascontiguousarray(persons[draw.integers(0, count, _POLL)]).tobytes()
        cut = [keys[at : at + 16] for at in range(0, len(keys), 16)]
        offsets = list(range(seed * _POLL, (seed + 1) * _POLL))
        polls.append([Batch(TopicPartition(ACCEPTED, 0), offsets, [0] * _POLL, list(cut), list(accepted))])
    return {"persons": count, **_timed(TotalsStage(), polls, cells), "state, MB": round(cells.nbytes / 1e6)}


def _cells(organizers: int) -> dict[str, Any]:
    """Return bytes per scope, a scope being a person or a person with an organizer, and how fast they are restored."""
    count = 1_000_000
    persons, cells = _known(count, organizers, np.random.default_rng(1))
    keys, values = changelog_records(*cells.table())
    started = time.process_time()
    restored = Cells()
    for start in range(0, len(keys), _RESTORED):
        restored.restore(keys[start : start + _RESTORED], values[start : start + _RESTORED])
    seconds = time.process_time() - started
    assert len(restored) == len(cells) == count * organizers
    return {
        "organizers each": organizers,
        "persons": len(persons),
        "bytes per scope": round(cells.nbytes / (count * (1 + organizers)), 1),
        "restored, cells/s of processor time": round(len(keys) / seconds),
        "seconds in all": round(seconds, 1),
    }


def _known(count: int, organizers: int, draw: np.random.Generator) -> tuple[np.ndarray, Cells]:
    """Return person keys, and cells of each with so many organizers, all of one year."""
    persons = draw.integers(0, 2**64, (count, PERSON_WORDS), dtype=np.uint64)
    cells = Cells()
    for organizer in range(organizers):
        for start in range(0, count, 1_000_000):
            part = persons[start : start + 1_000_000]
            keys = np.zeros(len(part), CELL_KEY)
            keys["person"], keys["bin"], keys["year"] = part, 940140000385 + organizer, _YEAR
            cells.put(keys, draw.integers(0, 10**9, (len(part), WIDTH)))
    return persons, cells


def _accepted() -> list[bytes]:
    """Return the values of one poll's accepted postings, made by intake."""
    now = datetime.now(UTC).replace(microsecond=0)
    register = made_up_register(1, 1, now)
    with tempfile.TemporaryDirectory() as folder:
        write_register(register, Path(folder) / "register.yaml")
        stage = intake_stage(Path(folder) / "register.yaml", now)
    batches = _batches(Streams(register, 1, made_up_iins(PERSONS)).chunk(_POLL, _NO_WINS, 1), now, 0)
    states = {batch.source: PartitionState(Position(0), stage.empty(batch.source)) for batch in batches}
    outputs: Sequence[Write] = stage.process(batches, states).outputs
    values = [value or b"" for write in outputs if write.target.topic == ACCEPTED for value in write.values]
    assert len(values) == _POLL, "every event is accepted"
    return values


def _batches(messages: pl.DataFrame, now: datetime, poll: int) -> list[Batch]:
    """Return the messages of one poll, a batch for each partition, received now."""
    batches = []
    for (topic, partition), part in messages.group_by("topic", "partition", maintain_order=True):
        source = TopicPartition(str(topic), int(str(partition)))
        offsets = [poll * _POLL + place for place in range(part.height)]
        keys: list[bytes | None] = [key.encode() for key in part["stream_id"]]
        batches.append(Batch(source, offsets, [to_ms(now)] * part.height, keys, part["value"].to_list()))
    return batches


def _timed(stage: Stage[Any], polls: Sequence[Sequence[Batch]], data: object = None) -> dict[str, Any]:
    """Return how fast polls after the first are processed and settled, by processor time."""
    states = {
        batch.source: PartitionState(Position(0), stage.empty(batch.source) if data is None else data)
        for batch in polls[0]
    }
    cpu_s = 0.0
    for poll in polls:
        started = time.process_time()
        result: Result = stage.process(poll, states)
        stage.settle(states, result.changes)
        cpu_s = cpu_s + time.process_time() - started if poll is not polls[0] else 0.0
        states = {source: PartitionState(result.positions[source], state.data) for source, state in states.items()}
    return {
        "events/s of processor time": round(_POLL * (len(polls) - 1) / cpu_s),
        "process, MB": round(psutil.Process().memory_info().rss / 1e6),
    }


if __name__ == "__main__":
    main()
