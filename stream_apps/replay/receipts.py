"""Committed receipts: where intake cut an organizer's topic into polls, and what it said of each part.

Reads     records of `organizer.<BIN>.receipts`; receipts as intake makes them anew
Returns   `Told` per receipt; what differs
Promises  compares all that is hashed and signed, and the lineage; time of issue, key, certificate and signature stand
          outside (clause O9-5.3; DESIGN §4; decision 0024; box: replay)
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from esep.codec import INDEX, decode, wire_header
from esep.lineage import Lane, TopicPartition
from esep.schemas import schema
from esep.stream_apps.intake.receipts import OUTSIDE
from esep.stream_apps.replay.differences import (
    Difference,
    Entry,
    content_of,
    difference_of,
    fields_between,
)
from esep.topics import events_topic, organizer_of, receipts_topic
from esep.versions import upgraded

if TYPE_CHECKING:
    from collections.abc import Iterator

    from esep.stream_apps.stage import Batch

RECORD = "receipt"
_CONTENT = schema("receipt_content")


class Told(NamedTuple):
    """One committed receipt. source: whose messages it accounts for, from_offset to through_offset."""

    source: TopicPartition
    from_offset: int
    through_offset: int
    entry: Entry

    @property
    def lane(self) -> Lane:
        """The lane of this receipt."""
        return Lane(self.source, TopicPartition(receipts_topic(organizer_of(self.source.topic)), 0))

    def unknown_cause(self) -> Difference:
        """Return the difference of a receipt for a partition that there is not."""
        return difference_of(self.lane, RECORD, "UNKNOWN_CAUSE", self.entry)


def receipts_in(batch: Batch) -> Iterator[Told | Difference]:
    """Yield the receipts of a batch in order, and a difference where there is none."""
    topic = events_topic(organizer_of(batch.source.topic))
    decoded = decode(batch.values, frozenset({RECORD}))
    frame = upgraded(decoded.frames, RECORD).select(INDEX, "row", "cause_topic", "cause_partition", "content")
    spans = _spans([wire_header(_CONTENT) + body for body in frame["content"].to_list()])
    read = {row[0]: (*row[1:4], span) for row, span in zip(frame.iter_rows(), spans, strict=True)}
    for place, offset in enumerate(batch.offsets):
        row, cause_topic, cause_partition, span = read.get(place, (None, "?", 0, None))
        cause = TopicPartition(cause_topic, cause_partition)
        if row is None or span is None:
            yield Difference(Lane(cause, batch.source), "UNREADABLE", row, offset)
        elif cause.topic != topic:
            yield Difference(Lane(cause, batch.source), "UNKNOWN_CAUSE", row, offset)
        else:
            yield Told(cause, span[0], span[1], Entry(row, offset, batch.keys[place], batch.values[place]))


def compare(there: Told, anew: Entry, rows_aside: int = 0) -> list[Difference]:
    """Return what a receipt says otherwise than the one that was made anew for the same offsets.

    rows_aside: how many fewer receipts were made anew before it, where Kafka has deleted some or somebody else has.
    """
    one, other = content_of(RECORD, there.entry.value) or {}, content_of(RECORD, anew.value) or {}
    for name in OUTSIDE:
        one.pop(name, None)
        other.pop(name, None)
    if other:
        other["row"] += rows_aside
    fields = fields_between(one, other)
    if there.entry.key != anew.key:
        fields.insert(0, "the message key")
    if one.get("content") != other.get("content"):
        fields += [f"content: {name}" for name in _fields_of_content(one.get("content"), other.get("content"))]
    return [difference_of(there.lane, RECORD, "CHANGED", there.entry, fields)] if fields else []


def _fields_of_content(one: bytes | None, other: bytes | None) -> list[str]:
    there, anew = (content_of(_CONTENT.record, wire_header(_CONTENT) + (body or b"")) for body in (one, other))
    return ["it is none"] if there is None or anew is None else fields_between(there, anew)


def _spans(values: list[bytes]) -> list[tuple[int, int] | None]:
    """Return which offsets each content accounts for, None where it is none."""
    decoded = decode(values, frozenset({_CONTENT.record}))
    found: list[tuple[int, int] | None] = [None] * len(values)
    for place, first, last in (
        upgraded(decoded.frames, _CONTENT.record).select(INDEX, "from_offset", "through_offset").iter_rows()
    ):
        found[place] = (first, last)
    return found
