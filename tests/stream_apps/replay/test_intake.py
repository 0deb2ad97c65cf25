"""Intake replayed: the same however the line cut its polls; whatever was tampered with, on either side, is named."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from esep.lineage import TopicPartition
from esep.stream_apps.intake.receipts import Unsigned
from esep.stream_apps.intake.stage import IntakeStage
from esep.stream_apps.replay.intake import REJECTS, Sizes, replay_intake
from esep.stream_apps.replay.report import Replayed
from esep.topics import ACCEPTED, LEDGER, REJECTED, events_topic, receipts_topic
from esep.versions import encode_record
from tests.stream_apps.intake.made_up import (
    ALATAU,
    ESIL,
    EVENTS_PARTITIONS,
    LEDGER_PARTITIONS,
    PERSON_KEYS,
    reference_of,
    source_of,
)
from tests.stream_apps.replay.memory import BINS, MemoryLog, line, outputs, tampered
from tests.support.examples import examples

STAGE = IntakeStage(
    reference_of(), PERSON_KEYS, Unsigned(), events_partitions=EVENTS_PARTITIONS, ledger_partitions=LEDGER_PARTITIONS
)
SIZES = Sizes(EVENTS_PARTITIONS, LEDGER_PARTITIONS)
RECEIPTS = TopicPartition(receipts_topic(ALATAU), 0)


def replay(log: MemoryLog, bins: tuple[str, ...] = BINS, **until: Any) -> Replayed:
    ends = {source_of(ALATAU, int(name[1:])): offset for name, offset in until.items()}
    return replay_intake(log, STAGE, bins, SIZES, until=ends, tell=lambda *_: None)


@settings(max_examples=examples(1))
@given(st.integers(1, 10**6))
def test_line_at_rest_is_the_same_however_its_polls_were_cut(seed: int) -> None:
    """Clauses O9-4.5, O9-4.6, O9-5.3: verdicts, postings, receipts and final totals, by other keys for signing."""
    log = line(seed)
    replayed = replay(log)
    assert replayed.findings.none
    assert replayed.equal
    made = [*outputs(log, ACCEPTED), REJECTS, *(TopicPartition(receipts_topic(bin_), 0) for bin_ in BINS)]
    assert sum(one.compared for one in replayed.inputs) == sum(len(log.topics.get(one, [])) for one in made)
    read = sum(len(rows) for one, rows in log.topics.items() if one.topic in set(map(events_topic, BINS)))
    assert sum(one.read for one in replayed.inputs) == read
    assert replayed.cells


@settings(max_examples=examples(5))
@given(
    st.sampled_from([ACCEPTED, REJECTED, RECEIPTS.topic]),
    st.sampled_from(["MISSING", "REPEATED", "CHANGED"]),
    st.integers(0, 999),
)
def test_output_that_was_tampered_with_is_named_and_no_other(topic: str, how: str, place: int) -> None:
    log, record = line(), "receipt" if topic == RECEIPTS.topic else topic
    own = [
        (output, number)
        for output in outputs(log, topic)
        for number, (*_, value) in enumerate(log.topics[output])
        if value and source_of(ALATAU).topic.encode() in value
    ]
    output, number = own[place % len(own)]
    other, content, offset = tampered(log, output, number, how, record)
    replayed = replay(other, (ALATAU,))
    (difference,) = replayed.findings.differences
    assert (difference.kind, difference.row, difference.offset) == (how, content["row"], offset)
    assert difference.lane == ((content["cause_topic"], content["cause_partition"]), output)
    assert difference.cause_offset == content["cause_offset"]
    assert content.get("iin", "900101300007") not in str(difference)
    assert not replayed.equal


@settings(max_examples=examples(3))
@given(st.integers(0, 999), st.booleans())
def test_message_that_was_removed_or_changed_is_told_by_what_follows_from_it(place: int, removed: bool) -> None:
    log, source = line().copy(), source_of()
    rows = log.topics[source]
    at = place % len(rows)
    rows[at : at + 1] = [] if removed else [(*rows[at][:3], b"something else")]
    if log.topics[source] == line().topics[source]:
        return
    replayed = replay(log, (ALATAU,))
    assert not replayed.equal
    assert replayed.findings.differences[0].lane.cause == source


def test_final_totals_of_the_ledger_are_compared() -> None:
    """O9-4.6: the last posting of a cell says what the person's totals are."""
    output = outputs(line(), LEDGER)[0]
    log, content, _ = tampered(line(), output, len(line().topics[output]) - 1, "MISSING", LEDGER)
    dearer = content | {"organizer_year_wager_tiyn": content["organizer_year_wager_tiyn"] + 9}
    log.topics[output].append((999, 0, line().topics[output][-1][2], encode_record(dearer, LEDGER)))
    replayed = replay(log)
    assert (replayed.equal, replayed.findings.none) == (False, True)
    assert replayed.differing_cells is not None
    (cell,) = replayed.differing_cells.rows(named=True)
    assert (cell["bin"], cell["wager_tiyn_other"] - cell["wager_tiyn"]) == (int(content["organizer_bin"]), 9)


def test_organizer_whose_beginning_kafka_has_deleted_is_refused_and_others_are_replayed() -> None:
    log = line().copy(firsts={source_of(ALATAU, 1): 4})
    replayed = replay(log)
    refused = [one for one in replayed.inputs if one.refused]
    assert [one.source for one in refused] == [source_of(ALATAU, 1)]
    assert "deleted what came before offset 4" in str(refused[0].refused)
    assert (replayed.equal, replayed.findings.none) == (False, True)
    assert all(one.read for one in replayed.inputs if not one.refused)
    assert replay(log, (ESIL,)).equal


def test_record_of_a_partition_that_there_is_not_is_told() -> None:
    log = line().copy()
    for output, record in ((outputs(log, ACCEPTED)[0], ACCEPTED), (RECEIPTS, "receipt")):
        _, content, _ = tampered(log, output, 0, "MISSING", record)
        nowhere = encode_record(content | {"cause_partition": 77, "cause_topic": source_of().topic}, record)
        log.topics[output].append((9_999, 0, log.topics[output][0][2], nowhere))
    found = replay(log, (ALATAU,)).findings
    assert [one.kind for one in found.differences] == ["UNKNOWN_CAUSE", "UNKNOWN_CAUSE"]


@pytest.mark.parametrize("until", [0, 11, 24])
def test_replay_ends_where_it_is_told_to(until: int) -> None:
    replayed = replay(line(), (ALATAU,), p0=until)
    assert replayed.equal, replayed.findings.differences
    assert (replayed.inputs[0].read, replayed.cells) == ((until + 1) // 2, None)


def test_line_at_work_is_compared_as_far_as_it_has_come() -> None:
    """Intake goes on between the questions: what it wrote meanwhile may be there, and must be right."""
    log, source = line(), source_of(ALATAU, 0)
    ends = [row[0] for row in log.topics[source]]
    cut = ends[len(ends) // 2] + 1
    assert replay(log.copy(processed={source: [cut, ends[-1] + 1]}), (ALATAU,)).equal
    assert not replay(log.copy(processed={source: [cut, cut]}), (ALATAU,)).equal, "more is there than was processed"
