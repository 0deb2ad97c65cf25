"""What the loader asks of ClickHouse: what a table holds, and to take one block.

Reads     tables, by their projections where one answers
Writes    one block per call, as one insert under one token
Promises  each call is one request; an insert is one block of one month or is refused (box: sinks/clickhouse)
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from zlib import crc32

from clickhouse_connect.driver.exceptions import DatabaseError

from esep.lineage import TopicPartition
from esep.sinks.clickhouse.client import connect, translate
from esep.sinks.clickhouse.retention.removed import CLOSED_LANES, Closed, closed_of

if TYPE_CHECKING:
    from collections.abc import Iterable

    from esep.settings import Settings
    from esep.sinks.clickhouse.pending import Pending
    from esep.sinks.clickhouse.tables import Table

_INSERT = {  # One request, one block, one part: only so is a token the token of all its rows or of none.
    "async_insert": 0,
    "wait_for_async_insert": 1,
    "insert_deduplicate": 1,
    "deduplicate_blocks_in_dependent_materialized_views": 1,  # A roll-up takes a block once, as its table does.
    "input_format_parallel_parsing": 0,
    "min_insert_block_size_rows": 0,
    "min_insert_block_size_bytes": 0,
    "max_insert_block_size": 100_000_000,
    "max_partitions_per_insert_block": 1,
    "throw_on_max_partitions_per_insert_block": 1,
    "optimize_on_insert": 0,  # Or rows of one identity would be merged before `reconcile` could see them.
}


@dataclass(slots=True)
class Held:
    """What a table holds of one topic partition: highest offset (None: nothing), rows, per cause the highest row."""

    offset_max: int | None = None
    rows: int = 0
    last_rows: dict[TopicPartition, int] = field(default_factory=dict)


class Store:
    """The tables of one database. Every call raises SinkUnavailable if nobody answers in time."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._what = f"ClickHouse at {settings.clickhouse_url}"
        self._client = connect(settings)
        self._closed: dict[str, Closed] = {}

    def closed(self, table: Table) -> Closed:
        """Return what was removed of a table, or is about to be; what `held` and `present` count on from now on.

        To be asked whenever partitions are taken over: nothing is removed while a loader runs.
        """
        rows = self._query(CLOSED_LANES, table=table.name)
        layout = self._query(
            "SELECT count() FROM retention_log WHERE table_name = {table:String} AND state = 'CLOSED'", table=table.name
        )[0][0]
        self._closed[table.name] = closed_of(rows, int(layout))
        return self._closed[table.name]

    def close(self) -> None:
        """Close the connections."""
        self._client.close()

    def held(self, *tables: Table) -> dict[TopicPartition, Held]:
        """Return what these tables hold, for each topic partition of which they hold anything or did until removed.

        topic is that of the rows, or the table's only one; rows are counted as they are now. Reads the projections
        `lanes`, whatever the tables' size, all in one request, which costs more than what it asks for.
        """
        rows = self._query(" UNION ALL ".join(map(_lanes_of, tables)))
        found: defaultdict[TopicPartition, Held] = defaultdict(Held)
        for topic, partition, cause_topic, cause_partition, row, offset, count in rows:
            held = found[TopicPartition(topic, partition)]
            held.offset_max = offset if held.offset_max is None else max(held.offset_max, offset)
            held.rows += count
            held.last_rows[TopicPartition(cause_topic, cause_partition)] = row
        for table in tables:
            closed = self._closed.get(table.name) or self.closed(table)
            for source, months in closed.ends.items():
                held = found[source]
                held.offset_max = max(held.offset_max if held.offset_max is not None else -1, max(months.values()) - 1)
                for cause, row in closed.last_rows[source].items():
                    held.last_rows[cause] = max(held.last_rows.get(cause, 0), row)
        return found

    def layout(self, table: Table) -> int:
        """Return a number of what keeps the tokens: it changes with the table or a roll-up, and with the comment of
        either, by which whoever clears tokens, or keeps them although their rows are gone, says so (DESIGN §5).
        """
        rows = self._query(
            "SELECT name, toString(uuid), comment FROM system.tables"
            " WHERE database = currentDatabase() AND name IN {names:Array(String)} ORDER BY name",
            names=[table.name, *table.rollups],
        )
        return crc32(repr(rows).encode())

    def present(self, table: Table, source: TopicPartition, pending: Pending, months: Iterable[int]) -> dict[int, int]:
        """Return how many rows of a noted range the table holds in each of these months; no entry for none.

        Of a month that was there and was removed: 0, or what is left of it.
        """
        closed = self._closed.get(table.name) or self.closed(table)
        removed = dict.fromkeys(closed.months_from(source, pending.first) & set(months), 0)
        topic = f"{table.topic_column} = {{topic:String}} AND" if table.topic_column else ""
        rows = self._query(
            f"""
            SELECT toYYYYMM({table.instant}) AS month, count()
            FROM {table.name}
            WHERE {topic} {table.partition_column} = {{partition:Int32}}
                AND {table.offset_column} BETWEEN {{first:Int64}} AND {{last:Int64}}
                AND toYYYYMM({table.instant}) IN {{months:Array(UInt32)}}
            GROUP BY month
            """,  # noqa: S608 - names from tables.py
            topic=source.topic,
            partition=source.partition,
            first=pending.first,
            last=pending.last,
            months=sorted(months),
        )
        return removed | {int(month): int(count) for month, count in rows}

    def insert(self, table: Table, token: str, block: bytes) -> None:
        """Insert one block; under a token that is known already nothing is added."""
        try:
            self._client.raw_insert(
                table.name, None, block, fmt="ArrowStream", settings={**_INSERT, "insert_deduplication_token": token}
            )
        except DatabaseError as error:
            raise translate(error, self._what) from error

    def _query(self, sql: str, **parameters: object) -> list[tuple[Any, ...]]:
        try:
            return [tuple(row) for row in self._client.query(sql, parameters=parameters).result_rows]
        except DatabaseError as error:
            raise translate(error, self._what) from error


def _lanes_of(table: Table) -> str:
    """Return the question for what a table holds of each lane into it."""
    topic = table.topic_column or f"'{table.topic}'"
    lane = [name for name in (table.topic_column, table.partition_column, "cause_topic", "cause_partition") if name]
    return f"""
        SELECT toString({topic}), {table.partition_column}, toString(cause_topic), cause_partition,
            max(row), max({table.offset_column}), count()
        FROM {table.name}
        GROUP BY {", ".join(lane)}
        """  # noqa: S608 - names from tables.py
