"""A report covers what it says, by offsets: the same when made again, whatever came since (O9-F, D934-7..11)."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from esep.sinks.clickhouse.client import connect
from esep.sinks.clickhouse.reports import coverage
from esep.sinks.clickhouse.reports.coverage import Coverage, coverage_of, covered_again
from esep.sinks.clickhouse.reports.facts import Report
from esep.sinks.clickhouse.reports.make import Request, make, make_again
from esep.sinks.clickhouse.reports.period import period_of
from tests.sinks.clickhouse.reports.test_order9 import lines_of
from tests.sinks.line import BINS
from tests.support.report_books import DAY, ReportBooks, history

FORM = Request("order9", period_of(str(DAY)), BINS[0])


class Looks:
    """A client that answers each look with the next of some, the last for ever; only its rows are looked at."""

    def __init__(self, *looks: list[tuple[int, ...]]) -> None:
        self.looks = list(looks)

    def query(self, statement: str, parameters: Any = None) -> Any:
        rows = self.looks.pop(0) if len(self.looks) > 1 else self.looks[0]
        return type("Answer", (), {"result_rows": rows})


@pytest.mark.clickhouse
def test_report_made_again_is_the_same_whatever_came_since(books: ReportBooks) -> None:
    books.report(history(1, 40))
    with connect(books.settings) as client:
        before = make(client, FORM)
        books.report(history(2, 40))
        covered = Coverage(before.lanes)
        again, now = make_again(client, FORM, covered), make(client, FORM)
        assert again.content == before.content
        assert now.checksum != before.checksum
        assert now.lanes[0].last_offset > before.lanes[0].last_offset
        assert covered_again(client, covered).lanes == before.lanes


@pytest.mark.clickhouse
def test_what_was_received_later_is_left_out_of_what_was_known_then(books: ReportBooks) -> None:
    """Offsets go on, and yet the report as known at an instant is the same before and after late events came."""
    books.report(history(3, 60))
    start = min(one.first.at for one in history(3, 60)) + timedelta(hours=12)
    known_at = start.replace(microsecond=0)
    with connect(books.settings) as client:
        before = make(client, replace(FORM, known_at=known_at))
        books.report(history(4, 40), received_after=timedelta(days=3))
        after = make(client, replace(FORM, known_at=known_at))
    assert after.content == before.content
    known = [event for event in books.known_at(known_at) if event.organizer_bin == BINS[0] and event.day == DAY]
    assert list(after.tables[0].rows) == lines_of(known)
    assert max(lane.received_at for lane in after.lanes) <= known_at


@pytest.mark.clickhouse
def test_posting_that_lies_there_twice_counts_once(books: ReportBooks) -> None:
    books.report(history(5, 30))
    with connect(books.settings) as client:
        before = make(client, FORM)
        client.command("SYSTEM STOP MERGES ledger")
        books.repeat()
        assert int(client.command("SELECT count() FROM ledger")) > sum(lane.postings for lane in before.lanes)
        assert make(client, FORM).content == before.content


@pytest.mark.clickhouse
def test_coverage_is_what_was_booked_lane_by_lane(books: ReportBooks) -> None:
    with connect(books.settings) as client:
        lanes = coverage_of(client).lanes
    assert [(lane.first_row, lane.last_row, lane.postings) for lane in lanes] == [
        (1, rows, rows) for rows in books.rows
    ]
    assert [(lane.first_offset, lane.last_offset) for lane in lanes] == [(2, 2 * rows) for rows in books.rows]


def test_look_into_an_insert_is_not_taken_while_waiting_helps() -> None:
    torn, whole = [(0, 0, 1, 9, 8, 2, 18, 0)], [(0, 0, 1, 10, 10, 2, 20, 0)]
    (lane,) = coverage_of(Looks(torn, torn, whole)).lanes  # type: ignore[arg-type]
    assert (lane.last_row, lane.postings) == (10, 10)


def test_rows_that_stay_away_are_told_and_hold_nobody_up(monkeypatch: pytest.MonkeyPatch) -> None:
    """Retention takes old rows away for good; the report then says how many it covers of how many there were."""
    monkeypatch.setattr(coverage, "_SETTLE_S_MAX", 0.01)
    (lane,) = coverage_of(Looks([(0, 0, 1, 9, 8, 2, 18, 0)])).lanes  # type: ignore[arg-type]
    assert (lane.last_row, lane.postings) == (9, 8)


def test_nothing_is_covered_of_an_empty_ledger() -> None:
    empty = coverage_of(Looks([]))  # type: ignore[arg-type]
    assert empty.lanes == ()
    assert empty.parameters["partitions"] == [-1]
    assert Report("order9", BINS[0], "", FORM.period, None, (), ()).checksum
