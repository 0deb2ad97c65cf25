"""Running sums against a loop."""

from __future__ import annotations

from collections import defaultdict

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from esep.stream_apps.totals.cells import MEASURES
from esep.stream_apps.totals.running import contributions, measures_of, running

POSTINGS = st.lists(
    st.tuples(st.integers(-3, 3), st.integers(0, 5), st.sampled_from([1, -1]), st.integers(0, 10**13)), min_size=1
)


@settings(deadline=None)
@given(POSTINGS)
def test_running_sums_are_those_of_adding_one_by_one(postings: list[tuple[int, int, int, int]]) -> None:
    groups, measures, legs, amounts = (np.array(column, np.int64) for column in zip(*postings, strict=True))
    places, deltas = contributions(measures, legs, legs * amounts)
    found = running(groups, deltas)
    sums: defaultdict[int, list[int]] = defaultdict(lambda: [0] * 12)
    last = {}
    for place, (group, measure, leg, amount) in enumerate(postings):
        sums[group][2 * measure] += leg
        sums[group][2 * measure + 1] += leg * amount
        last[group] = place
        assert found.sums[:, place].tolist() == [sums[group][which] for which in places]
        assert not any(value for which, value in enumerate(sums[group]) if which not in places)
    assert found.last.tolist() == [last[group] for group in sorted(last)]


@pytest.mark.parametrize(
    ("event_type", "kind", "measure"),
    [
        ("WAGER", None, "wager"),
        ("PAYOUT", "WINNING", "winning"),
        ("PAYOUT", "REFUND", "refund"),
        ("PAYOUT", "CASH_OUT", "cash_out"),
        ("DEPOSIT", None, "deposit"),
        ("WITHDRAWAL", None, "withdrawal"),
    ],
)
def test_each_kind_of_posting_has_its_measure(event_type: str, kind: str | None, measure: str) -> None:
    frame = pl.DataFrame(
        {"event_type": [event_type], "kind": [kind]}, schema={"event_type": pl.String, "kind": pl.String}
    )
    assert MEASURES[measures_of(frame)[0]] == measure


def test_payout_without_kind_has_no_measure() -> None:
    frame = pl.DataFrame(
        {"event_type": ["PAYOUT"], "kind": [None]}, schema={"event_type": pl.String, "kind": pl.String}
    )
    assert measures_of(frame).tolist() == [-1]
