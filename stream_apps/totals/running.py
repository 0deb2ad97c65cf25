"""Running sums per group, and what each posting adds to which measure.

Reads     columns of a poll: event types, kinds, legs, amounts; group codes
Returns   signed contributions; inclusive running sums in the order of the postings
Promises  no state, no loop over postings; the sums of a group are those of adding its postings one by one (box: totals)
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import polars as pl

from esep.stream_apps.totals.cells import MEASURES

_MEASURE_OF = {  # Event type, and for a payout its kind, to the place of its measure.
    "WAGER": MEASURES.index("wager"),
    "PAYOUT WINNING": MEASURES.index("winning"),
    "PAYOUT REFUND": MEASURES.index("refund"),
    "PAYOUT CASH_OUT": MEASURES.index("cash_out"),
    "DEPOSIT": MEASURES.index("deposit"),
    "WITHDRAWAL": MEASURES.index("withdrawal"),
}


class Running(NamedTuple):
    """sums: as the deltas, each with all earlier ones of its group. last: place of the last posting of each group."""

    sums: np.ndarray
    last: np.ndarray


def measures_of(frame: pl.DataFrame) -> np.ndarray:
    """Return per posting the place of its measure in MEASURES (int64), -1 where there is none for it.

    >>> columns = {"event_type": ["WAGER", "PAYOUT", "BONUS"], "kind": [None, "REFUND", None]}
    >>> measures_of(pl.DataFrame(columns)).tolist()
    [0, 2, -1]
    """
    names = pl.concat_str("event_type", "kind", separator=" ", ignore_nulls=True)
    codes = names.replace_strict(_MEASURE_OF, default=-1, return_dtype=pl.Int64)
    return frame.select(codes).to_series().to_numpy()


def contributions(measures: np.ndarray, legs: np.ndarray, amounts: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the places of the counts and sums that change, and what each posting adds to them, a row per place.

    A leg of -1 takes back: it counts -1, and its amount is negative already. Measures of no posting are left out.

    >>> places, deltas = contributions(np.array([1, 1]), np.array([1, -1]), np.array([500, -500]))
    >>> places.tolist(), deltas.tolist()
    ([2, 3], [[1, -1], [500, -500]])
    """
    used, row = np.unique(measures, return_inverse=True)
    deltas = np.zeros((2 * len(used), len(measures)), np.int64)
    postings = np.arange(len(measures))
    deltas[2 * row, postings] = legs
    deltas[2 * row + 1, postings] = amounts
    return np.stack((2 * used, 2 * used + 1), axis=1).reshape(-1), deltas


def running(groups: np.ndarray, deltas: np.ndarray) -> Running:
    """Return running sums along axis 1 of `deltas` within each group (int64 codes), in the order given.

    >>> running(np.array([7, 3, 7]), np.array([[10, 20, 5]])).sums.tolist()
    [[10, 20, 15]]
    """
    order = np.argsort(groups, kind="stable")
    in_order = np.take(deltas, order, axis=1)
    starts = np.flatnonzero(np.diff(groups[order], prepend=groups[order[0]] - 1))
    sums = np.cumsum(in_order, axis=1)
    before = sums[:, starts] - in_order[:, starts]
    sizes = np.diff(starts, append=len(groups))
    sums -= np.repeat(before, sizes, axis=1)
    back = np.empty_like(sums)
    back[:, order] = sums
    return Running(back, order[starts + sizes - 1])
