"""What was ever booked for each person in each stretch of time, and who may thereby be within reach of a rule.

Reads     postings as columns, with the filters that they pass; the bounds of rules
Returns   `Reach`: which postings may be in a window at which a rule is fulfilled
Promises  a posting that is in such a window is within reach; what was taken back still counts; two values, and two
          bets, count as one with a chance of 1 to 2**64 (box: alerts)

Sums are of floating point, and what has to be reached is lessened by more than they may err. What is within reach and
fulfils nothing costs time alone: that is why postings may be added before their poll is committed, and twice if it is
repeated. Of different values a person's number in a stretch is known, and how many of them the stretch before had not:
then somebody who has one value, and always the same, comes to one however often it is used.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from esep.stream_apps.alerts.bounds import DISTINCT
from esep.stream_apps.key_index import KeyIndex, grown
from esep.stream_apps.poll import PERSON_WORDS

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from esep.stream_apps.alerts.bounds import Apart, Bound, Bounds, Measure
    from esep.stream_apps.alerts.columns import Columns

_NUMBER_BITS = np.uint64(32)  # Of a stretch's number, beside that of its person.
_NUMBER_MASK = np.uint64(2**32 - 1)
_MIX = np.uint64(0x9E3779B97F4A7C15)
_SLACK = 1 - 1e-9  # Below 2**53 sums are exact.
_RETURN_MILLI = 1000


class Booked:
    """Postings that are to be added. bits: the filters that each passes."""

    def __init__(self, columns: Columns, bits: np.ndarray) -> None:
        self.columns = columns
        self._bits = np.where(columns.facts["amount"] > 0, bits, 0)
        self._words: dict[str, np.ndarray] = {}

    def counted(self, bit: int) -> np.ndarray:
        """Return the places of those that pass a filter and take nothing back."""
        places: np.ndarray = np.flatnonzero(self._bits & bit)
        return places

    def words(self, field: str) -> np.ndarray:
        """Return a number for each posting's value of a field, equal for equal ones."""
        if field not in self._words:
            self._words[field] = self.columns.words(field)
        return self._words[field]

    def parts(self, what: str) -> np.ndarray:
        """Return what each adds to a sum or a number."""
        facts = self.columns.facts
        if what == "count":
            return np.ones(len(facts))
        amounts: np.ndarray = facts["amount"].astype(np.float64)
        return amounts if what == "amount_tiyn" else np.floor(amounts * facts["odds"] / _RETURN_MILLI)


class Reach:
    """What was booked for the persons of a partition, for the bounds of some rules."""

    def __init__(self, bounds: Sequence[Bounds]) -> None:
        self._bounds = bounds
        self._persons = KeyIndex(PERSON_WORDS)
        measures: dict[Apart, dict[Measure, None]] = {}
        for of_rule in bounds:
            measures.setdefault(of_rule.apart, {}).update(dict.fromkeys(of_rule.measures))
        self._sums = {apart: _Sums(apart, own) for apart, own in measures.items()}

    @property
    def nbytes(self) -> int:
        """Bytes held, room to grow included."""
        return self._persons.nbytes + sum(sums.nbytes for sums in self._sums.values())

    def add(self, columns: Columns, bits: np.ndarray) -> list[np.ndarray]:
        """Add what is booked; return for each rule which of these postings are within its reach, those included."""
        booked = Booked(columns, bits)
        persons = self._persons.add(columns.slots[:, :PERSON_WORDS]).astype(np.uint64)
        cells = {apart: sums.add(persons, booked) for apart, sums in self._sums.items()}
        near = []
        for of_rule in self._bounds:
            touched = cells[of_rule.apart]
            near.append(self._sums[of_rule.apart].reached(of_rule, touched)[touched.places])
        return near


class _Touched(NamedTuple):
    """Cells, each once, and those of the stretches before and after. places: where the cell of each posting is."""

    rows: np.ndarray
    before: np.ndarray
    after: np.ndarray | None
    places: np.ndarray


