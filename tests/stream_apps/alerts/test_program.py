"""What the rules that are LIVE compile to."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from esep.errors import FileUnusable
from esep.rules import DAY_MS, KINDS, RULES_FILE, load_rules, parse_rules
from esep.stream_apps.alerts.columns import HAS_INSTRUMENT, HAS_MARKET, Posting, columns_of
from esep.stream_apps.alerts.program import compile_rules, passes
from tests.support import rule_oracle
from tests.support.rule_histories import FROM_MS, HOME, HOUR_MS, REACHABLE, REACHABLE_TEXT

PROGRAM = compile_rules(REACHABLE)
WRITTEN = yaml.safe_load(REACHABLE_TEXT)
POSTINGS = st.builds(
    lambda hour, kind, odds, flags, amount, leg: Posting(
        FROM_MS + hour * HOUR_MS, "940140000385/desk-1/1", 0, leg, leg * amount, 0, kind, odds, flags
    ),
    st.integers(0, 30),
    st.builds(sum, st.tuples(st.integers(0, len(KINDS) - 1), st.sampled_from([0, HAS_INSTRUMENT, HAS_MARKET, 48]))),
    st.sampled_from([0, 1000, 1100]), st.integers(0, 127), st.sampled_from([1, 10_000_000, 80_000_000, 100_000_000]),
    st.sampled_from([1, -1]),
)  # fmt: skip


def as_written(posting: Posting) -> dict[str, Any]:
    kind = KINDS[posting.kind % HAS_INSTRUMENT]
    payout = kind in {"WINNING", "REFUND", "CASH_OUT"}
    return {
        "event_type": "PAYOUT" if payout else kind, "kind": kind if payout else None,
        "flags": posting.flags if posting.leg > 0 else 127,  # Those of what is taken back may have been any.
        "amount_tiyn": abs(posting.amount_tiyn), "odds_milli": posting.odds_milli or None,
        "occurred_ms": posting.occurred_ms, "instrument_hash": "ab" if posting.kind & HAS_INSTRUMENT else None,
        "organizer_bin": "940140000385", "selections": [HOME] if posting.kind & HAS_MARKET else [],
    }  # fmt: skip


@given(st.lists(POSTINGS, max_size=30))
def test_filters_pass_what_they_say_and_both_legs_alike(postings: list[Posting]) -> None:
    facts = columns_of([b"k" * 16] * len(postings), postings).facts
    said = [rule["event"] for rule in WRITTEN["rules"]] + [one.get("filter", {}) for one in WRITTEN["features"]]
    compiled = [rule.event for rule in REACHABLE.rules] + [one.filter for one in REACHABLE.features]
    for written, one in zip(said, compiled, strict=True):
        assert passes(one, facts).tolist() == [rule_oracle._passes(written, as_written(p)) for p in postings]


@given(st.lists(POSTINGS, max_size=30))
def test_each_filter_is_a_bit(postings: list[Posting]) -> None:
    facts = columns_of([b"k" * 16] * len(postings), postings).facts
    bits = PROGRAM.bits(facts)
    for number, one in enumerate(PROGRAM.filters):
        assert ((bits >> number) & 1).astype(np.bool_).tolist() == passes(one, facts).tolist()
    assert [one.bits for one in PROGRAM.with_bits(postings)] == bits.tolist()


def test_rules_that_are_shadow_compile_to_nothing() -> None:
    live = compile_rules(load_rules())
    assert [one.rule.rule_id for one in live.entry_rules] == ["WIN_THRESHOLD"]
    assert [one.rule.rule_id for one in live.window_rules] == ["WIN_STRUCTURED"]


def test_state_is_kept_as_long_as_a_posting_in_time_can_look_back() -> None:
    """DESIGN §7: the longest window and 45 days of lateness; a bucket of a month is open 30 days longer."""
    assert compile_rules(load_rules()).kept_ms == 46 * DAY_MS
    assert PROGRAM.kept_ms == max(45 + 90, 45 + 30 + 30) * DAY_MS


def test_conditions_are_told_in_whole_numbers() -> None:
    asked = {one.rule.rule_id: one.asked for one in PROGRAM.window_rules}
    assert asked["FAST_RETURN"][1] == ((("returned_60min", "staked_60min", 4, 5, True, 1),), 1, False, 0)
    assert asked["LOW_RISK_TURNOVER"][1] == ((("mean_odds_24h", None, 1100, 1, False, 1),), 1, False, 0)
    assert [len(one.tests) for one in asked["MANY_INSTRUMENTS"]] == [1, 2]
    assert asked["DEBTOR"] == ()
    score = asked["DROPPER_SCORE"][1]
    assert [one.points for one in score.tests] == [2, 2, 2, 3, 1]
    assert (score.needed, score.is_score, score.spare) == (6, True, 4)


def test_what_can_make_a_rule_hold_is_known_by_its_filters() -> None:
    """By what comes: sums and counts with a lower limit, what a part is of, means. By what leaves: the contrary."""
    rules = {one.rule.rule_id: one for one in PROGRAM.window_rules}

    def bits(rule_id: str, *features: str) -> int:
        return int(np.bitwise_or.reduce([rules[rule_id].features[name][1] for name in features]))

    fast, score, low = rules["FAST_RETURN"].helps, rules["DROPPER_SCORE"].helps, rules["LOW_RISK_TURNOVER"].helps
    assert rules["NIGHT_BURST"].helps == (0, bits("NIGHT_BURST", "wagers_at_night_6h"))
    assert fast == (bits("FAST_RETURN", "staked_60min"), bits("FAST_RETURN", "staked_60min", "returned_60min"))
    assert score[False] == bits("DROPPER_SCORE", "funded_by_this_90d", "paid_in_24h", "staked_24h")
    assert low[False] & low[True] & bits("LOW_RISK_TURNOVER", "mean_odds_24h")


def test_texts_are_kept_where_a_live_rule_asks_for_them() -> None:
    assert (PROGRAM.keeps_wager, PROGRAM.keeps_linked) == (True, True)
    live = compile_rules(load_rules())
    assert (live.keeps_wager, live.keeps_linked) == (False, False)
    assert len(live.filters) == 3


def test_more_filters_than_bits_are_refused() -> None:
    head, _, one = RULES_FILE.read_text("utf-8").partition("  - rule: WIN_THRESHOLD")
    rule = one.partition("  - rule: ")[0].replace("from: 100_000_000", "from: {n}")
    many = "".join(f"  - rule: R{n}{rule.replace('{n}', str(n + 1))}" for n in range(70))
    features = head.partition("  - {feature: small")[0] + "rules:\n"
    with pytest.raises(FileUnusable, match="too many rules are LIVE"):
        compile_rules(parse_rules(features + many))
