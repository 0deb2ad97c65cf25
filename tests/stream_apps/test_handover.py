"""Hand-over: the state that comes back is the one that the last committed transaction left, or none at all."""

from __future__ import annotations

import threading
import time
from itertools import pairwise
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING, Any
from unittest.mock import Mock

import confluent_kafka as ck
import pytest
from confluent_kafka.admin import AdminClient
from hypothesis import given
from hypothesis import strategies as st

from esep.embedded.kafka import KafkaBroker
from esep.errors import BrokerUnavailable, InvariantBroken, PositionMismatch
from esep.lineage import POSITION_KEY, Position, TopicPartition, shared_key
from esep.stream_apps import handover
from esep.stream_apps.handover import Restoration, Verdict, feed_changelog, restore
from esep.stream_apps.stage import PartitionState, Result
from esep.stream_apps.transaction import writes_of
from tests.support.count_stage import Counts, CountStage
from tests.support.kafka_topics import CountTopics

if TYPE_CHECKING:
    from collections.abc import Iterable

    from tests.support.brokers import Broker

SOURCE = TopicPartition("accepted", 0)
WAIT_S = 30.0

Record = tuple[bytes, bytes | None]
transactions = st.lists(st.lists(st.tuples(st.sampled_from([b"a", b"b", b"c"]), st.integers(0, 99)), max_size=4))


def changelog_after(history: list[list[tuple[bytes, int]]]) -> tuple[list[Record], Counts]:
    """Return the records and the state that so many transactions leave; the n-th commits the offset 10 n."""
    records: list[Record] = []
    state: Counts = {}
    for number, changes in enumerate(history, 1):
        records += [(key, b"%d" % value) for key, value in changes]
        records.append((POSITION_KEY, Position(10 * number).encode()))
        state.update(changes)
    return records, state


def fed(restoration: Restoration[Counts], records: list[Record], cuts: list[int]) -> Restoration[Counts]:
    """Feed records in the pieces between the cuts, looking at the verdict after each as a restore does."""
    bounds = sorted({0, len(records), *(cut % (len(records) + 1) for cut in cuts)})
    for first, end in pairwise(bounds):
        keys, values = zip(*records[first:end], strict=True)
        restoration.feed(CountStage("any"), keys, values)
        restoration.reached = end
    return restoration


@given(transactions, st.data())
def test_state_is_ready_just_when_it_is_the_one_of_the_committed_offset(
    history: list[list[tuple[bytes, int]]], data: st.DataObject
) -> None:
    committed = data.draw(st.integers(0, len(history)), "transactions whose offset is visible")
    records, _ = changelog_after(history)
    whole = len(changelog_after(history[:committed])[0])
    shown, _ = changelog_after(history[: data.draw(st.integers(0, len(history)), "transactions that were read")])
    read = data.draw(st.just(len(shown)) | st.integers(0, len(shown)), "records of them")
    end = data.draw(st.just(whole) | st.integers(whole, len(records)), "end of the changelog")
    restoration: Restoration[Counts] = Restoration(SOURCE, 10 * committed if committed else None, 0, end, {})
    fed(restoration, shown[:read], data.draw(st.lists(st.integers(0, 50), max_size=4), "cuts"))
    if restoration.verdict() is Verdict.READY:
        assert read >= end
        assert restoration.state() == PartitionState(Position(10 * committed), changelog_after(history[:committed])[1])
    else:
        assert read != whole or read < end


@pytest.mark.parametrize(("committed", "read", "end"), [(10, 2, 5), (None, 0, 1)])
def test_state_is_not_ready_before_the_changelog_is_read_to_its_end(committed: int | None, read: int, end: int) -> None:
    records, _ = changelog_after([[(b"a", 1)], [(b"a", 2), (b"b", 3)]])
    restoration: Restoration[Counts] = Restoration(SOURCE, committed, 0, end, {})
    assert fed(restoration, records[:read], []).verdict() is Verdict.READ_ON


