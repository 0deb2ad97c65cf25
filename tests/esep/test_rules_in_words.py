"""Rules in words: what differs reads differently."""

from __future__ import annotations

from esep.rules import load_rules
from esep.rules_in_words import condition_text, feature_text, filter_text, silence_text, whole_text

RULES = load_rules()


def test_features_and_filters_that_differ_read_differently() -> None:
    meanings = {feature.model_copy(update={"feature": "", "observed": ""}) for feature in RULES.features}
    assert len({feature_text(one) for one in meanings}) == len(meanings)
    filters = {feature.filter for feature in RULES.features} | {rule.event for rule in RULES.rules}
    assert len({filter_text(one) for one in filters}) == len(filters)


def test_limits_are_as_they_are_written() -> None:
    rule = RULES.rule("PAYOUT_OVER_ODDS")
    told = [condition_text(RULES, condition) for condition, _ in rule.conditions()]
    assert " ≥ 1.05 × stake × odds (tenge) of WAGER (with odds) within 45 days" in told[1]
    assert condition_text(RULES, RULES.rule("LOW_RISK_TURNOVER").when[1]).endswith(" ≤ 1.100")


def test_score_tells_its_points_and_the_weight_of_each_part() -> None:
    """D934-1..3."""
    told = whole_text(RULES, RULES.rule("DROPPER_SCORE").when[1])
    assert told.startswith("at least 6 points: 2 where different means of payment of any posting")
    assert (
        "; 3 where sum (tenge) of WAGER within 24 hours ≤ 0.2 × sum (tenge) of DEPOSIT within 24 hours; 1 where" in told
    )
    assert " **or** " in whole_text(RULES, RULES.rule("MANY_INSTRUMENTS").when[1], " **or** ")


def test_silence_tells_each_of_its_numbers() -> None:
    (rule,) = RULES.silences
    texts = {silence_text(rule)}
    texts |= {silence_text(rule.model_copy(update={name: 5})) for name in ("weeks", "usual_in", "hours", "others")}
    assert len(texts) == 5
