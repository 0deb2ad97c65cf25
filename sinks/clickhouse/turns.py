"""Which of the fetched partitions a round of the loader takes: the line's own all, organizers' receipts in turn.

Reads     what was fetched, per partition
Returns   what the round is to load; the rest is kept for the rounds after it
Promises  of each partition everything in order, all that has come or nothing; whoever has waited longest comes first;
          what waits is bounded (DESIGN §5 "Loader"; box: sinks/clickhouse)

An insert holds the records of so many partitions at most, and costs the same however few each has. Every organizer has
a topic of receipts: with hundreds of them the ledger would wait for dozens of inserts.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from esep.sinks.clickhouse.frames import Records
from esep.sinks.clickhouse.pending import TOGETHER_MAX
from esep.sinks.clickhouse.tables import RECEIPTS_TABLE, table_of

if TYPE_CHECKING:
    from collections.abc import Iterable
    from collections.abc import Set as AbstractSet

    from esep.lineage import TopicPartition

RECEIPT_LANES = TOGETHER_MAX  # Of one round: as many as one insert holds.


class Turns:
    """The receipts that wait for their turn. waiting_max: how many records may wait; what is more is taken at once."""

    def __init__(self, waiting_max: int) -> None:
        self._waiting_max = waiting_max
        self._waiting: dict[TopicPartition, list[Records]] = {}  # In the order in which they began to wait.
        self._count = 0

    @property
    def sources(self) -> AbstractSet[TopicPartition]:
        """The partitions of which something has been fetched that no round has taken yet."""
        return self._waiting.keys()

    def take(self, fetched: Iterable[Records]) -> list[Records]:
        """Return what a round is to load, each partition once."""
        taken = []
        for records in fetched:
            if table_of(records.source.topic) is RECEIPTS_TABLE:
                self._waiting.setdefault(records.source, []).append(records)
                self._count += len(records.offsets)
            else:
                taken.append(records)
        lanes = 0
        while self._waiting and (lanes < RECEIPT_LANES or self._count > self._waiting_max):
            source = next(iter(self._waiting))
            records = _joined(self._waiting.pop(source))
            self._count -= len(records.offsets)
            lanes += 1
            taken.append(records)
        return taken

    def clear(self) -> None:
        """Forget what waits: it will be fetched again."""
        self._waiting.clear()
        self._count = 0


def _joined(parts: list[Records]) -> Records:
    if len(parts) == 1:
        return parts[0]
    offsets = [offset for part in parts for offset in part.offsets]
    return Records(parts[0].source, offsets, [value for part in parts for value in part.values])
