"""What to load next and what to repeat: the decisions that make the one hop out of Kafka exactly once.

Reads     the group's committed offset with its metadata, what a table says it holds, the months of the records at hand
Returns   `Pending` ranges and their wire form, tokens, and per month whether to insert, to leave or to stop
Promises  no I/O; for any order of crashes, repetitions and late arrivals each record is loaded once, as long as a token
          lives as long as whoever may still send it (DESIGN §5 "Loader"; box: sinks/clickhouse)

The steps of one round, per partition: the range is noted in the commit's metadata, the offset unchanged (1); each month
of it is inserted under its token, in ascending order (2); the offset moves behind the range, and the metadata is empty
again or, in the same commit, notes the next range (3). Who finds a noted range repeats exactly that one before anything
else.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

from esep.errors import InvariantBroken, PositionMismatch

if TYPE_CHECKING:
    from collections.abc import Mapping

    from esep.lineage import TopicPartition

TOKENS_S = 6 * 3600  # Tables remember the tokens of 24 h at peak; the rest is for clocks that are wrong.
EARLIEST = -2  # Kafka's own number for the first offset that is there.


@dataclass(frozen=True, slots=True)
class Pending:
    """A range of one partition that is being inserted: its first and last offset, both included, and its rows.

    layout: that of the table at the time (`Store.layout`). noted_at: when the range was noted first, in seconds since
    1970 by the clock of whoever noted it; 0 where that is not known.

    >>> Pending.decode(Pending(7, 19, 12, 1).encode())
    Pending(first=7, last=19, rows=12, layout=1, noted_at=0)
    """

    first: int
    last: int
    rows: int
    layout: int
    noted_at: int = 0

    def has_tokens(self, layout: int, now_s: float) -> bool:
        """Return whether the tokens of this range are surely known still, if its inserts were sent: then what is sent
        again under them is not there twice. layout: that of the table by now."""
        return self.layout == layout and abs(now_s - self.noted_at) < TOKENS_S

    def encode(self) -> str:
        """Return the metadata of the commit that notes this range: JSON, readable with any tool."""
        return json.dumps(asdict(self), separators=(",", ":"))

    @classmethod
    def decode(cls, metadata: str | None) -> Pending | None:
        """Return the range that `encode` wrote, None for empty metadata; PositionMismatch for anything else."""
        if not metadata:
            return None
        try:
            return cls(**{name: int(value) for name, value in json.loads(metadata).items()})
        except (AttributeError, TypeError, ValueError) as error:
            raise PositionMismatch("a committed offset of the loader's has metadata of somebody else's") from error


@dataclass(frozen=True, slots=True)
class Committed:
    """What the group holds for one partition: the next offset to load, and the range in progress, if any."""

    offset: int
    pending: Pending | None


@dataclass(frozen=True, slots=True)
class Resume:
    """How to go on with a partition: repeat `pending` first, if there is one; then read from `offset`."""

    pending: Pending | None
    offset: int


def resume(source: TopicPartition, committed: Committed | None, offset_max: int | None) -> Resume:
    """Return how to go on with a partition that was just assigned.

    offset_max: the highest offset of this partition that the table holds, None if it holds none.
    Raises PositionMismatch if the two contradict each other: nothing was committed, yet rows are there; or the table is
    ahead of what was committed or noted, as after a group whose offset was moved back. Loading on would load twice.
    """
    if committed is None:
        if offset_max is not None:
            raise _mismatch(source, "no offset is committed", offset_max)
        return Resume(None, EARLIEST)
    pending = committed.pending
    if pending is not None and not committed.offset == pending.first <= pending.last:
        raise PositionMismatch(
            f"{source}: offset {committed.offset} is committed with another range", detail=f"{pending}"
        )
    end = committed.offset if pending is None else pending.last + 1
    if offset_max is not None and offset_max >= end:
        raise _mismatch(source, f"rows are loaded or noted up to offset {end - 1}", offset_max)
    return Resume(pending, end)


def to_insert(source: TopicPartition, read: Mapping[int, int], present: Mapping[int, int]) -> list[int]:
    """Return the months of a noted range that are still to be inserted, in ascending order.

    read: rows per month (yyyymm) of the range, as read again. present: those that the table holds; no entry for none.
    A month is one block, so it is there whole or not at all; that it holds fewer rows means that ClickHouse has merged
    rows of one identity. What is there is not inserted by this, so that neither age nor layout of the tokens matters;
    while they are young, the loader sends it again for the roll-ups' sake. Raises InvariantBroken if more is there than
    was read.
    """
    for month, rows in present.items():
        if rows > read.get(month, 0):
            raise InvariantBroken(
                f"{source}: the table holds rows of month {month} twice",
                detail=f"{rows} rows instead of {read.get(month, 0)} of a noted range",
                hint="see `esep reconcile`",
            )
    return sorted(month for month in read if month not in present)


def token(source: TopicPartition, pending: Pending, month: int, table: str) -> str:
    """Return the deduplication token of one month of one range.

    >>> from esep.lineage import TopicPartition
    >>> token(TopicPartition("ledger", 3), Pending(7, 19, 12, 1), 202611, "ledger")
    'ledger:3:7-19:202611:ledger:1'
    """
    return f"{source.topic}:{source.partition}:{pending.first}-{pending.last}:{month}:{table}:{pending.layout}"


def _mismatch(source: TopicPartition, what: str, offset_max: int) -> PositionMismatch:
    return PositionMismatch(
        f"{source}: {what}, but the table holds offset {offset_max}",
        detail="rows would be loaded twice",
        hint="was the group's offset or a table put back? see `esep reconcile` before you go on",
    )