def test_state_is_not_ready_before_a_transaction_that_was_begun_is_read_whole() -> None:
    """The verdict is asked for whenever records have come, so in the middle of a transaction too."""
    records, _ = changelog_after([[(b"a", 1)], [(b"a", 2), (b"b", 3)]])
    restoration: Restoration[Counts] = Restoration(SOURCE, 10, 0, 2, {})
    assert fed(restoration, records[:2], []).verdict() is Verdict.READY
    assert fed(restoration, records[2:4], []).verdict() is Verdict.READ_ON


@given(transactions.filter(bool), st.lists(st.integers(0, 50), max_size=4))
def test_changelog_without_a_committed_offset_is_a_mismatch(
    history: list[list[tuple[bytes, int]]], cuts: list[int]
) -> None:
    records, _ = changelog_after(history)
    assert fed(Restoration(SOURCE, None, 0, len(records), {}), records, cuts).verdict() is Verdict.MISMATCH


@given(st.integers(0, 9), st.integers(10, 20))
def test_input_that_was_deleted_unread_is_a_mismatch(committed: int, first: int) -> None:
    restoration: Restoration[Counts] = Restoration(SOURCE, committed, first, 0, {}, Position(committed))
    assert restoration.verdict() is Verdict.MISMATCH


def test_new_partition_begins_at_the_earliest_offset_of_its_input() -> None:
    restoration: Restoration[Counts] = Restoration(SOURCE, None, 17, 0, {})
    assert restoration.verdict() is Verdict.READY
    assert restoration.state() == PartitionState(Position(17), {})


SHARED = CountStage("totals", shares_changelogs=True)
SHARING = [TopicPartition("totals.in", partition) for partition in range(3)]


def records_of(source: TopicPartition, history: list[list[tuple[bytes, int]]]) -> list[tuple[TopicPartition, Record]]:
    return [(source, record) for record in changelog_after(history)[0]]


@given(st.lists(transactions, min_size=3, max_size=3), st.lists(st.integers(0, 60), max_size=6), st.randoms())
def test_shared_changelog_gives_each_what_a_changelog_of_its_own_would(
    histories: list[list[list[tuple[bytes, int]]]], cuts: list[int], draw: Random
) -> None:
    """However the transactions of several input partitions lie among each other, and wherever reading has come to."""
    left = {source: records_of(source, history) for source, history in zip(SHARING, histories, strict=True)}
    log: list[tuple[TopicPartition, Record]] = []
    while remaining := [source for source in SHARING if left[source]]:
        log.append(left[draw.choice(remaining)].pop(0))
    asked = SHARING[:2]  # The third is another worker's.
    shared: list[Restoration[Counts]] = [Restoration(source, 10, 0, 0, {}) for source in asked]
    alone: list[Restoration[Counts]] = [Restoration(source, 10, 0, 0, {}) for source in asked]
    bounds = sorted({0, len(log), *(cut % (len(log) + 1) for cut in cuts)})
    for first, end in pairwise(bounds):
        part = log[first:end]
        keys = [shared_key(source, key) for source, (key, _) in part]
        fed_any = feed_changelog(SHARED, shared, keys, [value for _, (_, value) in part])
        assert fed_any == any(source in asked for source, _ in part)
        for one in alone:
            if own := [record for source, record in part if source == one.source]:
                one.feed(SHARED, *zip(*own, strict=True))
        assert shared == alone


def message(source: TopicPartition, offset: int) -> Any:
    return Mock(
        ck.Message, error=lambda: None, key=lambda: shared_key(source, b"a"), value=lambda: b"1", offset=lambda: offset
    )


def test_what_others_write_behind_the_end_is_no_news() -> None:
    """Or a consumer that does not get to read what is waited for would be believed as long as others write."""
    waiting: list[Restoration[Counts]] = [Restoration(SHARING[0], 10, 0, 2, {})]
    assert handover._feed(waiting, SHARED, [message(SHARING[1], 0)])
    assert handover._feed(waiting, SHARED, [message(SHARING[1], 1)])
    assert not handover._feed(waiting, SHARED, [message(SHARING[1], 2)])
    assert handover._feed(waiting, SHARED, [message(SHARING[0], 3)])
    assert [one.reached for one in waiting] == [4]


