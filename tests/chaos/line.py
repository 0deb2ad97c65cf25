"""A line as large as it must be to lose any one part: three brokers, two workers of every stage, two loaders.

Reads     what the line says of itself
Returns   `Line`
Promises  everything it starts has ended when its context ends
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from confluent_kafka import KafkaException

from esep.cli.run import prepare
from esep.embedded.stack import Stack
from esep.register import Register, load_register
from esep.rules import load_rules
from esep.settings import Settings, load_settings
from esep.sinks.clickhouse.client import connect
from esep.sinks.clickhouse.tables import topics_to_load
from esep.topics import ACCEPTED, ALERTS_STAGE, INSTRUMENTS, INTAKE, LEDGER, LOADER, TOTALS, events_topic
from tests.chaos.fated import FATES_DIR
from tests.chaos.link import HOST, Link
from tests.chaos.mesh import Mesh
from tests.chaos.oracle import Record
from tests.chaos.program import PROGRAM, Task
from tests.chaos.reading import committed, ends_of
from tests.chaos.schedule import APPS, BROKERS
from tests.chaos.turns import brokers_of
from tests.support.live_rules import live_rules

SESSION_MS = 6_000  # The shortest that a broker takes by default.
READY_S = 180.0  # Nine programs start at a time, on two cores that others use too.
_WAIT_S = 300.0
_ASK_EVERY_S = 0.25
_NAMES = "SELECT name FROM system.columns WHERE database = currentDatabase() AND table = 'ledger' ORDER BY position"
_OF_THE_TABLE = {  # Columns that no record of the topic has: where it stood, and what others are worked out from.
    *("ledger_partition", "ledger_offset", "loaded_at", "row_behind", "cause_behind", "lag_ms", "other_name"),
    *("own_year", "others_year", "other_years", "market", "outcome"),
}
_SELECTION = ("event_id", "market_id", "outcome_id", "odds_milli")
_INSTANTS = ("received_at", "occurred_at", "wager_occurred_at")


@dataclass
class Line:
    """A line that is up."""

    stack: Stack
    wire: Link
    mesh: Mesh
    settings: Settings
    register: Register
    task: Task | None
    rules: Path
    environment: dict[str, str]

    @property
    def fates(self) -> Path:
        """Where the fates of its processes are told."""
        return Path(self.environment[FATES_DIR])

    @property
    def servers(self) -> str:
        """The brokers."""
        return self.settings.bootstrap_servers

    def rows(self, sql: str) -> Iterator[tuple[Any, ...]]:
        """Yield the rows of a statement."""
        client = connect(self.settings)
        try:
            with client.query_rows_stream(sql) as stream:
                yield from stream
        finally:
            client.close()

    def wait_until(self, what: str, holds: Callable[[], bool]) -> None:
        """Return once something holds, tending to the apps meanwhile.

        AssertionError says what did not come, or at once which part has stopped for good, and why.
        """
        deadline = time.monotonic() + _WAIT_S
        while not holds():
            self.stack.tend()
            for name, app in self.stack.apps.items():
                assert not app.given_up, f"{name} gave up: {app.given_up}\n{app.process.log_tail()}"
            states = {name: app.status().get("state") for name, app in self.stack.apps.items()}
            assert time.monotonic() < deadline, f"not within {_WAIT_S:.0f} s: {what}; {states}"
            time.sleep(_ASK_EVERY_S)

    def wait_ready(self) -> None:
        """Return once every app is ready at the same time."""
        apps = self.stack.apps.values()
        self.wait_until("every app is ready", lambda: all(app.status().get("state") == "ready" for app in apps))

    def start_again_as(self, part: str, name: str) -> None:
        """Start an app a second time, at the same place, under another name."""
        stage, _, ordinal = part.rpartition("-")
        self.stack.start_apps({name: _command(stage)}, {**self.environment, "ESEP_ORDINAL": ordinal})

    def has_had_enough(self) -> bool:
        """Tell the organizer's program, if there is one, to send no more; return whether it has all its receipts."""
        if self.task is None:
            return True
        self.task.enough.touch()
        return self.stack.apps[PROGRAM].status().get("left") == 0

    def settle(self, sent_ends: dict[tuple[str, int], int]) -> None:
        """Return once all that was sent is through every stage and loaded. sent_ends: last offsets by place."""
        self.wait_until("the organizer's program has its receipts", self.has_had_enough)
        if self.task is not None:
            topic = events_topic(self.task.organizer_bin)
            sent_ends |= {(topic, partition): end for partition, end in ends_of(self.servers, topic).items()}
        for topic in map(events_topic, self.register.bins):
            ends = {partition: end for (name, partition), end in sent_ends.items() if name == topic}
            self._wait_read(INTAKE, topic, ends)
        self._wait_read(TOTALS, ACCEPTED, ends_of(self.servers, ACCEPTED))
        for topic in (LEDGER, INSTRUMENTS):
            self._wait_read(ALERTS_STAGE, topic, ends_of(self.servers, topic))
        for topic in topics_to_load(self.settings, self.register.bins):
            self._wait_read(LOADER, topic, ends_of(self.servers, topic))

    def ledger(self) -> Iterator[Record]:
        """Yield the rows of the table as records of the topic, ascending by the place of their cause."""
        names = [name for (name,) in self.rows(_NAMES)]
        kept = [name for name in names if name not in _OF_THE_TABLE]
        columns = ", ".join(_column(name) for name in kept)
        order = "ledger.cause_partition, ledger.cause_offset, ledger.ledger_offset"
        for row in self.rows(f"SELECT {columns} FROM ledger ORDER BY {order}"):
            record = dict(zip(kept, row, strict=True))
            record["selections"] = [dict(zip(_SELECTION, one, strict=True)) for one in record["selections"]]
            yield record

    def _wait_read(self, group: str, topic: str, ends: dict[int, int]) -> None:
        def is_read() -> bool:
            try:
                reached = committed(self.servers, group, topic, sorted(ends))
            except KafkaException:  # The group's coordinator may be moving; the deadline says if it stays so.
                return False
            return all(reached[partition] > end for partition, end in ends.items())

        self.wait_until(f"{group} has read {topic}", is_read)


