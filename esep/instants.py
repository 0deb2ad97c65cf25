"""Check when an event occurred: not ahead of its receipt, and its bet not before the retention horizon.

Reads     wagers and payouts: occurred_at, wager_occurred_at, received_at
Returns   a verdict per event: INSTANT_AHEAD, INSTANT_EXPIRED; when each bet was made
Promises  no clock of its own: `received_at` is the only one, so that a replay decides the same (DESIGN §3; clauses
          O9-L2, O9-4.7; boxes: producers, intake)
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import numpy as np
import polars as pl

from esep.clock import AHEAD_MAX, retention_horizon, to_ms
from esep.precedence import all_passed, fault

_AHEAD_MS_MAX = AHEAD_MAX // timedelta(milliseconds=1)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def check_instants(events: pl.DataFrame) -> np.ndarray:
    """Return the verdict on each event (see `precedence`).

    A payout is as old as its wager. The horizon is that of the year, in Almaty, in which the event was received.
    """
    verdicts = all_passed(events.height)
    received_ms = _ms(events["received_at"])
    fault(verdicts, _ms(events["occurred_at"]) > received_ms + _AHEAD_MS_MAX, "INSTANT_AHEAD")
    fault(verdicts, bet_ms(events) < _horizons_ms(received_ms), "INSTANT_EXPIRED")
    return verdicts


def bet_ms(events: pl.DataFrame) -> np.ndarray:
    """Return when the bet of each event was made, ms UTC: a payout counts by its wager's date (clause O9-4.7)."""
    wager_at = events["wager_occurred_at"]
    occurred_ms = _ms(events["occurred_at"])
    if wager_at.null_count() == len(wager_at):
        return occurred_ms
    return np.where(wager_at.is_null().to_numpy(), occurred_ms, _ms(wager_at))


def _ms(instants: pl.Series) -> np.ndarray:
    return instants.to_numpy().view(np.int64)


def _horizons_ms(received_ms: np.ndarray) -> np.ndarray:
    """Return the retention horizon at each instant, ms UTC."""
    distinct, which = np.unique(received_ms, return_inverse=True)  # The broker stamps whole batches: they are few.
    first, last = (_horizon_ms(int(ms)) for ms in (distinct[0], distinct[-1])) if len(distinct) else (0, 0)
    if first == last:
        return np.full(len(received_ms), first)
    return np.array([_horizon_ms(ms) for ms in distinct.tolist()])[which]


def _horizon_ms(received_ms: int) -> int:
    return to_ms(retention_horizon(_EPOCH + timedelta(milliseconds=received_ms)))
