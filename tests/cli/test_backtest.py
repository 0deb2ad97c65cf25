"""`esep rules backtest`: beside what stands and what was decided."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest
from typer.testing import CliRunner

from esep.cli.rules import rules
from esep.errors import UsageError
from esep.rules import RULES_FILE
from tests.support.alert_books import ALATAU, ESIL, FRIDAY_NOON, MILLION, PERSON, AlertBooks

if TYPE_CHECKING:
    from pathlib import Path


def run(*arguments: object) -> str:
    answer = CliRunner().invoke(rules, ["backtest", *map(str, arguments)])
    if answer.exception:
        raise answer.exception
    return answer.stdout


@pytest.mark.clickhouse
@pytest.mark.long
def test_backtest_tells_overlap_and_precision(books: AlertBooks, tmp_path: Path) -> None:
    """D934-7..11: with half the threshold a new alert is found; what was decided tells how often each was right.

    The payout of the day before is out of the span, and what it alone leads to, too. A withdrawn alert does not stand;
    one about a means of payment is none about the person.
    """
    books.alert([books.pay(2 * MILLION, at=FRIDAY_NOON - timedelta(days=1))])
    right, wrong = (books.alert([books.pay(MILLION, at=FRIDAY_NOON + timedelta(hours=n))]) for n in (0, 1))
    books.decide(right, "CONFIRMED")
    books.decide(wrong, "CONFIRMED")
    books.decide(wrong, "FALSE")
    other = books.pay(MILLION, at=FRIDAY_NOON + timedelta(hours=2))
    books.alert([other])
    books.alert([], revision=2, bucket=other.entry_id)
    books.alert([other], bucket="elsewhere", instrument_hash="a" * 64)
    half = books.pay(MILLION // 2, bin_=ESIL, at=FRIDAY_NOON + timedelta(hours=30))
    gone = books.alert([half])  # By no rule of today's: nobody finds it now.
    books.decide(gone, "FALSE")
    books.pay(MILLION * 6 // 10, bin_=ALATAU, at=FRIDAY_NOON + timedelta(hours=31))
    file = tmp_path / "rules.yaml"
    text = RULES_FILE.read_text("utf-8")
    file.write_text(text.replace("large_winning, at_least: 100_000_000", "large_winning, at_least: 100_000_001"))
    span = ("--from", "2026-11-20", "--to", "2026-11-21")
    some = ("--rule", "WIN_THRESHOLD", "--rule", "WIN_STRUCTURED", "--rule", "SHARED_INSTRUMENT")
    found: dict[str, Any] = {one["rule_id"]: one for one in json.loads(run(RULES_FILE, *span, *some, "--json"))}
    threshold, structured = found["WIN_THRESHOLD"], found["WIN_STRUCTURED"]
    assert (threshold["alerts"], threshold["persons"], threshold["by_day"]) == (3, 1, {"2026-11-20": 3})
    assert (threshold["both"], threshold["only_new"], threshold["only_live"]) == (2, 1, 2)
    assert (threshold["per_day"], threshold["most_on_a_day"], threshold["precision"]) == (1.5, 3, 0.5)
    assert threshold["live_precision"] == 0.3333
    assert (structured["alerts"], structured["only_new"], structured["by_day"]) == (1, 1, {"2026-11-21": 1})
    assert structured["precision"] is None
    assert found["SHARED_INSTRUMENT"]["alerts"] == 0
    changed = json.loads(run(file, *span, "--json", "--rule", "WIN_THRESHOLD"))
    assert [(one["rule_id"], one["alerts"], one["only_live"], one["missed_confirmed"]) for one in changed] == [
        ("WIN_THRESHOLD", 0, 4, 1)
    ]
    shown = run(file, *span, "--rule", "WIN_THRESHOLD")
    assert "what officers decided" in shown
    assert PERSON not in shown
    before = run(file, "--from", "2020-01-01", "--to", "2020-01-02", "--rule", "WIN_THRESHOLD")
    assert "Nothing has been decided" in before


def test_days_the_wrong_way_round_are_refused() -> None:
    with pytest.raises(UsageError, match="before the first"):
        run(RULES_FILE, "--from", "2026-02-01", "--to", "2026-01-31")
