"""Bets have a daily and a weekly shape, by the clock of Almaty, and lie within the span."""

from __future__ import annotations

from datetime import timedelta

import numpy as np
import polars as pl
from hypothesis import given
from hypothesis import strategies as st

from esep.clock import ALMATY, to_ms
from esep.producers.simulate.shape import Shape
from tests.producers.simulate.made import UNTIL


@given(days=st.integers(1, 60), shares=st.lists(st.floats(0, 2), min_size=1, max_size=50))
def test_instants_grow_with_the_share_and_lie_within_the_span(days: int, shares: list[float]) -> None:
    instants = Shape(UNTIL, days).instants_ms(np.sort(np.array(shares)))
    assert (np.diff(instants) >= 0).all()
    assert instants[0] >= to_ms(UNTIL - timedelta(days=days))
    assert instants[-1] < to_ms(UNTIL)


def test_evenings_and_weekends_are_busier() -> None:
    instants = pl.Series(Shape(UNTIL, 14).instants_ms(np.linspace(0, 1, 100_000, endpoint=False)))
    local = instants.cast(pl.Datetime("ms", "UTC")).dt.convert_time_zone(ALMATY)
    of_hour, of_day = (np.bincount(part.to_numpy()) for part in (local.dt.hour(), local.dt.weekday()))
    assert of_hour[20] > 5 * of_hour[5]
    assert of_day[6] > 1.5 * of_day[1]
