"""What is written down of a month is what it holds, counted a second time in Python, and counts for nothing yet."""

from __future__ import annotations

from collections import Counter, defaultdict
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

import pytest

from esep.errors import BooksUnbalanced
from esep.sinks.clickhouse.retention.closing import covered, write_down
from esep.sinks.clickhouse.retention.terms import Place
from tests.sinks.clickhouse.retention.books import INSTANTS, ledger, months, totals

if TYPE_CHECKING:
    from clickhouse_connect.driver.client import Client

pytestmark = pytest.mark.clickhouse
ALMATY = ZoneInfo("Asia/Almaty")
DECEMBER = 202012  # With bets of two years.


def _events(rows: list[dict[str, Any]]) -> Counter[str]:
    names = {(row["organizer_bin"], row["stream_id"], row["sequence"], row["revision"]) for row in rows}
    return Counter(bin_ for bin_, *_ in names)


def test_lanes_organizers_and_balances_are_those_of_the_rows(filled: Client) -> None:
    """O9-4.6, O9-4.7: to the unit; an event is gone once none of its postings is left."""
    rows = [row for partition in (0, 1) for row in ledger(80, partition=partition).to_dicts()]
    of_it = [row for row in rows if row["occurred_at"].year * 100 + row["occurred_at"].month == DECEMBER]
    before = totals(filled)
    place = Place("ledger", DECEMBER)
    write_down(filled, place, "one", len(of_it))
    lanes = filled.query(
        "SELECT partition, row_count, distinct_rows, first_row, last_row, first_offset, last_offset, page_offset,"
        " arraySum(mapValues(amounts_tiyn)) FROM retention_lanes WHERE attempt = 'one' ORDER BY partition"
    ).result_rows
    expected = []
    for partition in (0, 1):
        lane = sorted(row["row"] for row in of_it if row["cause_partition"] == partition)
        tiyn = sum(row["amount_tiyn"] for row in of_it if row["cause_partition"] == partition)
        expected.append((partition, len(lane), len(lane), lane[0], lane[-1], lane[0] - 1, lane[-1] - 1, -1, tiyn))
    assert lanes == expected
    told = filled.query(
        "SELECT organizer_bin, row_count, event_count FROM retention_organizers WHERE attempt = 'one'"
    ).result_rows
    left = [row for row in rows if row not in of_it]
    postings = Counter(row["organizer_bin"] for row in of_it)
    gone = _events(rows) - _events(left)
    assert {bin_: (count, events) for bin_, count, events in told} == {b: (postings[b], gone[b]) for b in postings}
    cells: defaultdict[tuple[Any, ...], list[int]] = defaultdict(lambda: [0, 0, 0])
    for row in of_it:
        year = row["occurred_at"].astimezone(ALMATY).year
        sums = cells[row["iin"], row["organizer_bin"], year, row["cause_partition"]]
        sums[0] += 1
        sums[1] += row["leg"] * (row["event_type"] == "WAGER")
        sums[2] += row["amount_tiyn"] * (row["event_type"] == "PAYOUT")
    balances = filled.query(
        "SELECT iin, organizer_bin, year, ledger_partition, posting_count, wager_count, winning_tiyn"
        " FROM closing_balances WHERE attempt = 'one'"
    ).result_rows
    assert {row[:4]: list(row[4:]) for row in balances} == dict(cells)
    assert {year for _, _, year, _ in cells} == {2020, 2021}
    assert totals(filled) == before, "what is not closed counts for nothing"
    assert covered(filled, place, "one") == (len(of_it), 0)
    assert covered(filled, place, "another") == (0, len(of_it))


@pytest.mark.parametrize("table", ["rejected", "receipts", "ledger"])
def test_other_count_than_was_planned_is_an_error(filled: Client, table: str) -> None:
    """As beside a loader that runs although it must not."""
    month = INSTANTS[0].year * 100 + INSTANTS[0].month
    rows = months(filled, table)[month]
    write_down(filled, Place(table, month), f"right-{table}", rows)
    with pytest.raises(BooksUnbalanced, match=f"{table} {month} cannot be closed"):
        write_down(filled, Place(table, month), f"wrong-{table}", rows + 1)
