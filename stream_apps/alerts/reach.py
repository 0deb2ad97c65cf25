"""What was ever booked for each person in each period: more than any window of that length can hold.

Reads     postings as columns, with the filters that they pass
Returns   `Reach`: for a person around an instant, an upper bound of a sum, a number, or a number of different values
Promises  never less than what any window of the period's length that holds the instant comes to; what was taken back
          still counts; two values count as one with a chance of 1 to 2**64 (box: alerts)

Of different values a person's number in a period, and how many of them the period before had not: then somebody who
has one value, and always the same, comes to one however often it is used.
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
        self._fresh = np.zeros(1, np.int64)  # Of different values: those that the period before has not.
        self._values = KeyIndex(SLOT_WORDS + 1)  # Of these and the different values that they have.

    @property
    def nbytes(self) -> int:
        """Bytes held, room to grow included."""
        return self._index.nbytes + self._sums.nbytes + self._fresh.nbytes + self._values.nbytes

    def add(self, columns: Columns, bits: np.ndarray) -> None:
        """Add what is booked."""
        counted = columns.taken(_counted(self.anchor, columns, bits))
        numbers = self._index.add(self._periods(counted, 0))
        self._sums = grown(self._sums, len(self._index))
        if self.anchor.measure in {"sum", "count"}:
            np.add.at(self._sums, numbers, _amounts(self.anchor, counted))
        else:
            self._add_values(counted)

    def around(self, columns: Columns) -> np.ndarray:
        """Return for each posting what is known of its person in its period, the one before and the one after."""
        reached = np.zeros(len(columns), np.int64)
        following = self._sums if self.anchor.measure in {"sum", "count"} else self._fresh
        for periods, sums in ((-1, self._sums), (0, following), (1, following)):
            number = self._index.find(self._periods(columns, periods))
            reached += np.where(number >= 0, sums[number], 0)
        return reached

    def coming(self, columns: Columns, bits: np.ndarray) -> np.ndarray:
        """Return what each posting that is not added yet adds to a bound (int64).

        Of different values the first posting of each, unless its person's period has it.
        """
        values = np.zeros(len(columns), np.int64)
        places = _counted(self.anchor, columns, bits)
        counted = columns.taken(places)
        if self.anchor.measure in {"sum", "count"}:
            values[places] = _amounts(self.anchor, counted)
            return values
        words = counted.words(self.anchor.measure)
        new = np.flatnonzero(self._values.find(self._valued(counted, words, 0)) < 0)
        keys = np.column_stack((counted.slots[new, :PERSON_WORDS], words[new]))
        values[places[new]] = _firsts(KeyIndex(PERSON_WORDS + 1).add(keys))
        return values

    def _add_values(self, counted: Columns) -> None:
        words, known = counted.words(self.anchor.measure), len(self._values)
        numbers = self._values.add(self._valued(counted, words, 0))
        new = np.flatnonzero(_firsts(numbers) * (numbers >= known))
        counted, words = counted.taken(new), words[new]
        self._fresh = grown(self._fresh, len(self._index))
        period = self._index.find(self._periods(counted, 0))
        np.add.at(self._sums, period, 1)
        np.add.at(self._fresh, period, self._values.find(self._valued(counted, words, -1)) < 0)
        after = self._values.find(self._valued(counted, words, 1))
        no_longer = np.flatnonzero((after >= 0) & (after < known))  # Others of this call were never taken for fresh.
        period = self._index.find(self._periods(counted.taken(no_longer), 1))
        np.subtract.at(self._fresh, period, 1)

    def _valued(self, columns: Columns, words: np.ndarray, later: int) -> np.ndarray:
        return np.column_stack((self._periods(columns, later), words))

    def _periods(self, columns: Columns, later: int) -> np.ndarray:
        return slots_of(columns.slots[:, :PERSON_WORDS], columns.facts["occurred_ms"] // self.anchor.period_ms + later)


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
