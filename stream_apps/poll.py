"""The batches of one poll as one frame: what every stage behind intake begins with.

Reads     batches of an internal topic: Avro values of one record, 16-byte person keys
Returns   `InternalPoll`: all records in order, batch by batch, and where each of them came from
Promises  a message that is no such record is our own fault and stops the stage: InvariantBroken names topic, partition
          and offset, never the content (boxes: totals, alerts)
"""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import dataclass
from itertools import accumulate, chain
from typing import TYPE_CHECKING

import numpy as np

from esep.codec import decode
from esep.errors import InvariantBroken
from esep.versions import upgraded

if TYPE_CHECKING:
    from collections.abc import Sequence

    import polars as pl

    from esep.stream_apps.stage import Batch

PERSON_KEY_BYTES = 16  # See esep.identifiers.PersonKeys.
PERSON_WORDS = 2  # The same as unsigned 64-bit numbers.


@dataclass(frozen=True, slots=True)
class InternalPoll:
    """One poll of an internal topic.

    batches: as given. starts: the place of each batch's first record, and the number of records after the last.
    frame: the record's columns. keys: the message keys.
    """

    batches: Sequence[Batch]
    starts: list[int]
    frame: pl.DataFrame
    keys: list[bytes]

    def origin(self, place: int) -> str:
        """Return topic, partition and offset of a record, for an error text."""
        return _origin(self.batches, self.starts, place)

    def offsets(self) -> np.ndarray:
        """Return the offset of each record (int64)."""
        return np.fromiter(chain.from_iterable(batch.offsets for batch in self.batches), np.int64, self.starts[-1])

    def partitions(self) -> np.ndarray:
        """Return the partition of each record (int32)."""
        numbers = np.array([batch.source.partition for batch in self.batches], np.int32)
        return np.repeat(numbers, np.diff(self.starts))


def read_poll(batches: Sequence[Batch], record: str) -> InternalPoll:
    """Return the records of a poll, decoded in one go, those of older versions in the columns of the newest.

    Raises InvariantBroken where a value is no `record` or a key is no person key.
    """
    starts = [0, *accumulate(len(batch) for batch in batches)]
    decoded = decode(list(chain.from_iterable(batch.values for batch in batches)), frozenset({record}))
    if decoded.bad:
        place = min(decoded.bad)
        raise _unreadable(batches, starts, place, f"its value is no {record} record: {decoded.bad[place]}")
    frame = upgraded(decoded.frames, record)
    keys = [key or b"" for batch in batches for key in batch.keys]
    if set(map(len, keys)) != {PERSON_KEY_BYTES}:
        place = next(place for place, key in enumerate(keys) if len(key) != PERSON_KEY_BYTES)
        raise _unreadable(batches, starts, place, "its key is no person key")
    return InternalPoll(batches, starts, frame, keys)


def person_words(keys: Sequence[bytes]) -> np.ndarray:
    """Return person keys as numbers, a row of two each (uint64)."""
    return np.frombuffer(b"".join(keys), dtype="<u8").reshape(-1, PERSON_WORDS)


def _unreadable(batches: Sequence[Batch], starts: list[int], place: int, why: str) -> InvariantBroken:
    return InvariantBroken(
        f"The record at {_origin(batches, starts, place)} cannot be used.",
        detail=why,
        hint="only our own stages write this topic: find which one wrote it, or who else may",
    )


def _origin(batches: Sequence[Batch], starts: list[int], place: int) -> str:
    which = bisect_right(starts, place) - 1
    batch = batches[which]
    return f"{batch.source} offset {batch.offsets[place - starts[which]]}"
