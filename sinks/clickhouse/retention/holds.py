"""Legal holds: who keeps what is past its term from going, and which months that keeps.

Reads     table retention_holds; the rows that a hold is about
Writes    a row per hold and per release of one; nothing is ever changed
Returns   `Hold`s with their history; per month the holds that hit it
Promises  a month with a single row that a hold is about is kept whole; of what cannot be told apart all is kept; an IIN
          stands in the table and in no text of ours (clause O9-4.7; box: sinks/clickhouse)

The ledger says whose a row is. A refused message may be anybody's, and a receipt answers for many: a hold of a person
keeps all of them, of an organizer's that organizer's, and one of days those received from its first day on.
"""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING, Any, NamedTuple
from zoneinfo import ZoneInfo

from esep.clock import ALMATY
from esep.errors import UsageError
from esep.identifiers import is_bin, is_iin
from esep.sinks.clickhouse.retention.survey import table_named
from esep.sinks.clickhouse.retention.terms import Keeping, Place
from esep.sinks.clickhouse.tables import LEDGER_TABLE

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from clickhouse_connect.driver.client import Client

    from esep.sinks.clickhouse.tables import Table

_COLUMNS = (
    *("hold_id", "action", "noted_at", "case_number", "reason", "officer"),
    *("iin", "organizer_bin", "first_day", "last_day"),
)


class Scope(NamedTuple):
    """What a hold is about: all that fits every part that is named; with nothing named, everything.

    first_day, last_day: in Almaty, both included.
    """

    iin: str = ""
    organizer_bin: str = ""
    first_day: date | None = None
    last_day: date | None = None

    def __str__(self) -> str:
        days = f"{self.first_day or 'the beginning'} to {self.last_day or 'the end'}"
        parts = [
            *(["a person"] if self.iin else []),
            *([f"organizer {self.organizer_bin}"] if self.organizer_bin else []),
            *([days] if self.first_day or self.last_day else []),
        ]
        return ", ".join(parts) or "everything"


class Noted(NamedTuple):
    """That a hold was added or released: when, by whom, in which case and why."""

    noted_at: datetime
    case_number: str
    reason: str
    officer: str


@dataclass(frozen=True, slots=True)
class Hold:
    """A hold. released: None while it is in force."""

    hold_id: str
    scope: Scope
    added: Noted
    released: Noted | None = None


def add(client: Client, scope: Scope, noted: Noted) -> Hold:
    """Write a hold down and return it; it is in force for every removal that has not begun.

    Raises UsageError where it says too little or names nobody who can be.
    """
    if scope.iin and not is_iin(scope.iin):
        raise UsageError("the IIN is none", hint="its control digit is wrong, or it is not twelve digits")
    if scope.organizer_bin and not is_bin(scope.organizer_bin):
        raise UsageError("the BIN is none", hint="its control digit is wrong, or it is not twelve digits")
    if scope.first_day and scope.last_day and scope.last_day < scope.first_day:
        raise UsageError("the last day comes before the first")
    hold = Hold(f"hold-{uuid.uuid4().hex[:10]}", scope, _whole(noted))
    _write(client, hold.hold_id, "ADDED", hold.added, scope)
    return hold


def release(client: Client, hold_id: str, noted: Noted) -> Hold:
    """Write down that a hold is over, and return it; UsageError if none of this name is in force."""
    hold = next((one for one in in_force(client) if one.hold_id == hold_id), None)
    if hold is None:
        raise UsageError(f"no hold {hold_id} is in force", hint="`esep retention hold list` shows them")
    _write(client, hold_id, "RELEASED", _whole(noted), Scope())
    return Hold(hold_id, hold.scope, hold.added, noted)


def history(client: Client) -> list[Hold]:
    """Return every hold there ever was, in the order in which they were added."""
    added: dict[str, Hold] = {}
    rows = client.query(
        f"SELECT {', '.join(_COLUMNS)} FROM retention_holds ORDER BY noted_at, action",  # noqa: S608 - our names
        query_tz="UTC",
    ).result_rows
    for hold_id, action, at, *rest in rows:
        noted = Noted(at.replace(tzinfo=UTC), *rest[:3])
        if action == "ADDED":
            added[hold_id] = Hold(hold_id, Scope(*rest[3:]), noted)
        else:
            added[hold_id] = Hold(hold_id, added[hold_id].scope, added[hold_id].added, noted)
    return list(added.values())


