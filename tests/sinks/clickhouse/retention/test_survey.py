"""The youngest bet of each month as SQL finds it, and as it is found row by row."""

from __future__ import annotations

from collections import defaultdict
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from esep.clock import AHEAD_MAX, retention_horizon
from esep.sinks.clickhouse.retention.survey import stored_month, stored_months
from esep.sinks.clickhouse.retention.terms import Place
from tests.sinks.clickhouse.retention.books import INSTANTS, NEW_YEAR_2021, NOW, ledger

if TYPE_CHECKING:
    from datetime import datetime

    from clickhouse_connect.driver.client import Client

pytestmark = pytest.mark.clickhouse


def test_a_month_is_as_young_as_the_youngest_bet_in_it_and_a_payout_as_its_wager(filled: Client) -> None:
    """O9-4.7: a month in the tables holds payouts of older bets; December has the first hours of the Almaty year."""
    youngest: dict[int, datetime] = {}
    counts: defaultdict[int, int] = defaultdict(int)
    for row in [row for partition in (0, 1) for row in ledger(80, partition=partition).to_dicts()]:
        at = row["occurred_at"]
        bet_at = row["wager_occurred_at"] or at if row["event_type"] == "PAYOUT" else at
        month = at.year * 100 + at.month
        youngest[month] = max(bet_at, youngest.get(month, bet_at))
        counts[month] += 1
    last = 202012
    found = {one.place: one for one in stored_months(filled, retention_horizon(NOW))}
    expected = {month: at for month, at in youngest.items() if month <= last}
    assert {place.month: one.latest_at for place, one in found.items() if place.table == "ledger"} == expected
    rows = {month: count for month, count in counts.items() if month <= last}
    assert {place.month: one.rows for place, one in found.items() if place.table == "ledger"} == rows
    assert youngest[202012] >= NEW_YEAR_2021, "a bet of 2021 lies in the month 2020-12"
    assert found[Place("rejected", 202003)].latest_at - AHEAD_MAX - INSTANTS[0] < timedelta(seconds=1)
    assert stored_month(filled, Place("ledger", 202003)) == found[Place("ledger", 202003)]
    assert stored_month(filled, Place("ledger", 201001)) is None
    before = retention_horizon(NOW) - timedelta(days=250)
    assert {one.place.month for one in stored_months(filled, before)} == {202003}
