"""Who bears a sign of cashing out is listed with what the events in force come to, and nobody else (D934-7..11)."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from esep.calendar import start_of_day
from esep.sinks.clickhouse.client import connect
from esep.sinks.clickhouse.reports.facts import Table
from esep.sinks.clickhouse.reports.make import Request, make
from esep.sinks.clickhouse.reports.period import period_of
from tests.sinks.line import BINS, IINS
from tests.support.examples import examples
from tests.support.report_books import DAY, Event, ReportBooks, Reported, days, summed

pytestmark = pytest.mark.clickhouse
HALF = f"{DAY.year}-H2"
OUT = "WITHDRAWAL PAYOUT"
LARGE, MONITORED = 50_000_000, 100_000_000


def split_days(found: Sequence[Event]) -> int:
    days: defaultdict[Any, list[int]] = defaultdict(list)
    for event in found:
        if event.kind == "WINNING" and event.amount_tiyn < MONITORED:
            days[event.day].append(event.amount_tiyn)
    return sum(len(amounts) >= 2 and sum(amounts) >= MONITORED for amounts in days.values())


def sharers(iin: str, everybody: Sequence[Event]) -> int:
    """Persons paid by the most shared of a person's own means; 0 below three of them."""
    paid = [event for event in everybody if event.movement in OUT.split() and event.instrument_hash]
    counts = [
        len({event.iin for event in paid if event.instrument_hash == means})
        for means in {event.instrument_hash for event in paid if event.iin == iin}
    ]
    return max([count for count in counts if count >= 3], default=0)


def conduct(iin: str, everybody: Sequence[Event]) -> tuple[Any, ...] | None:
    """The line of a person by plain Python, None where there is no sign."""
    found = [event for event in everybody if event.iin == iin]
    in_cash, in_cashless = (summed(found, of="DEPOSIT STAKE", is_cash=is_cash) for is_cash in (True, False))
    out_cash, out_cashless = (summed(found, of=OUT, is_cash=is_cash) for is_cash in (True, False))
    deposit, withdrawal = summed(found, of="DEPOSIT"), summed(found, of="WITHDRAWAL")
    wagers = [event for event in found if event.event_type == "WAGER"]
    stake, safe = summed(wagers), summed([event for event in wagers if (event.odds_milli or 9_999) <= 1_100])
    returned = sum(event.amount_tiyn for event in found if event.kind in {"REFUND", "CASH_OUT"})
    days, shared = split_days(found), sharers(iin, everybody)
    signs = {
        "C1": deposit >= LARGE and 10 * withdrawal >= 8 * deposit and 10 * stake <= 2 * deposit,
        "C2": in_cashless >= LARGE and 10 * out_cash >= 8 * in_cashless,
        "C3": days >= 1,
        "C4": shared >= 3,
        "C5": stake >= LARGE and 2 * returned >= stake,
        "C6": stake >= LARGE and 10 * safe >= 8 * stake,
    }
    borne = " ".join(sign for sign, holds in signs.items() if holds)
    organizers = len({event.organizer_bin for event in found})
    sums = (in_cash, in_cashless, out_cash, out_cashless, stake, returned)
    return (iin, organizers, *sums, days, shared, borne) if borne else None


def tables_of(books: ReportBooks, period: str = HALF, bin_: str = "") -> dict[str, Table]:
    with connect(books.settings) as client:
        made = make(client, Request("cash-out", period_of(period), bin_))
    return {table.name: table for table in made.tables}


@settings(max_examples=examples(2))
@given(told=days(20), bin_=st.sampled_from(["", BINS[1]]))
def test_whoever_bears_a_sign_is_listed_and_nobody_else(books: ReportBooks, told: list[Any], bin_: str) -> None:
    books.report(told)
    found = [
        event
        for event in books.in_force
        if event.day.year == DAY.year and event.day.month >= 7 and bin_ in {"", event.organizer_bin}
    ]
    lines = [line for iin in IINS if (line := conduct(iin, found)) is not None]
    lines.sort(key=lambda line: (-line[4], line[0]))
    tables = tables_of(books, bin_=bin_)
    assert list(tables["persons"].rows) == lines
    for sign, _, *told_sums in tables["signs"].rows:
        bearing = [line for line in lines if sign in line[-1].split()]
        assert told_sums == _of_sign(bearing)
    assert list(tables["signs"].totals or ())[2:] == _of_sign(lines)


def _of_sign(lines: Sequence[tuple[Any, ...]]) -> list[int]:
    """Persons, received, paid, paid in cash."""
    return [len(lines), *(sum(sum(line[place] for place in of) for line in lines) for of in ((2, 3), (4, 5), (4,)))]


def test_each_sign_is_found_where_it_was_laid(books: ReportBooks) -> None:
    """One person each, in a month of their own; three who are paid by one card share a sign."""
    at = start_of_day(DAY.replace(year=DAY.year - 3)) + timedelta(hours=12)
    people = [f"80010130{number:04d}" for number in range(9)]

    def event(person: int, event_type: str, amount: int, **other: Any) -> Reported:
        return Reported(Event(event_type, people[person], BINS[0], at, amount, **other))

    books.report(
        [
            event(0, "DEPOSIT", LARGE),
            event(0, "WITHDRAWAL", LARGE),
            event(1, "WAGER", LARGE, funding="CARD"),
            event(1, "PAYOUT", LARGE, payment_method="CASH", kind="WINNING"),
            event(2, "PAYOUT", MONITORED - 1, kind="WINNING"),
            event(2, "PAYOUT", 1, kind="WINNING"),
            *(event(person, "PAYOUT", 7, kind="WINNING", instrument_hash="c" * 64) for person in (3, 4, 5)),
            event(6, "WAGER", LARGE, funding="CASH"),
            event(6, "PAYOUT", LARGE // 2, kind="REFUND"),
            event(7, "WAGER", LARGE, funding="ACCOUNT_BALANCE", odds_milli=1_100),
            event(8, "PAYOUT", MONITORED, kind="WINNING"),  # Monitored by itself: nothing is split.
            event(8, "PAYOUT", 1, kind="WINNING"),
        ]
    )
    rows = tables_of(books, f"{at:%Y-%m}")["persons"].rows
    assert {row[0]: row[-1] for row in rows} == {
        **dict(zip(people[:8], ["C1", "C2", "C3", "C4", "C4", "C4", "C5", "C6"], strict=True))
    }
