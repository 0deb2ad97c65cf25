"""The state of totals: what each person did at each organizer in each year, in columns.

Reads     cells: person key, BIN, Almaty year, twelve measures
Returns   `Cells`: the sums behind any scope; and the cells' form in the changelog
Promises  a cell put again replaces the old one, so that the latest changelog record of each key is the whole state
          (box: totals)

Only the finest scope is kept. A person's totals are the sum over organizers, those of all time the sum over years; so
nothing can disagree with itself, and a posting changes one cell. The cells of a person form a list through `_next`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from esep.errors import InvariantBroken
from esep.stream_apps.key_index import KeyIndex, grown
from esep.stream_apps.poll import PERSON_WORDS

if TYPE_CHECKING:
    from collections.abc import Sequence

MEASURES = ("wager", "winning", "refund", "cash_out", "deposit", "withdrawal")
WIDTH = 2 * len(MEASURES)  # A count and a sum of each, side by side.
CELL_KEY = np.dtype([("person", "<u8", PERSON_WORDS), ("bin", "<i8"), ("year", "<i2")])
CELL_VALUE = np.dtype(("<i8", WIDTH))
_NONE = 0  # Row 0 is nobody's, all zeros: the end of every list.


class Cells:
    """All cells of one input partition."""

    def __init__(self) -> None:
        self._persons = KeyIndex(PERSON_WORDS)
        self._head = np.zeros(1, np.int32)  # Per person the first cell.
        self._bin = np.zeros(1, np.int64)
        self._year = np.zeros(1, np.int16)
        self._next = np.zeros(1, np.int32)
        self._values = np.zeros((1, WIDTH), np.int64)
        self._end = 1

    def __len__(self) -> int:
        return self._end - 1

    @property
    def nbytes(self) -> int:
        """Bytes held, room to grow included."""
        columns = (self._head, self._bin, self._year, self._next, self._values)
        return self._persons.nbytes + sum(column.nbytes for column in columns)

    def bases(self, persons: np.ndarray, owner: np.ndarray, bins: np.ndarray, years: np.ndarray) -> np.ndarray:
        """Return the totals before a poll, shape (4, postings, WIDTH).

        persons: the distinct persons of the poll (words). owner: per posting the place of its person among them.
        In this order: the person in the year and ever, the person at the organizer in the year and ever.
        """
        count = len(owner)
        sums = np.zeros((4 * count, WIDTH), np.int64)  # Each cell once: by whether year and organizer are others.
        cell = self._heads(persons)[owner]
        posting = np.flatnonzero(cell)
        while len(posting):
            row = cell[posting]
            kind = 2 * (self._bin[row] != bins[posting]) + (self._year[row] != years[posting])
            sums[kind * count + posting] += self._values[row]
            cell[posting] = self._next[row]
            posting = posting[cell[posting] != _NONE]
        here_now, here_then, elsewhere_now, elsewhere_then = sums.reshape(4, count, WIDTH)
        elsewhere_then += elsewhere_now
        elsewhere_now += here_now
        here_then += here_now
        elsewhere_then += here_then
        return np.stack((elsewhere_now, elsewhere_then, here_now, here_then))

    def put(self, keys: np.ndarray, values: np.ndarray) -> None:
        """Set cells (CELL_KEY, CELL_VALUE); where a key stands repeatedly the last one counts."""
        if not len(keys):
            return
        person = self._persons.add(np.ascontiguousarray(keys["person"]))
        self._head = grown(self._head, len(self._persons))
        bins, years = np.ascontiguousarray(keys["bin"]), np.ascontiguousarray(keys["year"])
        rows = self._find(person, bins, years)
        missing = np.flatnonzero(rows == _NONE)
        if len(missing):
            rows[missing] = self._append(person[missing], bins[missing], years[missing])
        self._values[rows] = values

    def restore(self, keys: Sequence[bytes], values: Sequence[bytes | None]) -> None:
        """Put the cells of changelog records.

        Raises InvariantBroken where a record is no cell.
        """
        put = b"".join(value or b"" for value in values)
        if set(map(len, keys)) != {CELL_KEY.itemsize} or len(put) != len(keys) * CELL_VALUE.itemsize:
            raise InvariantBroken("The changelog of totals holds a record that is no cell.")
        self.put(np.frombuffer(b"".join(keys), CELL_KEY), np.frombuffer(put, CELL_VALUE))

    def table(self) -> tuple[np.ndarray, np.ndarray]:
        """Return all cells, a row each: keys (CELL_KEY) and values, in the order in which they were made."""
        keys, owner = np.empty(len(self), CELL_KEY), np.zeros(self._end, np.int32)
        person = np.arange(len(self._persons), dtype=np.int32)
        row = self._head[: len(person)]
        while len(row):
            owner[row] = person
            further = self._next[row] != _NONE
            person, row = person[further], self._next[row][further]
        keys["person"] = self._persons.keys[owner[1:]]
        keys["bin"], keys["year"] = self._bin[1 : self._end], self._year[1 : self._end]
        return keys, self._values[1 : self._end].copy()

    def _heads(self, persons: np.ndarray) -> np.ndarray:
        number = self._persons.find(persons)
        return np.where(number >= 0, self._head[number], _NONE)

    def _find(self, person: np.ndarray, bins: np.ndarray, years: np.ndarray) -> np.ndarray:
        """Return the row of each cell, or _NONE."""
        rows: np.ndarray = self._head[person]
        open_ = np.flatnonzero(rows)
        while len(open_):
            row = rows[open_]
            other = (self._bin[row] != bins[open_]) | (self._year[row] != years[open_])
            open_, row = open_[other], row[other]
            rows[open_] = self._next[row]
            open_ = open_[rows[open_] != _NONE]
        return rows

    def _append(self, person: np.ndarray, bins: np.ndarray, years: np.ndarray) -> np.ndarray:
        """Make the cells, which are not known yet; return the row of each."""
        order = np.lexsort((years, bins, person))
        new_person = np.diff(person[order], prepend=-1) != 0
        new = new_person | (np.diff(bins[order], prepend=-1) != 0) | (np.diff(years[order], prepend=-1) != 0)
        first, end = self._end, self._end + int(np.count_nonzero(new))
        rows = np.empty(len(person), np.int32)
        rows[order] = np.cumsum(new) - 1 + first
        self._make_room(end)
        self._bin[first:end], self._year[first:end] = bins[order][new], years[order][new]
        self._link(person[order][new], np.arange(first, end, dtype=np.int32))
        self._end = end
        return rows

    def _link(self, person: np.ndarray, rows: np.ndarray) -> None:
        """Put rows at the head of their persons' lists; both sorted by person."""
        changes = np.flatnonzero(np.diff(person))
        firsts, lasts = np.concatenate(([0], changes + 1)), np.concatenate((changes, [len(person) - 1]))
        self._next[rows[:-1]] = rows[1:]
        self._next[rows[lasts]] = self._head[person[lasts]]
        self._head[person[firsts]] = rows[firsts]

    def _make_room(self, end: int) -> None:
        self._bin, self._year = grown(self._bin, end), grown(self._year, end)
        self._next, self._values = grown(self._next, end), grown(self._values, end)


def changelog_records(keys: np.ndarray, values: np.ndarray) -> tuple[list[bytes], list[bytes]]:
    """Return the cells as changelog records, cut out of two buffers."""
    return _cut(keys.astype(CELL_KEY, copy=False)), _cut(np.ascontiguousarray(values, dtype="<i8"))


def _cut(rows: np.ndarray) -> list[bytes]:
    buffer = rows.tobytes()
    step = len(buffer) // max(len(rows), 1)
    return [buffer[at : at + step] for at in range(0, len(buffer), step or 1)]
