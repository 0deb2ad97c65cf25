"""The lanes into one partition between two offsets, counted on both sides, and what differs, entry by entry.

Reads     committed records of the partition; the rows of the same offsets in its table; what was removed
Returns   `LaneBooks`
Promises  reads only; a row that is there twice is seen before ClickHouse merges it (no FINAL); memory grows with holes;
          an entry is named by organizer, stream and sequence, without what in a stream's name is an IIN (box:
          sinks/clickhouse)
"""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import dataclass, field, replace
from itertools import islice
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import polars as pl

from esep.identifiers import masked
from esep.lineage import Lane, TopicPartition
from esep.security import client_security
from esep.sinks.clickhouse.books import LaneBooks, Side
from esep.sinks.clickhouse.frames import read
from esep.sinks.clickhouse.ranges import read_range
from esep.sinks.clickhouse.retention.removed import is_removed, removed_ends
from esep.sinks.clickhouse.tables import LEDGER_TABLE, Table, table_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from clickhouse_connect.driver.client import Client

    from esep.settings import Settings

ENTRIES_MAX = 20  # Of a lane that differs, so many entries are named.


class Bounds(NamedTuple):
    """The offsets of a partition that are compared: from first, which retention sets, up to end, exclusive."""

    first: int
    end: int


@dataclass(slots=True)
class Tally:
    """What has been seen of one lane so far. runs: disjoint ranges of row numbers, as [first, last], ascending."""

    count: int = 0
    runs: list[tuple[int, int]] = field(default_factory=list)
    amounts_tiyn: Counter[str] = field(default_factory=Counter)

    def add(self, rows: pl.Series) -> None:
        """Count these row numbers, in any order, with repetitions."""
        self.count += len(rows)
        numbers = rows.unique().sort().to_numpy()
        cuts = np.flatnonzero(np.diff(numbers) != 1) + 1
        self.runs = _merged(sorted(self.runs + [(int(run[0]), int(run[-1])) for run in np.split(numbers, cuts)]))

    def side(self) -> Side:
        """Return the lane's books."""
        distinct = sum(last - first + 1 for first, last in self.runs)
        first, last = (self.runs[0][0], self.runs[-1][1]) if self.runs else (0, 0)
        return Side(self.count, distinct, first, last, dict(sorted(self.amounts_tiyn.items())))


def _merged(runs: list[tuple[int, int]]) -> list[tuple[int, int]]:
    """Return ascending runs with those that touch or overlap made one.

    >>> _merged([(1, 3), (2, 5), (6, 6), (8, 9)])
    [(1, 6), (8, 9)]
    """
    merged: list[tuple[int, int]] = []
    for first, last in runs:
        if merged and first <= merged[-1][1] + 1:
            merged[-1] = (merged[-1][0], max(last, merged[-1][1]))
        else:
            merged.append((first, last))
    return merged


def lanes_between(settings: Settings, client: Client, source: TopicPartition, bounds: Bounds) -> list[LaneBooks]:
    """Return the books of every lane into one partition, of those that differ with what differs, entry by entry."""
    ends = removed_ends(client).get(source, {})
    kafka, removed = kafka_sides(settings, source, bounds, ends)
    clickhouse = clickhouse_sides(client, source, bounds)
    books = []
    for cause in sorted(kafka.keys() | clickhouse.keys()):
        sides = kafka.get(cause, Side()), clickhouse.get(cause, Side())
        lane = LaneBooks(Lane(cause, source), *sides, removed=removed.get(cause, Side()))
        if not lane.balanced:
            differing = _differing(settings, client, lane.lane, bounds, ends)
            lane = replace(lane, entries=tuple(islice(differing, ENTRIES_MAX)))
        books.append(lane)
    return books


