"""What is remembered of a lane instead of its records: a hash of every stretch of rows, and where each stretch lies.

Reads     committed records of one output partition; keys and values that a stage made
Returns   `LaneDigest` per lane
Promises  two lanes have equal digests only if they hold the same keys and values in the same order, byte for byte;
          2,048 records take some hundred bytes, so that memory hardly grows with the topics (DESIGN §5; decision 0024;
          box: replay)
"""

from __future__ import annotations

from dataclasses import dataclass, field
from hashlib import sha256
from itertools import chain, pairwise
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import polars as pl

from esep.codec import INDEX, decode
from esep.lineage import Lane, TopicPartition
from esep.versions import upgraded

if TYPE_CHECKING:
    from collections.abc import Sequence

    from esep.stream_apps.stage import Batch

STRETCH_ROWS = 2_048
_AGAIN = b"again"  # Marks a stretch to which rows came after those of another one.


class Stretch(NamedTuple):
    """The rows number * STRETCH_ROWS + 1 … of a lane: hash, and the first and last offset of their records."""

    digest: bytes
    first_offset: int
    last_offset: int


class Piece(NamedTuple):
    """The records of one lane in a batch: their rows, and their places in the batch."""

    lane: Lane
    rows: np.ndarray
    places: np.ndarray


@dataclass(slots=True)
class LaneDigest:
    """All stretches of a lane on its topic; `close` it once all records were added."""

    count: int = 0
    first_row: int = 0
    last_row: int = 0
    stretches: dict[int, Stretch] = field(default_factory=dict)
    _hash: Any = field(default_factory=sha256)
    _number: int | None = None
    _first_offset: int = 0
    _last_offset: int = 0

    def add(
        self,
        rows: np.ndarray,
        offsets: Sequence[int],
        keys: Sequence[bytes | None],
        values: Sequence[bytes | None],
    ) -> None:
        """Add the next records of the lane, in the order of the topic; there is at least one."""
        self.first_row = min(self.first_row, int(rows.min())) if self.count else int(rows.min())
        self.last_row = max(self.last_row, int(rows.max()))
        self.count += len(rows)
        numbers = stretch_of(rows)
        cuts = [0, *(np.flatnonzero(np.diff(numbers)) + 1).tolist(), len(rows)]
        for start, end in pairwise(cuts):
            self._turn_to(int(numbers[start]), offsets[start])
            self._hash.update(told(keys[start:end], values[start:end]))
            self._last_offset = offsets[end - 1]

    def close(self) -> LaneDigest:
        """Put the stretch under way with the others; return this."""
        if self._number is not None:
            digest = self._hash.digest()
            self.stretches[self._number] = Stretch(digest, self._first_offset, self._last_offset)
            self._number = None
        return self

    def _turn_to(self, number: int, offset: int) -> None:
        if number == self._number:
            return
        self.close()
        known = self.stretches.get(number)
        self._number, self._hash = number, sha256()
        self._first_offset = offset
        if known is not None:  # Out of order, so that it must not equal a stretch that is in order.
            self._hash.update(_AGAIN + known.digest)
            self._first_offset = known.first_offset


def stretch_of(rows: np.ndarray) -> np.ndarray:
    """Return the number of the stretch that each row is in.

    >>> stretch_of(np.array([1, 2048, 2049])).tolist()
    [0, 0, 1]
    """
    return (rows - 1) // STRETCH_ROWS


def told(keys: Sequence[bytes | None], values: Sequence[bytes | None]) -> bytes:
    """Return keys and values as bytes that those of no other records are.

    >>> told([b"a"], [b"bc"]) == told([b"ab"], [b"c"])
    False
    """
    parts = (
        (b"%d,%d:" % (-1 if key is None else len(key), -1 if value is None else len(value)), key or b"", value or b"")
        for key, value in zip(keys, values, strict=True)
    )
    return b"".join(chain.from_iterable(parts))


def digest_of(keys: Sequence[bytes | None], values: Sequence[bytes | None]) -> bytes:
    """Return the hash of a stretch that holds these records."""
    return sha256(told(keys, values)).digest()


def pieces_of(batch: Batch, record: str) -> tuple[list[Piece], dict[int, str]]:
    """Return the records of a batch by lane, and by place the codes of those that are no such record."""
    decoded = decode(batch.values, frozenset({record}))
    frame = upgraded(decoded.frames, record)
    lanes = frame.group_by("cause_topic", "cause_partition", maintain_order=True).agg(pl.col("row", INDEX))
    pieces = [
        Piece(
            Lane(TopicPartition(topic, partition), batch.source),
            np.array(rows, np.int64),
            np.array(places, np.int64),
        )
        for topic, partition, rows, places in lanes.iter_rows()
    ]
    return pieces, decoded.bad
