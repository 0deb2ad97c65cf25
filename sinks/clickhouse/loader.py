"""The loader: takes what the stages have committed out of Kafka and into ClickHouse, each record exactly once.

Reads     topics ledger, rejected, compliance.alerts and organizer.<BIN>.receipts, committed records only
Writes    tables ledger, rejected, alerts, receipts; the offsets of the group `loader`; a status file, on request
Promises  a record is a row once its offset is committed, and is one row, whatever is killed, stopped or repeated when;
          what cannot be put right stops the process with the error's exit code (DESIGN §5; box: sinks/clickhouse)

A round, for all partitions of one fetch; `pending` says why each step is as it is:
  1. decode, look for gaps, cut by month: nothing has been said to anybody yet
  2. note each partition's range in the metadata of its committed offset
  3. insert each range's months, ascending, each as one block under its token
  4. ask the tables whether they hold it all: an engine was seen to acknowledge an insert that it had refused
  5. commit the offsets behind the ranges
"""

from __future__ import annotations

import json
import logging
import os
import signal
import threading
import time
from collections import Counter
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Any

from esep.errors import EsepError, InvariantBroken, SinkUnavailable
from esep.lineage import TopicPartition
from esep.security import client_security
from esep.sinks.clickhouse.frames import Records, Rows, rows_of
from esep.sinks.clickhouse.group import LoaderGroup, Mark, Superseded
from esep.sinks.clickhouse.pending import EARLIEST, Pending, resume, to_insert, token
from esep.sinks.clickhouse.ranges import read_range
from esep.sinks.clickhouse.store import Held, Store
from esep.sinks.clickhouse.tables import table_of, topics_to_load

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from typing import TypeVar

    from esep.settings import Settings
    from esep.sinks.clickhouse.tables import Table

    T = TypeVar("T")

LOG = logging.getLogger(__name__)
STATUS_S = 1.0  # The status file, and offsets behind markers alone, are written at most once a second.
SINK_S_MAX = 60.0  # A ClickHouse that restarts is back within seconds; then the process ends and is started anew.
BACKOFF_S, BACKOFF_S_MAX = 0.1, 2.0


def run_loader(
    settings: Settings, organizer_bins: Iterable[str], *, on_step: Callable[[str], None] = lambda _: None
) -> int:
    """Load until SIGTERM or SIGINT; return the exit code: 0, or that of the error that stopped the loader.

    organizer_bins: whose receipts are loaded. on_step: called with the name of each step of a round when it is done
    (`decoded`, `noted`, `inserted`, `advanced`, and `reread` when a noted range is repeated), so that tests can stop
    between any two.
    """
    logging.getLogger("clickhouse_connect").setLevel(logging.ERROR)  # What it warns of is raised as well.
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    try:
        loader = Loader(
            settings, Store(settings), partial(read_range, security=client_security(settings)), stop, on_step
        )
        loader.run(topics_to_load(settings, organizer_bins), LoaderGroup)
    except EsepError as error:
        if not (stop.is_set() and isinstance(error, SinkUnavailable)):  # What was noted is repeated at the next start.
            LOG.error("loader-%d stopped. %s", settings.ordinal, error)  # noqa: TRY400 - its text says what to do
            return error.exit_code
    return 0


@dataclass(frozen=True, slots=True)
class Range:
    """One partition's part of a round: a noted range, its rows, and which months of them are not in the table yet."""

    pending: Pending
    rows: Rows
    months: dict[int, int]

    @property
    def noted(self) -> Mark:
        """What is committed while the range is being inserted."""
        return Mark(self.pending.first, self.pending.encode())

    @property
    def done(self) -> Mark:
        """What is committed once it is inserted."""
        return Mark(self.pending.last + 1)


