"""`python -m bench.steady`: the line at a steady rate: how long until an event can be asked for, and its alert is out.

Reads     ESEP_STEADY_RATE (events per second; 5000), ESEP_STEADY_S (60), ESEP_STEADY_PARTITIONS of all organizers
          ("4 240"), ESEP_STEADY_KILL (workers to kill -9 afterwards, by turns; "intake-0 totals-0 alerts-0 loader-0")
Writes    a line below a directory of its own for each number of partitions, gone at the end; tables on stdout
Promises  a delay begins when an event is handed to the producer and ends when an answer that holds its row, or its
          alert, has arrived: never too short. The first seconds are not counted, all others are; rebalances and apps
          that ended by themselves are told; exit code 1 if an event or an alert is missing or is there twice
"""

from __future__ import annotations

import os
import sys
import tempfile
import threading
import time
from contextlib import ExitStack
from pathlib import Path
from typing import NamedTuple, Self

import polars as pl
import psutil  # type: ignore[import-untyped]  # it ships no types
from confluent_kafka import Consumer, Producer, TopicPartition

from bench.events import PERSONS, made_up_iins
from bench.load import Loaded, loaded
from bench.streams import Streams
from esep.cli.observer import Observer
from esep.cli.output import out, print_table
from esep.topics import ALERTS
from esep.versions import decode_record

WARM_S = 10.0  # Ramps, first blocks, first compilations.
AFTER_KILL_S = 40.0
CALM_MS = {"queryable": 1_000.0, "alerted": 250.0}  # What a second's p99 is to be.
_TICK_S = 0.05
_CHUNK_S = 5.0
_ARRIVED_S_MAX = 120.0
_LOOK_S = 0.1  # A look goes through the rows of the ledger: at 20 ms it would be most of what ClickHouse does.
_SETTLED_S = 0.5  # After the last row was seen alerts may still be on their way.
_WIN_RULE = "WIN_THRESHOLD"
_EVENT = ["organizer_bin", "stream_id", "sequence"]


class Delays(NamedTuple):
    """Per event when it was handed over (`handed_at`, ns) and `delay_ms` until it could be asked for, or alerted."""

    queryable: pl.DataFrame
    alerted: pl.DataFrame

    def since(self, at_ns: int, until_ns: int = 2**63 - 1) -> Delays:
        """Return those of events handed over in this time."""
        within = pl.col("handed_at").is_between(at_ns, until_ns, closed="left")
        return Delays(self.queryable.filter(within), self.alerted.filter(within))


class AlertWatch:
    """Notes when the first revision of each large winning's alert arrives, while its context is open."""

    def __init__(self, bootstrap_servers: str) -> None:
        self._consumer = Consumer(
            {
                "bootstrap.servers": bootstrap_servers,
                "group.id": "bench-steady",
                "isolation.level": "read_committed",
                "fetch.wait.max.ms": 10,
                "log_level": 0,
            }
        )
        partitions = self._consumer.list_topics(ALERTS, 10).topics[ALERTS].partitions
        self._consumer.assign([TopicPartition(ALERTS, partition, 0) for partition in partitions])
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._look, name="alert watch")
        self.seen: list[tuple[str, int]] = []  # entry_id, instant (ns)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self._thread.join()
        self._consumer.close()

    def _look(self) -> None:
        while not self._ended.is_set():
            messages = self._consumer.consume(1_000, 0.02)
            now_ns = time.time_ns()
            for message in messages:
                if message.error() is None:
                    alert = decode_record(message.value(), "alert")
                    if alert["rule_id"] == _WIN_RULE and alert["revision"] == 1:
                        self.seen.append((alert["evidence"][0]["entry_id"], now_ns))


