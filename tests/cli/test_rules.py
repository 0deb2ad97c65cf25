"""`esep rules`."""

from __future__ import annotations

import json
from datetime import timedelta
from pathlib import Path

import pytest
from typer.testing import CliRunner

from esep.cli.rules import rules
from esep.errors import FileUnusable
from esep.rules import RULES_FILE, load_rules
from tests.support.alert_books import ALATAU, ESIL, FRIDAY_NOON, MILLION, AlertBooks


def run(*arguments: object) -> str:
    answer = CliRunner().invoke(rules, list(map(str, arguments)))
    if answer.exception:
        raise answer.exception
    return answer.stdout


def counted(*arguments: object) -> dict[str, tuple[int, int]]:
    return {one["rule"]: (one["alerts"], one["persons"]) for one in json.loads(run("count", "--json", *arguments))}


def test_list_shows_every_rule_with_its_mode() -> None:
    told = {one["rule"]: one["mode"] for one in json.loads(run("list", "--json"))}
    assert told == {rule.rule_id: rule.mode for rule in load_rules().all_rules}
    assert "WIN_THRESHOLD" in run("list")


def test_export_gives_a_file_that_check_takes(tmp_path: Path) -> None:
    file = tmp_path / "own.yaml"
    file.write_text(run("export"), encoding="utf-8")
    assert load_rules(file) == load_rules()
    assert json.loads(run("check", file, "--json"))["rules"] == len(load_rules().all_rules)


def test_check_says_what_is_live_or_what_is_wrong(tmp_path: Path) -> None:
    file = tmp_path / "own.yaml"
    text = RULES_FILE.read_text("utf-8")
    file.write_text(
        text.replace(
            "rule: NIGHT_BURST\n    version: 1\n    mode: SHADOW", "rule: NIGHT_BURST\n    version: 1\n    mode: LIVE"
        )
    )
    assert json.loads(run("check", file, "--json"))["live"] == ["WIN_THRESHOLD", "WIN_STRUCTURED", "NIGHT_BURST"]
    assert "NIGHT_BURST" in run("check", file)
    file.write_text(text.replace("severity: LOW", "severity: LOUD", 1))
    with pytest.raises(FileUnusable) as caught:
        run("check", file)
    line = text[: text.index("severity: LOW")].count("\n") + 1
    assert caught.value.detail.startswith(f"line {line}, rules › ")


@pytest.mark.clickhouse
def test_count_says_what_each_rule_finds_in_the_ledger(books: AlertBooks) -> None:
    books.pay(MILLION)
    books.pay(MILLION * 9 // 10)
    books.pay(MILLION // 5, bin_=ESIL, at=FRIDAY_NOON + timedelta(hours=23))
    books.pay(MILLION * 8 // 10, at=FRIDAY_NOON + timedelta(days=5))
    books.pay(MILLION * 8 // 10, bin_=ALATAU, at=FRIDAY_NOON + timedelta(days=8))
    found = counted()
    assert {rule: number for rule, number in found.items() if number != (0, 0)} == {
        "WIN_THRESHOLD": (1, 1), "WIN_STRUCTURED": (1, 1), "WIN_STRUCTURED_SLOW": (2, 1), "WIN_JUST_BELOW": (1, 1),
        "PAYOUT_WITHOUT_WAGER": (4, 1),
    }  # fmt: skip
    assert counted("WIN_THRESHOLD", "--before", "2026-11-20") == {"WIN_THRESHOLD": (0, 0)}
    assert counted("WIN_THRESHOLD", "WIN_STRUCTURED", "--from", "2026-11-21", "--before", "2026-11-22") == {
        "WIN_THRESHOLD": (0, 0), "WIN_STRUCTURED": (1, 1),
    }  # fmt: skip
    assert "WIN_STRUCTURED" in run("count", "WIN_STRUCTURED")
    told = books.query(run("sql", "WIN_STRUCTURED"))
    assert [(one["rule_id"], one["bucket"], len(one["evidence"])) for one in told] == [
        ("WIN_STRUCTURED", "2026-11-21", 2)
    ]


@pytest.mark.parametrize("command", ["sql", "count"])
def test_rule_about_what_did_not_happen_is_refused_and_says_who_tells_it(command: str) -> None:
    with pytest.raises(FileUnusable, match="no posting fulfils it") as caught:
        run(command, "ORGANIZER_SILENT")
    assert "settle --dry-run" in caught.value.hint


def test_rule_that_does_not_exist_is_told() -> None:
    with pytest.raises(FileUnusable, match="no rule NIGHT"):
        run("sql", "NIGHT")
