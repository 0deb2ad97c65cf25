"""Remove the months that may go, step by step, so that a stop between any two leaves nothing half.

Reads     the tables, the holds, the log
Writes    the log and what `closing` writes; drops months of ledger, its roll-ups, rejected and receipts
Promises  nothing goes before what it comes to is written down and closed in the log; at every instant each person's
          totals are what they were; holds are asked again right before each removal; what was cut short is gone on
          with or taken back by the next call (clause O9-4.7; DESIGN §6; box: sinks/clickhouse)

One month of one table at a time:
  1. begun: the log says what may go and why
  2. written: row ranges, counts, balances, all under this attempt; they count for nothing yet
  3. closed: one row of the log, from which on balances count and the month's rows do not
  4. dropped: the month's rows; of the ledger then 5. its roll-ups, made anew from what the ledger has of the month
  6. removed: the log says that they are gone.
No loader may run meanwhile (`Away`): what it added between 2. and 4. would go unseen, and a block that it sends again
because an answer was lost would be taken, for with a month its tokens go.
"""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from typing import TYPE_CHECKING

from esep.clock import retention_horizon
from esep.errors import BooksUnbalanced
from esep.sinks.clickhouse.retention import holds, log
from esep.sinks.clickhouse.retention.closing import covered, write_down
from esep.sinks.clickhouse.retention.survey import stored_month, stored_months, table_named
from esep.sinks.clickhouse.retention.terms import Verdict, plan
from esep.sinks.clickhouse.rollups import ROLLUPS, Month, replace
from esep.sinks.clickhouse.tables import LEDGER_TABLE

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from clickhouse_connect.driver.client import Client

    from esep.sinks.clickhouse.retention.terms import Decision, Place, Stored


@dataclass(frozen=True, slots=True)
class Remover:
    """What removing needs to know of the world.

    away: returns while no loader runs, raises while one does. now: aware; the clock is the caller's. on_step: called
    with the name of each step when it is done, so that tests can stop between any two.
    """

    client: Client
    away: Callable[[], None]
    now: datetime
    on_step: Callable[[str], None] = lambda _: None

    def decisions(self) -> list[Decision]:
        """Return what becomes of each month that is old enough to look at."""
        return self._decided(stored_months(self.client, retention_horizon(self.now)))

    def run(self) -> list[log.Entry]:
        """Finish what was cut short, then remove all that may go; return the last entry of each removal."""
        self.away()
        finished = [self._finish(removal) for removal in log.removals(self.client) if not removal.is_removed]
        going = [decision for decision in self.decisions() if decision.verdict is Verdict.GOES]
        return [*finished, *(self._remove(decision) for decision in going)]

    def _decided(self, stored: list[Stored]) -> list[Decision]:
        in_force = holds.in_force(self.client)
        keeping = holds.keeping(self.client, in_force, [one.place for one in stored]) if stored else {}
        return plan(stored, keeping, retention_horizon(self.now))

    def _remove(self, decision: Decision) -> log.Entry:
        stored = decision.stored
        self.away()
        horizon = retention_horizon(self.now)
        begun = log.begin(self.client, decision, horizon, f"{stored.place.table}-{uuid.uuid4().hex}", self.now)
        self.on_step("begun")
        write_down(self.client, stored.place, begun.attempt, stored.rows)
        self.on_step("written")
        closed = log.note(self.client, begun, "CLOSED", self.now)
        self.on_step("closed")
        return self._drop(closed)

    def _finish(self, removal: log.Removal) -> log.Entry:
        """Go on with a removal that was closed and not brought to its end."""
        closed = next(
            entry for entry in log.entries(self.client) if entry.attempt == removal.attempt and entry.state == "CLOSED"
        )
        return self._drop(closed)

    def _drop(self, closed: log.Entry) -> log.Entry:
        """Drop what was closed, unless a hold or further rows have come; return the last entry."""
        place = closed.place
        there, further = covered(self.client, place, closed.attempt)
        if there:
            if reason := self._against(place, closed, there, further):
                reopened = log.note(self.client, closed, "REOPENED", self.now, reason)
                self.on_step("reopened")
                return reopened
            self.away()
            table = table_named(place.table)
            self.client.command(
                f"ALTER TABLE {table.name} DROP PARTITION {place.month}",
                settings={"max_partition_size_to_drop": 0},  # Or a server refuses what is larger than 50 GB.
            )
            self.on_step("dropped")
        if place.table == LEDGER_TABLE.name:
            self._settle_rollups(place)
        removed = log.note(self.client, closed, "REMOVED", self.now)
        self.on_step("removed")
        return removed

    def _settle_rollups(self, place: Place) -> None:
        """Have the roll-ups say of a month what the ledger says now: nothing, or what has come since it was dropped."""
        is_empty = stored_month(self.client, place) is None
        for rollup in ROLLUPS:
            month = Month(rollup, place.month)
            if is_empty and month.partition == place.month:
                self.client.command(f"ALTER TABLE {rollup} DROP PARTITION {place.month}")
            else:
                replace(self.client, month)
            self.on_step("rolled up")

    def _against(self, place: Place, closed: log.Entry, there: int, further: int) -> str:
        """Return why rows that are closed may not go after all; empty if they may."""
        if there != closed.rows:
            raise BooksUnbalanced(
                f"{place} holds {there:,} of the {closed.rows:,} rows that were closed",
                detail="nobody but `esep retention` may remove rows",
                hint="see `esep reconcile`; nothing was removed",
            )
        if further:
            return f"{further:,} rows have come since"
        stored = stored_month(self.client, place)
        decision = self._decided([stored] if stored else [])[0]
        return "" if decision.verdict is Verdict.GOES else decision.reason