def _column(name: str) -> str:
    if name in _INSTANTS:
        return f"toUnixTimestamp64Milli(ledger.{name})"
    if name == "body_sha256":
        return "lower(hex(ledger.body_sha256))"
    if name == "selections":
        return (
            f"arrayMap(one -> ({', '.join(f'tupleElement(one, {part!r})' for part in _SELECTION)}), ledger.selections)"
        )
    return f"ledger.{name}"


def _command(part: str) -> list[str]:
    return [sys.executable, "-m", "tests.chaos.fated", part]


@contextmanager
def chaos_line(data_dir: Path, register: Path, task: Task | None) -> Iterator[Line]:
    """Bring the line up below a directory, and perhaps an organizer's program beside it; end all with the context."""
    with Mesh(BROKERS, brokers_of(stack := Stack(data_dir, register, brokers=len(BROKERS)))) as mesh, stack:
        stack.start_services()
        settings = load_settings(stack.settings)
        prepare(settings)
        (data_dir / "fates").mkdir()
        commands = {part: _command(part.partition("-")[0]) for part in APPS}
        with Link(stack.clickhouse.port) as wire:
            rules = live_rules(data_dir, *(rule.rule_id for rule in load_rules().rules if not rule.live))
            environment = {
                "ESEP_CLICKHOUSE_URL": f"http://{HOST}:{wire.port}",  # What asks the books afterwards asks directly.
                "ESEP_RULES_FILE": str(rules),
                "ESEP_SESSION_TIMEOUT_MS": str(SESSION_MS),
                "POLARS_MAX_THREADS": "1",
                FATES_DIR: str(data_dir / "fates"),
            }
            stack.start_apps(commands, environment)
            stack.wait_ready(READY_S)
            if task is not None:
                Path(task.folder).mkdir()
                program = [sys.executable, "-m", "tests.chaos.program"]
                stack.start_apps({PROGRAM: program}, {**environment, **task.environment()})
            yield Line(stack, wire, mesh, settings, load_register(register), task, rules, environment)
