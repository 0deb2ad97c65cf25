"""How much more two workers of a stage do than one, on one broker, on the same two cores.

Reads     made-up events that it puts on the organizers' topics first, as many for each number of workers
Returns   a row per stage and number of workers
Promises  workers are timed from when all of them work to when one has nothing left; by the clock, and by the processor
          time that they took themselves

The broker shares the two cores, so that the clock shows what this machine does and not how workers scale. "On cores of
their own" is what they would do if each had a core and the broker stood elsewhere: the events of each worker by the
seconds of processor time that it took, added up.
"""

from __future__ import annotations

import sys
import time
from pathlib import Path
from typing import Any, NamedTuple

import psutil  # type: ignore[import-untyped]  # it ships no types
from confluent_kafka import Producer

from bench.events import PERSONS, made_up_iins
from bench.streams import Streams
from esep.cli.run import prepare
from esep.embedded.stack import App, Stack
from esep.register import load_register
from esep.settings import load_settings

EVENTS = 1_500_000
WORKERS = (1, 2)
_NO_WINS = 10**9
_CHUNK = 50_000
_LOOK_S = 0.05
_QUIET_S = 3.0  # Workers say how far they are once a second.
_PART_S_MAX = 180.0
_REGISTER = Path(__file__).resolve().parent.parent / "examples" / "register.yaml"


class Mark(NamedTuple):
    """How far a worker said that it was (the sum of its offsets), under which assignment, and when."""

    generation: int
    events: int
    cpu_s: float
    at_s: float


class Span(NamedTuple):
    """What a worker did in some time."""

    events: int
    cpu_s: float
    seconds: float


def measure_workers(data_dir: Path, events: int = EVENTS) -> list[dict[str, Any]]:
    """Return events per second of intake and totals with one and with two workers."""
    rows = []
    with Stack(data_dir, _REGISTER) as stack:
        stack.start_services()
        settings = load_settings(stack.settings)
        prepare(settings)
        streams = Streams(load_register(_REGISTER), settings.events_partitions, made_up_iins(PERSONS))
        for workers in WORKERS:
            _fill(settings.bootstrap_servers, streams, events)
            rows += [
                {"stage": stage, "workers": workers, **_measure(stack, stage, workers)}
                for stage in ("intake", "totals")
            ]
    return sorted(rows, key=lambda row: str(row["stage"]))


def _fill(bootstrap_servers: str, streams: Streams, events: int) -> None:
    producer = Producer(
        {
            "bootstrap.servers": bootstrap_servers,
            "linger.ms": 20,
            "compression.type": "lz4",
            "queue.buffering.max.messages": 1_000_000,
        }
    )
    for seed in range(events // _CHUNK):
        chunk = streams.chunk(_CHUNK, _NO_WINS, seed)
        for topic, partition, key, value in chunk.select("topic", "partition", "stream_id", "value").iter_rows():
            producer.produce(topic, value, key, partition)
        producer.poll(0)
    if producer.flush(60) != 0:
        raise RuntimeError("the broker did not take all events")


def _measure(stack: Stack, stage: str, workers: int) -> dict[str, Any]:
    """Run so many workers until one has read all that it was given."""
    names = [f"{stage}-{ordinal}" for ordinal in range(workers)]
    stack.start_apps({name: [sys.executable, "-m", "esep.cli", "run", stage] for name in names}, {})
    apps = [stack.apps.pop(name) for name in names]
    try:
        histories = _histories(apps)
    finally:
        for app in apps:
            app.process.stop()
    spans = _while_all_work(histories)
    return {
        "events/s by the clock": round(sum(span.events / span.seconds for span in spans)),
        "CPU s per million": round(sum(span.cpu_s for span in spans) / sum(span.events for span in spans) * 1e6, 1),
        "events/s on cores of their own": round(sum(span.events / span.cpu_s for span in spans)),
    }


def _histories(apps: list[App]) -> list[list[Mark]]:
    """Return for each worker all that it said until none has news for `_QUIET_S`."""
    histories: list[list[Mark]] = [[] for _ in apps]
    started_s = news_s = time.monotonic()
    while time.monotonic() < news_s + _QUIET_S or not all(histories):
        if time.monotonic() > started_s + _PART_S_MAX:
            raise RuntimeError("\n".join(app.process.log_tail() for app in apps))
        for app, history in zip(apps, histories, strict=True):
            status = app.status()
            if status.get("state") == "ready":
                mark = _mark(app, status)
                if not history or (mark.generation, mark.events) != history[-1][:2]:
                    history.append(mark)
                    news_s = mark.at_s
        time.sleep(_LOOK_S)
    return histories


def _mark(app: App, status: dict[str, Any]) -> Mark:
    times = psutil.Process(app.process.pid).cpu_times()
    return Mark(status["generation"], sum(status["positions"].values()), times.user + times.system, time.monotonic())


def _while_all_work(histories: list[list[Mark]]) -> list[Span]:
    """Return what each worker did while all of them worked under the last assignment."""
    settled = [[mark for mark in history if mark.generation == history[-1].generation] for history in histories]
    start_s, end_s = max(history[0].at_s for history in settled), min(history[-1].at_s for history in settled)
    within = [[mark for mark in history if start_s <= mark.at_s <= end_s] for history in settled]
    return [
        Span(marks[-1].events - marks[0].events, marks[-1].cpu_s - marks[0].cpu_s, marks[-1].at_s - marks[0].at_s)
        for marks in within
    ]
