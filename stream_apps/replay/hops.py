"""Replay totals and alerts: a stage with one output partition for each input partition, from the first record on.

Reads     `accepted` and `ledger`, or `ledger` and `compliance.alerts`
Returns   `Replayed`
Promises  the outputs are worked out by the stage's own function and compared byte for byte; one partition's state is in
          memory at a time (clause O9-4.6; DESIGN §5; decision 0024; box: replay)
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from esep.lineage import Lane, Position, TopicPartition
from esep.stream_apps.alerts.stage import AlertsStage
from esep.stream_apps.replay.checks import LaneCheck, first_row_of
from esep.stream_apps.replay.log import cut_of
from esep.stream_apps.replay.report import Input, Replayed
from esep.stream_apps.replay.scan import Scanned
from esep.stream_apps.stage import PartitionState
from esep.stream_apps.totals.stage import TotalsStage
from esep.topics import ACCEPTED, ALERTS, LEDGER

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from esep.stream_apps.replay.log import Cut, Log, Span
    from esep.stream_apps.stage import Batch, Stage

    Tell = Callable[[str, TopicPartition, int, int], None]
    Start = Callable[[TopicPartition, int], PartitionState[Any] | None]


class Hop(NamedTuple):
    """A stage that writes what it makes of a partition to the partition of the same number. record: the output's."""

    stage: Callable[[], Stage[Any]]
    source: str
    output: str
    record: str


TOTALS_HOP = Hop(TotalsStage, ACCEPTED, LEDGER, LEDGER)
ALERTS_HOP = Hop(AlertsStage, LEDGER, ALERTS, "alert")


def replay_hop(
    log: Log,
    hop: Hop,
    partitions: Iterable[int],
    *,
    until: Mapping[TopicPartition, int],
    tell: Tell,
    start: Start | None = None,
) -> Replayed:
    """Return what became of each partition.

    until: inputs that end sooner. start: gives the state at an offset, where Kafka has deleted what comes before it;
    None where it cannot be proved.
    """
    stage = hop.stage()
    sources = [TopicPartition(hop.source, number) for number in partitions]
    outputs = {source: TopicPartition(hop.output, source.partition) for source in sources}
    before = log.done(stage.name, sources)
    spans = log.spans([*sources, *outputs.values()])
    after = log.done(stage.name, sources)
    replayed = Replayed(stage.name)
    for source in sources:
        cut = cut_of(spans[source], before[source], after[source], until.get(source))
        replayed.inputs.append(one := Input(source, cut))
        state = _begin(stage, one, start)
        if state is not None:
            _replay(log, hop, stage, one, state, spans[outputs[source]], replayed, tell)
    return replayed


def _begin(stage: Stage[Any], one: Input, start: Start | None) -> PartitionState[Any] | None:
    """Return the state before the first record, or None, and say why not."""
    first = one.cut.first
    if first == 0:
        return PartitionState(Position(0), stage.empty(one.source))
    state = start(one.source, first) if start is not None else None
    if state is None:
        one.begun = "unknown"
        one.refused = f"Kafka has deleted what came before offset {first}, and the state there cannot be proved"
    else:
        one.begun = "from the ledger in ClickHouse"
    return state


def _replay(
    log: Log,
    hop: Hop,
    stage: Stage[Any],
    one: Input,
    state: PartitionState[Any],
    span: Span,
    replayed: Replayed,
    tell: Tell,
) -> None:
    lane = Lane(one.source, TopicPartition(hop.output, one.source.partition))
    scanned = Scanned()
    scanned.scan(
        log,
        lane.output,
        span,
        hop.record,
        is_cause=lambda cause: True if cause == one.source else None,
        findings=replayed.findings,
        tell=tell,
    )
    digest = scanned.digests[lane]
    behind = max(state.position.rows.values(), default=0)
    check = LaneCheck(lane, digest, max(behind + 1, first_row_of(digest, span.first)))
    for batch in _parts(log, one.source, one.cut):
        rows = state.position.rows
        result = stage.process([batch], {one.source: state})
        stage.settle({one.source: state}, result.changes)
        state = PartitionState(result.positions[one.source], state.data)
        for write in result.outputs:
            check.take(rows.get(write.target, 0) + 1, write.keys, write.values)
        if batch.next_offset <= one.cut.required:
            check.require()
        one.read += len(batch)
        tell("replayed", one.source, batch.next_offset, one.cut.through)
    check.finish(ends_open=one.cut.ends_open)
    one.compared, one.not_kept = check.compared, check.not_kept
    replayed.findings.resolve(log, hop.record, check, digest)


def _parts(log: Log, source: TopicPartition, cut: Cut) -> Iterable[Batch]:
    """Yield the input, so cut that what must be there ends with a batch."""
    yield from log.read(source, cut.first, cut.required)
    yield from log.read(source, cut.required, cut.through)
