"""What the ledger in ClickHouse comes to, in the cells that totals keep: per person, organizer and Almaty year.

Reads     the tables `ledger` and `closing_balances`, and which rows were removed
Returns   the sums of the first so many postings of a partition, and how many of these are there or were removed
Promises  whatever is there counts, so that a posting that were there twice would be seen; a posting that was removed
          counts by its balance; the same sums as the views of the analysts (O9-4.6, O9-4.7; box: sinks/clickhouse)
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple, cast

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
SUMS = ", ".join(
    f"sumIf(leg, {which})::Int64 AS {kind}_count, sumIf(amount_tiyn, {which})::Int64 AS {kind}_tiyn"
    for kind, which in _KINDS.items()
)


_NAMES = tuple(f"{kind}_{unit}" for kind in _KINDS for unit in ("count", "tiyn"))
_CLOSED = "attempt IN (SELECT attempt FROM retention_steps WHERE table_name = 'ledger')"


def rows_there(client: Client, partition: int, row: int) -> int:
    """Return how many different rows up to this one the ledger has, or had, of a partition of its topic."""
    sql = (
        f"SELECT (SELECT uniqExact(row) FROM ledger_counted WHERE {_OF})"  # noqa: S608 - constants of ours
        " + (SELECT sum(distinct_rows)::Int64 FROM retention_lanes"
        f" WHERE table_name = 'ledger' AND partition = {{partition:Int32}} AND {_CLOSED})"
    )
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


class LastPosting(NamedTuple):
    """The last row that the ledger has, or had, of a partition; 0 for none.

    cause_offset, ledger_offset: None where it was removed.
    """

    row: int
    cause_offset: int | None
    ledger_offset: int | None


def last_posting(client: Client, partition: int) -> LastPosting:
    """Return the last posting of a partition of the topic."""
    there = client.query(
        "SELECT max(row), argMax(cause_offset, row), argMax(ledger_offset, row) FROM ledger"
        " WHERE ledger_partition = {partition:Int32}",
        parameters={"partition": partition},
    ).result_rows[0]
    removed = client.query(
        "SELECT max(last_row) FROM retention_lanes"  # noqa: S608 - constants of ours
        f" WHERE table_name = 'ledger' AND partition = {{partition:Int32}} AND {_CLOSED}",
        parameters={"partition": partition},
    ).result_rows[0][0]
    if int(removed) > int(there[0]):
        return LastPosting(int(removed), None, None)
    return LastPosting(*map(int, there)) if there[0] else LastPosting(0, None, None)


def booked(client: Client, partition: int, row: int) -> pl.DataFrame:
    """Return iin, bin (Int64), year (Int16) and a count and a sum of each kind, of the rows up to this one and of all
    that were removed."""
    key = "iin, toInt64(organizer_bin) AS bin"
    sql = (
        f"SELECT iin, bin, year, {', '.join(f'sum(part.{name})::Int64 AS {name}' for name in _NAMES)} FROM ("  # noqa: S608
        f"SELECT {key}, toYear(occurred_at, 'Asia/Almaty')::Int16 AS year, {SUMS} FROM ledger_counted WHERE {_OF}"
        f" GROUP BY iin, bin, year UNION ALL SELECT {key}, year::Int16 AS year, {', '.join(_NAMES)}"
        f" FROM closing_balances WHERE ledger_partition = {{partition:Int32}} AND {_CLOSED}"
        ") AS part GROUP BY iin, bin, year"
    )
    table = client.query_arrow(sql, parameters={"partition": partition, "row": row}, use_strings=True)
    return cast("pl.DataFrame", pl.from_arrow(table))
