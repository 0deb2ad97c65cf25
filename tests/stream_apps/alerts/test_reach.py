"""Whoever is out of reach fulfils nothing, by a look at every window."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from esep.stream_apps.alerts.bounds import DISTINCT, Apart, Bound, Bounds, Enough, Measure, What
from esep.stream_apps.alerts.columns import Posting, columns_of
from esep.stream_apps.alerts.reach import Reach

STRETCH_MS = 1000
PERSONS = [bytes([number]) * 16 for number in range(2)]
CARDS = ["a" * 64, "b" * 64, ""]
BINS = ["940140000385", "950341000052"]
BETS_ON = [("", ""), ("m", "1"), ("m", "2"), ("n", "1"), ("n", "\0")]
FIRST, SECOND = 1, 2  # Filters.


class Put(NamedTuple):
    person: bytes
    posting: Posting


PUTS = st.lists(
    st.builds(
        lambda person, at_ms, amount, bits, organizer, card, bet, odds, bet_on: Put(
            person,
            Posting(
                at_ms, f"{organizer}/d/1", 0, 1 if amount > 0 else -1, amount, 0, 0, odds, 0, bet, card, bits, *bet_on,
            ),
        ),
        st.sampled_from(PERSONS), st.integers(-5_000, 5_000), st.sampled_from([5, 7, -7]), st.integers(0, 3),
        st.sampled_from(BINS), st.sampled_from(CARDS), st.sampled_from(["x", "y"]), st.sampled_from([1100, 3000]),
        st.sampled_from(BETS_ON),
    ),
    max_size=12,
)  # fmt: skip
EVENT = Measure(FIRST, "count")
WHATS: list[What] = ["amount_tiyn", "return_tiyn", "count", "organizer_bin", "instrument_hash", "outcome"]


def counted(measure: Measure, window: list[Posting]) -> list[Posting]:
    return [one for one in window if one.bits & measure.bit and one.amount_tiyn > 0]


def parts(measure: Measure, window: list[Posting]) -> list[int]:
    of_one = {
        "amount_tiyn": lambda one: one.amount_tiyn,
        "return_tiyn": lambda one: one.amount_tiyn * one.odds_milli // 1000,
    }.get(measure.what, lambda _: 1)
    return [of_one(one) for one in counted(measure, window)]


def value(measure: Measure, window: list[Posting]) -> int:
    if measure.what == "organizer_bin":
        return len({one.organizer_bin for one in counted(measure, window)})
    if measure.what == "outcome":  # By each key there are no more.
        return len({one.outcome for one in counted(measure, window)})
    if measure.what in DISTINCT:
        return len({one.linked for one in counted(measure, window)})
    return sum(parts(measure, window))


def holds(bound: Bound, window: list[Posting]) -> bool:
    """Whether a condition of which this is the bound can hold at a window."""
    whole = None if bound.least is None else sum(parts(bound.least, window))
    if whole == 0:
        return False
    if bound.most is None:
        return True
    return value(bound.most, window) >= bound.limit * (1 if whole is None else whole)


def points(enough: Enough, window: list[Posting]) -> int:
    return sum(own for bound, own in zip(enough.bounds, enough.points, strict=True) if holds(bound, window))


def fulfilling_windows(bounds: Bounds, puts: list[Put]) -> list[list[Put]]:
    found = []
    for person, event in puts:
        if event.bits & FIRST and event.amount_tiyn > 0:
            window = [
                one for one in puts
                if one.person == person
                and event.occurred_ms - STRETCH_MS < one.posting.occurred_ms <= event.occurred_ms
                and all(getattr(one.posting, name) == getattr(event, name) for name in bounds.apart.key)
            ]  # fmt: skip
            postings = [one.posting for one in window]
            if all(points(enough, postings) >= enough.needed for enough in bounds.of_sums):
                found.append(window)
    return found


def near(reach: Reach, puts: list[Put]) -> list[bool]:
    columns = columns_of([one.person for one in puts], [one.posting for one in puts])
    (found,) = reach.add(columns, np.array([one.posting.bits for one in puts], np.int64))
    return [bool(one) for one in found]


def some_bounds(apart: Apart, what: What, limit: int, part: float) -> Bounds:
    most = Measure(FIRST if what == "count" else SECOND, what)
    either = (Bound(most, limit, None), Bound(Measure(FIRST, "amount_tiyn"), 21, None))
    of_least = Bound(Measure(SECOND, "amount_tiyn"), part, Measure(FIRST, "return_tiyn", least=True))
    there = Bound(None, 1.0, Measure(SECOND, "amount_tiyn", least=True))
    all_of = Enough((*either, of_least, there), (2, 1, 3, 1), 4)
    return Bounds(apart, EVENT, (one_of(*either), one_of(of_least, there), all_of) if part else (one_of(*either),))


def one_of(*bounds: Bound) -> Enough:
    return Enough(bounds, (1,) * len(bounds), 1)


@settings(deadline=None)
@pytest.mark.parametrize(
    "apart",
    [Apart((), STRETCH_MS), Apart(("organizer_bin", "wager_id"), 0), Apart(("market",), 0)],
    ids=["", "bet", "market"],
)
@pytest.mark.parametrize("what", WHATS)
@given(puts=st.lists(PUTS, max_size=3), limit=st.integers(1, 14), part=st.sampled_from([0, 0.7, 2.5]))
def test_posting_in_a_window_at_which_a_rule_is_fulfilled_is_within_reach(
    apart: Apart, what: What, puts: list[list[Put]], limit: int, part: float
) -> None:
    bounds = some_bounds(apart, what, limit, part)
    reach, known = Reach([bounds]), list[Put]()
    for put in puts:
        known += put
        windows = fulfilling_windows(bounds, known)
        for one, is_near in zip(put, near(reach, put), strict=True):
            assert is_near or not any(one is other for window in windows for other in window)


def test_two_stretches_that_are_below_are_out_of_reach() -> None:
    bounds = Bounds(Apart((), STRETCH_MS), EVENT, (one_of(Bound(Measure(FIRST, "amount_tiyn"), 15, None)),))
    reach = Reach([bounds])
    apart = [Put(PERSONS[0], Posting(at_ms, "e/1", 0, 1, 7, 0, bits=FIRST)) for at_ms in (0, 1000, 2000, 3000)]
    assert near(reach, apart) == [False] * 4
    assert near(reach, [Put(PERSONS[0], Posting(2500, "e/2", 0, 1, 1, 0, bits=FIRST))]) == [True]
    assert near(reach, [Put(PERSONS[1], Posting(2500, "e/2", 0, 1, 1, 0, bits=FIRST))]) == [False]


def test_bet_that_paid_what_it_promised_is_out_of_reach_whatever_others_paid() -> None:
    promised = Bound(Measure(SECOND, "amount_tiyn"), 1.05, Measure(FIRST, "return_tiyn", least=True))
    reach = Reach([Bounds(Apart(("organizer_bin", "wager_id"), 0), Measure(SECOND, "count"), (one_of(promised),))])

    def bet(wager_id: str, stake: int, paid: int) -> list[Put]:
        return [
            Put(PERSONS[0], Posting(0, "940140000385/d/1", 0, 1, stake, 0, 0, 2000, 0, wager_id, bits=FIRST)),
            Put(PERSONS[0], Posting(1, "940140000385/d/2", 0, 1, paid, 0, 0, 0, 0, wager_id, bits=SECOND)),
        ]

    assert near(reach, [*bet("x", 10, 20), *bet("y", 10, 21)]) == [False, False, True, True]


@given(st.lists(st.integers(-5, 5), min_size=1, max_size=20), st.data())
def test_one_value_comes_to_one_in_whatever_stretches_and_order_it_is_used(
    stretches: list[int], data: st.DataObject
) -> None:
    """A card of one person alone must not look like one of several for having been used for long."""
    reach = Reach([Bounds(Apart((), STRETCH_MS), EVENT, (one_of(Bound(Measure(FIRST, "instrument_hash"), 2, None)),))])
    whole = range(min(stretches), max(stretches) + 1)  # Without a gap, as such a card is used.
    for card, expected in ((CARDS[0], False), (CARDS[1], True)):
        for stretch in data.draw(st.permutations(list(whole))):
            own = Posting(stretch * STRETCH_MS, "940140000385/d/1", 0, 1, 5, 0, linked=card, bits=FIRST)
            assert near(reach, [Put(PERSONS[0], own)]) == [expected]


def test_sums_that_no_whole_number_of_64_bits_holds_are_within_reach() -> None:
    bound = Bound(Measure(FIRST, "return_tiyn"), 1e20, None)
    reach = Reach([Bounds(Apart((), STRETCH_MS), EVENT, (one_of(bound),))])
    one = Put(PERSONS[0], Posting(0, "e/1", 0, 1, 10**13, 0, 0, 2**31 - 1, bits=FIRST))
    assert near(reach, [one] * 4) == [False] * 4
    assert near(reach, [one]) == [True]
