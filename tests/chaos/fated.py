"""A part of the line as it is, that may meet a fate between any two steps: `python -m tests.chaos.fated totals`.

Reads     the part's name; what `esep run` reads; ESEP_CHAOS_FATES: the directory of `fates`
Writes    what the part writes
Promises  the part's own code does all the work: it is watched at the borders that it has anyway, which are a stage's
          producer and the steps that the loader tells of
"""

from __future__ import annotations

import os
import sys
from functools import partial
from pathlib import Path
from typing import Any
from unittest.mock import patch

from esep.cli.main import main
from esep.stream_apps.transaction import TransactionalWriter
from esep.topics import LOADER
from tests.chaos.fates import Fates, Step

FATES_DIR = "ESEP_CHAOS_FATES"
_STEPS = {"noted": Step.NOTED, "inserted": Step.INSERTED, "advanced": Step.ADVANCED}


class FatedProducer:
    """A stage's producer, which says how far a transaction is. One in which nothing is written is not told of."""

    def __init__(self, producer: Any, fates: Fates) -> None:
        self._producer, self._fates = producer, fates
        self._wrote = self._outputs_are_written = False  # Of the transaction under way.

    def __getattr__(self, name: str) -> Any:
        return getattr(self._producer, name)

    def begin_transaction(self) -> None:
        """Begin one; nobody is told before its first record, for the broker learns of it then."""
        self._producer.begin_transaction()
        self._wrote = self._outputs_are_written = False

    def produce(self, topic: str, *values: Any, **options: Any) -> None:
        """Hand over a record."""
        self._before_a_write(topic)
        self._producer.produce(topic, *values, **options)

    def produce_batch(self, topic: str, *values: Any) -> int:
        """Hand over records; return how many were taken."""
        self._before_a_write(topic)
        return int(self._producer.produce_batch(topic, *values))

    def send_offsets_to_transaction(self, *values: Any) -> None:
        """Send the offsets that the records come from."""
        if self._wrote:
            self._fates.reached(Step.STATED, self._producer.flush)
        self._producer.send_offsets_to_transaction(*values)
        if self._wrote:
            self._fates.reached(Step.OFFERED)

    def commit_transaction(self, *values: Any) -> None:
        """Commit."""
        self._producer.commit_transaction(*values)
        self._fates.reached(Step.COMMITTED)

    def _before_a_write(self, topic: str) -> None:
        if not self._wrote:
            self._wrote = True
            self._fates.reached(Step.BEGUN)
        if not self._outputs_are_written and topic.endswith("changelog"):  # Outputs come first (`writes_of`).
            self._outputs_are_written = True
            self._fates.reached(Step.WRITTEN, self._producer.flush)


def watch_stage(fates: Fates) -> None:
    """Let every writer of this process have such a producer from when it takes its place."""
    take_place = TransactionalWriter.open

    def take_place_watched(writer: TransactionalWriter) -> None:
        take_place(writer)
        writer._producer = FatedProducer(writer._producer, fates)

    patch.object(TransactionalWriter, "open", take_place_watched).start()


def watch_loader(fates: Fates) -> None:
    """Let the loader of this process tell of its steps."""
    from esep.sinks.clickhouse import app
    from esep.sinks.clickhouse.loader import run_loader

    def on_step(name: str) -> None:
        if name in _STEPS:
            fates.reached(_STEPS[name])

    patch.object(app, "run_loader", partial(run_loader, on_step=on_step)).start()


if __name__ == "__main__":
    part = sys.argv[1]
    own = Fates(Path(os.environ[FATES_DIR]), f"{part}-{os.environ['ESEP_ORDINAL']}")
    (watch_loader if part == LOADER else watch_stage)(own)
    sys.argv[1:] = ["run", part]
    main()
