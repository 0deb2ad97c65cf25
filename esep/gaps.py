"""What is missing: per stream the sequences below its highest that have not arrived, how many, and since when.

Reads     the accounts that receipts give of streams, in the order of each partition
Returns   `Gap`s
Promises  a gap that shrinks or splits keeps its age; memory grows with streams that lack something; nothing of a
          person (DESIGN §4 "Sequence"; clauses O9-4.5, O9-5.3; boxes: producers, cli)
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import datetime


class Gap(NamedTuple):
    """Sequences first to last of a stream that have not arrived.

    since: UTC, of the first receipt read that misses them; a receipt is as old as the last message it accounts for.
    """

    organizer_bin: str
    partition: int
    stream_id: str
    first: int
    last: int
    since: datetime

    @property
    def missing_count(self) -> int:
        """How many they are."""
        return self.last - self.first + 1


@dataclass(slots=True)
class Gaps:
    """What is missing after the receipts taken so far.

    >>> from datetime import UTC, datetime
    >>> gaps, noon = Gaps(), datetime(2026, 3, 1, 12, tzinfo=UTC)
    >>> gaps.take("940140000385", 0, "desk-7", [(2, 5)], noon)
    >>> gaps.take("940140000385", 0, "desk-7", [(4, 5)], noon.replace(hour=13))
    >>> [(gap.first, gap.missing_count, gap.since.hour) for gap in gaps.all()]
    [(4, 2, 12)]
    """

    _streams: dict[tuple[str, int, str], list[Gap]] = field(default_factory=dict)

    def take(
        self, organizer_bin: str, partition: int, stream_id: str, missing: Iterable[tuple[int, int]], at: datetime
    ) -> None:
        """Take in the next account of a stream. missing: its ranges, ascending. at: of the receipt, UTC."""
        key = (organizer_bin, partition, stream_id)
        before = self._streams.pop(key, [])
        now = [Gap(*key, first, last, _since(before, first, last) or at) for first, last in missing]
        if now:
            self._streams[key] = now

    def all(self) -> list[Gap]:
        """Return the gaps by organizer, partition, stream and sequence."""
        return sorted(gap for gaps in self._streams.values() for gap in gaps)


def _since(before: Iterable[Gap], first: int, last: int) -> datetime | None:
    """Return since when a range has been missing: that of the gap that held all of it."""
    return next((gap.since for gap in before if gap.first <= first and last <= gap.last), None)
