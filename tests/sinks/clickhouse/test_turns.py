"""Each partition's records come out once and in order, the line's own at once, receipts in turn."""

from __future__ import annotations

from collections import defaultdict

from hypothesis import given
from hypothesis import strategies as st

from esep.lineage import TopicPartition
from esep.sinks.clickhouse.frames import Records
from esep.sinks.clickhouse.turns import RECEIPT_LANES, Turns
from esep.topics import LEDGER, receipts_topic
from tests.producers.bets import new_bin

OWN = [TopicPartition(LEDGER, partition) for partition in range(3)]
RECEIPTS = [TopicPartition(receipts_topic(new_bin()), 0) for _ in range(3 * RECEIPT_LANES)]

# What each fetch brings: how many records of which partitions.
FETCHES = st.lists(st.dictionaries(st.sampled_from([*OWN, *RECEIPTS]), st.integers(1, 5), max_size=30), max_size=12)


def _fetched(sizes: dict[TopicPartition, int], reached: defaultdict[TopicPartition, int]) -> list[Records]:
    found = []
    for source, size in sizes.items():
        offsets = [reached[source] + place for place in range(size)]
        reached[source] += size
        found.append(Records(source, offsets, [b"%d" % offset for offset in offsets]))
    return found


@given(FETCHES, st.integers(0, 40))
def test_whatever_is_fetched_has_its_turn_once_and_in_order(
    fetches: list[dict[TopicPartition, int]], waiting_max: int
) -> None:
    turns, reached = Turns(waiting_max), defaultdict[TopicPartition, int](int)
    taken: defaultdict[TopicPartition, list[int]] = defaultdict(list)
    for sizes in [*fetches, *[{}] * len(RECEIPTS)]:
        round_ = turns.take(_fetched(sizes, reached))
        sources = [records.source for records in round_]
        assert len(sources) == len(set(sources))
        assert set(sources) >= sizes.keys() & set(OWN)
        for records in round_:
            assert records.values == [b"%d" % offset for offset in records.offsets]
            taken[records.source] += records.offsets
        waiting = sum(reached[source] - len(taken[source]) for source in reached)
        assert waiting <= waiting_max
        assert turns.sources == {source for source in reached if reached[source] > len(taken[source])}
        lanes = len(set(sources) & set(RECEIPTS))
        assert lanes >= RECEIPT_LANES or not turns.sources
    assert taken == {source: list(range(end)) for source, end in reached.items()}


def test_no_more_receipts_than_some_hold_back_the_ledger_and_the_oldest_come_first() -> None:
    turns, reached = Turns(1_000), defaultdict[TopicPartition, int](int)
    rounds = [turns.take(_fetched(dict.fromkeys([OWN[0], *RECEIPTS], 1), reached)) for _ in range(3)]
    assert [[records.source for records in round_] for round_ in rounds] == [
        [OWN[0], *RECEIPTS[at : at + RECEIPT_LANES]] for at in range(0, len(RECEIPTS), RECEIPT_LANES)
    ]


def test_what_is_forgotten_does_not_come_out() -> None:
    turns, reached = Turns(1_000), defaultdict[TopicPartition, int](int)
    turns.take(_fetched(dict.fromkeys(RECEIPTS, 1), reached))
    turns.clear()
    assert not turns.sources
    assert turns.take([]) == []
