"""Put noted ranges into the tables, and ask the tables whether they hold them.

Reads     ranges as blocks; what the tables hold
Writes    one insert per month of the ranges that are inserted together, under its token
Promises  nothing is sent before the assignment is confirmed; a range whose `load` returns is in its table whole; what
          ClickHouse does not answer is asked again for a bounded time (DESIGN §5 "Loader"; box: sinks/clickhouse)

The loader calls `load` in a thread of its own, beside which it fetches and decodes what comes next. Months of an insert
are sent ascending and inserts one after the other: so one request at a time may be on its way when the process ends.
"""

from __future__ import annotations

import logging
import time
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from esep.errors import SinkUnavailable
from esep.sinks.clickhouse.frames import block_of
from esep.sinks.clickhouse.group import Mark
from esep.sinks.clickhouse.pending import Pending, to_insert, token
from esep.sinks.clickhouse.store import Held, Store
from esep.sinks.clickhouse.tables import Table, table_of

if TYPE_CHECKING:
    import threading
    from collections.abc import Callable, Iterable, Mapping, Sequence
    from typing import TypeVar

    from esep.lineage import TopicPartition
    from esep.sinks.clickhouse.frames import Rows

    T = TypeVar("T")

LOG = logging.getLogger(__name__)
SINK_S_MAX = 60.0  # A ClickHouse that restarts is back within seconds; then the process ends and is started anew.
BACKOFF_S, BACKOFF_S_MAX = 0.1, 2.0


@dataclass(frozen=True, slots=True)
class Range:
    """One partition's part of a round: what is noted of it, and what of it is to be inserted.

    months: rows by month (yyyymm), ascending. last_rows: as in `Rows`.
    """

    source: TopicPartition
    table: Table
    pending: Pending
    months: dict[int, int]
    last_rows: dict[TopicPartition, int]

    @classmethod
    def of(cls, pending: Pending, rows: Rows, months: Mapping[int, int]) -> Range:
        """Return the range of these rows; months: those of them that are to be inserted."""
        return cls(rows.source, rows.table, pending, dict(months), rows.last_rows)

    @property
    def noted(self) -> Mark:
        """What is committed while the range is being inserted."""
        return Mark(self.pending.first, self.pending.encode())

    @property
    def done(self) -> Mark:
        """What is committed once it is inserted."""
        return Mark(self.pending.last + 1)


@dataclass(frozen=True, slots=True)
class Insert:
    """What is inserted together: ranges of one table that are noted with each other, and per month the block of all.

    ranges: those whose offsets this loader moves, at least one. blocks: by month, ascending; rows of ranges beside
    them are in there too.
    """

    ranges: tuple[Range, ...]
    blocks: dict[int, bytes]

    @classmethod
    def of(cls, ranges: Iterable[Range], parts: Sequence[Rows], months: Iterable[int]) -> Insert:
        """Return the insert of these months; parts: the rows of all ranges that are noted with each other, in order."""
        return cls(tuple(ranges), {month: block_of(parts, month) for month in sorted(months)})


