"""Replay intake: organizers' messages are taken in anew, cut into polls where the committed receipts say so.

Reads     `organizer.<BIN>.events`, and what became of them: `accepted`, `rejected`, `organizer.<BIN>.receipts`,
          `ledger`
Returns   `Replayed`
Promises  verdicts, postings and receipts are worked out by the stage's own function and compared byte for byte, and so
          are each person's final totals; one organizer's state is in memory at a time (clauses O9-4.5, O9-4.6, O9-5.3;
          DESIGN §5; decision 0024; box: replay)
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from esep.lineage import Lane, TopicPartition
from esep.stream_apps.replay.log import cut_of
from esep.stream_apps.replay.messages import Messages
from esep.stream_apps.replay.receipts import Told, receipts_in
from esep.stream_apps.replay.report import Input, Replayed
from esep.stream_apps.replay.scan import Scanned
from esep.stream_apps.replay.sums import FinalTotals
from esep.topics import ACCEPTED, INTAKE, LEDGER, REJECTED, events_topic, receipts_topic

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from esep.stream_apps.intake.stage import IntakeStage
    from esep.stream_apps.replay.log import Log, Span

    Tell = Callable[[str, TopicPartition, int, int], None]

REJECTS = TopicPartition(REJECTED, 0)


class Sizes(NamedTuple):
    """How many partitions each organizer's topic has, and `accepted` and `ledger`."""

    events: int
    ledger: int


def replay_intake(
    log: Log,
    stage: IntakeStage,
    bins: Sequence[str],
    sizes: Sizes,
    *,
    until: Mapping[TopicPartition, int],
    tell: Tell,
) -> Replayed:
    """Return what became of the messages of these organizers. until: inputs that end sooner.

    The final totals of persons are compared unless an input ends sooner: then the ledger knows of more.
    """
    ledger = [TopicPartition(LEDGER, number) for number in range(sizes.ledger)]
    accepted = [TopicPartition(ACCEPTED, number) for number in range(sizes.ledger)]
    sources = [TopicPartition(events_topic(bin_), number) for bin_ in bins for number in range(sizes.events)]
    receipts = {bin_: TopicPartition(receipts_topic(bin_), 0) for bin_ in bins}
    ledger_spans = log.spans(ledger)  # First, so that all that it holds was taken in before what intake has done.
    before = log.done(INTAKE, sources)
    spans = log.spans([*sources, *accepted, REJECTS, *receipts.values()])
    after = log.done(INTAKE, sources)
    replayed = Replayed(INTAKE)
    for source in sources:
        cut = cut_of(spans[source], before[source], after[source], until.get(source))
        replayed.inputs.append(_input(source, cut.first, Input(source, cut)))
    totals = None if any(source in until for source in sources) else FinalTotals(sizes.ledger)
    if totals is not None:
        _see_ledger(log, ledger_spans, totals, tell)
    scanned = _scan(log, stage, replayed, [*accepted, REJECTS], spans, totals, tell)
    for bin_ in bins:
        own = [one for one in replayed.inputs if one.source.topic == events_topic(bin_) and one.refused is None]
        _replay(log, stage, own, scanned, receipts[bin_], spans, replayed, totals, tell)
    if totals is not None:
        refused = {one.source.topic for one in replayed.inputs if one.refused is not None}
        whole = [bin_ for bin_ in bins if events_topic(bin_) not in refused]
        replayed.cells, replayed.differing_cells = totals.differing(whole)
    return replayed


def _input(source: TopicPartition, first: int, one: Input) -> Input:
    if first > 0:
        one.begun = "unknown"
        one.refused = f"Kafka has deleted what came before offset {first}, and the state of {source} there is not kept"
    return one


def _see_ledger(log: Log, spans: Mapping[TopicPartition, Span], totals: FinalTotals, tell: Tell) -> None:
    for partition, span in spans.items():
        for batch in log.read(partition, *span):
            totals.see_ledger(batch, ())
            tell("read", partition, batch.next_offset, span.end)


def _scan(
    log: Log,
    stage: IntakeStage,
    replayed: Replayed,
    outputs: Sequence[TopicPartition],
    spans: Mapping[TopicPartition, Span],
    totals: FinalTotals | None,
    tell: Tell,
) -> Scanned:
    """Return the digests of the lanes of all inputs that are replayed."""
    compared = {one.source for one in replayed.inputs if one.refused is None}
    known = {one.source for one in replayed.inputs}
    others = set(stage.inputs) - {source.topic for source in known}

    def is_cause(cause: TopicPartition) -> bool | None:
        if cause in compared:
            return True
        return False if cause in known or cause.topic in others else None

    scanned = Scanned()
    for output in outputs:
        scanned.scan(
            log,
            output,
            spans[output],
            output.topic,
            is_cause=is_cause,
            findings=replayed.findings,
            tell=tell,
            look=totals.see_accepted if totals is not None and output.topic == ACCEPTED else None,
        )
    return scanned


def _replay(
    log: Log,
    stage: IntakeStage,
    inputs: Sequence[Input],
    scanned: Scanned,
    receipts: TopicPartition,
    spans: Mapping[TopicPartition, Span],
    replayed: Replayed,
    totals: FinalTotals | None,
    tell: Tell,
) -> None:
    """Take an organizer's messages in anew, along its receipts."""
    outputs = {output: spans[output].first for output in spans if output.topic in {ACCEPTED, REJECTED}}
    under_way = {
        one.source: Messages(
            log,
            stage,
            one,
            {output: (scanned.digests[Lane(one.source, output)], first) for output, first in outputs.items()},
            replayed.findings,
            totals,
            receipts_kept=spans[receipts].first == 0,
        )
        for one in inputs
    }
    known = {one.source for one in replayed.inputs}
    for batch in log.read(receipts, *spans[receipts]):
        for told in receipts_in(batch):
            if not isinstance(told, Told):
                replayed.findings.add([told])
            elif told.source in under_way:
                under_way[told.source].follow(told)
            elif told.source not in known:
                replayed.findings.add([told.unknown_cause()])
        for one in inputs:
            tell("replayed", one.source, under_way[one.source].next_offset, one.cut.through)
    for messages in under_way.values():
        messages.finish()
