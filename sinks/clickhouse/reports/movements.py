"""Which postings move money between a person and an organizer, and what is left of each after corrections.

Reads     table ledger, what a coverage and a period hold of it
Returns   `Question`: parameters and rows of a statement; the statement IN_FORCE, of what is in force
Promises  account (deposits, withdrawals) and desk or card (stakes, payouts themselves) stay apart, and what a bet moves
          within the account is neither; a posting that lies there twice counts once
          (O9-L2 … O9-L5, O9-LN; box: sinks/clickhouse)
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from esep.calendar import end_of_day, start_of_day
from esep.clock import to_ms
from esep.sinks.clickhouse.reports.coverage import COVERED
from esep.sinks.clickhouse.tables import LEDGER_TABLE

if TYPE_CHECKING:
    from collections.abc import Sequence

    from clickhouse_connect.driver.client import Client

    from esep.sinks.clickhouse.reports.coverage import Coverage
    from esep.sinks.clickhouse.reports.period import Period

MOVEMENTS = ("DEPOSIT", "WITHDRAWAL", "STAKE", "PAYOUT")
INSIDE = ("STAKE_INSIDE", "PAYOUT_INSIDE")
WITHIN = f"""occurred_at BETWEEN fromUnixTimestamp64Milli({{first_ms:Int64}}, 'UTC')
        AND fromUnixTimestamp64Milli({{last_ms:Int64}}, 'UTC')
    AND ({{organizer:String}} = '' OR organizer_bin = {{organizer:String}}) AND {COVERED}"""
# Rows of one identity are in one partition of the table, so that FINAL need not look across them.
SETTINGS = "SETTINGS do_not_merge_across_partitions_select_final = 1"
IN_FORCE = f"""
    SELECT
        iin, organizer_bin, entry_id, occurred_at, event_type, kind, odds_milli, instrument_hash,
        multiIf(
            event_type IN ('DEPOSIT', 'WITHDRAWAL'), event_type,
            event_type = 'WAGER', if(ifNull(funding, '') IN ('ACCOUNT_BALANCE', 'BONUS'), 'STAKE_INSIDE', 'STAKE'),
            payment_method = 'ACCOUNT', 'PAYOUT_INSIDE', 'PAYOUT') AS movement,
        if(payment_method = 'CASH' OR ifNull(funding, '') = 'CASH', 'CASH', payment_method) AS way,
        sum(leg) AS legs, sum(amount_tiyn) AS tiyn
    FROM {LEDGER_TABLE.name} FINAL
    WHERE {WITHIN}
    GROUP BY iin, organizer_bin, entry_id, occurred_at, event_type, kind, odds_milli, instrument_hash, movement, way
    HAVING legs != 0 OR tiyn != 0"""  # noqa: S608 - a name from tables.py
IS_IN, IS_OUT, IS_CASH = "movement IN ('DEPOSIT', 'STAKE')", "movement IN ('WITHDRAWAL', 'PAYOUT')", "way = 'CASH'"


@dataclass(frozen=True, slots=True)
class Question:
    """What is asked: of a coverage, of a period, of one organizer or (empty) of all."""

    client: Client
    coverage: Coverage
    period: Period
    organizer_bin: str = ""

    def rows(self, statement: str, period: Period | None = None) -> Sequence[Sequence[Any]]:
        """Return the answer to a statement that has IN_FORCE or WITHIN in it; period: another than the question's."""
        asked = period or self.period
        parameters = {
            "first_ms": to_ms(start_of_day(asked.first_day)),
            "last_ms": to_ms(end_of_day(asked.last_day)),
            "organizer": self.organizer_bin,
            **self.coverage.parameters,
        }
        answer: Sequence[Sequence[Any]] = self.client.query(
            f"{statement} {SETTINGS}", parameters=parameters
        ).result_rows
        return answer

    def names(self) -> dict[str, str]:
        """Return the organizers' names, by BIN: as the last posting of the period has it."""
        last = "argMax(organizer_name, (occurred_at, ledger_partition, ledger_offset))"
        rows = self.rows(
            f"SELECT organizer_bin, {last} FROM {LEDGER_TABLE.name} WHERE {WITHIN} GROUP BY organizer_bin"  # noqa: S608
        )
        return {str(row[0]): str(row[1]) for row in rows}
