"""Totals and alerts replayed: the same however the line cut its polls; whatever was tampered with is named."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from esep.errors import InvariantBroken, SettingInvalid
from esep.lineage import Position, TopicPartition
from esep.stream_apps.replay.hops import ALERTS_HOP, TOTALS_HOP, Hop, replay_hop
from esep.stream_apps.stage import PartitionState
from esep.stream_apps.totals.cells import Cells
from esep.stream_apps.totals.stage import TotalsStage
from esep.topics import ACCEPTED, LEDGER
from tests.stream_apps.intake.made_up import LEDGER_PARTITIONS
from tests.stream_apps.replay.memory import MemoryLog, line, outputs, tampered
from tests.support.examples import examples

if TYPE_CHECKING:
    from esep.stream_apps.replay.report import Replayed

HOPS = (TOTALS_HOP, ALERTS_HOP)


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