class Writer:
    """Writes to a changelog and commits offsets as a worker's transactions do, without a group of members."""

    def __init__(self, topics: CountTopics, place: int = 0, *, shares_changelogs: bool = False) -> None:
        self.topics = topics
        self.stage = CountStage(topics.stage, shares_changelogs=shares_changelogs)
        name = f"{topics.stage}-{place}"
        self.consumer = ck.Consumer({"bootstrap.servers": topics.bootstrap_servers, "group.id": topics.stage})
        self.producer = ck.Producer({"bootstrap.servers": topics.bootstrap_servers, "transactional.id": name})
        self.producer.init_transactions(WAIT_S)

    def begin(self, next_offset: int, count: int, partition: int = 0) -> None:
        source, state = self.topics.source(partition), ([b"player"], [b"%d" % count])
        self.producer.begin_transaction()
        for write in writes_of(Result([], {source: state}, {source: Position(next_offset)}), self.stage):
            for key, value in zip(write.keys, write.values, strict=True):
                self.producer.produce(write.target.topic, value, key, write.target.partition)
        self.producer.flush(WAIT_S)
        offsets = [ck.TopicPartition(f"{self.topics.stage}.in", partition, next_offset)]
        self.producer.send_offsets_to_transaction(offsets, self.consumer.consumer_group_metadata(), WAIT_S)

    def commit(self, next_offset: int, count: int, partition: int = 0) -> None:
        self.begin(next_offset, count, partition)
        self.producer.commit_transaction(WAIT_S)


def restored(
    topics: CountTopics,
    kept: dict[TopicPartition, PartitionState[Counts]] | None = None,
    *,
    in_force: threading.Event | None = None,
    seconds_max: float = WAIT_S,
    stage: CountStage | None = None,
    partitions: Iterable[int] = (0, 1),
) -> dict[TopicPartition, PartitionState[Counts]] | None:
    return restore(
        stage or CountStage(topics.stage),
        [topics.source(partition) for partition in partitions],
        kept or {},
        bootstrap_servers=topics.bootstrap_servers,
        group=topics.stage,
        in_force=lambda: in_force is None or in_force.is_set(),
        seconds_max=seconds_max,
    )


@pytest.fixture
def topics(broker: Broker) -> CountTopics:
    return CountTopics(broker.bootstrap_servers, partitions=2)


@pytest.mark.kafka
def test_each_partition_comes_back_as_it_was_last_committed(topics: CountTopics) -> None:
    writer = Writer(topics)
    writer.commit(5, 1)
    writer.commit(9, 2)
    writer.begin(12, 3)
    writer.producer.abort_transaction(WAIT_S)
    assert restored(topics) == {
        topics.source(0): PartitionState(Position(9), {b"player": 2}),
        topics.source(1): PartitionState(Position(0), {}),
    }


@pytest.mark.kafka
def test_changelog_that_others_go_on_writing_to_is_read_to_its_end_and_no_further(topics: CountTopics) -> None:
    """The end is asked for first; a worker that is at work on other input partitions does not hold it up."""
    mine, other = (Writer(topics, place, shares_changelogs=True) for place in range(2))
    other.commit(4, 7, partition=1)
    mine.commit(5, 1)
    mine.commit(9, 2)
    at_work = threading.Event()
    at_work.set()
    offsets = iter(range(5, 1_000_000))

    def go_on() -> None:
        while at_work.is_set():
            other.commit(next(offsets), 7, partition=1)

    working = threading.Thread(target=go_on)
    working.start()
    try:
        state = PartitionState(Position(9), {b"player": 2})
        assert restored(topics, stage=mine.stage, partitions=[0]) == {topics.source(0): state}
        mine.consumer.commit(offsets=[ck.TopicPartition(*topics.source(0), 10)], asynchronous=False)
        with pytest.raises(PositionMismatch, match="committed offset 10, position record 9"):
            restored(topics, stage=mine.stage, partitions=[0], seconds_max=1.0)
    finally:
        at_work.clear()
        working.join()
    reached = next(offsets) - 1
    states = restored(topics, {topics.source(0): PartitionState(Position(10), {b"kept": 1})}, stage=mine.stage)
    assert (states or {})[topics.source(1)] == PartitionState(Position(reached), {b"player": 7})
    assert (states or {})[topics.source(0)] == PartitionState(Position(10), {b"kept": 1})


