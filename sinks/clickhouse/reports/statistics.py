"""Statistics of money received and paid, by month and by year: organizers, ways, sums, months and years compared.

Reads     what a `Question` holds of the ledger
Returns   the tables `organizers`, `ways`, `amounts`, `months` and, of a year, `years`
Promises  no person in any of them; persons are counted exactly, and once in each total whatever they did elsewhere; a
          comparison is over what the same coverage holds of each period
          (D934-7..11; box: sinks/clickhouse)

What is counted is money in cash and not in cash that persons handed to organizers and got from them. Whether it was
come by in a crime the ledger cannot tell, nor whether money that went to a card was then drawn in cash.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from esep.clock import ALMATY
from esep.sinks.clickhouse.reports.facts import Row, Table, share
from esep.sinks.clickhouse.reports.movements import IN_FORCE, IS_CASH, IS_IN, IS_OUT, MOVEMENTS
from esep.sinks.clickhouse.reports.period import Period, months_before, months_of, period_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from esep.sinks.clickhouse.reports.movements import Question

# Lower ends, tiyn, of what one person was paid in cash in the period; 1,000,000 tenge is the threshold of monitoring.
BRACKETS = {
    "UP_TO_100": 0,
    "FROM_100": 100_000_00,
    "FROM_500": 500_000_00,
    "FROM_1000": 1_000_000_00,
    "FROM_5000": 5_000_000_00,
}
SUMS = f"""
    sumIf(tiyn, {IS_IN} AND {IS_CASH}) AS in_cash, sumIf(tiyn, {IS_IN} AND NOT {IS_CASH}) AS in_cashless,
    sumIf(tiyn, {IS_OUT} AND {IS_CASH}) AS out_cash, sumIf(tiyn, {IS_OUT} AND NOT {IS_CASH}) AS out_cashless,
    sumIf(tiyn, event_type = 'WAGER') AS stake,
    sumIf(tiyn, event_type = 'PAYOUT' AND kind = 'WINNING') AS winning,
    sumIf(tiyn, event_type = 'PAYOUT' AND kind != 'WINNING') AS returned,
    sumIf(legs, {IS_OUT} AND {IS_CASH}) AS cash_count, sum(legs) AS all_count"""
_MONTH, _YEAR = "toStartOfMonth", "toStartOfYear"
_MEASURES = ("in_cash", "in_cashless", "out_cash", "out_cashless", "stake", "winning", "returned")
_TOTAL = ", ".join(
    ["countIf(all_count != 0)", "countIf(cash_count != 0)", *(f"sum({measure})" for measure in _MEASURES)]
)


def monthly_tables(question: Question) -> tuple[Table, ...]:
    """Return the statistics of a month, beside each of the twelve months before it."""
    return (*_of_period(question), _compared(question, "months", months_before(question.period), _MONTH))


def yearly_tables(question: Question) -> tuple[Table, ...]:
    """Return the statistics of a year, its months, and the year before it."""
    year = question.period.first_day.year
    years = [period_of(str(year - 1)), period_of(str(year))]
    months = _compared(question, "months", months_of(year), _MONTH)
    return (*_of_period(question), months, _compared(question, "years", years, _YEAR))


def _of_period(question: Question) -> tuple[Table, ...]:
    return (_organizers(question), _ways(question), _amounts(question))


def _organizers(question: Question) -> Table:
    names = question.names()
    found = question.rows(
        f"SELECT organizer_bin, {_TOTAL} FROM (SELECT organizer_bin, iin, {SUMS} FROM ({IN_FORCE})"  # noqa: S608
        " GROUP BY organizer_bin, iin) GROUP BY organizer_bin ORDER BY organizer_bin"
    )
    rows: list[Row] = [(str(row[0]), names[row[0]], *map(int, row[1:])) for row in found]
    return Table("organizers", tuple(rows), (None, None, *_totals(question)))


def _totals(question: Question) -> tuple[int, ...]:
    """Return persons, persons paid in cash, and the sums: over all organizers, so that a person counts once."""
    found = question.rows(f"SELECT {_TOTAL} FROM (SELECT iin, {SUMS} FROM ({IN_FORCE}) GROUP BY iin)")  # noqa: S608
    return tuple(map(int, found[0]))


def _ways(question: Question) -> Table:
    found = question.rows(
        f"SELECT movement, way, countIf(counted != 0), sum(counted) AS times, sum(moved) AS total FROM"  # noqa: S608
        f" (SELECT movement, way, iin, sum(legs) AS counted, sum(tiyn) AS moved FROM ({IN_FORCE})"
        f" WHERE movement IN {MOVEMENTS} GROUP BY movement, way, iin)"
        " GROUP BY movement, way HAVING times != 0 OR total != 0 ORDER BY movement, way"
    )
    in_order = sorted(found, key=lambda row: (MOVEMENTS.index(row[0]), row[1]))
    rows: list[Row] = [(str(row[0]), str(row[1]), *map(int, row[2:])) for row in in_order]
    return Table("ways", tuple(rows))


def _amounts(question: Question) -> Table:
    steps = ", ".join(f"out_cash >= {BRACKETS[name]}, '{name}'" for name in reversed(BRACKETS))
    found = question.rows(
        f"SELECT multiIf({steps}, '') AS bracket, count(), sum(out_cash) FROM"  # noqa: S608 - names of ours
        f" (SELECT iin, {SUMS} FROM ({IN_FORCE}) GROUP BY iin) WHERE out_cash > 0 GROUP BY bracket"
    )
    by_bracket = {str(row[0]): (int(row[1]), int(row[2])) for row in found}
    rows = tuple((name, *by_bracket.get(name, (0, 0))) for name in BRACKETS)
    return Table("amounts", rows, (None, sum(row[1] for row in rows), sum(row[2] for row in rows)))


def _compared(question: Question, name: str, periods: Sequence[Period], begin: str) -> Table:
    """Return a row per period: persons and sums, cash in what was paid, change of cash paid against the row before.

    begin: ClickHouse's function from a day to the first day of its period.
    """
    whole = Period("", periods[0].first_day, periods[-1].last_day)
    found = question.rows(
        f"SELECT first_day, {_TOTAL} FROM (SELECT {begin}(toDate(occurred_at, '{ALMATY}')) AS first_day, iin, {SUMS}"  # noqa: S608
        f" FROM ({IN_FORCE}) GROUP BY first_day, iin) GROUP BY first_day",
        whole,
    )
    by_day = {row[0]: tuple(map(int, row[1:])) for row in found}
    rows: list[Row] = []
    before: int | None = None
    for period in periods:
        told = by_day.get(period.first_day, (0,) * (2 + len(_MEASURES)))
        persons, cash_persons, in_cash, in_cashless, out_cash, out_cashless, *_ = told
        shares = (share(out_cash, out_cash + out_cashless), share(out_cash - before, before) if before else None)
        rows.append((period.label, persons, cash_persons, in_cash, in_cashless, out_cash, out_cashless, *shares))
        before = out_cash
    return Table(name, tuple(rows))
