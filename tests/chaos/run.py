"""One seed: a line up, messages on their way, trouble, quiet; then every book is opened.

Reads     a seed and how large the run is
Returns   `Outcome`
Promises  on one day the same seed sends the same messages and plans the same faults at the same seconds; how processes
          are then scheduled no seed can fix
"""

from __future__ import annotations

import logging
import threading
import time
from collections import Counter
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

import polars as pl

from esep.producers.simulate.plan import Plan, last_midnight
from esep.producers.simulate.register import made_up_register, write_register
from esep.producers.simulate.sender import MessageSender, Pace
from esep.register import Organizer
from tests.chaos.books import Findings
from tests.chaos.faults import Trouble
from tests.chaos.line import SESSION_MS, Line, chaos_line
from tests.chaos.opening import Counts, open_books
from tests.chaos.ordeals import ordeals
from tests.chaos.program import Task
from tests.chaos.purpose import Purpose
from tests.chaos.schedule import schedule
from tests.chaos.turns import Turns, brokers_of
from tests.chaos.wins import messages_with_wins

log = logging.getLogger("esep.chaos")
_LOOK_S = 0.05
_SENT_S = 300.0  # After the trouble: what was queued meanwhile must be acknowledged by then.
_ORDEALS_S = 1_200.0  # Some twenty, a few side by side, each as long as a process takes to come back.
_AT = ["topic", "partition", "offset"]


@dataclass(frozen=True, slots=True)
class Size:
    """How large a run is.

    events: messages of the simulation, good and bad; trouble_s: for so long they are sent, and parts fail by chance.
    on_purpose: whether there are ordeals, too, for as long as they take, and an organizer's program sends meanwhile.
    looks: see `standing.few_owners`.
    """

    events: int
    trouble_s: float
    on_purpose: bool = True
    organizers: int = 4
    looks: int = 300_000

    @property
    def persons(self) -> int:
        """A person bets some thirty times, however many messages there are."""
        return max(300, self.events // 30)


@dataclass
class Outcome:
    """What a run came to. done: faults by kind; missed: those whose part was away by itself just then.

    met: ordeals by name; unmet: those that did not come to pass. ends: how often apps ended that nobody had killed.
    """

    seed: int
    events: int
    done: Counter[str]
    missed: int = 0
    met: Counter[str] = field(default_factory=Counter)
    unmet: list[str] = field(default_factory=list)
    seconds: float = 0.0
    counts: Counts = field(default_factory=Counts)
    ends: int = 0
    findings: Findings = field(default_factory=Findings)


def run(seed: int, size: Size, data_dir: Path) -> Outcome:
    """Run a seed below a directory and return what came of it."""
    until = last_midnight(datetime.now(UTC))
    whole, register = made_up_register(size.organizers + size.on_purpose, seed, until), data_dir / "register.yaml"
    simulated = whole.model_copy(update={"organizers": whole.organizers[: size.organizers]})
    write_register(whole, register)
    task = _task(whole.organizers[-1], seed, size, data_dir) if size.on_purpose else None
    started_s = time.monotonic()
    with chaos_line(data_dir, register, task) as line:
        plan = Plan(
            simulated, size.events, seed, until, bad=0.05, duplicates=0.03, corrections=0.05,
            persons=size.persons, partitions=line.settings.events_partitions,
        )  # fmt: skip
        trouble, purpose, sent = _rage(line, seed, size, plan)
        outcome = Outcome(seed, sent.height, trouble.done, trouble.missed, purpose.met, purpose.unmet)
        _be_quiet(line, sent)
        outcome.counts = open_books(line, sent, size.looks, outcome.findings)
        outcome.ends = sum(len(app.ended_at) for app in line.stack.apps.values())
    outcome.seconds = time.monotonic() - started_s
    return outcome


def _task(own: Organizer, seed: int, size: Size, data_dir: Path) -> Task:
    folder, root = data_dir / "program", data_dir / "keys" / "receipt-root.crt"
    return Task(own.bin, own.sites[0].id, str(folder), str(root), size.persons, size.organizers, seed)


def _rage(line: Line, seed: int, size: Size, plan: Plan) -> tuple[Trouble, Purpose, pl.DataFrame]:
    """Send the messages while the faults of the seed come and go; return when both are over."""
    sent: list[pl.DataFrame] = []
    failures: list[BaseException] = []

    def send() -> None:
        try:
            sender = MessageSender(line.servers)
            sent.append(sender.send(messages_with_wins(plan), Pace(size.events / size.trouble_s)))
        except BaseException as error:  # noqa: BLE001 - told to the run, whatever it is
            failures.append(error)

    thread = threading.Thread(target=send)
    faults = schedule(seed, size.trouble_s, SESSION_MS / 1000)
    log.info("seed %d plans\n%s", seed, "\n".join(map(str, faults)))
    turns = Turns(brokers_of(line.stack))
    trouble = Trouble(line.stack, line.wire, line.mesh, faults, turns, size.trouble_s)
    purpose = Purpose(line, ordeals(seed) if size.on_purpose else {}, turns)
    thread.start()
    give_up_at = time.monotonic() + size.trouble_s + (_ORDEALS_S if size.on_purpose else _SENT_S)
    while not (trouble.is_over and purpose.is_over) or thread.is_alive():
        assert time.monotonic() < give_up_at, "the trouble, or the sending, does not end"
        trouble.go_on(is_last=purpose.is_over)
        purpose.go_on()
        line.stack.tend()
        time.sleep(_LOOK_S)
    assert not failures, failures
    return trouble, purpose, sent[0]


def _be_quiet(line: Line, sent: pl.DataFrame) -> None:
    """Return once all is loaded and every part is ready for more."""
    line.stack.broker.wait_ready()
    line.stack.clickhouse.wait_ready()
    ends = {(topic, partition): end for topic, partition, end in sent.group_by(_AT[:2]).agg(pl.max("offset")).rows()}
    line.settle(ends)
    line.wait_ready()
