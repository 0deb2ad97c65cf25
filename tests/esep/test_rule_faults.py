"""Parts of a file of rules that do not go together."""

from __future__ import annotations

import pytest

from esep.errors import FileUnusable
from esep.rule_faults import faults_of
from esep.rules import RULES_FILE, load_rules, parse_rules
from esep.yaml_lines import Fault

TEXT = RULES_FILE.read_text(encoding="utf-8")


def detail_of(text: str) -> str:
    with pytest.raises(FileUnusable, match="does not say what it must") as caught:
        parse_rules(text)
    return caught.value.detail


def test_rules_of_esep_have_no_fault() -> None:
    assert list(faults_of(load_rules())) == []


def test_fault_has_its_place_in_the_file() -> None:
    rules = load_rules()
    renamed = rules.rules[1].model_copy(update={"rule_id": "WIN_THRESHOLD"})
    twice = rules.model_copy(update={"rules": (rules.rules[0], renamed, *rules.rules[2:])})
    assert list(faults_of(twice)) == [Fault(("rules", 1), "there is another one of this name")]


def test_feature_that_no_rule_uses_is_refused() -> None:
    detail = detail_of(TEXT.replace("- {feature: small_winnings_count_24h, at_least: 2}\n", "\n", 1))
    assert "features › small_winnings_count_24h: no rule uses it" in detail


def test_all_faults_are_told_at_once() -> None:
    text = TEXT.replace("{paid_sum} tenge were paid.", "{paid} tenge were paid.").replace(
        "    bucket: week", "    bucket: entry"
    )
    detail = detail_of(text)
    assert "WIN_STRUCTURED_SLOW › bucket" in detail
    assert "LOW_RISK_TURNOVER › reason › en: {paid} is no observed value" in detail
