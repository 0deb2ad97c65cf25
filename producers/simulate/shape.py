"""When bets are made: more in the evening than at dawn, more at the weekend, by the clock of Almaty.

Reads     the span of the simulation
Returns   `Shape`: from a share of all bets to the instant by which so many have been made
Promises  instants grow with the share and lie within the span (box: producers)
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import numpy as np
import polars as pl

from esep.clock import ALMATY, to_ms

# Bets of an hour of the day, the busiest is 100: matches are played in the evening.
_OF_HOUR = np.array(
    [55, 40, 28, 20, 15, 12, 12, 15, 20, 26, 32, 38, 44, 48, 52, 58, 66, 76, 88, 96, 100, 98, 88, 72], np.float64
)
_OF_WEEKDAY = np.array([0.8, 0.85, 0.9, 0.9, 1.1, 1.45, 1.4])  # Monday … Sunday
_HOUR_MS = 3_600_000


class Shape:
    """The span from `days` before `until` (UTC) up to it."""

    def __init__(self, until: datetime, days: int) -> None:
        hours = days * 24
        first = until - timedelta(days=days)
        starts = pl.Series([first + timedelta(hours=hour) for hour in range(hours)], dtype=pl.Datetime("ms", "UTC"))
        local = starts.dt.convert_time_zone(ALMATY)
        weights = _OF_HOUR[local.dt.hour().to_numpy()] * _OF_WEEKDAY[local.dt.weekday().to_numpy() - 1]
        self._shares = np.concatenate([[0.0], np.cumsum(weights) / weights.sum()])
        self._edges_ms = to_ms(first.astimezone(UTC)) + np.arange(hours + 1, dtype=np.int64) * _HOUR_MS

    def instants_ms(self, shares: np.ndarray) -> np.ndarray:
        """Return per share (0 … 1; what is more counts as 1) the instant, ms UTC (int64), before the end."""
        found = np.interp(shares, self._shares, self._edges_ms.astype(np.float64)).astype(np.int64)
        before_end: np.ndarray = np.minimum(found, self._edges_ms[-1] - 1)
        return before_end
