"""How fast each part of the line is as a process of its own on one core, beside plain Faust, on one broker.

Reads     made-up events that it puts on the organizers' topics first
Returns   `Measured` per part
Promises  a part is timed from a tenth of its input to the end, by what it has committed; all parts read the same
          events in the same run; intake knows as many restricted persons as the country may have, a tenth of the
          bettors among them; the yardstick does the work of totals on the same records for a bounded time
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import psutil  # type: ignore[import-untyped]  # it ships no types
from confluent_kafka import Consumer, Producer, TopicPartition

from bench.codec import Measured
from bench.events import PERSONS, made_up_iins, wagers
from bench.restrictions import LISTED, LISTED_SHARE, entries
from esep.admin import create_topics
from esep.cli.reference import load_file
from esep.cli.run import prepare
from esep.codec import decode, encode
from esep.embedded.process import ManagedProcess
from esep.embedded.stack import Stack
from esep.flags import FLAGS
from esep.reference import REFERENCE_DELAY_MS
from esep.register import load_register
from esep.restrictions import LISTS
from esep.schemas import schema
from esep.settings import Settings, load_settings
from esep.topics import ACCEPTED, INTAKE, LEDGER, TOTALS, Topic, events_topic
from esep.versions import upgraded

EVENTS = 400_000
_STREAMS = 8  # Per organizer, so that both partitions of each are busy.
_LOOK_EVERY_S = 0.05
_LOOK_AT = 1_000
_PART_S_MAX = 120.0
_PLAIN_LOOK_EVERY_S = 0.5
_PLAIN_S = 20.0  # The yardstick is stopped after this long: at a twentieth of the speed the whole would take minutes.
_REGISTER = Path(__file__).resolve().parent.parent / "examples" / "register.yaml"
_ON_ONE_CORE = "import os, runpy, sys; os.sched_setaffinity(0, {0}); sys.argv = sys.argv[1:]; "


def measure_line(data_dir: Path, events: int = EVENTS) -> list[Measured]:
    """Return intake, totals, alerts and loader in events per second; totals against plain Faust."""
    with Stack(data_dir, _REGISTER) as stack:
        stack.start_services()
        settings = load_settings(stack.settings)
        prepare(settings)
        iins = made_up_iins(PERSONS)
        _restrict(settings, iins[:: round(1 / LISTED_SHARE)])
        _fill(settings.bootstrap_servers, events, iins)
        rates = {part: _measure_part(stack, part, events) for part in ("intake", "totals", "alerts", "loader")}
        plain = _measure_plain(stack)
        _check_restricted(settings.bootstrap_servers)
    return [
        Measured(part, rate, "plain Faust" if part == "totals" else "", plain if part == "totals" else 0.0, note)
        for part, (rate, note) in rates.items()
    ]


def _restrict(settings: Settings, iins: list[str]) -> None:
    """Publish lists with these persons and others, LISTED in all; return once they count."""
    draw = np.random.default_rng(1)
    others = draw.choice(10**9, LISTED - len(iins), replace=False).astype(np.uint64) * np.uint64(1000)
    numbers = np.union1d(others, np.array(iins).astype(np.uint64))
    load_file(settings, [], entries(numbers))
    time.sleep(REFERENCE_DELAY_MS / 1000)


def _check_restricted(bootstrap_servers: str) -> None:
    """Raise RuntimeError unless some of the first accepted events are flagged, and not all of them."""
    consumer = Consumer({"bootstrap.servers": bootstrap_servers, "group.id": "bench-look", "log_level": 0})
    consumer.assign([TopicPartition(ACCEPTED, 0, 0)])
    values = [message.value() for message in consumer.consume(_LOOK_AT, _PART_S_MAX) if message.error() is None]
    consumer.close()
    flags = upgraded(decode(values, frozenset({"accepted"})).frames, "accepted")["flags"].to_numpy()
    flagged = np.count_nonzero(flags & FLAGS[LISTS["SELF_EXCLUDED"]])
    if not 0 < flagged < len(flags):
        raise RuntimeError(f"{flagged} of {len(flags)} events are by persons on a list")


def _fill(bootstrap_servers: str, events: int, iins: list[str]) -> None:
    """Put the events on the topics of the registered organizers, evenly."""
    producer = Producer(
        {
            "bootstrap.servers": bootstrap_servers,
            "partitioner": "murmur2_random",
            "linger.ms": 20,
            "queue.buffering.max.messages": 1_000_000,
            "compression.type": "lz4",
        }
    )
    organizers = load_register(_REGISTER).organizers
    each = events // (len(organizers) * _STREAMS)
    for organizer in organizers:
        for number in range(_STREAMS):
            stream = f"desk-{number}"
            frame = wagers(each, organizer.bin, stream, site_id=organizer.sites[0].id, iins=iins, seed=number)
            for value in encode(frame, schema("wager")):
                producer.produce(events_topic(organizer.bin), value, stream)
            producer.poll(0)
    if producer.flush(60) != 0:
        raise RuntimeError("the broker did not take all events")


def _measure_part(stack: Stack, part: str, events: int) -> tuple[float, str]:
    """Run a part until it has committed all its input; return events per second and a note on its CPU time."""
    command = [sys.executable, "-c", f"{_ON_ONE_CORE} runpy.run_module('esep.cli', run_name='__main__')", "esep"]
    name = f"{part}-0"
    stack.start_apps({name: [*command, "run", part]}, {})
    process = stack.apps.pop(name).process
    consumer = Consumer({"bootstrap.servers": stack.broker.bootstrap_servers, "group.id": part, "log_level": 0})
    try:
        return _watch(process, events, lambda: _committed(consumer, part))
    finally:
        process.stop()
        consumer.close()


def _measure_plain(stack: Stack) -> float:
    """Run the yardstick for a while; return its records per second."""
    bootstrap_servers = stack.broker.bootstrap_servers
    create_topics(bootstrap_servers, [Topic("plain.ledger", 4, "person_key", "plain", ())], 1)
    env = {**os.environ, "BROKER": bootstrap_servers, "DATADIR": str(stack.data_dir / "plain")}
    command = [sys.executable, "-c", f"{_ON_ONE_CORE} runpy.run_module('bench.plain_faust', run_name='__main__')"]
    process = ManagedProcess(
        "plain Faust",
        [*command, "plain", "worker", "--without-web", "--loglevel", "warn"],
        log_path=stack.data_dir / "logs" / "plain.log",
        env=env,
    )
    consumer = Consumer({"bootstrap.servers": bootstrap_servers, "group.id": "bench", "log_level": 0})
    time.sleep(_PLAIN_LOOK_EVERY_S)  # Until the brokers agree on the leaders of the new topic.

    def written() -> int:
        consumer.list_topics("plain.ledger", timeout=10)  # A new topic's leader is not known at once.
        places = [TopicPartition("plain.ledger", partition) for partition in range(4)]
        return sum(consumer.get_watermark_offsets(place, timeout=10)[1] for place in places)

    with process:
        deadline = time.monotonic() + _PART_S_MAX
        while written() < 1_000:  # Past its start and its tables' recovery.
            if time.monotonic() > deadline or not process.is_running():
                raise RuntimeError(f"plain Faust does not work:\n{process.log_tail()}")
            time.sleep(_PLAIN_LOOK_EVERY_S)
        first, started = written(), time.monotonic()
        time.sleep(_PLAIN_S)
        rate = (written() - first) / (time.monotonic() - started)
    consumer.close()
    return rate


def _watch(process: ManagedProcess, events: int, done: Callable[[], int]) -> tuple[float, str]:
    """Time a process from a tenth of its events to the last."""
    deadline = time.monotonic() + _PART_S_MAX
    first: tuple[int, float, float] | None = None
    while True:
        count, now = done(), time.monotonic()
        if first is None and count >= events // 10:
            first = (count, now, _cpu_s(process.pid))
        if count >= events and first is not None:
            seconds, cpu = now - first[1], _cpu_s(process.pid) - first[2]
            rate = (count - first[0]) / seconds if seconds > 0 else float("nan")
            return rate, f"{cpu / (count - first[0]) * 1e6:.1f} CPU seconds per million" if count > first[0] else ""
        if now > deadline or not process.is_running():
            raise RuntimeError(f"{process.name} committed {count} of {events}:\n{process.log_tail()}")
        time.sleep(_LOOK_EVERY_S)


def _cpu_s(pid: int) -> float:
    times = psutil.Process(pid).cpu_times()
    return float(times.user + times.system)


def _committed(consumer: Consumer, group: str) -> int:
    """Return how far the group has committed in its input, as a sum of offsets: with a few per cent of markers."""
    topics = consumer.list_topics(timeout=10).topics.values()
    inputs = [topic for topic in topics if _is_input(topic.topic, group)]
    places = [TopicPartition(topic.topic, partition) for topic in inputs for partition in topic.partitions]
    return sum(place.offset for place in consumer.committed(places, timeout=10) if place.offset > 0)


def _is_input(topic: str, group: str) -> bool:
    if group == INTAKE:
        return topic.startswith("organizer.") and topic.endswith(".events")
    return topic == (ACCEPTED if group == TOTALS else LEDGER)
