"""What has to hold of sums for each rule, by what it says of them."""

from __future__ import annotations

import pytest

from esep.rules import DAY_MS
from esep.stream_apps.alerts.bounds import Apart, Bound, Bounds, Enough, Measure
from esep.stream_apps.alerts.program import compile_rules
from tests.support.rule_histories import REACHABLE

PROGRAM = compile_rules(REACHABLE)
BOUNDS = {one.rule.rule_id: one.bounds for one in PROGRAM.window_rules}
OPPOSITE = next(
    one for one in compile_rules(REACHABLE, "instrument").window_rules if one.rule.rule_id == "OPPOSITE_BETS"
)


def told(bounds: Bounds) -> list[list[tuple[str | None, float, str | None]]]:
    return [
        [(one.most and one.most.what, one.limit, one.least and one.least.what) for one in enough.bounds]
        for enough in bounds.of_sums
    ]


@pytest.mark.parametrize(
    ("rule_id", "expected"),
    [
        ("WIN_STRUCTURED", [[("amount_tiyn", 100_000_000, None)], [("count", 2, None)]]),
        ("FAST_RETURN", [[("amount_tiyn", 40_000_000, None)], [("amount_tiyn", 0.8, "amount_tiyn")]]),
        (
            "MANY_INSTRUMENTS",
            [[("instrument_hash", 2, None)], [("instrument_hash", 2, None), ("instrument_hash", 3, None)]],
        ),
        ("PAYOUT_OVER_ODDS", [[("return_tiyn", 1, None)], [("amount_tiyn", 1.05, "return_tiyn")]]),
        ("PAYOUT_ELSEWHERE", [[("count", 1, None)]]),
        ("DEBTOR", []),
    ],
)  # fmt: skip
def test_each_condition_of_which_something_can_be_said_is_a_bound(
    rule_id: str, expected: list[list[tuple[str | None, float, str | None]]]
) -> None:
    assert told(BOUNDS[rule_id]) == expected


def test_what_is_at_most_a_part_of_a_sum_needs_the_sum() -> None:
    staked, mean_is_none, paid = BOUNDS["LOW_RISK_TURNOVER"].of_sums[0], 3, BOUNDS["LOW_RISK_TURNOVER"].of_sums[-1]
    assert len(BOUNDS["LOW_RISK_TURNOVER"].of_sums) == mean_is_none
    most = staked.bounds[0].most
    assert most is not None
    assert paid == Enough((Bound(None, 1.1, most._replace(least=True)),), (1,), 1)


def test_what_nothing_bounds_counts_as_held_in_a_score() -> None:
    """Of six points asked for, two are those of what is at most a number."""
    paid_out, score = BOUNDS["DROPPER_SCORE"].of_sums
    assert [(one.most and one.most.what, one.limit) for one in paid_out.bounds] == [("amount_tiyn", 20_000_000)]
    assert told(BOUNDS["DROPPER_SCORE"])[1] == [
        ("instrument_hash", 2, None), ("amount_tiyn", 0.8, "amount_tiyn"), (None, 0.2, "amount_tiyn"),
        ("organizer_bin", 2, None),
    ]  # fmt: skip
    assert (score.points, score.needed) == ((2, 2, 3, 1), 6 - 2)


def test_outcomes_and_persons_are_counted_of_each_market_apart() -> None:
    assert OPPOSITE.bounds.apart == Apart(("market",), 0)
    assert told(OPPOSITE.bounds) == [[("iin", 2, None)], [("outcome", 2, None)], [("amount_tiyn", 1, None)]]


def test_stretches_are_as_long_as_the_longest_window_and_what_all_is_keyed_by_is_apart() -> None:
    assert BOUNDS["FAST_RETURN"].apart == Apart((), DAY_MS)
    assert BOUNDS["PAYOUT_ELSEWHERE"].apart == Apart((), 90 * DAY_MS)
    assert BOUNDS["DEBTOR"].apart == Apart((), DAY_MS)
    assert BOUNDS["PAYOUT_OVER_ODDS"].apart == Apart(("organizer_bin", "wager_id"), 0)


def test_event_is_counted_by_its_own_filter() -> None:
    for one in PROGRAM.window_rules:
        assert one.bounds.event == Measure(one.event_bit, "count")
        assert {measure.bit & one.bits for measure in one.bounds.measures} == {m.bit for m in one.bounds.measures}
