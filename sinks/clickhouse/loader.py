"""The loader: takes what the stages have committed out of Kafka and into ClickHouse, each record exactly once.

Reads     topics ledger, rejected, compliance.alerts and organizer.<BIN>.receipts, committed records only
Writes    tables ledger, rejected, alerts, receipts; the offsets of the group `loader`; a status file, on request
Promises  a record is a row once its offset is committed, and is one row, whatever is killed, stopped or repeated when;
          what cannot be put right stops the process with the error's exit code (DESIGN §5; box: sinks/clickhouse)

Two threads. The first fetches, decodes and talks to the group; the second inserts (`inserting`). A round (`pending`
says why each step is as it is):
  1. decode what has its turn (`turns`), look for gaps, cut by month: nothing has been said to anybody yet, and the
     round before may be on its way
  2. wait until the round before is inserted, and found in the tables: an engine was seen to acknowledge an insert that
     it had refused
  3. commit, in one request, the offsets behind the round before and, in their metadata, each partition's new range
  4. let the second thread insert the ranges, those of a table together: their months ascending, each as one block under
     its token; go on with 1.
So a partition has one noted range at a time, and its ranges are inserted and committed in order.
"""

from __future__ import annotations

import json
import logging
import os
import signal
import threading
import time
from collections import Counter, defaultdict
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple

from esep.closing import Closing, end_process_in
from esep.errors import BrokerUnavailable, EsepError, InvariantBroken, SinkUnavailable
from esep.security import client_security
from esep.sinks.clickhouse.frames import Records, Rows, rows_of_each
from esep.sinks.clickhouse.group import LoaderGroup, Mark, Superseded
from esep.sinks.clickhouse.inserting import Insert, Inserter, Range
from esep.sinks.clickhouse.migrate import refuse_undone
from esep.sinks.clickhouse.pending import EARLIEST, Span, noted, resume, together
from esep.sinks.clickhouse.ranges import read_range
from esep.sinks.clickhouse.recovery import Recovery
from esep.sinks.clickhouse.store import Held, Store
from esep.sinks.clickhouse.tables import subscription, table_of
from esep.sinks.clickhouse.turns import Turns

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping
    from concurrent.futures import Executor, Future

    from esep.lineage import TopicPartition
    from esep.settings import Settings
    from esep.sinks.clickhouse.pending import Committed, Pending

LOG = logging.getLogger(__name__)
STOP_S_MAX = 90.0  # More than an insert's and a commit's own limits; what was noted is repeated at the next start.
LOOKS_MAX = 20
REST = 2.0  # A round gathers this many times as long as the last one was being inserted: what is fixed about an insert
REST_S_MAX = 0.5  # would else take all that ClickHouse has. At most so long: what takes longer is large, not dear.
STATUS_S = 1.0  # The status file, and offsets behind markers alone, are written at most once a second.


def run_loader(settings: Settings, *, on_step: Callable[[str], None] = lambda _: None) -> int:
    """Load until SIGTERM or SIGINT; return the exit code: 0, or that of the error that stopped the loader.

    on_step: called with the name of each step of a round when it is done
    (`decoded`, `noted`, `inserted`, `advanced`, and `reread` when a noted range is repeated; `inserted` in the second
    thread), so that tests can stop between any two.
    """
    logging.getLogger("clickhouse_connect").setLevel(logging.ERROR)  # What it warns of is raised as well.
    stop = threading.Event()

    def told_to_stop(*_: object) -> None:
        stop.set()
        end_process_in(STOP_S_MAX, 0)  # A loader was seen once that was told to, and still there after five minutes.

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, told_to_stop)
    try:
        refuse_undone(settings)
        read = partial(read_range, security=client_security(settings))
        with (
            ThreadPoolExecutor(1, "insert") as second,
            Loader(settings, Store(settings), read, stop, on_step, second) as loader,
            _gone_soon_after_an_error(),
        ):
            loader.run(subscription(settings), LoaderGroup)
    except EsepError as error:
        if not (stop.is_set() and isinstance(error, SinkUnavailable)):  # What was noted is repeated at the next start.
            LOG.error("loader-%d stopped. %s", settings.ordinal, error)  # noqa: TRY400 - its text says what to do
            return error.exit_code
    return 0


@contextmanager
def _gone_soon_after_an_error() -> Iterator[None]:
    try:
        yield
    except EsepError as error:
        end_process_in(STOP_S_MAX, error.exit_code)
        raise


class Round(NamedTuple):
    """What the second thread is inserting; inserted: what the tables hold then (`Inserter.load`)."""

    ranges: list[Range]
    inserted: Future[dict[TopicPartition, Held]]


