"""A whole line in memory, made by the stages themselves in polls of any size; its log can be tampered with."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import timedelta
from functools import cache
from itertools import pairwise
from random import Random
from typing import TYPE_CHECKING, Any

from esep.clock import to_ms
from esep.lineage import Position, TopicPartition
from esep.stream_apps.alerts.stage import AlertsStage
from esep.stream_apps.replay.differences import content_of
from esep.stream_apps.replay.log import Span
from esep.stream_apps.stage import Batch, PartitionState
from esep.stream_apps.totals.stage import TotalsStage
from esep.topics import ACCEPTED, ALERTS, LEDGER
from esep.versions import encode_record
from tests.stream_apps.intake.made_up import (
    ALATAU,
    ESIL,
    EVENTS_PARTITIONS,
    LEDGER_PARTITIONS,
    NOW,
    SITE,
    Line,
    Message,
    correction,
    desk,
    message,
    payout,
    source_of,
    values,
    wager,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

BINS = (ALATAU, ESIL)
IINS = ("900101300007", "900101300811", "061211600012")
BIG = 3_000_000_00  # Tiyn: some of these together raise alerts.
Row = tuple[int, int, bytes | None, bytes | None]  # Offset, stamp, key, value.


@dataclass
class MemoryLog:
    """Implements `Log`. chunk: how many records a batch has. processed: what each group has committed, if not all."""

    topics: dict[TopicPartition, list[Row]]
    chunk: int = 30
    firsts: dict[TopicPartition, int] = field(default_factory=dict)
    processed: dict[TopicPartition, list[int | None]] = field(default_factory=dict)

    def spans(self, partitions: Iterable[TopicPartition]) -> dict[TopicPartition, Span]:
        return {one: Span(self.firsts.get(one, 0), self.end(one)) for one in partitions}

    def done(self, group: str, sources: Iterable[TopicPartition]) -> dict[TopicPartition, int | None]:
        """Return the answers that a test has prepared, one after the other."""
        return {
            one: self.processed[one].pop(0) if self.processed.get(one) else (self.end(one) or None) for one in sources
        }

    def read(self, source: TopicPartition, first: int, end: int) -> Iterator[Batch]:
        rows = [row for row in self.topics.get(source, []) if first <= row[0] < end]
        for start in range(0, len(rows), self.chunk):
            offsets, stamps, keys, found = zip(*rows[start : start + self.chunk], strict=True)
            yield Batch(source, list(offsets), list(stamps), list(keys), list(found))

    def end(self, partition: TopicPartition) -> int:
        rows = self.topics.get(partition)
        return rows[-1][0] + 1 if rows else 0

    def copy(self, **changes: Any) -> MemoryLog:
        own = {"topics": {one: list(rows) for one, rows in self.topics.items()}, "firsts": dict(self.firsts)}
        return replace(self, **{**own, "processed": {}, **changes})


def messages(seed: int, bin_: str, partition: int) -> list[Message]:
    """Give what an organizer sends on a partition: events of two desks, corrections, repetitions, what is none."""
    draw = Random(f"{seed} {bin_} {partition}")
    made: list[Message] = []
    for number in range(2):
        stream_id, sequence = desk(partition, number), 0
        for _ in range(draw.randrange(8, 16)):
            sequence += 2 if draw.random() < 0.1 else 1  # A gap now and then.
            event = {
                "organizer_bin": bin_,
                "stream_id": stream_id,
                "sequence": sequence,
                "iin": draw.choice(IINS),
                "site_id": "NOWHERE" if draw.random() < 0.1 else SITE[bin_],
                "occurred_at": NOW - timedelta(minutes=draw.randrange(1, 900)),
            }
            if draw.random() < 0.5:
                one = payout(amount_tiyn=draw.choice([BIG, 750_00]), wager_occurred_at=NOW - timedelta(days=2), **event)
            else:
                one = wager(**event)
            made.append(message(one))
            if draw.random() < 0.15:
                made.append(draw.choice(made))
            if draw.random() < 0.15:
                sequence += 1
                away = {"target_sequence": sequence - 1, "was": values(one), "now": None}
                made.append(message(correction(**{**event, **away, "sequence": sequence, "corrected_at": NOW}) | away))
            if draw.random() < 0.05:
                made.append(Message(b"no event", b"desk-0"))
    return made


@cache
def line(seed: int = 1) -> MemoryLog:
    """Return a line at rest; do not change it. Polls are cut by the seed."""
    draw, up = Random(seed), Line()
    topics: dict[TopicPartition, list[Row]] = {}
    for bin_ in BINS:
        for partition in range(EVENTS_PARTITIONS):
            sent = messages(seed, bin_, partition)
            stamped = [(2 * n, to_ms(one.received_at), one.key, one.value) for n, one in enumerate(sent)]
            topics[source_of(bin_, partition)] = stamped
    cuts = {source: _cuts(draw, len(rows)) for source, rows in topics.items()}
    while any(cuts.values()):
        poll = draw.sample([source for source, left in cuts.items() if left], 1)
        poll += [source for source, left in cuts.items() if left and source not in poll and draw.random() < 0.4]
        up.poll(*(_batch(source, topics[source][slice(*cuts[source].pop(0))]) for source in poll))
    for output, written in up.written.items():
        topics[output] = _stored(written)
    for stage, source, output in ((TotalsStage(), ACCEPTED, LEDGER), (AlertsStage(), LEDGER, ALERTS)):
        for number in range(LEDGER_PARTITIONS):
            made = _hop(draw, stage, topics.get(TopicPartition(source, number), []), TopicPartition(source, number))
            topics[TopicPartition(output, number)] = _stored(made)
    return MemoryLog(topics)


def outputs(log: MemoryLog, topic: str) -> list[TopicPartition]:
    """Return the partitions of a topic that hold anything."""
    return sorted(one for one, rows in log.topics.items() if one.topic == topic and rows)


def _hop(draw: Random, stage: Any, rows: list[Row], source: TopicPartition) -> list[tuple[bytes | None, bytes | None]]:
    state, made = PartitionState(Position(0), stage.empty(source)), []
    for cut in _cuts(draw, len(rows)):
        result = stage.process([_batch(source, rows[slice(*cut)])], {source: state})
        stage.settle({source: state}, result.changes)
        state = PartitionState(result.positions[source], state.data)
        made += [pair for write in result.outputs for pair in zip(write.keys, write.values, strict=True)]
    return made


def _cuts(draw: Random, count: int) -> list[tuple[int, int]]:
    return list(pairwise(sorted({0, count, *(draw.randrange(1, count) for _ in range(3))}))) if count else []


def _batch(source: TopicPartition, rows: list[Row]) -> Batch:
    offsets, stamps, keys, found = (list(column) for column in zip(*rows, strict=True))
    return Batch(source, offsets, stamps, keys, found)  # type: ignore[arg-type]


def _stored(written: list[tuple[bytes | None, bytes | None]]) -> list[Row]:
    return [(3 * place, 0, key, value) for place, (key, value) in enumerate(written)]


def tampered(
    log: MemoryLog, partition: TopicPartition, place: int, how: str, record: str
) -> tuple[MemoryLog, dict[str, Any], int | None]:
    """Return the log with one record removed, repeated or changed, what that said, and the offset to be told."""
    other = log.copy()
    rows = other.topics[partition]
    offset, stamp, key, value = rows[place]
    content = content_of(record, value)
    assert content is not None
    if how == "MISSING":
        del rows[place]
        return other, content, None
    if how == "REPEATED":
        rows.append((rows[-1][0] + 1, stamp, key, value))
        return other, content, rows[-1][0]
    texts = ("entry_id", "reject_code", "bucket", "content_sha256")
    changed = {name: content[name] + "!" for name in texts if name in content}
    rows[place] = (offset, stamp, key, encode_record(content | changed, record))
    return other, content, offset