class _Sums:
    """What is added up together, a cell each: of a person and stretch, or of what is keyed apart.

    Row 0 of each array is nobody's: it stands for all cells that are not there.
    """

    def __init__(self, apart: Apart, measures: Iterable[Measure]) -> None:
        self._apart = apart
        self._cells = KeyIndex(1)
        self._arrays = {measure: np.full(1, np.inf if measure.least else 0.0) for measure in measures}
        self._values = {one: _Values() for one in self._arrays if not one.least and one.what in DISTINCT}

    @property
    def rows(self) -> int:
        """How many rows are in use."""
        return len(self._cells) + 1

    @property
    def nbytes(self) -> int:
        """Bytes held, room to grow included."""
        values = sum(one.nbytes for one in self._values.values())
        return self._cells.nbytes + sum(array.nbytes for array in self._arrays.values()) + values

    def add(self, persons: np.ndarray, booked: Booked) -> _Touched:
        """Add postings of persons, given by number; return their cells."""
        rows = self._cells.add(self._keys(persons, booked)).astype(np.intp) + 1
        self._arrays = {measure: _with_room(array, self.rows) for measure, array in self._arrays.items()}
        for measure, array in self._arrays.items():
            places = booked.counted(measure.bit)
            if measure in self._values:
                np.add.at(array, self._values[measure].add(rows[places], booked.words(measure.what)[places], self), 1.0)
            elif measure.least:
                parts = booked.parts(measure.what)[places]
                np.minimum.at(array, rows[places], np.where(parts > 0, parts, np.inf))
            else:
                np.add.at(array, rows[places], booked.parts(measure.what)[places])
        unique, places = np.unique(rows, return_inverse=True)
        if self._apart.stretch_ms:
            return _Touched(unique, self.beside(unique, -1), self.beside(unique, 1), places)
        return _Touched(unique, np.zeros_like(unique), None, places)

    def reached(self, bounds: Bounds, cells: _Touched) -> np.ndarray:
        """Return whether a rule may be fulfilled at a window that ends in each of these cells, or in the next one."""
        reached = self._ends_in(bounds, cells.rows, cells.before)
        return reached if cells.after is None else reached | self._ends_in(bounds, cells.after, cells.rows)

    def beside(self, rows: np.ndarray, later: int) -> np.ndarray:
        """Return the rows of the same persons' stretches before or after; 0 where there is none, and no stretches."""
        if not self._apart.stretch_ms:
            return np.zeros_like(rows)
        keys = self._cells.keys[rows - 1]
        number = (keys + np.int64(later).astype(np.uint64)) & _NUMBER_MASK
        found: np.ndarray = self._cells.find((keys & ~_NUMBER_MASK) | number).astype(np.intp) + 1
        return found

    def _keys(self, persons: np.ndarray, booked: Booked) -> np.ndarray:
        if self._apart.stretch_ms:
            numbers = (booked.columns.facts["occurred_ms"] // self._apart.stretch_ms).astype(np.uint64)
            return ((persons << _NUMBER_BITS) | (numbers & _NUMBER_MASK)).reshape(-1, 1)
        mixed = persons * _MIX
        for field in self._apart.key:
            mixed = (mixed ^ booked.words(field)) * _MIX
        return mixed.reshape(-1, 1)

    def _ends_in(self, bounds: Bounds, rows: np.ndarray, before: np.ndarray) -> np.ndarray:
        reached: np.ndarray = self._arrays[bounds.event][rows] > 0
        for enough in bounds.of_sums:
            held = [self._holds(bound, rows, before) for bound in enough.bounds]
            if enough.needed == 1:
                reached &= np.logical_or.reduce(held)
            else:
                reached &= sum(one * points for one, points in zip(held, enough.points, strict=True)) >= enough.needed
        return reached

    def _holds(self, bound: Bound, rows: np.ndarray, before: np.ndarray) -> np.ndarray:
        needed: np.ndarray | float = bound.limit
        if bound.least is not None:
            least = self._arrays[bound.least]
            needed = np.minimum(least[rows], least[before]) * bound.limit
        if bound.most is None:
            return np.isfinite(needed)
        fresh = self._values[bound.most].fresh if bound.most in self._values else self._arrays[bound.most]
        holds: np.ndarray = fresh[rows] + self._arrays[bound.most][before] >= needed * _SLACK
        return holds


class _Values:
    """The different values in each cell. fresh: how many of them the stretch before has not, by row of the cell."""

    def __init__(self) -> None:
        self._known = KeyIndex(2)
        self.fresh = np.zeros(1)

    @property
    def nbytes(self) -> int:
        """Bytes held, room to grow included."""
        return self._known.nbytes + self.fresh.nbytes

    def add(self, rows: np.ndarray, words: np.ndarray, sums: _Sums) -> np.ndarray:
        """Add values in cells; return the row of each one that is new."""
        known = len(self._known)
        numbers = self._known.add(_valued(rows, words))
        first = np.zeros(len(rows), np.bool_)
        first[np.unique(numbers, return_index=True)[1]] = True
        new = np.flatnonzero(first & (numbers >= known))
        rows, words = rows[new], words[new]
        before, after = sums.beside(rows, -1), sums.beside(rows, 1)
        self.fresh = grown(self.fresh, sums.rows)
        np.add.at(self.fresh, rows, self._known.find(_valued(before, words)) < 0)
        told = self._known.find(_valued(after, words))
        no_longer = after[(told >= 0) & (told < known)]  # Others of this call were never taken for fresh.
        np.subtract.at(self.fresh, no_longer, 1)
        return rows


def _valued(rows: np.ndarray, words: np.ndarray) -> np.ndarray:
    return np.column_stack((rows.astype(np.uint64), words))


def _with_room(array: np.ndarray, rows: int) -> np.ndarray:
    """Return the array with room for so many rows, those that are new being as the first."""
    larger = grown(array, rows)
    larger[len(array) :] = array[0]
    return larger
