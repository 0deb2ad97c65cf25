"""Totals and alerts replayed: the same however the line cut its polls; whatever was tampered with is named."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from functools import cache
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from esep.errors import InvariantBroken, SettingInvalid
from esep.lineage import Position, TopicPartition
from esep.stream_apps.alerts.stage import AlertsStage
from esep.stream_apps.replay.hops import ALERTS_HOP, INSTRUMENTS_HOP, TOTALS_HOP, Hop, hops_of, replay_hop
from esep.stream_apps.stage import PartitionState
from esep.stream_apps.totals.cells import Cells
from esep.stream_apps.totals.stage import TotalsStage
from esep.topics import ACCEPTED, ALERTS, INSTRUMENTS, LEDGER
from tests.stream_apps.intake.made_up import LEDGER_PARTITIONS
from tests.stream_apps.replay.memory import MemoryLog, line, outputs, tampered
from tests.support.examples import examples
from tests.support.rule_fixtures import FIXTURES
from tests.support.rule_histories import REACHABLE, Arrival, RuleRun
from tests.support.stage_run import PARTITIONS

if TYPE_CHECKING:
    from esep.stream_apps.replay.report import Replayed
    from esep.stream_apps.stage import Batch, Result, Write
    from tests.stream_apps.replay.memory import Row

HOPS = (TOTALS_HOP, ALERTS_HOP)
OUTPUTS = (ALERTS, INSTRUMENTS)


def replay(log: MemoryLog, hop: Hop, only: int | None = None, **options: Any) -> Replayed:
    partitions = range(LEDGER_PARTITIONS) if only is None else [only]
    return replay_hop(log, hop, partitions, **{"until": {}, "tell": lambda *_: None, **options})


@pytest.mark.parametrize("hop", HOPS)
def test_line_at_rest_is_the_same(hop: Hop) -> None:
    """O9-4.6: to the byte."""
    log = line()
    replayed = replay(log, hop)
    assert replayed.equal
    assert sum(one.read for one in replayed.inputs) == sum(len(log.topics[one]) for one in outputs(log, hop.source))
    made = sum(len(log.topics[one]) for one in outputs(log, hop.output))
    assert sum(one.compared for one in replayed.inputs) == made > 0


@settings(max_examples=examples(10))
@given(
    st.sampled_from(HOPS),
    st.sampled_from(["MISSING", "REPEATED", "CHANGED"]),
    st.integers(0, 99),
    st.integers(0, 99),
)
def test_record_that_was_tampered_with_is_named_and_no_other(hop: Hop, how: str, which: int, place: int) -> None:
    there = outputs(line(), hop.output)
    output = there[which % len(there)]
    log, content, offset = tampered(line(), output, place % len(line().topics[output]), how, hop.record)
    replayed = replay(log, hop, output.partition)
    (difference,) = replayed.findings.differences
    assert not replayed.equal
    assert (difference.kind, difference.row, difference.offset) == (how, content["row"], offset)
    assert difference.cause_offset == content["cause_offset"]
    assert content.get("entry_id", content.get("alert_id")) in str(difference)
    assert content["iin"] not in str(difference)


@settings(max_examples=examples(2))
@given(st.integers(0, 99), st.sampled_from(["MISSING", "REPEATED"]))
def test_input_that_was_tampered_with_is_told_by_what_follows_from_it(place: int, how: str) -> None:
    source = outputs(line(), ACCEPTED)[0]
    log, _, _ = tampered(line(), source, place % len(line().topics[source]), how, ACCEPTED)
    assert not replay(log, TOTALS_HOP, source.partition).equal


def test_input_that_cannot_be_read_stops_the_replay() -> None:
    log, source = line().copy(), outputs(line(), ACCEPTED)[0]
    log.topics[source][4] = (*log.topics[source][4][:3], b"no posting")
    with pytest.raises(InvariantBroken, match=f"{source} offset 12"):
        replay(log, TOTALS_HOP, source.partition)


def test_beginning_that_kafka_has_deleted_is_refused_or_begun_with_what_is_proved() -> None:
    source = outputs(line(), ACCEPTED)[0]
    output = TopicPartition(LEDGER, source.partition)
    log, stage, first = line().copy(), TotalsStage(), 15
    log.firsts[source] = first
    refused = replay(log, TOTALS_HOP, source.partition)
    assert (refused.equal, refused.inputs[0].read) == (False, 0)
    assert "deleted what came before offset 15" in str(refused.inputs[0].refused)
    (early,) = log.copy(chunk=9_999).read(source, 0, first)

    def start(asked: TopicPartition, offset: int) -> PartitionState[Cells]:
        assert (asked, offset) == (source, first)
        state = PartitionState(Position(0), Cells())
        result = stage.process([early], {source: state})
        stage.settle({source: state}, result.changes)
        return PartitionState(result.positions[source], state.data)

    begun = replay(log, TOTALS_HOP, source.partition, start=start)
    assert (begun.equal, begun.inputs[0].begun) == (True, "from the ledger in ClickHouse")
    assert begun.inputs[0].compared == len(log.topics[output]) - len(early)
    log.firsts[output] = 24  # And of the ledger more has been deleted.
    log.topics[output] = [row for row in log.topics[output] if row[0] >= 24]
    begun = replay(log, TOTALS_HOP, source.partition, start=start)
    assert (begun.equal, begun.inputs[0].not_kept) == (True, 3)
    log.topics[source], log.firsts[output] = line().topics[source], 0  # Deleted by nobody who may.
    assert not replay(log, TOTALS_HOP, source.partition, start=start).equal


def test_line_at_work_is_compared_as_far_as_it_has_come() -> None:
    """What was processed after the outputs' ends were asked for may be there or not; what was before must be."""
    source = outputs(line(), ACCEPTED)[0]
    output = TopicPartition(LEDGER, source.partition)
    for there, equal in ((5, False), (6, True), (8, True), (10, True), (11, False)):
        log = line().copy(processed={source: [18, 30]})  # Six records, then ten.
        log.topics[output] = log.topics[output][:there]
        replayed = replay(log, TOTALS_HOP, source.partition)
        assert replayed.equal == equal, there


