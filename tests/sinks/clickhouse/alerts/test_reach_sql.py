"""Who is out of reach of a rule: no condition where there is no window; whoever could fulfil it is looked at."""

from __future__ import annotations

from esep.rules import DAY_MS, load_rules
from esep.sinks.clickhouse.alerts.reach_sql import owners_sql, reach_sql, stretch_ms

RULES = load_rules()


def test_rule_without_windows_looks_at_each_posting() -> None:
    for name in ("WIN_THRESHOLD", "RESTRICTED_PERSON"):
        assert reach_sql(RULES, RULES.rule(name)) == ("", "")


def test_stretch_is_as_long_as_any_window() -> None:
    for rule in RULES.rules:
        windows = [feature.window for feature in RULES.features_of(rule)]
        assert stretch_ms(RULES, rule) == max([DAY_MS, *windows])


def test_what_every_feature_is_keyed_by_is_looked_at_apart() -> None:
    """A bet that was paid as promised spares its person's other bets nothing, and itself a closer look."""
    with_key, near = reach_sql(RULES, RULES.rule("PAYOUT_OVER_ODDS"))
    assert "GROUP BY own_0, own_1, own_2, stretch" in with_key
    assert "(iin, organizer_bin, wager_id, intDiv(at_ms, " in near
    without, near = reach_sql(RULES, RULES.rule("PAYOUT_ELSEWHERE"))
    assert "GROUP BY own_0, stretch" in without
    assert "(iin, intDiv(at_ms, " in near


def test_conditions_bound_what_they_can() -> None:
    """An upper limit alone bounds nothing; one of several conditions bounds if each of them does."""
    assert "measure_0) >= 2)" in reach_sql(RULES, RULES.rule("PAYOUT_TO_FUNDER_OF_OTHERS"))[0]
    assert " OR " in reach_sql(RULES, RULES.rule("MANY_INSTRUMENTS"))[0].partition("HAVING")[2]
    score = reach_sql(RULES, RULES.rule("DROPPER_SCORE"))[0].partition("HAVING")[2]
    assert " + if(1, 2, 0) + if(" in score  # A payout to what paid nothing in is bounded by nothing.
    assert ", 1, 0) >= 6)" in score
    bounds = reach_sql(RULES, RULES.rule("LOW_RISK_TURNOVER"))[0].partition("HAVING")[2]
    assert "1100" not in bounds.replace("_", "")


def test_owners_are_asked_for_in_one_statement() -> None:
    about = [(RULES, rule) for rule in RULES.rules if rule.subject == "instrument"]
    statement = owners_sql(about, "leg > 0")
    assert statement.count("FROM person_posting") == 1
    assert statement.rpartition("HAVING")[2].count("max(event_") == len(about)
