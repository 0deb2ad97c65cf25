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


def test_rule_that_looks_at_what_its_subject_has_one_of_is_refused() -> None:
    """D934-1..3: a person has one IIN, and a means of payment one hash."""
    of_person = TEXT.replace("    subject: instrument\n", "", 1)
    assert "PAYOUT_TO_FUNDER_OF_OTHERS › when › persons_90d › feature: each person has one iin only" in detail_of(
        of_person
    )
    head, name, tail = TEXT.partition("  - rule: PAYOUT_ELSEWHERE\n")
    of_card = head + name + tail.replace("    event:", "    subject: instrument\n    event:", 1)
    told = "PAYOUT_ELSEWHERE › when › funded_by_this_90d › feature: each instrument has one instrument_hash only"
    assert told in detail_of(of_card)


def test_rule_about_a_means_of_payment_has_no_bucket_of_entries() -> None:
    head, name, tail = TEXT.partition("  - rule: CREDIT_MONEY\n")
    each = tail.replace("    event:", "    subject: instrument\n    event:", 1).replace(
        "bucket: day", "bucket: entry", 1
    )
    assert "CREDIT_MONEY › bucket: a rule about a means of payment is told apart" in detail_of(head + name + each)


def test_weight_is_for_what_a_score_is_made_of_and_a_rule_has_one_score() -> None:
    part = "      - {feature: paid_out_24h, at_least: 20_000_000"
    told = "DROPPER_SCORE › when › paid_out_24h › weight: only what `score` is made of has a weight"
    assert told in detail_of(TEXT.replace(part, f"{part}, weight: 1"))
    head, score, tail = TEXT.partition("      - score:\n")
    parts, end, rest = tail.partition("        at_least: 6\n")
    assert "a rule has one `score`" in detail_of(head + 2 * (score + parts + end) + rest)


def test_key_of_a_market_needs_an_event_that_has_one() -> None:
    text = TEXT.replace("event: {kinds: [WAGER], has: [market]}", "event: {kinds: [WAGER]}")
    assert "OPPOSITE_BETS › event: a feature's key needs `has: [market]` here" in detail_of(text)


def test_text_may_tell_the_score_of_a_rule_that_has_one() -> None:
    other = TEXT.replace("{staked_sum} tenge within 7 days", "{score} tenge within 7 days")
    assert "OPPOSITE_BETS › reason › en: {score} is no observed value" in detail_of(other)