def test_replay_ends_where_it_is_told_to() -> None:
    source = outputs(line(), ACCEPTED)[0]
    replayed = replay(line(), TOTALS_HOP, source.partition, until={source: 13})
    assert (replayed.equal, replayed.inputs[0].read, replayed.inputs[0].compared) == (True, 5, 5)
    output = TopicPartition(LEDGER, source.partition)
    log, _, _ = tampered(line(), output, 5, "CHANGED", LEDGER)
    assert replay(log, TOTALS_HOP, source.partition, until={source: 13}).equal
    assert not replay(log, TOTALS_HOP, source.partition, until={source: 16}).equal
    with pytest.raises(SettingInvalid, match="not processed yet"):
        replay(line(), TOTALS_HOP, source.partition, until={source: 999_999})


@dataclass
class Recorded(RuleRun):
    """The stage alerts with rules about means of payment; keeps all that it reads and writes as a line's log."""

    topics: defaultdict[TopicPartition, list[Row]] = field(default_factory=lambda: defaultdict(list))

    def process(self, batches: list[Batch]) -> Result:
        for batch in batches:
            if batch.source.topic == LEDGER:
                self.topics[batch.source] += zip(
                    batch.offsets, batch.timestamps_ms, batch.keys, batch.values, strict=True
                )
        return super().process(batches)

    def keep(self, write: Write) -> None:
        super().keep(write)
        rows = self.topics[write.target]
        rows += [(len(rows) + n, 0, *pair) for n, pair in enumerate(zip(write.keys, write.values, strict=True))]


@cache
def linked_line() -> MemoryLog:
    """Return what came of fixtures about means of payment, all on one line, in polls of 9."""
    run, arrivals, persons = Recorded(), [], 0
    chosen = [one for one in FIXTURES if one.rule_id in {"SHARED_INSTRUMENT", "PAYOUT_TO_FUNDER_OF_OTHERS"}]
    for number, fixture in enumerate(chosen):
        for one in fixture.postings:
            iin = f"{number}/{persons + int(one['iin'].rpartition('/')[2])}"
            arrivals.append(
                Arrival({**one, "iin": iin, "entry_id": f"{number}{one['entry_id'][1:]}"}, one["occurred_ms"])
            )
        persons += 3
    numbered = list(enumerate(sorted(arrivals, key=lambda one: one.received_ms)))
    for start in range(0, len(numbered), 9):
        run.feed(numbered[start : start + 9])
    return MemoryLog(dict(run.topics))


def replay_linked(log: MemoryLog) -> Replayed:
    stage = AlertsStage(REACHABLE, partitions=PARTITIONS)
    replayed = None
    for hop in hops_of((ALERTS_HOP, INSTRUMENTS_HOP), stage):
        own = hop._replace(stage=lambda: stage)
        replayed = replay_hop(log, own, range(PARTITIONS), until={}, tell=lambda *_: None, replayed=replayed)
    assert replayed is not None
    return replayed


def test_alerts_about_means_of_payment_and_what_leads_to_them_are_the_same() -> None:
    """D934-1..3: what was passed on by means of payment is compared, and the alerts that follow from it."""
    log = linked_line()
    replayed = replay_linked(log)
    assert replayed.equal
    made = {topic: sum(len(rows) for one, rows in log.topics.items() if one.topic == topic) for topic in OUTPUTS}
    assert all(made.values())
    assert sum(one.compared for one in replayed.inputs) == sum(made.values())
    assert {one.source.topic for one in replayed.inputs} == {LEDGER, INSTRUMENTS}


@settings(max_examples=examples(3))
@given(st.sampled_from(OUTPUTS), st.sampled_from(["MISSING", "REPEATED", "CHANGED"]), st.integers(0, 999))
def test_what_was_tampered_with_by_means_of_payment_is_named(topic: str, how: str, place: int) -> None:
    record = {ALERTS: "alert", INSTRUMENTS: "instrument_posting"}[topic]
    output = outputs(linked_line(), topic)[0]
    log, content, _ = tampered(linked_line(), output, place % len(linked_line().topics[output]), how, record)
    replayed = replay_linked(log)
    assert not replayed.equal
    told = [one for one in replayed.findings.differences if one.lane.output == output]
    assert (how, content["row"], content["cause_offset"]) in [(one.kind, one.row, one.cause_offset) for one in told]
