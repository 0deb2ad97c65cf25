"""What is offered where the cursor stands."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from esep.cli.shell.catalogue import Catalogue, load
from tests.support.report_books import shared_books

if TYPE_CHECKING:
    from esep.embedded.clickhouse import ClickHouseServer

CATALOGUE = Catalogue(
    {
        "ledger": [("iin", "String"), ("amount_tiyn", "Int64")],
        "person_daily": [("iin", "String"), ("day", "Date")],
    },
    ("sum", "sumIf", "toDate"),
    ("SELECT", "SETTINGS", "FROM"),
)


@pytest.mark.parametrize(
    ("before", "after", "offered"),
    [
        ("SELECT * FROM le", "", ["ledger"]),
        ("SELECT * FROM ", "", ["ledger", "person_daily"]),
        ("SELECT am", " FROM ledger", ["amount_tiyn"]),
        ("SELECT d", " FROM person_daily", ["day"]),
        ("SELECT su", "", ["sum", "sumIf"]),
        ("se", "", ["SELECT", "SETTINGS"]),
        ("SELECT l.i", " FROM ledger AS l", ["iin"]),
        ("SELECT p.", " FROM ledger l JOIN person_daily FINAL p ON 1", ["iin", "day"]),
        ("SELECT 'le", "", []),
        ("SELECT -- le", "", []),
        ("\\t", "", ["\\timing"]),
        ("\\d per", "", ["person_daily"]),
        ("SELECT ", "", []),
    ],
)
def test_what_fits_is_offered(before: str, after: str, offered: list[str]) -> None:
    found = CATALOGUE.candidates(before, after)
    assert [one.text for one in found] == offered
    assert all(before[len(before) - one.replaces :].lower() == one.text[: one.replaces].lower() for one in found)


@pytest.mark.clickhouse
def test_catalogue_has_the_views_their_columns_functions_and_keywords(clickhouse: ClickHouseServer) -> None:
    from esep.sinks.clickhouse.client import connect

    with connect(shared_books(clickhouse).settings) as client:
        found = load(client)
    assert ("iin", "String") in found.columns["person_history"]
    assert "uniqExact" in found.functions
    assert "SELECT" in found.keywords
    assert [one.text for one in found.candidates("SELECT * FROM person_hi")] == ["person_history"]