def in_force(client: Client) -> list[Hold]:
    """Return the holds that were not released."""
    return [hold for hold in history(client) if hold.released is None]


def keeping(client: Client, holds: Sequence[Hold], places: Iterable[Place]) -> dict[Place, list[Keeping]]:
    """Return, of these months, which holds hit them, and how many of their rows."""
    months: dict[str, set[int]] = {}
    for place in places:
        months.setdefault(place.table, set()).add(place.month)
    found: dict[Place, list[Keeping]] = {}
    for hold in holds:
        for name, asked in months.items():
            for month, rows in _hit(client, table_named(name), hold.scope, asked).items():
                found.setdefault(Place(name, month), []).append(Keeping(hold.hold_id, hold.added.case_number, rows))
    return found


def _hit(client: Client, table: Table, scope: Scope, months: set[int]) -> dict[int, int]:
    conditions, parameters = _condition(table, scope)
    month = f"toYYYYMM({table.instant})"
    rows = client.query(
        f"SELECT {month} AS month, count() FROM {table.name}"  # noqa: S608 - names from tables.py
        f" WHERE {' AND '.join([f'{month} IN {{months:Array(UInt32)}}', *conditions])} GROUP BY month",
        parameters={**parameters, "months": sorted(months)},
    ).result_rows
    return {int(month): int(count) for month, count in rows}


def _condition(table: Table, scope: Scope) -> tuple[list[str], dict[str, Any]]:
    """Return which rows of a table a hold is about: SQL conditions and their parameters."""
    first, end = _midnight(scope.first_day), _midnight(scope.last_day, days=1)
    conditions = ["organizer_bin = {bin:String}"] if scope.organizer_bin else []
    if table is not LEDGER_TABLE:
        conditions += ["received_at >= {first:DateTime64(3, 'UTC')}"] if first else []
    else:
        conditions += ["iin = {iin:String}"] if scope.iin else []
        within = [
            *(["{at} >= {{first:DateTime64(3, 'UTC')}}"] if first else []),
            *(["{at} < {{end:DateTime64(3, 'UTC')}}"] if end else []),
        ]
        if within:  # A payout is of its own days and of its wager's.
            own, wagers = (" AND ".join(within).format(at=at) for at in ("occurred_at", "wager_occurred_at"))
            conditions.append(f"(({own}) OR ifNull({wagers}, false))")
    values = {"iin": scope.iin, "bin": scope.organizer_bin, "first": first, "end": end}
    return conditions, {name: value for name, value in values.items() if value}


def _midnight(day: date | None, days: int = 0) -> str | None:
    """Return when a day, or the one so many days after it, begins in Almaty, in UTC, as ClickHouse reads it."""
    if day is None:
        return None
    begins = datetime.combine(day + timedelta(days=days), datetime.min.time(), ZoneInfo(ALMATY))
    return f"{begins.astimezone(UTC):%Y-%m-%d %H:%M:%S}"


def _whole(noted: Noted) -> Noted:
    """Return what is noted if it says who, in which case and why, and names no person."""
    texts = {"case number": noted.case_number, "reason": noted.reason, "officer": noted.officer}
    for name, text in texts.items():
        if not text.strip():
            raise UsageError(f"a hold needs a {name}")
        digits = "".join(character if character.isdigit() else " " for character in text).split()
        if any(is_iin(number) for number in digits):
            raise UsageError(f"the {name} has an IIN in it", hint="lists of holds are shown and printed: leave it out")
    return noted


def _write(client: Client, hold_id: str, action: str, noted: Noted, scope: Scope) -> None:
    row = [hold_id, action, *noted, *scope]
    client.insert("retention_holds", [row], column_names=_COLUMNS)
