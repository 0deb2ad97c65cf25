"""Write down what a month holds before it goes: row ranges, counts by organizer, closing balances.

Reads     the month's rows in their table; the pages that were compared (`reconciliations`)
Writes    retention_lanes, retention_organizers and, of the ledger, closing_balances, under one attempt
Promises  what is written is what the month holds, to the row and the tiyn, or BooksUnbalanced; nothing of it counts
          before the attempt is closed (clauses O9-4.6, O9-4.7; DESIGN §5, §6; box: sinks/clickhouse)
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from esep.errors import BooksUnbalanced
from esep.sinks.clickhouse.booked import SUMS
from esep.sinks.clickhouse.retention.survey import table_named
from esep.sinks.clickhouse.tables import LEDGER_TABLE, RECEIPTS_TABLE

if TYPE_CHECKING:
    from clickhouse_connect.driver.client import Client

    from esep.sinks.clickhouse.retention.terms import Place
    from esep.sinks.clickhouse.tables import Table

_LANES = """
INSERT INTO retention_lanes
SELECT
    {{attempt:String}}, '{table}', {month}, one.topic, one.partition, one.cause_topic, one.cause_partition,
    if(one.offset < page.end_offset, page.first_offset, -1) AS page_offset,
    count(), uniqExact(one.row), min(one.row), max(one.row), min(one.offset), max(one.offset), {amounts}
FROM
(
    SELECT {topic} AS topic, {partition} AS partition, cause_topic, cause_partition, row, {offset} AS offset{amount}
    FROM {table} WHERE toYYYYMM({instant}) = {month}
) AS one
ASOF LEFT JOIN
(
    SELECT topic, partition, first_offset, max(end_offset) AS end_offset
    FROM reconciliations GROUP BY topic, partition, first_offset
) AS page ON page.topic = one.topic AND page.partition = one.partition AND page.first_offset <= one.offset
GROUP BY one.topic, one.partition, one.cause_topic, one.cause_partition, page_offset
"""
# A correction has postings of the same revision in two months, where it moved a bet: it counts as gone with the second.
_EVENTS = """
uniqExactIf((stream_id, sequence, revision), revision = 0 OR (organizer_bin, stream_id, sequence, revision) NOT IN
(
    SELECT organizer_bin, stream_id, sequence, revision FROM ledger
    WHERE revision > 0 AND toYYYYMM(occurred_at) != {month}
))
"""
_ORGANIZERS = """
INSERT INTO retention_organizers
SELECT {{attempt:String}}, '{table}', {month}, organizer_bin, count(), {events}, {accepted}
FROM {table} WHERE toYYYYMM({instant}) = {month} GROUP BY organizer_bin
"""
_BALANCES = """
INSERT INTO closing_balances
SELECT
    {{attempt:String}}, {month}, ledger_partition, iin, organizer_bin, toYear(occurred_at, 'Asia/Almaty') AS year,
    count(), {sums}, max(occurred_at)
FROM ledger WHERE toYYYYMM(occurred_at) = {month} GROUP BY ledger_partition, iin, organizer_bin, year
"""
_COUNTED = """
SELECT sum(row_count), sum(distinct_rows),
    (SELECT sum(row_count) FROM retention_organizers WHERE attempt = {attempt:String})
FROM retention_lanes WHERE attempt = {attempt:String}
"""
_BALANCED = "SELECT sum(posting_count) FROM closing_balances WHERE attempt = {attempt:String}"
# Rows of a month that an attempt has written down, and others. A lane's later rows have higher offsets.
_COVERED = """
SELECT countIf(offset < ends), countIf(offset >= ends)
FROM (SELECT {topic}::String AS topic, {partition} AS partition, {offset} AS offset FROM {table}
      WHERE toYYYYMM({instant}) = {month}) AS one
LEFT JOIN
(
    SELECT topic::String AS topic, partition, max(last_offset) + 1 AS ends
    FROM retention_lanes WHERE attempt = {{attempt:String}} GROUP BY topic, partition
) AS closed USING (topic, partition)
"""


def write_down(client: Client, place: Place, attempt: str, rows: int) -> None:
    """Write down what a month holds; BooksUnbalanced if that is not so many rows, each once."""
    table = table_named(place.table)
    is_ledger, names = table is LEDGER_TABLE, _names(table, place)
    amount = {
        "amount": ", event_type::String AS event_type, amount_tiyn" if is_ledger else "",
        "amounts": "sumMap(map(one.event_type, one.amount_tiyn))" if is_ledger else "CAST(map(), 'Map(String, Int64)')",
    }
    parameters = {"attempt": attempt}
    client.command(_LANES.format(**names, **amount), parameters=parameters)
    counts = {
        "events": _EVENTS.format(**names) if is_ledger else "0",
        "accepted": "sum(accepted_count + released_count)" if table is RECEIPTS_TABLE else "0",
    }
    client.command(_ORGANIZERS.format(**names, **counts), parameters=parameters)
    if is_ledger:
        client.command(_BALANCES.format(**names, sums=SUMS), parameters=parameters)
    _check(client, place, attempt, rows)


def covered(client: Client, place: Place, attempt: str) -> tuple[int, int]:
    """Return how many of a month's rows, as it is now, an attempt has written down, and how many others there are."""
    names = _names(table_named(place.table), place)
    row = client.query(_COVERED.format(**names), parameters={"attempt": attempt}).result_rows[0]
    return int(row[0]), int(row[1])


def _check(client: Client, place: Place, attempt: str, rows: int) -> None:
    """Raise BooksUnbalanced unless all three tables have counted the same rows, each once."""
    balances = [_BALANCED] if place.table == LEDGER_TABLE.name else []
    told = [
        int(count)
        for question in (_COUNTED, *balances)
        for count in client.query(question, parameters={"attempt": attempt}).result_rows[0]
    ]
    if set(told) != {rows}:
        raise BooksUnbalanced(
            f"{place} cannot be closed",
            detail=f"{rows:,} rows were to go, and it holds {', '.join(f'{count:,}' for count in told)}",
            hint="does a loader run, or is a row there twice? see `esep reconcile`; nothing was removed",
        )


def _names(table: Table, place: Place) -> dict[str, object]:
    return {
        "table": table.name,
        "month": place.month,
        "instant": table.instant,
        "topic": table.topic_column or f"'{table.topic}'",
        "partition": table.partition_column,
        "offset": table.offset_column,
    }
