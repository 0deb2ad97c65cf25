"""The log of removals: what was begun, closed, reopened and removed, and in which order.

Reads     table retention_log, view retention_steps
Writes    a row per step of a removal
Returns   `Entry`s; `Removal`s that count
Promises  rows are added and never changed; a removal that was cut short is found again (clause O9-4.7; box:
          sinks/clickhouse)
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Literal, NamedTuple

from esep.sinks.clickhouse.retention.terms import Place

if TYPE_CHECKING:
    from clickhouse_connect.driver.client import Client

    from esep.sinks.clickhouse.retention.terms import Decision

State = Literal["BEGUN", "CLOSED", "REOPENED", "REMOVED"]
_COLUMNS = (
    *("entry", "noted_at", "table_name", "month", "number", "attempt"),
    *("state", "row_count", "latest_at", "horizon", "reason"),
)


class Entry(NamedTuple):
    """A row of the log; see migration 0012."""

    entry: int
    noted_at: datetime
    place: Place
    number: int
    attempt: str
    state: State
    rows: int
    latest_at: datetime
    horizon: datetime
    reason: str


class Removal(NamedTuple):
    """A removal that counts: its balances do, its rows do not. is_removed: they are gone."""

    place: Place
    number: int
    attempt: str
    rows: int
    is_removed: bool


def entries(client: Client) -> list[Entry]:
    """Return the whole log, in order."""
    rows = client.query(
        f"SELECT {', '.join(_COLUMNS)} FROM retention_log ORDER BY entry, noted_at",  # noqa: S608 - our names
        query_tz="UTC",
    ).result_rows
    return [
        Entry(
            *(int(row[0]), _utc(row[1]), Place(row[2], int(row[3])), int(row[4]), row[5]),
            *(row[6], int(row[7]), _utc(row[8]), _utc(row[9]), row[10]),
        )
        for row in rows
    ]


def removals(client: Client) -> list[Removal]:
    """Return the removals that count, the oldest month first."""
    rows = client.query(
        "SELECT table_name, month, number, attempt, row_count, is_removed FROM retention_steps"
        " ORDER BY month, table_name, number"
    ).result_rows
    return [
        Removal(Place(name, int(month)), int(number), attempt, int(count), bool(gone))
        for name, month, number, attempt, count, gone in rows
    ]


def begin(client: Client, decision: Decision, horizon: datetime, attempt: str, now: datetime) -> Entry:
    """Note that a month may go and that this attempt is made at it; return the entry."""
    place, stored = decision.stored.place, decision.stored
    earlier = [one.number for one in removals(client) if one.place == place and one.is_removed]
    number = max(earlier, default=0) + 1
    first = Entry(0, now, place, number, attempt, "BEGUN", stored.rows, stored.latest_at, horizon, decision.reason)
    return _write(client, first)


def note(client: Client, last: Entry, state: State, now: datetime, reason: str = "") -> Entry:
    """Note the next step of the removal that `last` is of; return the entry."""
    return _write(client, last._replace(state=state, noted_at=now, reason=reason))


def _write(client: Client, entry: Entry) -> Entry:
    highest = client.query("SELECT max(entry) FROM retention_log").result_rows[0][0]
    numbered = entry._replace(entry=int(highest) + 1)
    row = [*numbered[:2], *numbered.place, *numbered[3:]]
    client.insert("retention_log", [row], column_names=_COLUMNS)
    return numbered


def _utc(at: datetime) -> datetime:
    return at.replace(tzinfo=UTC)
