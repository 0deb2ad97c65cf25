"""What the tables hold that may be old enough to go, month by month.

Reads     the tables whose rows have a term: ledger, rejected, receipts
Returns   `Stored` per month that begins before a horizon
Promises  reads only; the youngest bet of a month is the youngest of all of its rows (clause O9-4.7; box:
          sinks/clickhouse)

A posting counts by its bet: a payout by its wager. A refused message and a receipt count by when they were received:
what they are about was bet before that, or, by an organizer's clock, up to five minutes after.
Alerts, dispositions, notices, comparisons and balances have no term here (docs/decisions/0027).
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from esep.clock import AHEAD_MAX
from esep.sinks.clickhouse.retention.terms import Place, Stored
from esep.sinks.clickhouse.tables import LEDGER_TABLE, RECEIPTS_TABLE, REJECTED_TABLE

if TYPE_CHECKING:
    from clickhouse_connect.driver.client import Client

    from esep.sinks.clickhouse.tables import Table

TABLES_WITH_TERM = (LEDGER_TABLE, REJECTED_TABLE, RECEIPTS_TABLE)
_BET_AT = "if(event_type = 'PAYOUT', ifNull(wager_occurred_at, occurred_at), occurred_at)"


def stored_months(client: Client, horizon: datetime) -> list[Stored]:
    """Return the months, in UTC, that begin before the horizon: later ones hold nothing that is past its term, or, in
    a month of payouts alone, nothing that had to go on that very day."""
    before = horizon.astimezone(UTC)
    return [
        stored
        for table in TABLES_WITH_TERM
        for stored in _stored(client, table, f"toYYYYMM({table.instant}) <= {before:%Y%m}")
    ]


def stored_month(client: Client, place: Place) -> Stored | None:
    """Return what there is of one month; None for nothing."""
    table = table_named(place.table)
    return next(iter(_stored(client, table, f"toYYYYMM({table.instant}) = {place.month}")), None)


def table_named(name: str) -> Table:
    """Return the table of this name, one of those with a term."""
    return next(table for table in TABLES_WITH_TERM if table.name == name)


def _stored(client: Client, table: Table, where: str) -> list[Stored]:
    youngest, ahead = (_BET_AT, timedelta(0)) if table is LEDGER_TABLE else (table.instant, AHEAD_MAX)
    rows = client.query(
        f"""
        SELECT toYYYYMM({table.instant}) AS month, count(), toUnixTimestamp64Milli(max({youngest}))
        FROM {table.name} WHERE {where} GROUP BY month ORDER BY month
        """  # noqa: S608 - names from tables.py, numbers of ours
    ).result_rows
    return [
        Stored(Place(table.name, int(month)), int(count), datetime.fromtimestamp(int(ms) / 1000, UTC) + ahead)
        for month, count, ms in rows
    ]
