"""What was ever booked for each person in each period: more than any window of that length can hold.

Reads     postings as columns, with the filters that they pass
Returns   `Reach`: for a person around an instant, an upper bound of a sum, a number, or a number of different values
Promises  never less than what any window of the period's length that holds the instant comes to; what was taken back
          still counts; two values count as one with a chance of 1 to 2**64 (box: alerts)
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from esep.stream_apps.alerts.columns import SLOT_WORDS, slots_of
from esep.stream_apps.key_index import KeyIndex, grown
from esep.stream_apps.poll import PERSON_WORDS

if TYPE_CHECKING:
    from esep.stream_apps.alerts.columns import Columns
    from esep.stream_apps.alerts.program import Anchor


class Reach:
    """The bounds for one anchor, for the persons of a partition. anchor: it."""

    def __init__(self, anchor: Anchor) -> None:
        self.anchor = anchor
        self._index = KeyIndex(SLOT_WORDS)  # Of persons and periods.
        self._sums = np.zeros(1, np.int64)
        self._values = KeyIndex(SLOT_WORDS + 1)  # Of these and the different values that they have.

    @property
    def nbytes(self) -> int:
        """Bytes held, room to grow included."""
        return self._index.nbytes + self._sums.nbytes + self._values.nbytes

    def add(self, columns: Columns, bits: np.ndarray) -> None:
        """Add what is booked."""
        counted = columns.taken(_counted(self.anchor, columns, bits))
        periods = self._periods(counted, 0)
        if self.anchor.measure in {"sum", "count"}:
            values = _amounts(self.anchor, counted)
        else:
            known = len(self._values)
            numbers = self._values.add(np.column_stack((periods, counted.words(self.anchor.measure))))
            values = _firsts(numbers) * (numbers >= known)
        numbers = self._index.add(periods)
        self._sums = grown(self._sums, len(self._index))
        np.add.at(self._sums, numbers, values)

    def around(self, columns: Columns) -> np.ndarray:
        """Return for each posting what is known of its person in its period, the one before and the one after."""
        reached = np.zeros(len(columns), np.int64)
        for periods in (-1, 0, 1):
            number = self._index.find(self._periods(columns, periods))
            reached += np.where(number >= 0, self._sums[number], 0)
        return reached

    def _periods(self, columns: Columns, later: int) -> np.ndarray:
        return slots_of(columns.slots[:, :PERSON_WORDS], columns.facts["occurred_ms"] // self.anchor.period_ms + later)


def booked(anchor: Anchor, columns: Columns, bits: np.ndarray) -> np.ndarray:
    """Return what each posting adds to a bound (int64), of different values their first postings alone."""
    values = np.zeros(len(columns), np.int64)
    places = _counted(anchor, columns, bits)
    counted = columns.taken(places)
    if anchor.measure in {"sum", "count"}:
        values[places] = _amounts(anchor, counted)
    else:
        keys = np.column_stack((counted.slots[:, :PERSON_WORDS], counted.words(anchor.measure)))
        values[places] = _firsts(KeyIndex(PERSON_WORDS + 1).add(keys))
    return values


def _counted(anchor: Anchor, columns: Columns, bits: np.ndarray) -> np.ndarray:
    return np.flatnonzero(((bits & anchor.bit) != 0) & (columns.facts["amount"] > 0))


def _amounts(anchor: Anchor, columns: Columns) -> np.ndarray:
    amounts: np.ndarray = columns.facts["amount"] if anchor.measure == "sum" else np.ones(len(columns), np.int64)
    return amounts


def _firsts(numbers: np.ndarray) -> np.ndarray:
    """Return 1 where a number stands for the first time, 0 elsewhere."""
    firsts = np.zeros(len(numbers), np.int64)
    firsts[np.unique(numbers, return_index=True)[1]] = 1
    return firsts
