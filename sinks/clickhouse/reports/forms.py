"""What stands in each report: its tables and their columns, for every language and kind of file the same.

Reads     nothing
Returns   `FORMS`: the tables of each report; `TABLES`: the columns of each table
Promises  nobody else says what a report consists of; the text of Order No. 9 that we have lacks the table of its form,
          so the layout follows the list: one line per person, account and desk apart
          (O9-F, O9-L1 … O9-L5, O9-LN, D934-7..11; box: sinks/clickhouse)
"""

from __future__ import annotations

from typing import Literal, NamedTuple

Kind = Literal["text", "code", "count", "tiyn", "share", "instant"]
ORDER9, MONTHLY, YEARLY, CASH_OUT = "order9", "monthly", "yearly", "cash-out"


class Column(NamedTuple):
    """A column: its name, what its values are, the heading that it shares with its neighbours, its weight on paper.

    share: tenths of a percent. code: a word of ours, which each language has its own word for.
    """

    name: str
    kind: Kind
    group: str = ""
    weight: int = 0


class TableForm(NamedTuple):
    """Columns of a table, and whether it has a row of totals, which has no value in the first column."""

    columns: tuple[Column, ...]
    has_totals: bool = True


WEIGHTS: dict[Kind, int] = {"text": 24, "code": 42, "count": 14, "tiyn": 30, "share": 15, "instant": 19}


def _moved(group: str) -> tuple[Column, ...]:
    """When money moved in one way, how often and how much: the pairs 2 and 3, or 4 and 5, of the list."""
    return (
        Column("first_at", "instant", group),
        Column("last_at", "instant", group),
        Column("count", "count", group, 12),
        Column("tiyn", "tiyn", group, 25),
    )


_IN_OUT = (
    Column("in_cash_tiyn", "tiyn", "received"),
    Column("in_cashless_tiyn", "tiyn", "received"),
    Column("out_cash_tiyn", "tiyn", "paid"),
    Column("out_cashless_tiyn", "tiyn", "paid"),
)
_COMPARED = (
    Column("persons", "count"),
    Column("cash_persons", "count"),
    *_IN_OUT,
    Column("cash_share", "share"),
    Column("change", "share"),
)
TABLES: dict[str, TableForm] = {
    "lines": TableForm(
        (
            Column("number", "count", weight=9),
            Column("iin", "text", weight=25),
            *_moved("deposit"),
            *_moved("withdrawal"),
            *_moved("stake"),
            *_moved("payout"),
        )
    ),
    "inside": TableForm((Column("movement", "code"), Column("count", "count"), Column("tiyn", "tiyn")), False),
    "movements": TableForm(
        (
            Column("number", "count", weight=12),
            Column("iin", "text"),
            Column("movement", "code", weight=36),
            Column("occurred_at", "instant", weight=30),
            Column("tiyn", "tiyn"),
            Column("way", "code", weight=30),
            Column("entry_id", "text", weight=70),
        ),
        False,
    ),
    "organizers": TableForm(
        (
            Column("organizer_bin", "text"),
            Column("organizer_name", "text", weight=44),
            Column("persons", "count"),
            Column("cash_persons", "count"),
            *_IN_OUT,
            Column("stake_tiyn", "tiyn", "bets"),
            Column("winning_tiyn", "tiyn", "bets"),
            Column("returned_tiyn", "tiyn", "bets"),
        )
    ),
    "ways": TableForm(
        (
            Column("movement", "code"),
            Column("way", "code"),
            Column("persons", "count"),
            Column("count", "count"),
            Column("tiyn", "tiyn"),
        ),
        False,
    ),
    "amounts": TableForm((Column("bracket", "code"), Column("persons", "count"), Column("out_cash_tiyn", "tiyn"))),
    "months": TableForm((Column("month", "text"), *_COMPARED), False),
    "years": TableForm((Column("year", "text"), *_COMPARED), False),
    "signs": TableForm(
        (
            Column("sign", "text", weight=12),
            Column("meaning", "code", weight=110),
            Column("persons", "count"),
            Column("in_tiyn", "tiyn"),
            Column("out_tiyn", "tiyn"),
            Column("of_it_cash_tiyn", "tiyn"),
        )
    ),
    "persons": TableForm(
        (
            Column("iin", "text"),
            Column("organizers", "count"),
            *_IN_OUT,
            Column("stake_tiyn", "tiyn", "bets"),
            Column("returned_tiyn", "tiyn", "bets"),
            Column("split_days", "count"),
            Column("sharers", "count"),
            Column("signs", "text"),
        )
    ),
    "coverage": TableForm(
        (
            Column("partition", "count"),
            Column("cause_partition", "count"),
            Column("first_row", "count"),
            Column("last_row", "count"),
            Column("postings", "count"),
            Column("first_offset", "count"),
            Column("last_offset", "count"),
            Column("received_at", "instant", weight=30),
        ),
        False,
    ),
}
FORMS: dict[str, tuple[str, ...]] = {  # `movements` only where they are asked for; each ends with its coverage.
    ORDER9: ("lines", "inside", "movements", "coverage"),
    MONTHLY: ("organizers", "ways", "amounts", "months", "coverage"),
    YEARLY: ("organizers", "ways", "amounts", "months", "years", "coverage"),
    CASH_OUT: ("signs", "persons", "coverage"),
}
NAMES_PERSONS = frozenset({ORDER9, CASH_OUT})