@pytest.mark.kafka
def test_open_transaction_of_another_in_a_shared_changelog_is_waited_for_only_if_it_lies_before_the_end(
    topics: CountTopics,
) -> None:
    mine, other = (Writer(topics, place, shares_changelogs=True) for place in range(2))
    mine.commit(5, 1)
    other.begin(4, 7, partition=1)
    mine.commit(9, 2)
    with pytest.raises(BrokerUnavailable, match="could not be read in time"):
        restored(topics, stage=mine.stage, partitions=[0], seconds_max=1.0)
    other.producer.abort_transaction(WAIT_S)
    state = PartitionState(Position(9), {b"player": 2})
    assert restored(topics, stage=mine.stage, partitions=[0]) == {topics.source(0): state}


@pytest.mark.kafka
def test_kept_state_is_used_again_only_at_the_committed_offset(topics: CountTopics) -> None:
    Writer(topics).commit(5, 1)
    source = topics.source(0)
    current, behind = PartitionState(Position(5), {b"kept": 7}), PartitionState(Position(4), {b"kept": 7})
    states = restored(topics, {source: current})
    assert states is not None
    assert states[source] is current
    assert (restored(topics, {source: behind}) or {})[source] == PartitionState(Position(5), {b"player": 1})


@pytest.mark.kafka
@pytest.mark.parametrize("ends_well", [True, False])
def test_open_transaction_is_waited_for(topics: CountTopics, ends_well: bool) -> None:
    writer = Writer(topics)
    writer.commit(5, 1)
    writer.begin(9, 2)
    end = writer.producer.commit_transaction if ends_well else writer.producer.abort_transaction
    ending = threading.Timer(1.0, end, [WAIT_S])
    ending.start()
    began = time.monotonic()
    states = restored(topics) or {}
    assert time.monotonic() - began > 0.5
    ending.join()
    expected = PartitionState(Position(9), {b"player": 2}) if ends_well else PartitionState(Position(5), {b"player": 1})
    assert states[topics.source(0)] == expected


@pytest.mark.kafka
def test_changelog_of_an_open_transaction_is_not_taken_for_an_empty_one(topics: CountTopics) -> None:
    """Where offsets were lost nothing else tells that there is something: the last stable offset is 0."""
    writer = Writer(topics)
    writer.producer.begin_transaction()
    writer.producer.produce(f"{topics.stage}.changelog", b"1", b"player", 0)
    writer.producer.flush(WAIT_S)
    with pytest.raises(BrokerUnavailable, match="could not be read in time"):
        restored(topics, seconds_max=1.0)
    writer.producer.abort_transaction(WAIT_S)
    assert (restored(topics) or {})[topics.source(0)] == PartitionState(Position(0), {})


@pytest.mark.kafka
@pytest.mark.long
def test_broker_killed_and_started_while_a_changelog_is_read_costs_time_only(tmp_path: Path) -> None:
    with KafkaBroker(tmp_path) as mortal:
        topics = CountTopics(mortal.bootstrap_servers, partitions=2)
        Writer(topics).commit(5, 1)
        asked = 0

        def in_force() -> bool:
            nonlocal asked
            asked += 1
            if asked == 2:  # When it has begun to read.
                mortal.kill()
                mortal.start()
                mortal.wait_ready()
            return True

        states = restore(
            CountStage(topics.stage),
            [topics.source(partition) for partition in range(2)],
            {},
            bootstrap_servers=topics.bootstrap_servers,
            group=topics.stage,
            in_force=in_force,
        )
    assert states == {
        topics.source(0): PartitionState(Position(5), {b"player": 1}),
        topics.source(1): PartitionState(Position(0), {}),
    }


