"""Money that moved, and what bets moved within the account, are together what the roll-ups say (O9-LN)."""

from __future__ import annotations

from collections import Counter
from datetime import date

import pytest

from esep.sinks.clickhouse.client import connect
from esep.sinks.clickhouse.reports.coverage import coverage_of
from esep.sinks.clickhouse.reports.movements import IN_FORCE, INSIDE, MOVEMENTS, Question
from esep.sinks.clickhouse.reports.period import period_of
from tests.sinks.line import BINS
from tests.support.report_books import ReportBooks, history

pytestmark = pytest.mark.clickhouse
ANOTHER_DAY = date(2024, 2, 29)


def test_every_posting_is_in_one_movement_and_the_sums_are_those_of_the_day(books: ReportBooks) -> None:
    books.report(history(6, 80, ANOTHER_DAY))
    kinds = {"DEPOSIT": "deposit", "WITHDRAWAL": "withdrawal"}
    with connect(books.settings) as client:
        question = Question(client, coverage_of(client), period_of(str(ANOTHER_DAY)))
        rows = question.rows(f"SELECT movement, sum(tiyn) FROM ({IN_FORCE}) GROUP BY movement")
        (day,) = client.query(
            "SELECT sum(deposit_tiyn), sum(withdrawal_tiyn), sum(wager_tiyn), sum(paid_tiyn) FROM organizer_daily"
            f" WHERE day = '{ANOTHER_DAY}'"
        ).result_rows
        names = question.names()
    found: Counter[str] = Counter()
    for movement, tiyn in rows:
        assert movement in {*MOVEMENTS, *INSIDE}
        found[kinds.get(movement, movement.partition("_")[0])] += tiyn
    assert (found["deposit"], found["withdrawal"], found["STAKE"], found["PAYOUT"]) == day
    assert names == {bin_: f"ЖШС «Бәс {bin_[-2:]}»" for bin_ in BINS}
