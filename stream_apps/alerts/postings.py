"""The postings that a partition remembers, found by person and day.

Reads     `Columns` of postings; slots (person and day)
Returns   `Postings`
Promises  about 170 bytes a posting; a slot is dropped whole (box: alerts)

The postings of a slot form a list through `_next`.
"""

from __future__ import annotations

import numpy as np

from esep.stream_apps.alerts.columns import FACTS, SLOT_WORDS, Columns, cut_out, days_of
from esep.stream_apps.key_index import KeyIndex, grown

_PLACES = np.dtype([("slot", "<i4"), ("text_end", "<i8")])
_COMPACT_ROWS_MIN = 10_000  # Below this, dropped rows are not worth the work.
_NONE = 0  # Row 0 is nobody's: the end of every list.
_DROPPED = -1  # Slot of a row that was dropped.


class Postings:
    """The postings of one input partition. last_day: none of them is of a later day."""

    def __init__(self) -> None:
        self.last_day = 0
        self._slots = KeyIndex(SLOT_WORDS)
        self._head = np.zeros(1, np.int32)  # Per slot the first row.
        self._next = np.zeros(1, np.int32)
        self._facts, self._places = np.zeros(1, FACTS), np.zeros(1, _PLACES)
        self._texts = np.zeros(1, np.uint8)
        self._end, self._text_end, self._dropped = 1, 0, 0

    def __len__(self) -> int:
        return self._end - 1 - self._dropped

    @property
    def nbytes(self) -> int:
        """Bytes held, room to grow included."""
        arrays = (self._head, self._next, self._facts, self._places, self._texts)
        return self._slots.nbytes + sum(array.nbytes for array in arrays)

    def put(self, columns: Columns) -> None:
        """Add postings; each stands here once only."""
        if not len(columns):
            return
        self.last_day = max(self.last_day, int(days_of(columns.slots).max()))
        slot = self._slots.add(columns.slots)
        self._head = grown(self._head, len(self._slots))
        first, end = self._end, self._end + len(slot)
        self._facts, self._places = grown(self._facts, end), grown(self._places, end)
        self._next = grown(self._next, end)
        self._facts[first:end] = columns.facts
        self._places["slot"][first:end] = slot
        self._places["text_end"][first:end] = self._text_end + np.cumsum(columns.lengths)
        self._texts = grown(self._texts, self._text_end + len(columns.texts))
        self._texts[self._text_end : self._text_end + len(columns.texts)] = columns.texts
        self._end, self._text_end = end, self._text_end + len(columns.texts)
        self._link(slot, np.arange(first, end, dtype=np.int32))

    def of(self, slots: np.ndarray) -> Columns:
        """Return the postings of these persons and days, in no order; a slot may stand here repeatedly."""
        number = self._slots.find(slots)
        return self.held(np.unique(number[number >= 0]))

    def past(self, day: int, slots_max: int) -> np.ndarray:
        """Return the numbers of slots before a day that hold postings: the oldest, at most so many."""
        keys = self._slots.keys
        old = np.flatnonzero((days_of(keys) < day) & (self._head[: len(keys)] != _NONE))
        order = np.lexsort((keys[old, 1], keys[old, 0], keys[old, 2]))
        numbers: np.ndarray = old[order[:slots_max]]
        return numbers

    def held(self, numbers: np.ndarray) -> Columns:
        """Return the postings of slots, given by number."""
        return self._columns(self._listed(numbers))

    def all(self) -> Columns:
        """Return all postings."""
        return self._columns(np.flatnonzero(self._places["slot"][1 : self._end] != _DROPPED) + 1)

    def drop(self, numbers: np.ndarray) -> bool:
        """Forget the postings of slots, given by number; if that made it begin anew, numbers mean others afterwards."""
        rows = self._listed(numbers)
        self._dropped += len(rows)
        self._places["slot"][rows] = _DROPPED
        self._head[numbers] = _NONE
        begins_anew = self._dropped > max(_COMPACT_ROWS_MIN, len(self))
        if begins_anew:
            left = Postings()
            left.put(self.all())
            vars(self).update(vars(left))
        return begins_anew

    def drop_days(self, slots: np.ndarray) -> None:
        """Forget the postings of these persons and days."""
        number = self._slots.find(slots)
        self.drop(np.unique(number[number >= 0]))

    def _link(self, slot: np.ndarray, rows: np.ndarray) -> None:
        """Put rows at the head of their slots' lists."""
        order = np.argsort(slot, kind="stable")
        slot, rows = slot[order], rows[order]
        changes = np.flatnonzero(np.diff(slot))
        firsts, lasts = np.concatenate(([0], changes + 1)), np.concatenate((changes, [len(slot) - 1]))
        self._next[rows[:-1]] = rows[1:]
        self._next[rows[lasts]] = self._head[slot[lasts]]
        self._head[slot[firsts]] = rows[firsts]

    def _listed(self, numbers: np.ndarray) -> np.ndarray:
        """Return the rows of slots, by walking their lists: 60 ns a row, however long a list is."""
        rows, following = [], memoryview(self._next.data)
        for row in self._head[numbers].tolist():
            while row != _NONE:
                rows.append(row)
                row = following[row]  # noqa: PLW2901 - the next of the list
        return np.array(rows, np.int64)

    def _columns(self, numbers: np.ndarray) -> Columns:
        places, starts = self._places[numbers], self._places["text_end"][numbers - 1]
        lengths = places["text_end"] - starts
        texts, slots = cut_out(self._texts, starts, lengths), self._slots.keys[places["slot"]]
        return Columns(slots, self._facts[numbers], texts, lengths)