def _differing(settings: Settings, client: Client, lane: Lane, bounds: Bounds, ends: dict[int, int]) -> Iterator[str]:
    """Yield a sentence per record or row of a lane that the other side lacks, has more often, or has otherwise."""
    source, first, last_row = lane.output, bounds.first, None
    table = table_of(source.topic)
    for records in read_range(settings.bootstrap_servers, source, *bounds, client_security(settings)):
        end = records.offsets[-1] + 1
        kafka = _lane_of(read(records, table.record).with_columns(offset=pl.Series(records.offsets)), lane)
        for number in kafka["row"]:
            if last_row is not None and number != last_row + 1:
                yield f"in Kafka row {number} comes after row {last_row}"
            last_row = number
        gone = is_removed(table, ends, pl.col("offset"))
        there = _rows_there(client, lane, Bounds(first, end))
        yield from _told(kafka.filter(~gone), there, table, kafka.filter(gone))
        first = end
    yield from _told(None, _rows_there(client, lane, Bounds(first, bounds.end)), table)


def _lane_of(frame: pl.DataFrame, lane: Lane) -> pl.DataFrame:
    cause = (pl.col("cause_topic") == lane.cause.topic) & (pl.col("cause_partition") == lane.cause.partition)
    return frame.filter(cause)


def _rows_there(client: Client, lane: Lane, bounds: Bounds) -> pl.DataFrame:
    """Return what the table holds of a lane between two offsets: each record, how often, its amounts' extremes."""
    table = table_of(lane.output.topic)
    where, parameters = _condition(table, lane.output, bounds)
    amounts = "min(amount_tiyn), max(amount_tiyn)" if table is LEDGER_TABLE else "0, 0"
    rows = client.query(
        f"""
        SELECT {table.offset_column}, row, count(), {amounts} FROM {table.name}
        WHERE {where} AND cause_topic = {{cause_topic:String}} AND cause_partition = {{cause_partition:Int32}}
        GROUP BY {table.offset_column}, row
        """,  # noqa: S608 - names from tables.py
        parameters={**parameters, "cause_topic": lane.cause.topic, "cause_partition": lane.cause.partition},
    ).result_rows
    names = ("offset", "row", "there", "least_tiyn", "most_tiyn")
    return pl.DataFrame([tuple(map(int, row)) for row in rows], schema=dict.fromkeys(names, pl.Int64), orient="row")


def _told(
    kafka: pl.DataFrame | None, there: pl.DataFrame, table: Table, removed: pl.DataFrame | None = None
) -> Iterator[str]:
    """Yield a sentence for each record that is not there once, as it is, and each row that is no record's.

    removed: records that are not among the others, for they must not be there any more.
    """
    if kafka is None:
        kafka = pl.DataFrame(schema={"offset": pl.Int64, "row": pl.Int64, "amount_tiyn": pl.Int64})
    both = kafka.join(there, on=["offset", "row"], how="left").sort("offset")
    amount = pl.col("amount_tiyn") if table is LEDGER_TABLE else pl.lit(0)
    right = (pl.col("there") == 1) & (pl.col("least_tiyn") == amount) & (pl.col("most_tiyn") == amount)
    for one in both.filter(~right.fill_null(value=False)).iter_rows(named=True):
        place = f"offset {one['offset']}, row {one['row']}{_entry(one, table)}"
        if one["there"] is None:
            yield f"{place} is not in ClickHouse"
        elif one["there"] > 1:
            yield f"{place} is in ClickHouse {one['there']} times"
        else:
            yield f"{place} has another amount in ClickHouse"
    for offset, row in (
        there.join(kafka, on=["offset", "row"], how="anti").sort("offset").select("offset", "row").rows()
    ):
        is_back = removed is not None and offset in removed["offset"]
        why = "is in ClickHouse although it was removed" if is_back else "is in ClickHouse and not in Kafka"
        yield f"offset {offset}, row {row} {why}"