class SteadySender:
    """Hands messages over at a steady rate, and notes when; tends to the line meanwhile."""

    def __init__(self, up: Loaded, rate: float) -> None:
        self._up, self._rate = up, rate
        self._streams = Streams(up.register, up.settings.events_partitions, made_up_iins(PERSONS))
        self._producer = Producer(
            {
                "bootstrap.servers": up.settings.bootstrap_servers,
                "enable.idempotence": True,
                "acks": "all",
                "compression.type": "lz4",
                "linger.ms": 5,
                "queue.buffering.max.messages": 1_000_000,
            }
        )
        self._chunks = 0
        self.handed: list[pl.DataFrame] = []
        self.late_ms_max = 0.0

    def send(self, seconds: float) -> None:
        """Send for so long, chunk by chunk; each chunk is made while the one before is under way."""
        per_tick = max(1, round(self._rate * _TICK_S))
        due = time.monotonic() + 0.2
        left = round(seconds / _TICK_S)
        while left > 0:
            ticks = min(left, round(_CHUNK_S / _TICK_S))
            chunk = self._streams.chunk(ticks * per_tick, per_tick, self._chunks)
            self._chunks, left = self._chunks + 1, left - ticks
            at_ns = []
            for tick in chunk.iter_slices(per_tick):
                time.sleep(max(0.0, due - time.monotonic()))
                self.late_ms_max = max(self.late_ms_max, (time.monotonic() - due) * 1e3)
                at_ns += self._hand_over(tick)
                self._up.stack.tend()
                due += _TICK_S
            self.handed.append(chunk.select(*_EVENT, "wins", handed_at=pl.Series(at_ns, dtype=pl.Int64)))

    def flush(self) -> None:
        """Wait until all is acknowledged."""
        if self._producer.flush(_ARRIVED_S_MAX) != 0:
            raise RuntimeError("the broker did not take all events")

    def _hand_over(self, tick: pl.DataFrame) -> list[int]:
        at_ns = []
        for topic, partition, key, value in tick.select("topic", "partition", "stream_id", "value").iter_rows():
            at_ns.append(time.time_ns())
            self._producer.produce(topic, value, key, partition)
        self._producer.poll(0)
        return at_ns


