"""Holds keep every month with a row that they are about, have a history, and show no person."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from esep.errors import UsageError
from esep.sinks.clickhouse.retention import holds
from esep.sinks.clickhouse.retention.holds import Hold, Noted, Scope
from esep.sinks.clickhouse.retention.survey import TABLES_WITH_TERM
from esep.sinks.clickhouse.retention.terms import Place
from tests.sinks.clickhouse.retention.books import INSTANTS, RECEIVED, ledger
from tests.sinks.line import BINS, IINS
from tests.support.examples import examples

if TYPE_CHECKING:
    from clickhouse_connect.driver.client import Client

pytestmark = pytest.mark.clickhouse
ALMATY = ZoneInfo("Asia/Almaty")
MONTHS = sorted({at.year * 100 + at.month for at in INSTANTS})
PLACES = [Place(table.name, month) for table in TABLES_WITH_TERM for month in MONTHS]
NOTED = Noted(datetime(2026, 11, 28, 12, tzinfo=UTC), "7-114/26", "court order", "a.serikova")
DAYS = st.none() | st.sampled_from(
    [at.astimezone(ALMATY).date() + timedelta(days=days) for at in INSTANTS for days in (-41, -40, -1, 0, 1)]
)
SCOPES = st.builds(Scope, st.sampled_from(["", *IINS]), st.sampled_from(["", *BINS]), DAYS, DAYS)


@pytest.fixture(scope="module")
def rows() -> list[dict[str, Any]]:
    return [row for partition in (0, 1) for row in ledger(80, partition=partition).to_dicts()]


def _day(at: datetime) -> date:
    return at.astimezone(ALMATY).date()


def _is_about(scope: Scope, row: dict[str, Any]) -> bool:
    first, last = scope.first_day or date.min, scope.last_day or date.max
    days = [_day(row[name]) for name in ("occurred_at", "wager_occurred_at") if row[name] is not None]
    return (
        scope.iin in {"", row["iin"]}
        and scope.organizer_bin in {"", row["organizer_bin"]}
        and any(first <= day <= last for day in days)
    )


@settings(max_examples=examples(8))
@given(scope=SCOPES)
def test_every_month_with_a_row_that_a_hold_is_about_is_kept_and_no_other_of_the_ledger(
    filled: Client, rows: list[dict[str, Any]], scope: Scope
) -> None:
    """O9-4.7: row by row in Python, and as SQL has it; of refused messages and receipts no fewer are kept."""
    found = holds.keeping(filled, [Hold("h", scope, NOTED)], PLACES)
    expected: dict[int, int] = {}
    for row in rows:
        if _is_about(scope, row):
            month = row["occurred_at"].year * 100 + row["occurred_at"].month
            expected[month] = expected.get(month, 0) + 1
    assert {place.month: one.rows for place, (one,) in found.items() if place.table == "ledger"} == expected
    for table in ("rejected", "receipts"):
        kept = {place.month for place in found if place.table == table}
        since = {at.year * 100 + at.month for at in RECEIVED if _day(at) >= (scope.first_day or date.min)}
        assert kept == (since if scope.organizer_bin in {"", BINS[0]} else set()), "whose they are cannot be told"


def test_holds_have_a_history_and_a_release_ends_one_of_them(filled: Client) -> None:
    scopes = [Scope(iin=IINS[0]), Scope(organizer_bin=BINS[0], first_day=date(2020, 3, 1)), Scope()]
    added = [
        holds.add(filled, scope, NOTED._replace(noted_at=NOTED.noted_at + timedelta(minutes=number)))
        for number, scope in enumerate(scopes)
    ]
    assert [one.scope for one in holds.in_force(filled)] == scopes
    over = Noted(NOTED.noted_at + timedelta(days=1), "7-114/26", "case closed", "b.akhmetov")
    holds.release(filled, added[0].hold_id, over)
    assert [one.scope for one in holds.in_force(filled)] == scopes[1:]
    assert holds.history(filled) == [Hold(added[0].hold_id, scopes[0], NOTED, over), *added[1:]]
    with pytest.raises(UsageError, match="is in force"):
        holds.release(filled, added[0].hold_id, over)


@pytest.mark.parametrize(
    ("scope", "noted", "told"),
    [
        (Scope(iin="900101300008"), NOTED, "the IIN is none"),
        (Scope(organizer_bin=IINS[0]), NOTED, "the BIN is none"),
        (Scope(first_day=date(2020, 2, 1), last_day=date(2020, 1, 1)), NOTED, "before the first"),
        (Scope(), NOTED._replace(case_number=" "), "needs a case number"),
        (Scope(), NOTED._replace(reason=f"about {IINS[0]}"), "the reason has an IIN in it"),
        (Scope(), NOTED._replace(officer=IINS[1]), "the officer has an IIN in it"),
    ],
)
def test_hold_that_says_too_little_or_too_much_is_refused_without_a_number(
    scope: Scope, noted: Noted, told: str
) -> None:
    with pytest.raises(UsageError, match=told) as raised:
        holds.add(None, scope, noted)  # type: ignore[arg-type] - nothing is asked of it
    assert not any(iin in str(raised.value) for iin in (*IINS, "900101300008"))


def test_scope_is_told_without_the_person() -> None:
    scope = Scope(IINS[0], BINS[0], date(2020, 3, 1), None)
    assert str(scope) == f"a person, organizer {BINS[0]}, 2020-03-01 to the end"
    assert (str(Scope()), str(Scope(last_day=date(2020, 1, 1)))) == ("everything", "the beginning to 2020-01-01")