def _entry(record: dict[str, Any], table: Table) -> str:
    """Return the name of a posting for a sentence; nothing for other records."""
    if table is not LEDGER_TABLE:
        return ""
    name = f"{record['organizer_bin']}/{masked(record['stream_id'])}/{record['sequence']}"
    return f", entry {name} revision {record['revision']}"


def kafka_sides(
    settings: Settings, source: TopicPartition, bounds: Bounds, ends: dict[int, int]
) -> tuple[dict[TopicPartition, Side], dict[TopicPartition, Side]]:
    """Return, by cause, what Kafka holds of a partition between two offsets, and what of that ClickHouse had to remove.

    ends: of the partition, how far its table's months are removed.
    """
    table = table_of(source.topic)
    all_, removed = defaultdict(Tally), defaultdict(Tally)  # type: ignore[var-annotated]
    for records in read_range(settings.bootstrap_servers, source, *bounds, client_security(settings)):
        frame = read(records, table.record).with_columns(offset=pl.Series(records.offsets))
        _tally(all_, frame, table)
        _tally(removed, frame.filter(is_removed(table, ends, pl.col("offset"))), table)
    return tuple({cause: tally.side() for cause, tally in tallies.items()} for tallies in (all_, removed))  # type: ignore[return-value]


def _tally(tallies: defaultdict[TopicPartition, Tally], frame: pl.DataFrame, table: Table) -> None:
    for (topic, partition), part in frame.group_by("cause_topic", "cause_partition"):
        tally = tallies[TopicPartition(str(topic), int(str(partition)))]
        tally.add(part["row"])
        if table is LEDGER_TABLE:
            tally.amounts_tiyn.update(dict(part.group_by("event_type").agg(pl.col("amount_tiyn").sum()).iter_rows()))


def clickhouse_sides(client: Client, source: TopicPartition, bounds: Bounds) -> dict[TopicPartition, Side]:
    """Return, by cause, what the table holds of a partition between two offsets."""
    table = table_of(source.topic)
    where, parameters = _condition(table, source, bounds)
    lanes = client.query(
        f"""
        SELECT cause_topic, cause_partition, count(), uniqExact(row), min(row), max(row)
        FROM {table.name} WHERE {where} GROUP BY cause_topic, cause_partition
        """,  # noqa: S608 - names from tables.py
        parameters=parameters,
    ).result_rows
    amounts = _clickhouse_amounts(client, where, parameters) if table is LEDGER_TABLE else {}
    sides = {}
    for topic, partition, count, distinct, first, last in lanes:
        cause = TopicPartition(topic, partition)
        sides[cause] = Side(count, distinct, first, last, amounts.get(cause, {}))
    return sides


def _clickhouse_amounts(client: Client, where: str, parameters: dict[str, Any]) -> dict[TopicPartition, dict[str, int]]:
    amounts: defaultdict[TopicPartition, dict[str, int]] = defaultdict(dict)
    sums = client.query(
        f"""
        SELECT cause_topic, cause_partition, event_type, sum(amount_tiyn)
        FROM {LEDGER_TABLE.name} WHERE {where} GROUP BY cause_topic, cause_partition, event_type ORDER BY event_type
        """,  # noqa: S608 - names from tables.py
        parameters=parameters,
    ).result_rows
    for topic, partition, event_type, amount in sums:
        amounts[TopicPartition(topic, partition)][event_type] = int(amount)
    return amounts


def _condition(table: Table, source: TopicPartition, bounds: Bounds) -> tuple[str, dict[str, Any]]:
    """Return the rows of a partition between two offsets: an SQL condition and its parameters."""
    parts = [
        *([f"{table.topic_column} = {{topic:String}}"] if table.topic_column else []),
        f"{table.partition_column} = {{partition:Int32}}",
        f"{table.offset_column} >= {{first:Int64}}",
        f"{table.offset_column} < {{end:Int64}}",
    ]
    return " AND ".join(parts), {"topic": source.topic, "partition": source.partition, **bounds._asdict()}
