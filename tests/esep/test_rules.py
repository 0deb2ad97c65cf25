"""The rules as they are declared, and what a file of rules may not say."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from string import Formatter

import pytest

from esep.errors import FileUnusable
from esep.rules import DAY_MS, LANGUAGES, LATENESS_MS, RULES_FILE, Rule, SilenceRule, load_rules, parse_rules

RULES = load_rules()
TEXT = RULES_FILE.read_text(encoding="utf-8")


def faults_of(text: str) -> str:
    with pytest.raises(FileUnusable, match="does not say what it must") as caught:
        parse_rules(text)
    return caught.value.detail


def line_of(text: str, part: str) -> int:
    return text[: text.index(part)].count("\n") + 1


def test_threshold_is_a_million_tenge_inclusive() -> None:
    """AML law 191-IV, Art. 4(1)(1)."""
    threshold, structured = RULES.rule("WIN_THRESHOLD"), RULES.rule("WIN_STRUCTURED")
    assert [condition.at_least for condition, _ in threshold.conditions()] == [1_000_000 * 100]
    assert [condition.at_least for condition, _ in structured.conditions()] == [1_000_000 * 100, 2]
    assert (threshold.severity, threshold.mode) == ("MANDATORY", "LIVE")
    assert (structured.severity, structured.mode) == ("HIGH", "LIVE")


@pytest.mark.parametrize("rule", RULES.all_rules, ids=lambda rule: rule.rule_id)
def test_texts_of_a_rule_tell_the_same_values_in_each_language(rule: Rule | SilenceRule) -> None:
    told = [
        {name for _, name, _, _ in Formatter().parse(getattr(rule.reason, language)) if name} for language in LANGUAGES
    ]
    assert told[0] == told[1] == told[2]
    assert all(any("а" <= sign <= "я" for sign in getattr(rule.reason, language)) for language in ("kk", "ru"))


def test_only_the_two_rules_of_winnings_are_live() -> None:
    """What else is LIVE was decided by an officer, after a look at what SQL says it would raise."""
    assert [rule.rule_id for rule in RULES.all_rules if rule.raised] == ["WIN_THRESHOLD", "WIN_STRUCTURED"]


@pytest.mark.parametrize(
    ("given", "written", "told"),
    [
        ("    version: 1\n", "    versoin: 1\n", "WIN_THRESHOLD › versoin: Extra inputs"),
        ("    version: 1\n", "", "WIN_THRESHOLD › version: Field required"),
        ("mode: LIVE", "mode: ON", "WIN_THRESHOLD › mode: Input should be 'LIVE' or 'SHADOW'"),
        ("window: 24h", "window: 24 hours", "small_winnings_sum_24h › window: a window is written as"),
        ("window: 24h", "window: 1831d", "small_winnings_sum_24h › window: Input should be less than"),
        ("window: 24h", "window: 91d", "small_winnings_sum_24h › window: the stage looks back 90 days at most"),
        (
            "    engine: nightly\n    waits: 7d",
            "    waits: 7d",
            "PAYOUT_WITHOUT_WAGER › waits: the stage waits for nothing",
        ),
        ("count_24h, at_least: 2}", "count_24h, at_least: 2.5}", "a limit is a whole number"),
        ("count_24h, at_least: 2}", "count_24h}", "has one of at_least and at_most"),
        ("at_least: 2}", "at_least: 2, at_most: 9}", "has one of at_least and at_most"),
        ("at_least: 2}", 'at_least: "2"}', "a number is expected"),
        (
            "{feature: small_winnings_count_24h, at",
            "{feature: small_winnings, at",
            "there is no feature small_winnings",
        ),
        ("    bucket: day", "    bucket: entry", "WIN_STRUCTURED › bucket: a rule with a window"),
        ("{paid_sum} теңге төленді", "{payed_sum} теңге төленді", "reason › kk: {payed_sum} is no observed value"),
        ("aggregate: count, window: 24h", "aggregate: count, field: odds_milli, window: 24h", "field of a count: none"),
        (
            ", has: [odds_milli]}}\n  - {feature: paid_24h",
            "}}\n  - {feature: paid_24h",
            "mean_odds_24h: odds_milli needs odds",
        ),
        ("filter: {has: [instrument_hash]}", "filter: {}", "instrument_hash must be there"),
        ("from: 10_000_000}, has: [instrument_hash]", "from: 10_000_000}", "PAYOUT_ELSEWHERE › event: a feature's key"),
        ("event: {kinds: [WINNING]}", "event: {}", "PAYOUT_OVER_ODDS › event: a feature's key needs `kinds`"),
        ("at_least: 0.8, of: staked_60min", "at_least: 0.8, of: mean_odds_24h", "cannot be a part of mean_odds_24h"),
        ("from: 80_000_000, below: 100_000_000", "from: 100_000_000, below: 80_000_000", "no number is in the range"),
        ("rule: WIN_STRUCTURED\n", "rule: WIN_THRESHOLD\n", "there is another one of this name"),
        ("    mode: LIVE\n", "    mode: LIVE\n    mode: SHADOW\n", "WIN_THRESHOLD › mode: stands here twice"),
        ("  - any:\n", "  - at_most: 1\n        any:\n", "`any` stands alone"),
        (", weight: 3}", "}", "`score` stands with at_least alone"),
        ("        at_least: 6\n", "        at_least: 11\n", "a whole number that the weights can reach"),
        ("        at_least: 6\n", "        at_least: 6\n        at_most: 9\n", "`score` stands with at_least alone"),
        ("at_least: 3, weight: 2}", "at_least: 3, weight: 0}", "weight: Input should be greater than or equal to 1"),
        (
            "field: outcome, window: 7d,\n     filter: {kinds: [WAGER], has: [market]}, key: [market]",
            "field: outcome, window: 7d,\n     filter: {kinds: [WAGER], has: [market]}",
            "outcomes are those of one market",
        ),
        ("flags: [DEBTOR]", "flags: [DEBTORS]", "DEBTOR › event › flags"),
        ("    weeks: 8\n", "    weeks: 27\n", "ORGANIZER_SILENT › weeks: Input should be less than or equal to 26"),
        ("    usual_in: 6\n", "    usual_in: 9\n", "ORGANIZER_SILENT: `usual_in` is no more than `weeks`"),
        ("    others: 2\n", "    others: 0\n", "ORGANIZER_SILENT › others: Input should be greater than or equal to 1"),
        ("    others: 2\n", "    others: 2\n    bucket: week\n", "ORGANIZER_SILENT › bucket: Input should be 'day'"),
        (
            "    waits: 6h\n    severity: MEDIUM",
            "    waits: 6h\n    severity: MANDATORY",
            "ORGANIZER_SILENT › severity: a mandatory report is about a person",
        ),
        ("{silent_hours} ч.", "{hours} ч.", "ORGANIZER_SILENT › reason › ru: {hours} is no observed value"),
        ("rule: ORGANIZER_SILENT\n", "rule: WIN_THRESHOLD\n", "silences › WIN_THRESHOLD: there is another one of this"),
    ],
)
def test_what_a_rule_cannot_mean_is_refused_with_line_and_field(given: str, written: str, told: str) -> None:
    assert given in TEXT
    text = TEXT.replace(given, written, 1)
    detail = faults_of(text)
    assert told in detail
    line = int(detail[: detail.index(told)].rpartition("line ")[2].partition(",")[0])
    around = text.splitlines()[max(line - 3, 0) : line + 12]
    assert not written or any(part.strip() in "\n".join(around) for part in written.splitlines())


def test_limit_is_the_decimal_number_that_is_written() -> None:
    (_, returned) = RULES.rule("FAST_RETURN").when
    assert (returned.limit.numerator, returned.limit.denominator) == (4, 5)


def test_since_is_the_beginning_of_an_almaty_day() -> None:
    rules = parse_rules(TEXT.replace("    mode: LIVE\n", "    mode: LIVE\n    since: 2026-12-01\n", 1))
    begins = datetime(2026, 11, 30, 19, tzinfo=UTC)
    assert rules.rules[0].since_ms == round(begins.timestamp() * 1000)
    assert rules.rules[1].since_ms < 0


def test_longer_bucket_is_decided_on_for_longer() -> None:
    late = {rule.bucket: rule.lateness_ms - LATENESS_MS for rule in RULES.rules}
    assert late == {"entry": 0, "day": 0, "week": 6 * DAY_MS, "month": 30 * DAY_MS}


def test_file_that_is_not_there_is_told_with_the_setting_that_names_it(tmp_path: Path) -> None:
    with pytest.raises(FileUnusable) as caught:
        load_rules(tmp_path / "rules.yaml")
    assert "ESEP_RULES_FILE" in caught.value.hint


def test_silence_is_no_rule_about_postings() -> None:
    with pytest.raises(FileUnusable, match="no posting fulfils it"):
        RULES.rule("ORGANIZER_SILENT")


def test_file_may_have_no_silences() -> None:
    """As all files of rules from before."""
    assert parse_rules(TEXT[: TEXT.index("silences:\n")]).silences == ()


def test_rule_that_does_not_exist_is_told() -> None:
    with pytest.raises(FileUnusable, match="no rule WIN_NOTHING"):
        RULES.rule("WIN_NOTHING")
