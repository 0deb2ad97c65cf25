"""Where accepted postings go, under which key and row."""

from __future__ import annotations

from collections import defaultdict

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from esep.codec import decode_one
from esep.lineage import TopicPartition
from esep.partitioner import partition_of
from esep.schemas import schema
from tests.stream_apps.intake.made_up import (
    ALATAU,
    ESIL,
    IIN,
    LEDGER_PARTITIONS,
    PERSON_KEYS,
    YOUNG_IIN,
    Line,
    batch,
    desk,
    message,
    payout,
    source_of,
    wager,
)
from tests.support.examples import examples

IINS = [IIN, YOUNG_IIN, "900101300811", "830717350867"]
PEOPLE = st.lists(st.tuples(st.sampled_from(IINS), st.sampled_from([wager, payout])), min_size=1, max_size=8)


@settings(deadline=None, max_examples=examples(15))
@given(st.lists(st.tuples(PEOPLE, PEOPLE), min_size=1, max_size=3))
def test_postings_go_by_person_in_the_order_of_their_partition_with_dense_rows(
    polls: list[tuple[list[tuple[str, type]], list[tuple[str, type]]]],
) -> None:
    line = Line()
    sent: defaultdict[TopicPartition, list[tuple[int, str]]] = defaultdict(list)
    for poll in polls:
        batches = []
        for source, people in zip((source_of(), source_of(ESIL, 1)), poll, strict=True):
            bin_, stream_id = source.topic.split(".")[1], desk(source.partition)
            first = len(sent[source])
            messages = [
                message(make(organizer_bin=bin_, stream_id=stream_id, sequence=first + n, iin=iin))
                for n, (iin, make) in enumerate(people, 1)
            ]
            batches.append(batch(source, messages, first_offset=2 * first))
            sent[source] += [(offset, iin) for offset, (iin, _) in zip(batches[-1].offsets, people, strict=True)]
        line.poll(*batches)
    found: defaultdict[TopicPartition, list[tuple[int, str]]] = defaultdict(list)
    for output, written in line.written.items():
        if output.topic != "accepted":
            continue
        rows: defaultdict[TopicPartition, list[int]] = defaultdict(list)
        for key, value in written:
            posting = decode_one(value or b"", schema("accepted"))
            source = TopicPartition(posting["cause_topic"], posting["cause_partition"])
            assert [key] == PERSON_KEYS([posting["iin"]])
            assert output.partition == partition_of(key or b"", LEDGER_PARTITIONS)
            rows[source].append(posting["row"])
            found[source].append((posting["cause_offset"], posting["iin"]))
        for source, numbers in rows.items():
            assert numbers == list(range(1, len(numbers) + 1)), f"lane {source} to {output}"
            assert line.states[source].position.rows[output] == len(numbers)
    assert {source: sorted(postings) for source, postings in found.items()} == sent


@pytest.mark.parametrize("make", [wager, payout])
def test_values_of_the_event_are_handed_on_unchanged(make: type) -> None:
    """Clauses O9-L1 … O9-L5, O9-4.3."""
    instrument = {"instrument_kind": "CARD", "instrument_hash": "ab" * 32, "instrument_key_version": 2}
    record = make(**instrument)
    line = Line()
    line.take(message(record))
    (posting,) = line.records("accepted")
    assert {name: posting[name] for name in record} == record
    absent = {"channel", "funding", "odds_milli", "kind", "won_tiyn", "wager_occurred_at", "wager_amount_tiyn"}
    assert all(posting[name] is None for name in absent - set(record))
    assert posting["event_type"] == make.__name__.upper()
    assert posting["organizer_bin"] == ALATAU
