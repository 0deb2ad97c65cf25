"""What to load next and what to repeat: the decisions that make the one hop out of Kafka exactly once.

Reads     the group's committed offset with its metadata, what a table says it holds, the months of the records at hand
Returns   `Pending` ranges and their wire form, tokens, and per month whether to insert, to leave or to stop
Promises  no I/O; for any order of crashes, repetitions and late arrivals each record is loaded once, as long as a token
          lives as long as whoever may still send it (DESIGN §5 "Loader"; box: sinks/clickhouse)

The steps of one round, per partition: the range is noted in the commit's metadata, the offset unchanged (1); each month
of it is inserted under its token, in ascending order (2); the offset moves behind the range, and the metadata is empty
again or, in the same commit, notes the next range (3). Who finds a noted range repeats exactly that one before anything
else.

What an insert costs is the same for one row and for thousands, so ranges of several partitions are inserted together:
one block for a month of all of them, under one token. Each note names all of them, so that whoever takes over one of
the partitions repeats the same block under the same token, whoever may do so for another one at the same time. He does
so as long as all of them are noted and the tables' layout is the same; if not, the insert was never sent or is in the
table whole (`is_noted_whole`), or nobody sends anything any more, and he looks at his own rows alone.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from hashlib import sha256
from typing import TYPE_CHECKING, NamedTuple

from esep.errors import InvariantBroken, PositionMismatch
from esep.lineage import TopicPartition

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

TOGETHER_MAX = 16  # Ranges of one insert: each is noted with all the others, and a note has room for 4,096 bytes.
TOKENS_S = 6 * 3600  # Tables remember the tokens of 24 h at peak; the rest is for clocks that are wrong.
EARLIEST = -2  # Kafka's own number for the first offset that is there.


class Span(NamedTuple):
    """A range of one partition: its first and last offset, both included, and its rows."""

    source: TopicPartition
    first: int
    last: int
    rows: int


@dataclass(frozen=True, slots=True)
class Pending:
    """A range of one partition that is being inserted: its first and last offset, both included, and its rows.

    beside: the ranges of other partitions that are inserted with it, in the same blocks.
    layout: that of the table at the time (`Store.layout`). noted_at: when the range was noted first, in seconds since
    1970 by the clock of whoever noted it; 0 where that is not known.

    >>> Pending.decode(Pending(7, 19, 12, 1).encode())
    Pending(first=7, last=19, rows=12, layout=1, noted_at=0, beside=())
    """

    first: int
    last: int
    rows: int
    layout: int
    noted_at: int = 0
    beside: tuple[Span, ...] = ()

    def spans(self, source: TopicPartition) -> tuple[Span, ...]:
        """Return all that is inserted with this range, itself included, in order; source: its own partition."""
        return tuple(sorted((Span(source, self.first, self.last, self.rows), *self.beside)))

    def is_noted_whole(self, source: TopicPartition, noted: Mapping[TopicPartition, Committed | None]) -> bool:
        """Return whether each range beside this one is noted, at this very time, as beside it.

        noted: what the group holds for their partitions. If one is not, either nothing of all this was ever sent, for
        a commit had come to a part of them only; or that one is done, which it is once all are in the table.
        """
        spans = self.spans(source)
        return all(
            (there := noted.get(one.source)) is not None
            and there.pending is not None
            and there.pending.layout == self.layout
            and there.pending.spans(one.source) == spans
            for one in self.beside
        )

    def has_tokens(self, layout: int, now_s: float) -> bool:
        """Return whether the tokens of this range are surely known still, if its inserts were sent: then what is sent
        again under them is not there twice. layout: that of the table by now."""
        return self.layout == layout and abs(now_s - self.noted_at) < TOKENS_S

    def encode(self) -> str:
        """Return the metadata of the commit that notes this range: JSON, readable with any tool."""
        fields = asdict(self)
        del fields["beside"]
        if self.beside:
            fields["beside"] = [[*one.source, *one[1:]] for one in self.beside]
        return json.dumps(fields, separators=(",", ":"))

    @classmethod
    def decode(cls, metadata: str | None) -> Pending | None:
        """Return the range that `encode` wrote, None for empty metadata; PositionMismatch for anything else."""
        if not metadata:
            return None
        try:
            fields = json.loads(metadata)
            beside = tuple(
                Span(TopicPartition(topic, int(partition)), *map(int, numbers))
                for topic, partition, *numbers in fields.pop("beside", ())
            )
            return cls(**{name: int(value) for name, value in fields.items()}, beside=beside)
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
    """Return the deduplication token of one month of one range, and of what is inserted with it.

    >>> from esep.lineage import TopicPartition
    >>> token(TopicPartition("ledger", 3), Pending(7, 19, 12, 1), 202611, "ledger")
    'ledger:3:7-19:202611:ledger:1'

    Of several ranges that are inserted together it is the same, whichever is asked for: their digest stands for them.
    """
    ranges = ",".join(
        f"{one.source.topic}:{one.source.partition}:{one.first}-{one.last}" for one in pending.spans(source)
    )
    named = sha256(ranges.encode()).hexdigest() if pending.beside else ranges
    return f"{named}:{month}:{table}:{pending.layout}"


def together(ranges: Iterable[Span]) -> list[list[Span]]:
    """Return which ranges of one table are inserted together: as many as their notes have room for."""
    found = sorted(ranges)
    return [found[at : at + TOGETHER_MAX] for at in range(0, len(found), TOGETHER_MAX)]


def noted(spans: Sequence[Span], layout: int, noted_at: int) -> dict[TopicPartition, Pending]:
    """Return what is noted of each of the ranges that are inserted together."""
    return {
        own.source: Pending(*own[1:], layout, noted_at, tuple(one for one in spans if one is not own)) for own in spans
    }


def _mismatch(source: TopicPartition, what: str, offset_max: int) -> PositionMismatch:
    return PositionMismatch(
        f"{source}: {what}, but the table holds offset {offset_max}",
        detail="rows would be loaded twice",
        hint="was the group's offset or a table put back? see `esep reconcile` before you go on",
    )
