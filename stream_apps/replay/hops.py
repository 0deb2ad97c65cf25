"""Replay totals and alerts: a stage that writes what comes of a partition to the one of the same number.

Reads     `accepted` and `ledger`; `ledger`, `compliance.alerts` and `alerts.instruments`; `alerts.instruments` and
          `compliance.alerts`
Returns   `Replayed`
Promises  from the first record on the outputs are worked out by the stage's own function and compared byte for byte;
          one partition's state is in memory at a time (clause O9-4.6; DESIGN §5; decision 0024; box: replay)
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
from esep.topics import ACCEPTED, ALERTS, INSTRUMENTS, LEDGER, SETTLEMENTS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from esep.stream_apps.replay.digests import LaneDigest
    from esep.stream_apps.replay.findings import Findings
    from esep.stream_apps.replay.log import Cut, Log, Span
    from esep.stream_apps.stage import Batch, Stage, Write

    Tell = Callable[[str, TopicPartition, int, int], None]
    Start = Callable[[TopicPartition, int], PartitionState[Any] | None]


class Hop(NamedTuple):
    """A stage that writes what it makes of a partition to the partition of the same number. record: the output's.

    beside: another input of the stage, of which the same is true. spread: an output to all partitions of which it
    writes, if it is also one of its inputs, and the record there.
    """

    stage: Callable[[], Stage[Any]]
    source: str
    output: str
    record: str
    beside: str = ""
    spread: tuple[str, str] = ("", "")


_NIGHTLY = TopicPartition(SETTLEMENTS, 0)  # What a nightly run says of alerts follows from no stage's input.
TOTALS_HOP = Hop(TotalsStage, ACCEPTED, LEDGER, LEDGER)
ALERTS_HOP = Hop(AlertsStage, LEDGER, ALERTS, "alert", INSTRUMENTS, (INSTRUMENTS, "instrument_posting"))
INSTRUMENTS_HOP = Hop(AlertsStage, INSTRUMENTS, ALERTS, "alert", LEDGER)


def hops_of(hops: Iterable[Hop], stage: Stage[Any]) -> list[Hop]:
    """Return those of a stage's hops whose input it reads."""
    return [hop for hop in hops if hop.source in stage.inputs]


def replay_hop(
    log: Log,
    hop: Hop,
    partitions: Iterable[int],
    *,
    until: Mapping[TopicPartition, int],
    tell: Tell,
    start: Start | None = None,
    replayed: Replayed | None = None,
) -> Replayed:
    """Return what became of each partition. replayed: of another hop of the stage, to be added to.

    until: inputs that end sooner. start: gives the state at an offset, where Kafka has deleted what comes before it;
    None where it cannot be proved.
    """
    stage = hop.stage()
    sources = [TopicPartition(hop.source, number) for number in partitions]
    outputs = {source: TopicPartition(hop.output, source.partition) for source in sources}
    before = log.done(stage.name, sources)
    spread, spread_record = hop.spread if hop.spread[0] in stage.inputs else ("", "")
    spreads = [TopicPartition(spread, number) for number in partitions if spread]
    spans = log.spans([*sources, *outputs.values(), *spreads])
    after = log.done(stage.name, sources)
    replayed = replayed or Replayed(stage.name)
    known = dict.fromkeys(sources, True)
    spread_to = Scanned()
    for output in spreads:
        spread_to.scan(
            log, output, spans[output], spread_record, is_cause=known.get, findings=replayed.findings, tell=tell
        )
    for source in sources:
        cut = cut_of(spans[source], before[source], after[source], until.get(source))
        replayed.inputs.append(one := Input(source, cut))
        state = _begin(stage, one, start)
        if state is not None:
            lanes = _Lanes(log, hop, source, replayed.findings)
            lanes.scan(outputs[source], spans[outputs[source]], tell)
            for output in spreads:
                lanes.add(output, spread_record, spread_to.digests[Lane(source, output)], spans[output].first)
            _replay(log, stage, one, state, lanes, tell)
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


class _Lanes:
    """The lanes from one input partition, while they are worked out anew."""

    def __init__(self, log: Log, hop: Hop, source: TopicPartition, findings: Findings) -> None:
        self._log, self._hop, self._source, self._findings = log, hop, source, findings
        self._checks: dict[TopicPartition, tuple[LaneCheck, LaneDigest, str]] = {}

    def scan(self, output: TopicPartition, span: Span, tell: Tell) -> None:
        """Add the lane to the partition of the same number."""
        known = {TopicPartition(self._hop.beside, output.partition): False, self._source: True, _NIGHTLY: False}
        scanned = Scanned()
        scanned.scan(self._log, output, span, self._hop.record, is_cause=known.get, findings=self._findings, tell=tell)
        self.add(output, self._hop.record, scanned.digests[Lane(self._source, output)], span.first)

    def add(self, output: TopicPartition, record: str, digest: LaneDigest, first: int) -> None:
        """Add a lane. first: the first offset that its topic still has."""
        check = LaneCheck(Lane(self._source, output), digest, first_row_of(digest, first))
        self._checks[output] = check, digest, record

    def begin(self, rows: Mapping[TopicPartition, int]) -> None:
        """Note that rows up to these are not worked out."""
        for output, (check, _, _) in self._checks.items():
            check.begin(rows.get(output, 0) + 1)

    def take(self, write: Write, first_row: int) -> None:
        """Compare the next records; the hop names the topic that has what goes to the partition of the same number."""
        target = (
            write.target if write.target in self._checks else TopicPartition(self._hop.output, self._source.partition)
        )
        self._checks[target][0].take(first_row, write.keys, write.values)

    def require(self) -> None:
        """Note that all that was made so far must be there."""
        for check, _, _ in self._checks.values():
            check.require()

    def finish(self, one: Input) -> None:
        """Tell what differs."""
        for check, digest, record in self._checks.values():
            check.finish(ends_open=one.cut.ends_open)
            one.compared += check.compared
            one.not_kept += check.not_kept
            self._findings.resolve(self._log, record, check, digest)


def _replay(log: Log, stage: Stage[Any], one: Input, state: PartitionState[Any], lanes: _Lanes, tell: Tell) -> None:
    lanes.begin(state.position.rows)
    for batch in _parts(log, one.source, one.cut):
        batches: Sequence[Batch] = [batch]
        while batches:
            rows = state.position.rows
            result = stage.process(batches, {one.source: state})
            stage.settle({one.source: state}, result.changes)
            state = PartitionState(result.positions[one.source], state.data)
            for write in result.outputs:
                lanes.take(write, rows.get(write.target, 0) + 1)
            batches = result.left
        if batch.next_offset <= one.cut.required:
            lanes.require()
        one.read += len(batch)
        tell("replayed", one.source, batch.next_offset, one.cut.through)
    lanes.finish(one)


def _parts(log: Log, source: TopicPartition, cut: Cut) -> Iterable[Batch]:
    """Yield the input, so cut that what must be there ends with a batch."""
    yield from log.read(source, cut.first, cut.required)
    yield from log.read(source, cut.required, cut.through)
