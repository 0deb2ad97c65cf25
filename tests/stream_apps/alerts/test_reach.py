"""No window holds more than the bound says."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from esep.stream_apps.alerts.columns import Posting, columns_of
from esep.stream_apps.alerts.program import Anchor, Measure
from esep.stream_apps.alerts.reach import Reach

PERIOD_MS = 1000
PERSONS = [bytes([number]) * 16 for number in range(2)]
CARDS = ["a" * 64, "b" * 64, ""]
PUT = st.lists(
    st.tuples(
        st.sampled_from(PERSONS), st.integers(-5_000, 5_000), st.sampled_from([5, 7, -7]), st.integers(0, 3),
        st.sampled_from(["940140000385/d/1", "950341000052/d/1"]), st.sampled_from(CARDS),
    ),
    max_size=15,
)  # fmt: skip


def told(measure: Measure, counted: list[Posting]) -> int:
    """Return what a window comes to."""
    if measure == "sum":
        return sum(one.amount_tiyn for one in counted)
    if measure == "count":
        return len(counted)
    return len({one.linked if measure == "instrument_hash" else one.organizer_bin for one in counted})


@pytest.mark.parametrize("measure", ["sum", "count", "organizer_bin", "instrument_hash"])
@given(puts=st.lists(PUT, max_size=3), at=st.integers(-5_000, 5_000), later=st.integers(0, PERIOD_MS - 1))
def test_no_window_that_holds_an_instant_is_more_than_the_bound_around_it(
    measure: Measure, puts: list[list[tuple[bytes, int, int, int, str, str]]], at: int, later: int
) -> None:
    """The last put has just arrived, the others are known: what is known around the instant and what has arrived."""
    reach, postings = Reach(Anchor(bit=1, measure=measure, limit=1, period_ms=PERIOD_MS)), []
    arrived = np.zeros(len(PERSONS), np.int64)
    for number, put in enumerate(puts):
        own = [Posting(one[1], one[4], 0, 1, one[2], 0, linked=one[5], bits=one[3]) for one in put]
        persons = [one[0] for one in put]
        columns, bits = columns_of(persons, own), np.array([one.bits for one in own], np.int64)
        if number < len(puts) - 1:
            reach.add(columns, bits)
        else:
            np.add.at(arrived, [PERSONS.index(one) for one in persons], reach.coming(columns, bits))
        postings += zip(persons, own, strict=True)
    for place, person in enumerate(PERSONS):
        (known,) = reach.around(columns_of([person], [Posting(at, "e", 0, 1, 1, 0)])).tolist()
        counted = [one for owner, one in postings if owner == person and one.amount_tiyn > 0 and one.bits & 1]
        window = [one for one in counted if at + later - PERIOD_MS < one.occurred_ms <= at + later]
        most = told(measure, counted) * (1 if measure in {"sum", "count"} else 3)
        assert told(measure, window) <= known + arrived[place] <= most


@given(st.lists(st.integers(-5, 5), min_size=1, max_size=20), st.data())
def test_one_value_comes_to_one_in_whatever_periods_and_order_it_is_used(
    periods: list[int], data: st.DataObject
) -> None:
    """A card of one person alone must not look like one of several for having been used for long."""
    reach = Reach(Anchor(bit=1, measure="instrument_hash", limit=2, period_ms=PERIOD_MS))
    whole = range(min(periods), max(periods) + 1)  # Without a gap, as such a card is used.
    for period in data.draw(st.permutations(list(whole))):
        own = Posting(period * PERIOD_MS, "940140000385/d/1", 0, 1, 5, 0, linked=CARDS[0], bits=1)
        reach.add(columns_of([PERSONS[0]], [own]), np.array([1], np.int64))
    for period in whole:
        columns = columns_of([PERSONS[0]], [Posting(period * PERIOD_MS, "e", 0, 1, 1, 0, linked=CARDS[0], bits=1)])
        assert reach.around(columns).tolist() == [1]
        assert reach.coming(columns, np.array([1], np.int64)).tolist() == [0]
