"""A simulation through intake, totals and alerts in this process, and into ClickHouse as the loader writes it.

Reads     a `Plan`; a database that is migrated and empty
Returns   `ledger_polls`: what totals writes, poll by poll
Writes    tables ledger, rejected, receipts, alerts, and the roll-ups by their feeds
Promises  rows that the stages' own code has made, in blocks that the loader's own code has cut; the same plan gives the
          same rows; no broker. Messages are received soon after they occur; now and then a stream is cut off for hours,
          and what it has is received late and in order
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from esep.clock import to_ms
from esep.codec import INDEX, decode
from esep.events import EVENT_RECORDS
from esep.identifiers import PersonKeys
from esep.lineage import Position, TopicPartition
from esep.producers.simulate.generator import GOOD, messages
from esep.receipt_keys import certified, self_signed
from esep.reference import Load, Reference, ReferenceFile
from esep.sinks.clickhouse.frames import Records, rows_of
from esep.sinks.clickhouse.store import Store
from esep.sinks.clickhouse.tables import table_of
from esep.stream_apps.alerts.stage import AlertsStage
from esep.stream_apps.intake.receipts import ReceiptSigner
from esep.stream_apps.intake.stage import IntakeStage
from esep.stream_apps.stage import Batch, PartitionState
from esep.stream_apps.totals.stage import TotalsStage
from esep.topics import ACCEPTED, ALERTS, LEDGER, REJECTED

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from esep.producers.simulate.plan import Plan
    from esep.settings import Settings

Written = list[tuple[bytes | None, bytes | None]]  # Keys and values of records.
POLL = 20_000  # Messages of one poll, as ESEP_POLL_RECORDS_MAX.
_LEDGER_PARTITIONS = 4
_LAG_MS, _LAG_SPREAD = 700.0, 0.6  # From occurring to receipt: half of all within the first.
_CUT_MS, _CUT_SHARE = 6 * 3_600_000, 0.02  # For so long a stream is cut off, in so many of its spans of that length.


@dataclass
class _Hop:
    """A stage with the states of its partitions."""

    stage: Any
    states: dict[TopicPartition, PartitionState[Any]] = field(default_factory=dict)

    def take(self, batches: list[Batch]) -> dict[TopicPartition, Written]:
        """Process a poll; return what it writes, by target."""
        for one in batches:
            self.states.setdefault(one.source, PartitionState(Position(0), self.stage.empty(one.source)))
        result = self.stage.process(batches, self.states)
        self.stage.settle(self.states, result.changes)
        for source, position in result.positions.items():
            self.states[source] = PartitionState(position, self.states[source].data)
        written = defaultdict[TopicPartition, Written](list)
        for write in result.outputs:
            written[write.target] += zip(write.keys, write.values, strict=True)
        return written


def load_simulation(settings: Settings, plan: Plan) -> int:
    """Simulate and load; return the number of postings."""
    store, ends, postings = Store(settings), defaultdict[TopicPartition, int](int), 0
    intake, behind = _Hop(_intake(plan)), {ACCEPTED: _Hop(TotalsStage()), LEDGER: _Hop(AlertsStage())}
    try:
        for poll in _polls(plan):
            made = intake.take(poll)
            for topic, hop in behind.items():
                batches = batches_of(made, topic, ends)
                made.update(hop.take(batches) if batches else {})
            postings += sum(len(rows) for target, rows in made.items() if target.topic == LEDGER)
            _load(store, made, ends)
    finally:
        store.close()
    return postings


def ledger_polls(plan: Plan) -> Iterator[list[Batch]]:
    """Yield the ledger of a simulation, what one poll of intake leads to at a time."""
    ends = defaultdict[TopicPartition, int](int)
    intake, totals = _Hop(_intake(plan)), _Hop(TotalsStage())
    for poll in _polls(plan):
        accepted = batches_of(intake.take(poll), ACCEPTED, ends)
        ledger = batches_of(totals.take(accepted), LEDGER, ends) if accepted else []
        yield ledger
        ends.update((one.source, one.next_offset) for one in (*accepted, *ledger))


def batches_of(made: Mapping[TopicPartition, Written], topic: str, ends: Mapping[TopicPartition, int]) -> list[Batch]:
    """Return what was written to a topic as batches to read. ends: the next offset of each target."""
    batches = []
    for target, rows in made.items():
        if target.topic == topic:
            keys, values = ([*column] for column in zip(*rows, strict=True))
            offsets = range(ends[target], ends[target] + len(rows))
            batches.append(Batch(target, list(offsets), [0] * len(rows), keys, values))
    return batches


def _load(store: Store, made: dict[TopicPartition, Written], ends: defaultdict[TopicPartition, int]) -> None:
    """Insert what has a table, a block per month; ends: the next offset of each target, moved on."""
    for target, rows in made.items():
        first = ends[target]
        ends[target] += len(rows)
        if target.topic in {LEDGER, REJECTED, ALERTS} or target.topic.endswith(".receipts"):
            values = [value for _, value in rows]
            block = rows_of(Records(target, list(range(first, first + len(values))), values), None)
            for month in block.months():
                store.insert(table_of(target.topic), f"{target}:{first}:{month}", block.block(month))


def _intake(plan: Plan) -> IntakeStage:
    reference, root_key = Reference(), Ed25519PrivateKey.generate()
    facts = ReferenceFile(organizers=plan.register.organizers).facts()
    reference.publish(Load(plan.register.version, 0), list(enumerate(facts)))
    key = certified(Ed25519PrivateKey.generate(), root_key, self_signed(root_key, plan.until), plan.until)
    return IntakeStage(
        reference,
        PersonKeys(b"simulation in one process"),
        ReceiptSigner(key, lambda: to_ms(plan.until)),
        events_partitions=plan.partitions,
        ledger_partitions=_LEDGER_PARTITIONS,
    )


def _polls(plan: Plan) -> Iterator[list[Batch]]:
    """Yield polls in the order of receipt: a batch per partition that has anything."""
    received = _received(pl.concat(list(messages(plan))), np.random.default_rng([plan.seed, 9]))
    ends = defaultdict[TopicPartition, int](int)
    for start in range(0, received.height, POLL):
        batches = []
        for (topic, partition), rows in received.slice(start, POLL).group_by("topic", "partition", maintain_order=True):
            source = TopicPartition(str(topic), int(str(partition)))
            offsets = list(range(ends[source], ends[source] + rows.height))
            ends[source] += rows.height
            batches.append(Batch(source, offsets, *(rows[name].to_list() for name in ("received_ms", "key", "value"))))
        yield batches


def _received(sent: pl.DataFrame, draw: np.random.Generator) -> pl.DataFrame:
    """Return the messages by their receipt, `received_ms`, later ones of a stream never before earlier ones."""
    spans = sent.select(stream=pl.col("key"), occurred_ms=_occurred_ms(sent)).with_columns(
        span=pl.col("occurred_ms") // _CUT_MS
    )
    cut = spans.select("stream", "span").unique(maintain_order=True)
    cut = cut.with_columns(is_cut=pl.Series(draw.random(cut.height) < _CUT_SHARE))
    spans = spans.join(cut, on=["stream", "span"], how="left", nulls_equal=True, maintain_order="left")
    lag_ms = pl.Series(draw.lognormal(np.log(_LAG_MS), _LAG_SPREAD, sent.height).astype(np.int64))
    back_ms = pl.when("is_cut").then((pl.col("span") + 1) * _CUT_MS - pl.col("occurred_ms")).otherwise(0)
    due = spans.select(pl.col("occurred_ms") + lag_ms + back_ms).to_series()
    arrived = sent.with_columns(received_ms=due).with_columns(pl.col("received_ms").cum_max().over("topic", "key"))
    return arrived.sort("received_ms", "number")


def _occurred_ms(sent: pl.DataFrame) -> pl.Series:
    """Return when each message's event occurred; of a bad one or a correction, when the good one before it did."""
    frames = [
        frame.select(pl.col(INDEX).cast(pl.Int64), ms=pl.col("occurred_at").dt.epoch("ms"))
        for frame in decode(sent["value"].to_list(), EVENT_RECORDS).frames.values()
        if "occurred_at" in frame.columns
    ]
    known = pl.DataFrame({INDEX: np.arange(sent.height)}).join(
        pl.concat(frames), on=INDEX, how="left", maintain_order="left"
    )
    good = known.with_columns(kind=sent["kind"]).select(pl.when(pl.col("kind") == GOOD).then("ms"))
    return good.to_series().forward_fill().backward_fill()
