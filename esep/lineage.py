"""Where a record comes from and how many there are: causes, dense row numbers, position records.

Reads     nothing
Returns   `Lane`, `Position` and their wire form in a changelog; keys of a changelog that input partitions share
Promises  no I/O; `Position.decode(p.encode()) == p`; row numbers of a lane are 1, 2, 3 … without a hole; no two input
          partitions have a shared key in common

Offsets have holes (transaction markers), so nobody counts offsets. Every record that a stage writes carries `row`,
dense per *lane*: from one input partition to one output partition. A lane has exactly one writer at a time, the owner
of its input partition, so that `max(row) = count = distinct count` can be asked of any lane at any time (DESIGN §5;
why per lane and not per output partition: docs/decisions/0003).
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import NamedTuple

POSITION_KEY = b"\x00position"  # No state key is this: a person's has 16 bytes or more, a stream's is printable.


class TopicPartition(NamedTuple):
    """One partition of one topic."""

    topic: str
    partition: int

    def __str__(self) -> str:
        return f"{self.topic}/{self.partition}"


class Lane(NamedTuple):
    """From one input partition to one output partition; `row` counts along it."""

    cause: TopicPartition
    output: TopicPartition


def shared_key(source: TopicPartition, key: bytes) -> bytes:
    """Return a key of a changelog partition that several input partitions share: it names the one that it is of.

    >>> shared_key(TopicPartition("organizer.940140000385.events", 1), b"c/desk")
    b'organizer.940140000385.events/1\\x00c/desk'
    """
    return b"%b\0%b" % (str(source).encode(), key)  # No topic has a NUL in its name.


def source_and_key(shared: bytes) -> tuple[bytes, bytes]:
    """Return the name of the input partition (`str`) and the key: what `shared_key` was made of."""
    source, _, key = shared.partition(b"\0")
    return source, key


@dataclass(frozen=True, slots=True)
class Position:
    """How far one input partition has been processed.

    next_offset: the input offset that the same transaction commits, which is the next one to read.
    rows: per output partition the last row number written from this input partition.

    >>> p = Position(7, {TopicPartition("ledger", 3): 12})
    >>> Position.decode(p.encode()) == p
    True
    """

    next_offset: int
    rows: dict[TopicPartition, int] = field(default_factory=dict)

    def encode(self) -> bytes:
        """Return the value of the position record: JSON, so that an operator can read it with any tool."""
        rows = [[topic, partition, row] for (topic, partition), row in sorted(self.rows.items())]
        return json.dumps({"next_offset": self.next_offset, "rows": rows}, separators=(",", ":")).encode()

    @classmethod
    def decode(cls, value: bytes) -> Position:
        """Return the position that `encode` wrote."""
        content = json.loads(value)
        return cls(content["next_offset"], {TopicPartition(t, p): row for t, p, row in content["rows"]})

    def advanced(self, next_offset: int, written: dict[TopicPartition, int]) -> Position:
        """Return the position after reading up to `next_offset` and writing so many records per output partition."""
        rows = dict(self.rows)
        for output, count in written.items():
            rows[output] = rows.get(output, 0) + count
        return Position(next_offset, rows)