class Loader(Closing):
    """One loader process. Its thread runs everything but `Inserter.load`, the group's callbacks within `fetch`.

    store, read, and the group that `run` makes, are all that it knows of the world. second: runs what it is given in
    another thread, one after the other. now_s: seconds since 1970.
    """

    _group: LoaderGroup
    _recovery: Recovery

    def __init__(
        self,
        settings: Settings,
        store: Store,
        read: Callable[[str, TopicPartition, int, int], Iterable[Records]],
        stop: threading.Event,
        on_step: Callable[[str], None],
        second: Executor,
        now_s: Callable[[], float] = time.time,
    ) -> None:
        self._settings = settings
        self._place = f"loader-{settings.ordinal}"
        self._store = store
        self._inserter = Inserter(self._place, store, stop, self._confirm, on_step)
        self._read = read
        self._stop = stop
        self._on_step = on_step
        self._second = second
        self._now_s = now_s
        self._round: Round | None = None
        self._turns = Turns(settings.loader_rows_max)  # What is fetched and not decoded yet.
        self._next: dict[TopicPartition, int] = {}  # Of each assigned partition the next offset to decode.
        self._last_rows: dict[TopicPartition, dict[TopicPartition, int]] = {}  # Per cause, of all offsets below.
        self._held: dict[TopicPartition, Held] = {}  # What the tables hold of it, the round in progress excepted.
        self._layouts: dict[str, int] = {}  # By table, as of the last assignment.
        self._counters: Counter[tuple[str, TopicPartition]] = Counter()
        self._has_joined = False
        self._ready = False
        self._looked_at = float("-inf")

    def run(self, topics: list[str], join: type[LoaderGroup]) -> None:
        """Load until told to stop; raises the EsepError that stops the loader."""
        self._group = join(self._settings, topics, on_assigned=self._recover, on_revoked=self._forget)
        read = partial(self._read, self._settings.bootstrap_servers)
        self._recovery = Recovery(self._place, self._inserter, self._group, read, self._on_step, self._now_s)
        self._has_joined = True
        while not self._stop.is_set():
            fetched = self._group.fetch(self._settings.loader_rows_max, self._gather_s())
            self._unless_superseded(partial(self._load, fetched))
        self._unless_superseded(partial(self._advance, []))

    def close(self) -> None:
        """Wait for the last insert, say how far it is, and leave the group."""
        self._ready = False
        if self._round is not None:
            self._round.inserted.exception()  # Waited for: the store is still in use.
        self._write_status()
        if self._has_joined:
            self._group.close()
        self._store.close()

    def _gather_s(self) -> float:
        return max(self._settings.loader_wait_ms / 1000, min(REST * self._inserter.took_s, REST_S_MAX))

    def _unless_superseded(self, step: Callable[[], None]) -> None:
        try:
            step()
        except Superseded:
            self._forget()

    def _load(self, fetched: list[Records]) -> None:
        """One round up to where the second thread goes on with it."""
        ours = [records for records in fetched if records.source in self._next]
        inserts = self._inserts(self._decoded(self._turns.take(ours)))
        if inserts:
            self._on_step("decoded")
        self._advance(inserts)
        self._look_around()

    def _decoded(self, taken: Iterable[Records]) -> list[tuple[Span, Rows]]:
        """Return the rows of what has its turn, and the ranges that they are."""
        by_table: defaultdict[str, list[Records]] = defaultdict(list)
        for records in taken:
            if records.offsets[0] < (first := self._next[records.source]):
                raise InvariantBroken(
                    f"{records.source}: offset {records.offsets[0]} came after offset {first - 1} was loaded"
                )
            by_table[table_of(records.source.topic).name].append(records)
        decoded = []
        for parts in by_table.values():
            for records, rows in zip(parts, rows_of_each(parts, self._last_rows), strict=True):
                source = records.source
                span = Span(source, self._next[source], records.offsets[-1], len(records.offsets))
                self._next[source] = span.last + 1
                self._last_rows[source] = {**self._last_rows[source], **rows.last_rows}
                decoded.append((span, rows))
        return decoded

    def _inserts(self, decoded: list[tuple[Span, Rows]]) -> list[Insert]:
        """Return what is inserted together: of each table as many ranges as their notes have room for."""
        noted_at, parts = int(self._now_s()), {span.source: rows for span, rows in decoded}
        by_table: defaultdict[str, list[Span]] = defaultdict(list)
        for span, rows in decoded:
            by_table[rows.table.name].append(span)
        inserts = []
        for table, found in by_table.items():
            for spans in together(found):
                rows_of_all = [parts[span.source] for span in spans]
                pendings = noted(spans, self._layouts[table], noted_at)
                ranges = [Range.of(pendings[rows.source], rows, rows.months()) for rows in rows_of_all]
                inserts.append(Insert.of(ranges, rows_of_all, {month for one in ranges for month in one.months}))
        return inserts

    def _advance(self, inserts: list[Insert]) -> None:
        """Finish the round in progress, if there is one, and begin one with these inserts, if there are any."""
        done, ranges = self._finished(), [one for insert in inserts for one in insert.ranges]
        marks = {one.source: one.done for one in done} | {one.source: one.noted for one in ranges}
        if not marks:
            return
        self._group.commit(marks)
        if done:
            self._on_step("advanced")
        if ranges:
            self._on_step("noted")
            self._round = Round(ranges, self._second.submit(self._inserter.load, inserts, dict(self._held)))

    def _finished(self) -> list[Range]:
        """Return the ranges of the round in progress once they are in the tables, or raise what stopped it."""
        if self._round is None:
            return []
        ranges, inserted = self._round
        self._held.update(inserted.result())
        self._round = None
        self._count(ranges)
        return ranges

    def _count(self, ranges: list[Range]) -> None:
        for one in ranges:
            self._counters["inserts", one.source] += len(one.months)
            self._counters["rows", one.source] += sum(one.months.values())

    def _confirm(self, noted: Mapping[TopicPartition, Mark]) -> None:
        """Return if the assignment is confirmed, if need be by noting again what is noted; in the second thread.

        While that thread works, the group cannot give the partitions away unnoticed: `_forget` waits for it.
        """
        if not self._group.is_confirmed():
            self._group.commit(noted)

    def _recover(self, sources: list[TopicPartition]) -> Mapping[TopicPartition, int]:
        """Take over these partitions: repeat what is noted, compare offsets and rows, return where to read on."""
        LOG.info("%s: assigned %d partitions", self._place, len(sources))
        self._forget()
        self._layouts = self._inserter.layouts(sources)
        committed, self._held = self._what_is_there(sources)
        starts: dict[TopicPartition, int] = {}
        left: dict[TopicPartition, Pending] = {}
        for source in sources:
            way = resume(source, committed[source], self._held[source].offset_max)
            if way.pending is not None:
                left[source] = way.pending
            starts[source] = self._group.earliest(source) if way.offset == EARLIEST else way.offset
        self._count(self._recovery.repeat(left, self._layouts, self._held))
        self._next = starts
        self._last_rows = {source: held.last_rows for source, held in self._held.items()}
        self._ready = True
        self._write_status()
        return dict(starts)

    def _what_is_there(
        self, sources: list[TopicPartition]
    ) -> tuple[Mapping[TopicPartition, Committed | None], dict[TopicPartition, Held]]:
        """Return what is committed and what the tables hold, both as at one time.

        The two are asked one after the other. Who sleeps in between, and has lost its partitions when it wakes up,
        would take what another loader has done meanwhile for a contradiction, and stop for good. Raises
        BrokerUnavailable if offsets move at every look: another loader works there, and the group does not say so.
        """
        committed = self._group.committed(sources)
        for _ in range(LOOKS_MAX):
            held, before = self._inserter.held(sources), committed
            committed = self._group.committed(sources)
            if committed == before:
                return committed, held
            LOG.info("%s: offsets moved while the tables were asked: asked again", self._place)
        raise BrokerUnavailable(f"{self._place}: another loader goes on with what the group gave to this one")

    def _look_around(self) -> None:
        """Once a second: commit offsets behind markers that no record follows, and write the status.

        Not of partitions that are being inserted, where the offset stays before the noted range, nor of those that wait
        for their turn.
        """
        if time.monotonic() < self._looked_at + STATUS_S:
            return
        self._looked_at = time.monotonic()
        busy = {one.source for one in self._round.ranges} if self._round is not None else set()
        busy |= self._turns.sources
        positions = self._group.positions(self._next)
        behind = {
            source: offset for source, offset in positions.items() if offset > self._next[source] and source not in busy
        }
        if behind:
            self._group.commit({source: Mark(offset) for source, offset in behind.items()})
            self._next.update(behind)
        self._write_status()

    def _forget(self) -> None:
        """Drop what is at hand; the second thread stops at its next insert, for nothing is confirmed any more.

        Its last request is waited for. Raises what only it knows: a broken invariant.
        """
        error = self._round.inserted.exception() if self._round is not None else None
        self._turns.clear()
        self._round, self._next, self._last_rows, self._held, self._ready = None, {}, {}, {}, False
        if error is not None and not isinstance(error, Superseded | SinkUnavailable):
            raise error

    def status(self) -> dict[str, Any]:
        """Return how far the loader is: per partition the next offset, and what this process inserted."""
        return {
            "pid": os.getpid(),
            "place": self._place,
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
