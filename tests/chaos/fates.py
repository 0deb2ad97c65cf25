"""What is to befall a process at a step of its work: told from outside, met inside, and noted just before it is.

Reads     `<name>.fate` in a directory, when a step is reached
Writes    `<name>.marks` there: a line before each fate is met, and after a sleep
Promises  a fate is met once, by the process that has read it; a mark outlasts the process, since the kernel has it; a
          step that no fate is about costs a look for a file
"""

from __future__ import annotations

import json
import os
import signal
import threading
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import NamedTuple

import confluent_kafka as ck
from confluent_kafka import KafkaError


class Step(StrEnum):
    """What a part has just done when its fate may befall it."""

    BEGUN = "transaction begun"
    WRITTEN = "outputs written"
    STATED = "state written"
    OFFERED = "offsets sent"
    COMMITTED = "committed"
    NOTED = "range noted"
    INSERTED = "inserted"
    ADVANCED = "offset committed"
    SPOOLED = "spooled"
    SENT = "sent"
    ACKNOWLEDGED = "sending noted"
    STORED = "receipt stored"


OF_STAGES = (Step.BEGUN, Step.WRITTEN, Step.STATED, Step.OFFERED, Step.COMMITTED)
OF_LOADERS = (Step.NOTED, Step.INSERTED, Step.ADVANCED)
OF_CLIENTS = (Step.SPOOLED, Step.SENT, Step.ACKNOWLEDGED, Step.STORED)


class What(StrEnum):
    """What befalls: SIGKILL, SIGSTOP until somebody wakes it, or that librdkafka raises what a broker has refused."""

    DIE = "DIE"
    SLEEP = "SLEEP"
    ABORTABLE = "ABORTABLE"
    FATAL = "FATAL"


WOKEN, THROUGH = "WOKEN", "THROUGH"  # Marks after it: it sleeps no more; the transaction that it met is committed.


@dataclass(frozen=True, slots=True)
class Fate:
    """nth: at which arrival at the step, counted from when it is read."""

    step: Step
    what: What
    nth: int = 1


class Mark(NamedTuple):
    """A line of the marks: which process, and what it was about to meet, or has come through."""

    pid: int
    what: str


class Told:
    """The outside of it: one process's fate, by the process's name."""

    def __init__(self, directory: Path, name: str) -> None:
        self._fate, self._marks = directory / f"{name}.fate", directory / f"{name}.marks"

    def tell(self, fate: Fate) -> None:
        """Let the process meet a fate from now on; one that it was told before and has not read is forgotten."""
        draft = self._fate.with_suffix(".draft")
        draft.write_text(json.dumps([fate.step, fate.what, fate.nth]))
        draft.replace(self._fate)

    def forget(self) -> None:
        """Take back what nobody has read."""
        self._fate.unlink(missing_ok=True)

    def marks(self) -> list[Mark]:
        """Return all marks so far."""
        if not self._marks.exists():
            return []
        whole, _, _ = self._marks.read_text().rpartition("\n")
        return [Mark(*json.loads(line)) for line in whole.splitlines()]


class Fates:
    """The inside of it; for any number of threads."""

    def __init__(self, directory: Path, name: str) -> None:
        self._path = directory / f"{name}.fate"
        self._file = os.open(directory / f"{name}.marks", os.O_WRONLY | os.O_APPEND | os.O_CREAT)
        self._lock = threading.Lock()
        self._fate: Fate | None = None
        self._arrivals = 0
        self._survived = False

    def reached(self, step: Step, settle: Callable[[], object] = lambda: None) -> None:
        """Meet what is due at this step. settle: done before, so that what was begun has really come to pass.

        Raises KafkaException where a refusal is due.
        """
        if step is Step.COMMITTED and self._survived:
            self._survived = False
            self._mark(THROUGH)
        with self._lock:
            fate = self._due(step)
        if fate is None:
            return
        settle()
        self._mark(fate.what)
        self._survived = True
        if fate.what is What.DIE:
            os.kill(os.getpid(), signal.SIGKILL)
        if fate.what is What.SLEEP:
            os.kill(os.getpid(), signal.SIGSTOP)
            self._mark(WOKEN)
            return
        raise ck.KafkaException(refusal(fate.what))

    def _due(self, step: Step) -> Fate | None:
        if self._path.exists():
            told, self._arrivals = json.loads(self._path.read_text()), 0
            self._path.unlink()
            self._fate = Fate(Step(told[0]), What(told[1]), told[2])
        if self._fate is None or self._fate.step is not step:
            return None
        self._arrivals += 1
        if self._arrivals < self._fate.nth:
            return None
        fate, self._fate = self._fate, None
        return fate

    def _mark(self, what: str) -> None:
        os.write(self._file, f"{json.dumps([os.getpid(), what])}\n".encode())


def refusal(what: What) -> KafkaError:
    """Return a refusal as librdkafka tells it: the transaction must be aborted, or the producer is done for."""
    if what is What.ABORTABLE:
        return KafkaError(KafkaError.TRANSACTION_ABORTABLE, "refused on purpose", txn_requires_abort=True)
    return KafkaError(KafkaError.OUT_OF_ORDER_SEQUENCE_NUMBER, "refused on purpose", fatal=True)