class Loader:
    """One loader process. Everything runs on its only thread, the group's callbacks within `fetch`.

    store, read, and the group that `run` makes, are all that it knows of the world.
    """

    _group: LoaderGroup

    def __init__(
        self,
        settings: Settings,
        store: Store,
        read: Callable[[str, TopicPartition, int, int], Iterable[Records]],
        stop: threading.Event,
        on_step: Callable[[str], None],
    ) -> None:
        self._settings = settings
        self._store = store
        self._read = read
        self._stop = stop
        self._on_step = on_step
        self._next: dict[TopicPartition, int] = {}  # Of each assigned partition the next offset to load.
        self._held: dict[TopicPartition, Held] = {}  # What the tables hold of it, all offsets below included.
        self._counters: Counter[tuple[str, TopicPartition]] = Counter()
        self._ready = False
        self._looked_at = float("-inf")

    def run(self, topics: list[str], join: type[LoaderGroup]) -> None:
        """Load until told to stop; raises the EsepError that stops the loader."""
        self._group = join(self._settings, topics, on_assigned=self._recover, on_revoked=self._forget)
        try:
            while not self._stop.is_set():
                fetched = self._group.fetch(self._settings.loader_rows_max, self._settings.loader_wait_ms / 1000)
                try:
                    self._load([records for records in fetched if records.source in self._next])
                    self._look_around()
                except Superseded:
                    self._forget()
        finally:
            self._ready = False
            self._write_status()
            self._group.close()
            self._store.close()

    def _load(self, fetched: list[Records]) -> None:
        """One round."""
        if not fetched:
            return
        ranges = [self._range_of(records) for records in fetched]
        self._on_step("decoded")
        self._group.commit({one.rows.source: one.noted for one in ranges})
        self._on_step("noted")
        for one in ranges:
            self._insert(one, ranges)
        self._verify(ranges)
        self._group.commit({one.rows.source: one.done for one in ranges})
        self._on_step("advanced")
        for one in ranges:
            self._next[one.rows.source] = one.pending.last + 1

    def _range_of(self, records: Records) -> Range:
        source = records.source
        first = self._next[source]
        if records.offsets[0] < first:
            raise InvariantBroken(f"{source}: offset {records.offsets[0]} came after offset {first - 1} was loaded")
        rows = rows_of(records, self._held[source].last_rows)
        pending = Pending(first, records.offsets[-1], len(records.offsets), rows.table.layout)
        return Range(pending, rows, rows.months())

    def _insert(self, one: Range, ranges: list[Range]) -> None:
        """Insert the months of a range. ranges: all that are noted, to be noted again where confirmation is due."""
        table, source = one.rows.table, one.rows.source
        marks = {other.rows.source: other.noted for other in ranges}
        for month in one.months:
            block, name = one.rows.block(month), token(source, one.pending, month, table.name)

            def send(block: bytes = block, name: str = name) -> None:
                if not self._group.is_confirmed():
                    self._group.commit(marks)
                self._store.insert(table, name, block)

            self._surely(send)
            self._counters["inserts", source] += 1
            self._counters["rows", source] += one.months[month]
            self._on_step("inserted")

    def _verify(self, ranges: list[Range]) -> None:
        """Take over what the tables hold now, or raise SinkUnavailable if a month that was inserted is not there.

        What is missing is inserted at the next start, for the ranges are noted. Counts may also differ because rows of
        one identity were merged or an old partition was dropped; then the range itself is looked up.
        """
        now = self._ask_held([one.rows.source for one in ranges])
        for one in ranges:
            source, table = one.rows.source, one.rows.table
            held = replace(now[source], last_rows={**self._held[source].last_rows, **one.rows.last_rows})
            if now[source] != held or held.rows != self._held[source].rows + sum(one.months.values()):
                self._look_up(table, source, one)
            self._held[source] = held

    def _look_up(self, table: Table, source: TopicPartition, one: Range) -> None:
        present = self._surely(lambda: self._store.present(table, source, one.pending, one.months))
        if missing := to_insert(source, one.months, present):
            raise SinkUnavailable(
                f"{source}: table {table.name} does not hold what ClickHouse acknowledged",
                detail=f"months {missing} of offsets {one.pending.first} to {one.pending.last}",
                hint="see ClickHouse's log; a loader that is started anew inserts it again",
            )
        LOG.warning(
            "loader-%d: %s: table %s holds other counts than expected", self._settings.ordinal, source, table.name
        )

    def _recover(self, sources: list[TopicPartition]) -> Mapping[TopicPartition, int]:
        """Take over these partitions: repeat what is noted, compare offsets and rows, return where to read on."""
        LOG.info("loader-%d: assigned %d partitions", self._settings.ordinal, len(sources))
        self._forget()
        committed, self._held = self._group.committed(sources), self._ask_held(sources)
        starts = {}
        for source in sources:
            way = resume(source, committed[source], self._held[source].offset_max)
            if way.pending is not None:
                self._repeat(source, way.pending)
            starts[source] = self._group.earliest(source) if way.offset == EARLIEST else way.offset
        self._next = starts
        self._ready = True
        self._write_status()
        return starts

    def _repeat(self, source: TopicPartition, noted: Pending) -> None:
        """Insert what is not there of a range that a predecessor noted, and commit the offset behind it."""
        again = list(self._read(self._settings.bootstrap_servers, source, noted.first, noted.last + 1))
        records = Records(
            source, [o for part in again for o in part.offsets], [v for part in again for v in part.values]
        )
        if len(records.offsets) != noted.rows or records.offsets[-1:] != [noted.last]:
            raise InvariantBroken(
                f"{source}: a noted range does not hold what was noted", detail=f"{noted}, {len(records.offsets)} read"
            )
        rows = rows_of(records, None)
        read = rows.months()
        self._on_step("reread")
        present = self._surely(lambda: self._store.present(rows.table, source, noted, read))
        missing = {month: read[month] for month in to_insert(source, read, present)}
        one = Range(replace(noted, layout=rows.table.layout), rows, missing)
        self._group.commit({source: one.noted})
        self._insert(one, [one])
        self._verify([one])
        self._group.commit({source: one.done})
        self._on_step("advanced")
        LOG.info("loader-%d: %s: repeated offsets %d to %d", self._settings.ordinal, source, noted.first, noted.last)

    def _ask_held(self, sources: list[TopicPartition]) -> dict[TopicPartition, Held]:
        found: dict[TopicPartition, Held] = {}
        for table in {table_of(source.topic).name: table_of(source.topic) for source in sources}.values():
            found.update(self._surely(lambda table=table: self._store.held(table)))  # type: ignore[misc]
        return {source: found.get(source, Held()) for source in sources}

    def _surely(self, request: Callable[[], T]) -> T:
        """Return the answer, repeating the same request while ClickHouse does not answer; then SinkUnavailable."""
        give_up_at, backoff_s = time.monotonic() + SINK_S_MAX, BACKOFF_S
        while True:
            try:
                return request()
            except SinkUnavailable as error:
                LOG.warning("loader-%d: %s; again in %.1f s", self._settings.ordinal, error.what, backoff_s)
                if time.monotonic() > give_up_at or self._stop.wait(backoff_s):
                    raise
                backoff_s = min(2 * backoff_s, BACKOFF_S_MAX)

    def _look_around(self) -> None:
        """Once a second: commit offsets behind markers that no record follows, and write the status."""
        if time.monotonic() < self._looked_at + STATUS_S:
            return
        self._looked_at = time.monotonic()
        positions = self._group.positions(self._next)
        behind = {source: offset for source, offset in positions.items() if offset > self._next[source]}
        if behind:
            self._group.commit({source: Mark(offset) for source, offset in behind.items()})
            self._next.update(behind)
        self._write_status()

    def _forget(self) -> None:
        self._next, self._held, self._ready = {}, {}, False

    def status(self) -> dict[str, Any]:
        """Return how far the loader is: per partition the next offset, and what this process inserted."""
        return {
            "pid": os.getpid(),
            "place": f"loader-{self._settings.ordinal}",
            "state": "stopped" if self._stop.is_set() else "ready" if self._ready else "joining",
            "positions": {str(source): offset for source, offset in sorted(self._next.items())},
            "rows": self._counted("rows"),
            "inserts": self._counted("inserts"),
        }

    def _counted(self, what: str) -> dict[str, int]:
        return {str(source): count for (kind, source), count in sorted(self._counters.items()) if kind == what}

    def _write_status(self) -> None:
        path = self._settings.status_file
        if path is not None:
            draft = path.with_suffix(".draft")
            draft.write_text(json.dumps(self.status(), indent=1))
            draft.replace(path)
