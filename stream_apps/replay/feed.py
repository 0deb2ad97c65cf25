"""Take the records of one partition up to given offsets, however they were read.

Reads     batches of one partition, in order
Returns   `Feed`: the next records up to an offset, as one batch
Promises  each record once, in order; holds what was read and not taken yet (box: replay)
"""

from __future__ import annotations

from bisect import bisect_right
from typing import TYPE_CHECKING

from esep.stream_apps.stage import Batch

if TYPE_CHECKING:
    from collections.abc import Iterator


class Feed:
    """One partition's records on their way."""

    def __init__(self, batches: Iterator[Batch]) -> None:
        self._batches = batches
        self._head: Batch | None = None

    def take(self, through: int, records_max: int) -> Batch | None:
        """Return the next records up to this offset, inclusive, at most so many; None if there are none."""
        taken: Batch | None = None
        while (taken is None or len(taken) < records_max) and (head := self._next()) is not None:
            room = records_max - (0 if taken is None else len(taken))
            count = min(bisect_right(head.offsets, through), room)
            if count:
                taken = _joined(taken, head.first(count))
            self._head = _behind(head, count)
            if self._head is not None:
                break
        return taken

    def _next(self) -> Batch | None:
        return self._head if self._head is not None else next(self._batches, None)


def _behind(batch: Batch, count: int) -> Batch | None:
    """Return the batch without its first records."""
    if count == len(batch):
        return None
    part = slice(count, None)
    return Batch(batch.source, batch.offsets[part], batch.timestamps_ms[part], batch.keys[part], batch.values[part])


def _joined(one: Batch | None, other: Batch) -> Batch:
    if one is None:
        return other
    return Batch(
        one.source,
        one.offsets + other.offsets,
        one.timestamps_ms + other.timestamps_ms,
        one.keys + other.keys,
        one.values + other.values,
    )
