"""What removals explain: to the loader, that a range is not inserted again; to reconcile, that rows are not missing.

Reads     view retention_steps, tables retention_lanes and retention_organizers
Returns   how far each partition of a topic is removed, by month; what of a page, and of an organizer, was removed
Promises  reads only; a record is removed exactly if it is of a removed month of its table and its offset is not above
          the highest one that was there then: a partition's rows are inserted in the order of their offsets, a month of
          a range as a whole or not at all (DESIGN §5 "Loader"; box: sinks/clickhouse)
"""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

import polars as pl

from esep.lineage import TopicPartition
from esep.sinks.clickhouse.books import Side

if TYPE_CHECKING:
    from clickhouse_connect.driver.client import Client

    from esep.sinks.clickhouse.tables import Table

Ends = dict[TopicPartition, dict[int, int]]  # Of a partition, by month (yyyymm), the first offset that is not removed.
CLOSED_LANES = """
SELECT topic, partition, month, cause_topic, cause_partition, max(last_row), max(last_offset) + 1
FROM retention_lanes WHERE table_name = {table:String} AND attempt IN (SELECT attempt FROM retention_steps)
GROUP BY topic, partition, month, cause_topic, cause_partition
"""
_REMOVED = "attempt IN (SELECT attempt FROM retention_steps WHERE is_removed)"


@dataclass(frozen=True, slots=True)
class Closed:
    """What was closed of a table, gone or about to go.

    last_rows: of a partition, by cause, the highest row number. layout: how often the table lost a month; each time
    tokens went with it.
    """

    ends: Ends = field(default_factory=dict)
    last_rows: dict[TopicPartition, dict[TopicPartition, int]] = field(default_factory=dict)
    layout: int = 0

    def months_from(self, source: TopicPartition, first: int) -> set[int]:
        """Return the months of which a range that begins at this offset was there, whole, if it has any of them."""
        return {month for month, end in self.ends.get(source, {}).items() if end > first}


def closed_of(rows: list[tuple[object, ...]], layout: int) -> Closed:
    """Return what the rows of CLOSED_LANES say."""
    ends: defaultdict[TopicPartition, dict[int, int]] = defaultdict(dict)
    last_rows: defaultdict[TopicPartition, dict[TopicPartition, int]] = defaultdict(dict)
    for topic, partition, month, cause_topic, cause_partition, row, end in rows:
        source, cause = (
            TopicPartition(str(topic), _int(partition)),
            TopicPartition(str(cause_topic), _int(cause_partition)),
        )
        ends[source][_int(month)] = max(_int(end), ends[source].get(_int(month), 0))
        last_rows[source][cause] = max(_int(row), last_rows[source].get(cause, 0))
    return Closed(dict(ends), dict(last_rows), layout)


def removed_ends(client: Client) -> Ends:
    """Return, of all tables, how far each partition is removed: rows that are gone, not those that are about to go."""
    ends: defaultdict[TopicPartition, dict[int, int]] = defaultdict(dict)
    for topic, partition, month, end in client.query(
        f"SELECT topic, partition, month, max(last_offset) + 1 FROM retention_lanes WHERE {_REMOVED} GROUP BY 1, 2, 3"  # noqa: S608
    ).result_rows:
        ends[TopicPartition(topic, partition)][int(month)] = int(end)
    return dict(ends)


def is_removed(table: Table, ends: dict[int, int], offset: pl.Expr) -> pl.Expr:
    """Return whether records with the table's instant and this offset are removed. ends: of their partition."""
    instant = pl.col(table.instant)
    month = instant.dt.year() * 100 + instant.dt.month()
    end = month.cast(pl.Int64).replace_strict(ends, default=0, return_dtype=pl.Int64) if ends else pl.lit(0)
    return offset < end


def removed_between(client: Client, source: TopicPartition, first: int, end: int) -> dict[TopicPartition, Side]:
    """Return, by cause, what was removed after its page was compared, of the pages from first up to end, exclusive."""
    rows = client.query(
        f"""
        SELECT cause_topic, cause_partition, sum(row_count), sum(distinct_rows), min(first_row), max(last_row),
            sumMap(amounts_tiyn)
        FROM retention_lanes
        WHERE topic = {{topic:String}} AND partition = {{partition:Int32}} AND page_offset >= {{first:Int64}}
            AND page_offset < {{end:Int64}} AND {_REMOVED}
        GROUP BY cause_topic, cause_partition
        """,  # noqa: S608 - constants of ours
        parameters={"topic": source.topic, "partition": source.partition, "first": max(0, first), "end": end},
    ).result_rows
    return {
        TopicPartition(topic, partition): Side(int(count), int(distinct), int(low), int(high), _amounts(tiyn))
        for topic, partition, count, distinct, low, high, tiyn in rows
    }


class OfOrganizer(NamedTuple):
    """What was removed of an organizer: postings, events of which none is left, events that removed receipts named."""

    postings: int = 0
    events: int = 0
    receipts_accepted: int = 0


def removed_by_organizer(client: Client) -> dict[str, OfOrganizer]:
    """Return what was removed of each organizer."""
    found: defaultdict[str, Counter[str]] = defaultdict(Counter)
    for table, bin_, rows, events, accepted in client.query(
        "SELECT table_name, organizer_bin, sum(row_count), sum(event_count), sum(accepted_count)"  # noqa: S608
        f" FROM retention_organizers WHERE {_REMOVED} GROUP BY table_name, organizer_bin"
    ).result_rows:
        postings = int(rows) if table == "ledger" else 0
        found[bin_].update(postings=postings, events=int(events), receipts_accepted=int(accepted))
    return {bin_: OfOrganizer(**counts) for bin_, counts in found.items()}


def _amounts(tiyn: dict[str, int]) -> dict[str, int]:
    return {name: int(amount) for name, amount in sorted(tiyn.items())}


def _int(value: object) -> int:
    return int(str(value))