class Deaf(ck.Consumer):
    """A consumer that hands over nothing, or nothing but the ends of partitions; only the first one of a test is so."""

    made = 0

    def __init__(self, *args: Any, **more: Any) -> None:
        super().__init__(*args, **more)
        type(self).made += 1
        self.deaf = self.made == 1

    def consume(self, *args: Any) -> list[ck.Message]:
        messages: list[ck.Message] = super().consume(*args)
        return [message for message in messages if self.tells(message)] if self.deaf else messages

    def tells(self, message: ck.Message) -> bool:
        return False


class EndsOnly(Deaf):
    def tells(self, message: ck.Message) -> bool:
        return message.error() is not None


@pytest.mark.kafka
@pytest.mark.parametrize("kind", [Deaf, EndsOnly])
def test_what_one_consumer_does_not_get_to_read_a_new_one_does(
    topics: CountTopics, kind: type[Deaf], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A broker that was killed and started again leaves such consumers behind (decision 0020)."""
    Writer(topics).commit(5, 1)
    monkeypatch.setattr(kind, "made", 0)
    monkeypatch.setattr(handover, "PATIENCE_S", 0.5)
    monkeypatch.setattr("confluent_kafka.Consumer", kind)
    states = restored(topics)
    assert states is not None
    assert states[topics.source(0)] == PartitionState(Position(5), {b"player": 1})
    assert kind.made == 2


def test_changelog_that_was_not_read_to_its_end_is_no_mismatch() -> None:
    """The worker is started again then: it stays down only where something does not fit."""
    unread: Restoration[Counts] = Restoration(SOURCE, 10, 0, 12, {})
    assert isinstance(unread.overdue(), BrokerUnavailable)
    read: Restoration[Counts] = Restoration(SOURCE, 10, 0, 12, {}, Position(7), 12)
    assert isinstance(read.overdue(), PositionMismatch)


@pytest.mark.kafka
def test_restore_ends_without_a_result_once_the_assignment_is_lost(topics: CountTopics) -> None:
    writer = Writer(topics)
    writer.begin(9, 2)
    in_force = threading.Event()
    in_force.set()
    losing = threading.Timer(0.5, in_force.clear)
    losing.start()
    assert restored(topics, in_force=in_force) is None
    losing.join()
    writer.producer.abort_transaction(WAIT_S)


@pytest.mark.kafka
def test_committed_offset_that_somebody_moved_is_a_mismatch(topics: CountTopics) -> None:
    writer = Writer(topics)
    writer.commit(5, 1)
    writer.consumer.commit(offsets=[ck.TopicPartition(*topics.source(0), 3)], asynchronous=False)
    with pytest.raises(PositionMismatch, match="committed offset 3, position record 5"):
        restored(topics, seconds_max=1.0)


@pytest.mark.kafka
def test_input_deleted_before_it_was_read_stops_the_restore(topics: CountTopics) -> None:
    topics.send(40)
    Writer(topics).commit(5, 1)
    admin = AdminClient({"bootstrap.servers": topics.bootstrap_servers})
    for deleted in admin.delete_records([ck.TopicPartition(*topics.source(0), 8)]).values():
        deleted.result()
    with pytest.raises(PositionMismatch, match="earliest input 8"):
        restored(topics)


def test_two_input_partitions_cannot_share_a_changelog_partition() -> None:
    class OneChangelog(CountStage):
        def changelog_of(self, source: TopicPartition) -> TopicPartition:
            return TopicPartition("totals.changelog", source.partition)

    stage = OneChangelog("totals")
    sources = [TopicPartition("totals.in", 0), TopicPartition("other.in", 0)]
    with pytest.raises(InvariantBroken, match="one changelog partition"):
        restore(stage, sources, {}, bootstrap_servers="127.0.0.1:1", group="totals", in_force=lambda: True)
