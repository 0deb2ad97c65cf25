"""`esep rules diff`: in words, and which alerts come, go and change."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest
from typer.testing import CliRunner

from esep.cli.rules import rules
from esep.errors import UsageError
from esep.rules import RULES_FILE
from tests.support.alert_books import ESIL, FRIDAY_NOON, MILLION, PERSON, AlertBooks

if TYPE_CHECKING:
    from pathlib import Path


def run(*arguments: object) -> str:
    answer = CliRunner().invoke(rules, ["diff", *map(str, arguments)])
    if answer.exception:
        raise answer.exception
    return answer.stdout


@pytest.mark.clickhouse
def test_diff_tells_which_alerts_come_go_and_change(books: AlertBooks, tmp_path: Path) -> None:
    """D934-7..11: a longer window finds the second day by payouts of the first, and other sums on the first.

    One that is fulfilled by the same posting with the same values stays, whatever the limit.
    """
    for part, hours in ((5, 0), (5, 1), (3, 30), (3, 32), (9, 100), (9, 101)):
        books.pay(MILLION * part // 10, bin_=ESIL, at=FRIDAY_NOON + timedelta(hours=hours))
    text = RULES_FILE.read_text("utf-8")
    for name in ("sum", "count"):
        head = f"small_winnings_{name}_24h, observed: winnings_{name}, aggregate: {name}, "
        field = "field: amount_tiyn, " if name == "sum" else ""
        assert head + field + "window: 24h" in text
        text = text.replace(head + field + "window: 24h", head + field + "window: 36h")
    limit = "feature: winnings_just_below_30d, at_least: 3"
    file = tmp_path / "new.yaml"
    file.write_text(
        text.replace(limit, limit.replace("least: 3", "least: 2")).replace("rule: DEBTOR\n", "rule: OWES\n"), "utf-8"
    )
    span = ("--from", "2026-11-20", "--to", "2026-11-30")
    found: dict[str, Any] = {one["rule"]: one for one in json.loads(run(RULES_FILE, file, *span, "--json"))}
    assert {name: (one["kind"], one["alerts"]) for name, one in found.items()} == {
        "WIN_STRUCTURED": ("changed", {"come": 1, "go": 0, "change": 0, "stay": 2}),
        "WIN_JUST_BELOW": ("changed", {"come": 1, "go": 0, "change": 0, "stay": 0}),
        "OWES": ("new", {"come": 0, "go": 0, "change": 0, "stay": 0}),
        "DEBTOR": ("gone", {"come": 0, "go": 0, "change": 0, "stay": 0}),
    }
    back = {one["rule"]: one["alerts"] for one in json.loads(run(file, RULES_FILE, *span, "--json"))}
    assert back["WIN_STRUCTURED"] == {"come": 0, "go": 1, "change": 0, "stay": 2}
    shown = run(RULES_FILE, file, *span)
    assert "within 24 hours ≥ 2 → number of WINNING (below 1,000,000.00 tenge) within 36 hours ≥ 2" in shown
    assert PERSON not in shown


def test_diff_needs_no_store_for_words() -> None:
    assert run(RULES_FILE, RULES_FILE) == "The two files say the same.\n"
    with pytest.raises(UsageError, match="first and a last day"):
        run(RULES_FILE, RULES_FILE, "--from", "2026-11-20")
