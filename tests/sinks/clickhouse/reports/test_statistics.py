"""Statistics by month and year are what the events in force come to, over all organizers and of one (D934-7..11)."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Sequence
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from esep.sinks.clickhouse.client import connect
from esep.sinks.clickhouse.reports.facts import Table
from esep.sinks.clickhouse.reports.make import Request, make
from esep.sinks.clickhouse.reports.period import period_of
from esep.sinks.clickhouse.reports.statistics import BRACKETS
from tests.sinks.line import BINS
from tests.support.examples import examples
from tests.support.report_books import DAY, Event, ReportBooks, days, summed

pytestmark = pytest.mark.clickhouse
MONTH, YEAR = f"{DAY:%Y-%m}", f"{DAY:%Y}"
IN, OUT = "DEPOSIT STAKE", "WITHDRAWAL PAYOUT"


def persons(found: Sequence[Event]) -> int:
    return len({event.iin for event in found})


def cash_persons(found: Sequence[Event]) -> int:
    return persons([event for event in found if event.movement in OUT.split() and event.is_cash])


def sums(found: Sequence[Event]) -> tuple[int, ...]:
    """Persons, persons paid in cash; received and paid, in cash and not."""
    moved = [summed(found, of=way, is_cash=is_cash) for way in (IN, OUT) for is_cash in (True, False)]
    return (persons(found), cash_persons(found), *moved)


def bets(found: Sequence[Event]) -> tuple[int, ...]:
    return (
        sum(event.amount_tiyn for event in found if event.event_type == "WAGER"),
        sum(event.amount_tiyn for event in found if event.kind == "WINNING"),
        sum(event.amount_tiyn for event in found if event.kind in {"REFUND", "CASH_OUT"}),
    )


def organizers_of(found: Sequence[Event]) -> list[tuple[Any, ...]]:
    by_bin = {bin_: [event for event in found if event.organizer_bin == bin_] for bin_ in BINS}
    return [(bin_, f"ЖШС «Бәс {bin_[-2:]}»", *sums(of), *bets(of)) for bin_, of in sorted(by_bin.items()) if of]


def ways_of(found: Sequence[Event]) -> list[tuple[Any, ...]]:
    ways: defaultdict[tuple[str, str], list[Event]] = defaultdict(list)
    for event in found:
        ways[event.movement, "CASH" if event.is_cash else event.payment_method].append(event)
    order = ("DEPOSIT", "WITHDRAWAL", "STAKE", "PAYOUT")
    return [
        (*key, persons(ways[key]), len(ways[key]), summed(ways[key]))
        for key in sorted(ways, key=lambda key: (order.index(key[0]) if key[0] in order else 9, key[1]))
        if key[0] in order
    ]


def amounts_of(found: Sequence[Event]) -> list[tuple[Any, ...]]:
    got = {
        iin: summed([event for event in found if event.iin == iin], of=OUT, is_cash=True)
        for iin in {e.iin for e in found}
    }
    lower = [*BRACKETS.values(), 10**19]
    return [
        (name, len(within), sum(within))
        for place, name in enumerate(BRACKETS)
        for within in [[sum_ for sum_ in got.values() if sum_ and lower[place] <= sum_ < lower[place + 1]]]
    ]


def compared(labels: Sequence[str], of: Callable[[Event], str], found: Sequence[Event]) -> list[tuple[Any, ...]]:
    rows: list[tuple[Any, ...]] = []
    for label in labels:
        told = sums([event for event in found if of(event) == label])
        out_cash, before = told[4], rows[-1][5] if rows else 0
        paid = out_cash + told[5]
        shares = (_tenths(out_cash, paid), _tenths(out_cash - before, before))
        rows.append((label, *told, *shares))
    return rows


def _tenths(part: int, whole: int) -> int | None:
    """Tenths of a percent, rounded half up, by another way than the report's: with whole parts apart."""
    if not whole:
        return None
    whole_tenths, rest = divmod(part * 1000, whole)
    return whole_tenths + (2 * rest >= whole)


def statistics(books: ReportBooks, form: str, period: str, bin_: str) -> dict[str, Table]:
    with connect(books.settings) as client:
        made = make(client, Request(form, period_of(period), bin_))
    return {table.name: table for table in made.tables}


@settings(max_examples=examples(2))
@given(told=days(), bins=st.permutations(["", BINS[0]]))
def test_statistics_are_the_sum_of_the_events_in_force(books: ReportBooks, told: list[Any], bins: list[str]) -> None:
    books.report(told)
    for bin_, (form, label, shape) in zip(bins, (("monthly", MONTH, "%Y-%m"), ("yearly", YEAR, "%Y")), strict=True):
        everything = [event for event in books.in_force if bin_ in {"", event.organizer_bin}]
        found = [event for event in everything if f"{event.day:{shape}}" == label]
        tables = statistics(books, form, label, bin_)
        assert list(tables["organizers"].rows) == organizers_of(found)
        assert tables["organizers"].totals == (None, None, *sums(found), *bets(found))
        assert list(tables["ways"].rows) == ways_of(found)
        assert list(tables["amounts"].rows) == amounts_of(found)
        months = [row[0] for row in tables["months"].rows]
        assert list(tables["months"].rows) == compared(months, lambda event: f"{event.day:%Y-%m}", everything)
        if form == "yearly":
            years = [str(DAY.year - 1), str(DAY.year)]
            assert list(tables["years"].rows) == compared(years, lambda event: f"{event.day:%Y}", everything)
            assert months == [f"{DAY.year}-{number:02d}" for number in range(1, 13)]
        else:
            assert (len(months), months[0], months[-1]) == (13, f"{DAY.year - 1}-10", MONTH)
