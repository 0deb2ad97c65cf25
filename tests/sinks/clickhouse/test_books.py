"""The books balance only if every lane and every organizer does."""

from __future__ import annotations

import json

from hypothesis import given
from hypothesis import strategies as st

from esep.lineage import Lane, TopicPartition
from esep.sinks.clickhouse.books import LaneBooks, OrganizerBooks, Report, Side

LANE = Lane(TopicPartition("accepted", 0), TopicPartition("ledger", 0))
WHOLE = Side(3, 3, 1, 3, {"PAYOUT": 70, "WAGER": 500})
SIDES = st.builds(Side, *[st.integers(0, 3)] * 4, st.just({}))
ORGANIZERS = st.builds(
    OrganizerBooks, st.just("940140000385"), *[st.integers(0, 1)] * 2, st.integers(0, 1) | st.none(), st.integers(0, 1)
)


@given(SIDES, SIDES, ORGANIZERS)
def test_report_balances_if_and_only_if_all_its_parts_do(kafka: Side, clickhouse: Side, told: OrganizerBooks) -> None:
    report = Report((LaneBooks(LANE, WHOLE, WHOLE), LaneBooks(LANE, kafka, clickhouse)), (told,))
    numbers = range(kafka.first, kafka.last + 1) if kafka.count else ()
    equal = kafka == clickhouse and kafka.count == kafka.distinct == len(numbers)
    acknowledged = told.receipts_accepted == told.ledger_events and told.accepted_rows in {None, told.ledger_rows}
    assert report.balanced == (equal and acknowledged) == (report.differences == ()) == report.to_json()["balanced"]


def test_row_that_is_there_twice_is_a_difference() -> None:
    twice = Side(4, 3, 1, 3, WHOLE.amounts_tiyn)
    report = Report((LaneBooks(LANE, WHOLE, twice),), ())
    assert not report.balanced
    assert "accepted/0 to ledger/0" in report.differences[0]
    assert "4 rows, 3 distinct" in str(report)


def test_totals_are_the_sums_over_lanes() -> None:
    report = Report((LaneBooks(LANE, WHOLE, WHOLE), LaneBooks(LANE, WHOLE, Side())), ())
    assert report.amount_tiyn("WAGER", "kafka") == 1000
    assert report.to_json()["totals"]["clickhouse"] == {"rows": 3, "stakes_tiyn": 500, "payouts_tiyn": 70}
    assert json.loads(json.dumps(report.to_json()))["lanes"][0]["output"] == "ledger/0"