def main() -> int:
    """Run each number of partitions; return the exit code."""
    rate, seconds = float(os.environ.get("ESEP_STEADY_RATE", "5000")), float(os.environ.get("ESEP_STEADY_S", "60"))
    kills = os.environ.get("ESEP_STEADY_KILL", "intake-0 totals-0 alerts-0 loader-0").split()
    wrong = 0
    for partitions in map(int, os.environ.get("ESEP_STEADY_PARTITIONS", "4 240").split()):
        with tempfile.TemporaryDirectory(prefix="esep-steady-") as folder, loaded(Path(folder), partitions // 2) as up:
            out.print(f"{rate:,.0f} events/s for {seconds:.0f} s, {partitions} organizer partitions", highlight=False)
            wrong += run(up, rate, seconds, kills)
    return 1 if wrong else 0


def run(up: Loaded, rate: float, seconds: float, kills: list[str]) -> int:
    """Send, kill, watch and print; return how many events and alerts are missing or there twice."""
    sender = SteadySender(up, rate)
    killed_at: dict[str, int] = {}
    with ExitStack() as watching:
        observer = watching.enter_context(Observer(up.settings, _LOOK_S))
        alerts = watching.enter_context(AlertWatch(up.settings.bootstrap_servers))
        sender.send(WARM_S)
        steady_ns, before, used = time.time_ns(), _assignments(up), _used(up)
        sender.send(seconds)
        until_ns, after, used_after = time.time_ns(), _assignments(up), _used(up)
        for name in kills:
            killed_at[name] = time.time_ns()
            up.stack.apps[name].process.kill()
            sender.send(AFTER_KILL_S)
        sender.flush()
        handed = pl.concat(sender.handed)
        wrong = _wait_arrived(up, handed.height)
        time.sleep(_SETTLED_S)
    delays, missing = _delays(observer, alerts, handed)
    _print_delays(delays.since(steady_ns, until_ns))
    out.print(f"late hand-overs: at most {sender.late_ms_max:.0f} ms", highlight=False)
    out.print(f"rebalances within: {'none' if before == after else 'some'}", highlight=False)
    rows = [
        (
            name,
            f"{(end.cpu_s - start.cpu_s) / seconds:.2f}",
            f"{(end.polls - start.polls) / seconds:.1f}" if end.polls else "",
            round(start.rss_mb),
            round(end.rss_mb),
        )
        for (name, start), end in zip(used.items(), used_after.values(), strict=True)
    ]
    print_table("what it took", ("process", "cores", "polls/s", "MB at first", "MB at the end"), rows)
    ends = [*killed_at.values(), time.time_ns()]
    calm = [
        (name, *_calm_after(delays.since(at, ends[nth + 1]), at)) for nth, (name, at) in enumerate(killed_at.items())
    ]
    if calm:
        title = "after kill -9: seconds until p99 of a second's events is below its mark"
        print_table(title, ("worker", "queryable", "alerted"), calm)
    out.print(
        f"sent {handed.height:,}, missing or twice in the ledger {wrong}, alerts missing {missing}", highlight=False
    )
    return wrong + missing


def _wait_arrived(up: Loaded, sent: int) -> int:
    """Return by how many rows the ledger differs once they have had their time."""
    deadline = time.monotonic() + _ARRIVED_S_MAX
    while (rows := int(up.rows("SELECT count() AS rows FROM ledger").item())) < sent and time.monotonic() < deadline:
        up.stack.tend()
        time.sleep(_SETTLED_S)
    return abs(sent - rows)


def _delays(observer: Observer, alerts: AlertWatch, handed: pl.DataFrame) -> tuple[Delays, int]:
    """Return the delays, and how many alerts did not come."""
    queryable = observer.delays(handed.drop("wins"))
    seen = pl.DataFrame(alerts.seen, schema={"entry_id": pl.String, "seen_ns": pl.Int64}, orient="row").unique(
        "entry_id"
    )
    wins = (
        handed.filter("wins")
        .with_columns(entry_id=pl.concat_str(_EVENT, separator="/"))
        .join(seen, on="entry_id", how="left")
    )
    alerted = wins.drop_nulls("seen_ns").select("handed_at", delay_ms=(pl.col("seen_ns") - pl.col("handed_at")) / 1e6)
    return Delays(queryable, alerted), wins.height - alerted.height


def _print_delays(delays: Delays) -> None:
    rows = [
        (
            f"produce → {what}",
            of.height,
            *(f"{of['delay_ms'].quantile(share) or 0:,.0f} ms" for share in (0.5, 0.99, 1.0)),
        )
        for what, of in zip(Delays._fields, delays, strict=True)
    ]
    print_table("delays", ("what", "events", "p50", "p99", "max"), rows)


def _calm_after(delays: Delays, killed_ns: int) -> list[str]:
    """Return, for rows and for alerts, the seconds after a kill from which on each second's p99 is below its mark."""
    answers = []
    for what, of in zip(Delays._fields, delays, strict=True):
        second = (pl.col("handed_at") - killed_ns) // 1_000_000_000
        p99 = of.group_by(second=second).agg(pl.col("delay_ms").quantile(0.99)).sort("second")
        troubled = p99.filter(pl.col("delay_ms") > CALM_MS[what])["second"]
        calm_at, last = (int(max(troubled)) + 1 if troubled.len() else 0), int(max(p99["second"], default=0))
        answers.append(f"{calm_at} s" if calm_at <= last else f"not within {calm_at} s")
    return answers


def _assignments(up: Loaded) -> dict[str, object]:
    return {name: app.status().get("generation") for name, app in up.stack.apps.items()}


class Used(NamedTuple):
    """What a process has taken: seconds of processor time so far, resident memory now; polls: of a stage so far."""

    cpu_s: float
    rss_mb: float
    polls: int


def _used(up: Loaded) -> dict[str, Used]:
    """Return what each process has taken, this one included: it makes the events, and looks for rows and alerts."""
    pids = {name: app.process.pid for name, app in up.stack.apps.items()}
    pids |= {"clickhouse": up.stack.clickhouse.pid, "kafka": up.stack.broker.pid, "this benchmark": os.getpid()}
    processes = {name: psutil.Process(pid) for name, pid in pids.items()}
    polls = {name: app.status().get("counters", {}).get("transactions", 0) for name, app in up.stack.apps.items()}
    return {
        name: Used(sum(one.cpu_times()[:2]), one.memory_info().rss / 1e6, polls.get(name, 0))
        for name, one in processes.items()
    }


if __name__ == "__main__":
    sys.exit(main())
