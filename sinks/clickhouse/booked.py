"""What the ledger in ClickHouse comes to, in the cells that totals keep: per person, organizer and Almaty year.

Reads     the table `ledger`
Returns   the sums of the first so many postings of a partition, and how many of these are there
Promises  whatever is there counts, so that a posting that were there twice would be seen; the same sums as the views of
          the analysts (O9-4.6; box: sinks/clickhouse)
"""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

import polars as pl

if TYPE_CHECKING:
    from clickhouse_connect.driver.client import Client

_OF = "ledger_partition = {partition:Int32} AND row <= {row:Int64}"
_KINDS = {  # Measure → its postings, as in the views.
    "wager": "event_type = 'WAGER'",
    "winning": "event_type = 'PAYOUT' AND kind = 'WINNING'",
    "refund": "event_type = 'PAYOUT' AND kind = 'REFUND'",
    "cash_out": "event_type = 'PAYOUT' AND kind = 'CASH_OUT'",
    "deposit": "event_type = 'DEPOSIT'",
    "withdrawal": "event_type = 'WITHDRAWAL'",
}
_SUMS = ", ".join(
    f"sumIf(leg, {which})::Int64 AS {kind}_count, sumIf(amount_tiyn, {which})::Int64 AS {kind}_tiyn"
    for kind, which in _KINDS.items()
)


def rows_there(client: Client, partition: int, row: int) -> int:
    """Return how many different rows up to this one the ledger has of a partition of its topic."""
    sql = f"SELECT uniqExact(row) FROM ledger WHERE {_OF}"  # noqa: S608 - constants of ours
    return int(client.query(sql, parameters={"partition": partition, "row": row}).result_rows[0][0])


def row_before(client: Client, partition: int, accepted_offset: int) -> int | None:
    """Return the row of the last posting before an offset of `accepted`; None unless each up to it is there, once."""
    sql = (
        "SELECT count(), uniqExact(row), max(row), countIf(cause_offset >= {offset:Int64}) FROM ledger "
        "WHERE ledger_partition = {partition:Int32} AND row <= (SELECT max(row) FROM ledger "
        "WHERE ledger_partition = {partition:Int32} AND cause_offset < {offset:Int64})"
    )
    parameters = {"partition": partition, "offset": accepted_offset}
    count, distinct, last, behind = map(int, client.query(sql, parameters=parameters).result_rows[0])
    return last if count == distinct == last and not behind else None


def booked(client: Client, partition: int, row: int) -> pl.DataFrame:
    """Return iin, bin (Int64), year (Int16) and a count and a sum of each kind, of the rows up to this one."""
    sql = (
        "SELECT iin, toInt64(organizer_bin) AS bin, toYear(occurred_at, 'Asia/Almaty')::Int16 AS year, "  # noqa: S608
        f"{_SUMS} FROM ledger WHERE {_OF} GROUP BY iin, bin, year"
    )
    table = client.query_arrow(sql, parameters={"partition": partition, "row": row}, use_strings=True)
    return cast("pl.DataFrame", pl.from_arrow(table))