class Inserter:
    """The way into the tables. One thread at a time calls it.

    confirm: called before each insert with what is noted; returns once the assignment is confirmed, raises what stops
    the round if it is not in force. on_step: called with `inserted` after each insert. took_s: how long the last `load`
    took.
    """

    def __init__(
        self,
        place: str,
        store: Store,
        stop: threading.Event,
        confirm: Callable[[Mapping[TopicPartition, Mark]], None],
        on_step: Callable[[str], None],
    ) -> None:
        self._place = place
        self._store = store
        self._stop = stop
        self._confirm = confirm
        self._on_step = on_step
        self.took_s = 0.0

    def load(self, inserts: list[Insert], held: Mapping[TopicPartition, Held]) -> dict[TopicPartition, Held]:
        """Insert what is noted; return what the tables hold of its ranges' partitions then.

        held: what the tables held before. Raises SinkUnavailable if a month that was inserted is not there, or if
        ClickHouse does not answer in time: what is missing is inserted at the next start, for the ranges are noted.
        """
        began_at = time.monotonic()
        ranges = [one for insert in inserts for one in insert.ranges]
        marks = {one.source: one.noted for one in ranges}
        for insert in inserts:
            self._insert(insert, marks)
        now = self.held([one.source for one in ranges])
        verified = {one.source: self._verified(one, held[one.source], now[one.source]) for one in ranges}
        self.took_s = time.monotonic() - began_at
        return verified

    def complete(self, one: Insert) -> None:
        """Send once more, under its tokens, what the table holds already: roll-ups that lack it get it.

        ClickHouse writes a block's part of the ledger first and its parts of the roll-ups after it. If it was killed in
        between, and the loader before it could ask again, only this makes up for it.
        """
        self._insert(one, {part.source: part.noted for part in one.ranges})

    def held(self, sources: Iterable[TopicPartition]) -> dict[TopicPartition, Held]:
        """Return what the tables hold of each of these partitions."""
        wanted = list(sources)
        tables = {table_of(source.topic).name: table_of(source.topic) for source in wanted}
        found = self._surely(lambda: self._store.held(*tables.values())) if tables else {}
        return {source: found.get(source, Held()) for source in wanted}

    def layouts(self, sources: Iterable[TopicPartition]) -> dict[str, int]:
        """Return a number for each table that these partitions go into, which is another once tokens or rows were lost.

        It is that of `Store.layout`, and one more with every month that `esep retention` has removed (DESIGN §5). From
        now on, what was removed by then is not missing.
        """
        tables = {table_of(source.topic).name: table_of(source.topic) for source in sources}
        return {name: self._surely(lambda table=table: self._layout(table)) for name, table in tables.items()}  # type: ignore[misc]

    def _layout(self, table: Table) -> int:
        return self._store.layout(table) + self._store.closed(table).layout

    def missing(self, source: TopicPartition, noted: Pending, months: Mapping[int, int]) -> dict[int, int]:
        """Return those of a noted range's months, with their rows, that its table does not hold and never held."""
        present = self._surely(lambda: self._store.present(table_of(source.topic), source, noted, months))
        return {month: months[month] for month in to_insert(source, months, present)}

    def _insert(self, insert: Insert, marks: Mapping[TopicPartition, Mark]) -> None:
        one = insert.ranges[0]
        for month, block in insert.blocks.items():
            name = token(one.source, one.pending, month, one.table.name)

            def send(block: bytes = block, name: str = name) -> None:
                self._confirm(marks)
                self._store.insert(one.table, name, block)

            self._surely(send)
            self._on_step("inserted")

    def _verified(self, one: Range, before: Held, now: Held) -> Held:
        """Return what is held with the range; SinkUnavailable if it is not there.

        Counts may also differ because rows of one identity were merged or an old partition was dropped; then the range
        itself is looked up.
        """
        held = replace(now, last_rows={**before.last_rows, **one.last_rows})
        if now != held or held.rows != before.rows + sum(one.months.values()):
            if missing := self.missing(one.source, one.pending, one.months):
                raise SinkUnavailable(
                    f"{one.source}: table {one.table.name} does not hold what ClickHouse acknowledged",
                    detail=f"months {sorted(missing)} of offsets {one.pending.first} to {one.pending.last}",
                    hint="see ClickHouse's log; a loader that is started anew inserts it again",
                )
            LOG.warning("%s: %s: table %s holds other counts than expected", self._place, one.source, one.table.name)
        return held

    def _surely(self, request: Callable[[], T]) -> T:
        """Return the answer, repeating the same request while ClickHouse does not answer; then SinkUnavailable."""
        give_up_at, backoff_s = time.monotonic() + SINK_S_MAX, BACKOFF_S
        while True:
            try:
                return request()
            except SinkUnavailable as error:
                LOG.warning("%s: %s; again in %.1f s", self._place, error.what, backoff_s)
                if time.monotonic() > give_up_at or self._stop.wait(backoff_s):
                    raise
                backoff_s = min(2 * backoff_s, BACKOFF_S_MAX)
