"""Where a backup is cut: the rows whose records a loader had committed when it began, and those that came later.

Reads     tables, in whole
Writes    on request a table without the rows above the cut
Returns   `LaneRows` of the rows below it
Promises  a backup is taken beside a loader at work, so each table has a different number of rows above the cut, and a
          range with several months may be there in part; below it each record is a row (DESIGN §5; box:
          sinks/clickhouse)
"""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING

from esep.sinks.clickhouse.backup.manifest import LaneRows
from esep.sinks.clickhouse.tables import LEDGER_TABLE, TABLES, table_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    from clickhouse_connect.driver.client import Client

    from esep.lineage import TopicPartition
    from esep.sinks.clickhouse.tables import Table

_POSTING = ", entry_id, revision, leg, iin, amount_tiyn"  # What the digest holds of a ledger's row beside its place.


def below(table: Table, cuts: Mapping[TopicPartition, int]) -> str:
    """Return the condition of the rows below the cut, in SQL; of a partition that has none, no row is.

    >>> from esep.lineage import TopicPartition
    >>> from esep.sinks.clickhouse.tables import LEDGER_TABLE
    >>> below(LEDGER_TABLE, {TopicPartition("ledger", 1): 70, TopicPartition("rejected", 0): 9})
    'ledger_offset < [0, 70][ledger_partition + 1]'
    """
    ends: defaultdict[str, list[int]] = defaultdict(list)
    for source, offset in sorted(cuts.items()):
        if table_of(source.topic) is table:
            known = ends[source.topic]
            known += [0] * (source.partition + 1 - len(known))
            known[source.partition] = offset
    place = f"[{table.partition_column} + 1]"
    if not table.topic_column:
        return f"{table.offset_column} < {ends.get(table.topic, [0])}{place}"
    choices = "".join(f"{table.topic_column} = '{topic}', {known}{place}, " for topic, known in ends.items())
    return f"{table.offset_column} < {f'multiIf({choices}0)' if choices else 0}"


def lanes_below(client: Client, cuts: Mapping[TopicPartition, int]) -> list[LaneRows]:
    """Return the rows of every table below the cut, by lane, in order. Reads a few columns of all rows."""
    return [lane for table in TABLES for lane in _lanes(client, table, cuts)]


def rows_above(client: Client, table: Table, cuts: Mapping[TopicPartition, int]) -> int:
    """Return how many rows of a table are not below the cut."""
    answer = client.query(f"SELECT count() FROM {table.name} WHERE NOT ({below(table, cuts)})")  # noqa: S608 - our names
    return int(answer.result_rows[0][0])


def remove_above(client: Client, table: Table, cuts: Mapping[TopicPartition, int]) -> int:
    """Remove a table's rows that are not below the cut; return how many. Its roll-ups are not touched."""
    if rows := rows_above(client, table, cuts):
        client.command(
            f"ALTER TABLE {table.name} DELETE WHERE NOT ({below(table, cuts)})", settings={"mutations_sync": 2}
        )
    return rows


def _lanes(client: Client, table: Table, cuts: Mapping[TopicPartition, int]) -> list[LaneRows]:
    topic = table.topic_column or f"'{table.topic}'"
    offset, posting = table.offset_column, _POSTING if table is LEDGER_TABLE else ""
    rows = client.query(
        f"""
        SELECT {topic} AS topic, {table.partition_column} AS partition, cause_topic, cause_partition,
            count(), min(row), max(row), min({offset}), max({offset}),
            lower(hex(sum(sipHash64(row, {offset}, cause_offset, {table.instant}{posting}))))
        FROM {table.name} WHERE {below(table, cuts)}
        GROUP BY topic, partition, cause_topic, cause_partition ORDER BY topic, partition, cause_topic, cause_partition
        """  # noqa: S608 - names from tables.py
    ).result_rows
    return [LaneRows(**dict(zip(LaneRows.model_fields, row, strict=True))) for row in rows]
