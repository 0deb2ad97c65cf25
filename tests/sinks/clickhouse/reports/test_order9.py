"""The Order's form is what the events in force come to, person by person (O9-F, O9-L1 … O9-L5, O9-LN)."""

from __future__ import annotations

from collections import defaultdict
from datetime import datetime
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings

from esep.sinks.clickhouse.client import connect
from esep.sinks.clickhouse.reports.facts import Table
from esep.sinks.clickhouse.reports.make import Request, make
from esep.sinks.clickhouse.reports.period import period_of
from tests.sinks.line import BINS
from tests.support.examples import examples
from tests.support.report_books import DAY, Event, ReportBooks, almaty_text, days, summed

if TYPE_CHECKING:
    from collections.abc import Sequence

pytestmark = pytest.mark.clickhouse
GROUPS = ("DEPOSIT", "WITHDRAWAL", "STAKE", "PAYOUT")
ROWS_OF_VIEW = (
    "SELECT * EXCEPT (organizer_bin, day) FROM order9_lines WHERE organizer_bin = '{}' AND day = '{}' ORDER BY iin"
)


def lines_of(found: Sequence[Event]) -> list[tuple[Any, ...]]:
    """The form by plain Python: for each person and movement the first and last instant, the number, the sum."""
    persons: defaultdict[str, list[Event]] = defaultdict(list)
    for event in found:
        if event.movement in GROUPS:
            persons[event.iin].append(event)
    lines = []
    for number, iin in enumerate(sorted(persons), 1):
        line: list[Any] = [number, iin]
        for movement in GROUPS:
            moved = [event for event in persons[iin] if event.movement == movement]
            at = [almaty_text(event.at) for event in moved]
            line += [min(at, default=None), max(at, default=None), len(moved), summed(moved)]
        lines.append(tuple(line))
    return lines


def form(books: ReportBooks, bin_: str, **more: Any) -> dict[str, Table]:
    with connect(books.settings) as client:
        made = make(client, Request("order9", period_of(str(DAY)), bin_, **more))
    return {table.name: table for table in made.tables}


@settings(max_examples=examples(2))
@given(told=days())
def test_form_is_the_sum_of_the_events_in_force(books: ReportBooks, told: list[Any]) -> None:
    """Corrections, borders of the day in Almaty, several organizers; earlier examples stay in the ledger."""
    books.report(told)
    for bin_ in BINS:
        found = [event for event in books.in_force if event.organizer_bin == bin_ and event.day == DAY]
        tables = form(books, bin_, with_movements=True)
        lines = lines_of(found)
        assert list(tables["lines"].rows) == lines
        assert tables["lines"].totals == (
            *(None, None),
            *(
                cell
                for place in range(2, 18, 4)
                for cell in (None, None, *(sum(line[at] for line in lines) for at in (place + 2, place + 3)))
            ),
        )
        inside = {row[0]: row[1:] for row in tables["inside"].rows}
        for movement in ("STAKE_INSIDE", "PAYOUT_INSIDE"):
            of_kind = [event for event in found if event.movement == movement]
            assert inside[movement] == (len(of_kind), summed(of_kind))
        moved = sorted(
            (event.iin, event.movement, almaty_text(event.at), event.amount_tiyn)
            for event in found
            if event.movement in GROUPS
        )
        assert sorted(row[1:5] for row in tables["movements"].rows) == moved
        with connect(books.settings) as client:
            view = client.query(ROWS_OF_VIEW.format(bin_, DAY)).result_rows
        assert [_whole_seconds(row) for row in view] == [line[1:] for line in lines]


def _whole_seconds(row: Sequence[Any]) -> tuple[Any, ...]:
    return tuple(almaty_text(cell) if isinstance(cell, datetime) else cell for cell in row)
