"""Number keys of a fixed width densely, whole arrays at a time: a dict without an object per key.

Reads     keys as rows of unsigned 64-bit words
Returns   `KeyIndex`: key → 0, 1, 2 … ; `grown`: an array with room for more
Promises  one key has one number for ever; about 25 bytes for a key of two words, where a dict of bytes needs 150
          (boxes: totals, alerts)

Open addressing; the n-th probe goes n places further, which reaches every place of a table of 2**k. A round looks at
one place for every key that is still open, so there are as many rounds as the longest search takes probes (about 15),
each a handful of array operations.
"""

from __future__ import annotations

import numpy as np

_LOAD_MAX = 0.7  # Keys per place of the table: a search takes less than two probes on average.
_PLACES_MIN = 64
_MIX = np.uint64(0x9E3779B97F4A7C15)  # 2**64 divided by the golden ratio, odd: spreads neighbouring keys.
_HALF = np.uint64(32)
_GROWTH = 1.5  # Arrays grow by half: less idle memory than by doubling, and still O(1) per key.


class KeyIndex:
    """Key → dense number, in numpy arrays."""

    def __init__(self, words: int) -> None:
        self._keys = np.zeros((1, words), np.uint64)
        self._count = 0
        self._table = np.zeros(_PLACES_MIN, np.int32)  # 0: free; n: the key with number n - 1.

    def __len__(self) -> int:
        return self._count

    @property
    def keys(self) -> np.ndarray:
        """The keys by number."""
        return self._keys[: self._count]

    @property
    def nbytes(self) -> int:
        """Bytes held, room to grow included."""
        return int(self._keys.nbytes + self._table.nbytes)

    def find(self, keys: np.ndarray) -> np.ndarray:
        """Return the number of each key (int32), -1 where it is not known."""
        numbers = np.full(len(keys), -1, np.int32)
        open_, place = np.arange(len(keys)), self._home(keys)
        for step in range(1, len(self._table) + 1):
            held = self._table[place]
            hit = self._same(held, keys, open_)
            numbers[open_[hit]] = held[hit] - 1
            further = np.flatnonzero(~hit & (held != 0))
            if not len(further):
                break
            open_, place = open_[further], self._next(place[further], step)
        return numbers

    def add(self, keys: np.ndarray) -> np.ndarray:
        """Return the number of each key (int32), numbering those that are new; a key may stand here repeatedly."""
        numbers = self.find(keys)
        missing = np.flatnonzero(numbers < 0)
        if len(missing):
            self._make_room(len(missing))
            numbers[missing] = self._append(keys[missing])
        return numbers

    def _append(self, keys: np.ndarray) -> np.ndarray:
        first, end = self._count, self._count + len(keys)
        self._keys[first:end] = keys
        owners, places = self._claim(np.arange(first, end, dtype=np.int32))
        own = owners == np.arange(first, end)
        fresh = np.cumsum(own, dtype=np.int32) + np.int32(first - 1)  # Repeated keys have left holes: close them.
        numbers: np.ndarray = fresh[owners - first]
        self._table[places[own]] = fresh[own] + 1
        self._count = first + int(np.count_nonzero(own))
        self._keys[first : self._count] = keys[own]
        return numbers

    def _claim(self, numbers: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Enter keys of these numbers; return per key the number that holds its place in the end, and the place."""
        keys = self._keys[numbers]
        owners, places = np.empty(len(numbers), np.int32), np.empty(len(numbers), np.int64)
        open_, place = np.arange(len(numbers)), self._home(keys)
        for step in range(1, len(self._table) + 1):
            free = self._table[place] == 0
            self._table[place[free]] = numbers[open_[free]] + 1  # Where several claim one place, one of them stays.
            held = self._table[place]
            hit = self._same(held, keys, open_)
            owners[open_[hit]], places[open_[hit]] = held[hit] - 1, place[hit]
            further = np.flatnonzero(~hit)
            if not len(further):
                break
            open_, place = open_[further], self._next(place[further], step)
        return owners, places

    def _same(self, held: np.ndarray, keys: np.ndarray, open_: np.ndarray) -> np.ndarray:
        """Return whether the key held at each place is the one looked for."""
        same: np.ndarray = held != 0
        for word in range(keys.shape[1]):
            same &= self._keys[held - 1, word] == keys[open_, word]
        return same

    def _home(self, keys: np.ndarray) -> np.ndarray:
        mixed = np.zeros(len(keys), np.uint64)
        for word in range(keys.shape[1]):
            mixed = (mixed ^ keys[:, word]) * _MIX
            mixed ^= mixed >> _HALF
        return (mixed & np.uint64(len(self._table) - 1)).astype(np.int64)

    def _next(self, place: np.ndarray, step: int) -> np.ndarray:
        return (place + step) & (len(self._table) - 1)

    def _make_room(self, more: int) -> None:
        """Make room for so many more keys, which doubles the table as often as needed."""
        self._keys = grown(self._keys, self._count + more)
        places = len(self._table)
        while self._count + more > _LOAD_MAX * places:
            places *= 2
        if places > len(self._table):
            self._table = np.zeros(places, np.int32)
            self._claim(np.arange(self._count, dtype=np.int32))


def grown(array: np.ndarray, rows: int) -> np.ndarray:
    """Return the array, or a copy with room for so many rows and half as many again; new rows are zero."""
    if rows <= len(array):
        return array
    larger = np.zeros((max(rows, int(len(array) * _GROWTH)), *array.shape[1:]), array.dtype)
    larger[: len(array)] = array
    return larger
