"""The transactional writer: what it sends as credentials, what the broker refuses, and that nothing of it is seen."""

from __future__ import annotations

import struct
import threading
import time
from random import Random
from typing import TYPE_CHECKING, Any

import confluent_kafka as ck
import pytest
from hypothesis import given
from hypothesis import strategies as st

from esep.errors import BrokerUnavailable, InvariantBroken, PlaceTaken, Unfenced
from esep.lineage import POSITION_KEY, Position, TopicPartition, source_and_key
from esep.stream_apps.batches import Assignment
from esep.stream_apps.handover import HAND_OVER_S_MAX
from esep.stream_apps.stage import Result, Write
from esep.stream_apps.transaction import TRANSACTION_MS_MAX, Place, TransactionalWriter, group_metadata, writes_of
from tests.support.count_stage import CountStage
from tests.support.kafka_topics import CountTopics

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.support.brokers import Broker

WAIT_S = 30.0
printable = st.text(st.characters(min_codepoint=0x21, max_codepoint=0x7E), min_size=1, max_size=40)


class Member:
    """A member of a group by librdkafka: another client than the worker's own, which knows its credentials."""

    def __init__(self, servers: str, place: Place, topic: str, *, static: bool = True) -> None:
        settings: dict[str, Any] = {
            "bootstrap.servers": servers,
            "group.id": place.group,
            "partition.assignment.strategy": "roundrobin",
            "session.timeout.ms": 6_000,
            "heartbeat.interval.ms": 300,
            "enable.auto.commit": False,
            "auto.offset.reset": "earliest",
        }
        self.consumer = ck.Consumer(settings | ({"group.instance.id": str(place)} if static else {}))
        self.consumer.subscribe([topic])

    def poll_until(self, partitions: int) -> None:
        deadline = time.monotonic() + WAIT_S
        while len(self.consumer.assignment()) != partitions:
            assert time.monotonic() < deadline, self.consumer.assignment()
            self.consumer.poll(0.05)

    def assignment(self) -> Assignment:
        metadata = self.consumer.consumer_group_metadata()
        (generation,) = struct.unpack("=i", metadata[7:11])
        mine = frozenset(TopicPartition(one.topic, one.partition) for one in self.consumer.assignment())
        return Assignment(generation, self.consumer.memberid(), mine, epoch=1)


@pytest.fixture
def topics(broker: Broker) -> CountTopics:
    return CountTopics(broker.bootstrap_servers, partitions=2)


@pytest.fixture
def member(topics: CountTopics) -> Iterator[Member]:
    member = Member(topics.bootstrap_servers, Place(topics.stage, 0), f"{topics.stage}.in")
    member.poll_until(2)
    yield member
    member.consumer.close()


@pytest.fixture
def writer(topics: CountTopics) -> TransactionalWriter:
    writer = TransactionalWriter(Place(topics.stage, 0), topics.bootstrap_servers)
    writer.open()
    return writer


def write(topics: CountTopics, *values: bytes) -> Write:
    return Write(TopicPartition(f"{topics.stage}.out", 0), [b"k"] * len(values), list(values))


def committed(topics: CountTopics) -> list[int]:
    consumer = ck.Consumer({"bootstrap.servers": topics.bootstrap_servers, "group.id": topics.stage})
    asked = [ck.TopicPartition(f"{topics.stage}.in", partition) for partition in range(topics.partitions)]
    try:
        return [answer.offset for answer in consumer.committed(asked, WAIT_S)]
    finally:
        consumer.close()


class ScriptedProducer:
    """Takes the place of librdkafka's producer: notes the calls, and fails those that the script names, in order."""

    def __init__(self, **script: list[ck.KafkaError | None]) -> None:
        self.calls: list[str] = []
        self.script = script

    def _call(self, name: str) -> None:
        self.calls.append(name)
        if (errors := self.script.get(name)) and (error := errors.pop(0)) is not None:
            raise ck.KafkaException(error)

    def begin_transaction(self) -> None:
        self._call("begin")

    def produce_batch(self, topic: str, messages: list[dict[str, bytes]], partition: int) -> int:
        self._call("produce")
        return len(messages)

    def send_offsets_to_transaction(self, offsets: object, metadata: bytes, seconds: float) -> None:
        self._call("offsets")

    def commit_transaction(self, seconds: float) -> None:
        self._call("commit")

    def abort_transaction(self, seconds: float) -> None:
        self._call("abort")

    def poll(self, seconds: float) -> None:
        pass


def scripted(**script: list[ck.KafkaError | None]) -> tuple[TransactionalWriter, ScriptedProducer]:
    writer = TransactionalWriter(Place("totals", 0), "127.0.0.1:1")  # Nothing listens there, and nothing is asked.
    writer._producer = ScriptedProducer(**script)
    return writer, writer._producer


MEMBER = Assignment(3, "totals-0-7d25", frozenset(), 1)
ONE = [Write(TopicPartition("ledger", 0), [b"k"], [b"v"])]
ABORTABLE = ck.KafkaError(ck.KafkaError._INCONSISTENT, "1 message(s) failed delivery", False, False, True)
RETRIABLE = ck.KafkaError(ck.KafkaError._TIMED_OUT, "EndTxn timed out", False, True, False)
FENCED = ck.KafkaError(ck.KafkaError._FENCED, "fenced by a newer instance", True, False, False)
ATTEMPT = ["begin", "produce", "offsets", "commit"]


def test_aborted_records_are_written_once_more_and_then_given_up() -> None:
    writer, producer = scripted(commit=[ABORTABLE, None])
    assert writer.commit(ONE, {}, MEMBER)
    assert producer.calls == [*ATTEMPT, "abort", *ATTEMPT]
    writer, producer = scripted(commit=[ABORTABLE, ABORTABLE])
    with pytest.raises(BrokerUnavailable):
        writer.commit(ONE, {}, MEMBER)
    assert producer.calls == [*ATTEMPT, "abort", *ATTEMPT, "abort"]


def test_commit_whose_end_is_open_is_asked_for_again_and_not_aborted() -> None:
    writer, producer = scripted(commit=[RETRIABLE, RETRIABLE, None])
    assert writer.commit(ONE, {}, MEMBER)
    assert producer.calls == [*ATTEMPT, "commit", "commit"]


def test_fenced_worker_tries_nothing_more() -> None:
    writer, producer = scripted(offsets=[FENCED])
    with pytest.raises(PlaceTaken):
        writer.commit(ONE, {}, MEMBER)
    assert producer.calls == ["begin", "produce", "offsets"]


def test_call_that_never_comes_back_ends_the_process(monkeypatch: pytest.MonkeyPatch) -> None:
    """As `send_offsets_to_transaction` does in librdkafka 2.16 when its broker is killed at the wrong moment."""
    ended: list[int] = []
    over = threading.Event()
    monkeypatch.setattr("esep.stream_apps.transaction.HANG_S_MAX", 1)

    def note_end(code: int) -> None:
        ended.append(code)
        over.set()

    monkeypatch.setattr("os._exit", note_end)
    writer, producer = scripted()
    monkeypatch.setattr(producer, "send_offsets_to_transaction", lambda *_: over.wait(10))
    assert writer.commit(ONE, {}, MEMBER)
    assert ended == [BrokerUnavailable.exit_code]


def test_hand_over_asks_nothing_while_a_transaction_is_under_way() -> None:
    """It asks on a thread of its own, and one producer has one transaction: it would abort the poll that is written."""
    writer, producer = scripted()
    begun, go_on = threading.Event(), threading.Event()

    def wait(_: float) -> None:
        begun.set()
        assert go_on.wait(WAIT_S)
        producer.calls.append("commit")

    producer.commit_transaction = wait  # type: ignore[method-assign]
    committing = threading.Thread(target=writer.commit, args=(ONE, {}, MEMBER))
    committing.start()
    assert begun.wait(WAIT_S)
    asking = threading.Thread(target=writer.holds, args=(MEMBER, TopicPartition("accepted", 0)))
    asking.start()
    time.sleep(0.2)  # Not for readiness: so long it is to wait for the other.
    go_on.set()
    committing.join()
    asking.join()
    assert producer.calls == [*ATTEMPT, "begin", "offsets", "abort"]


def test_transaction_that_nobody_ends_is_over_before_the_hand_over_gives_up() -> None:
    """15 s, and up to 10 s more until the broker looks; the stage's successor waits for it."""
    assert TRANSACTION_MS_MAX == 15_000
    assert HAND_OVER_S_MAX > 2 * (TRANSACTION_MS_MAX / 1000 + 10)


@given(generation=st.integers(max_value=-1), member=printable)
def test_commit_without_a_generation_is_refused_before_anything_is_sent(generation: int, member: str) -> None:
    with pytest.raises(Unfenced):
        group_metadata(Place("totals", 0), Assignment(generation, member, frozenset(), 1))


@given(generation=st.integers(0, 2**31 - 1))
def test_commit_without_a_member_id_is_refused_before_anything_is_sent(generation: int) -> None:
    writer = TransactionalWriter(Place("totals", 0), "127.0.0.1:1")  # Nothing listens there, and nothing is asked.
    with pytest.raises(Unfenced):
        writer.commit([], {}, Assignment(generation, "", frozenset(), 1))


def test_result_is_written_with_a_position_record_after_each_changelog() -> None:
    source, changelog = TopicPartition("totals.in", 3), TopicPartition("totals.changelog", 3)
    output = Write(TopicPartition("ledger", 3), [b"a"], [b"1"])
    position = Position(8, {output.target: 1})
    result = Result([output], {source: ([b"k"], [None])}, {source: position})
    writes = list(writes_of(result, CountStage("totals")))
    assert writes == [output, Write(changelog, [b"k", POSITION_KEY], [None, position.encode()])]
    quiet = list(writes_of(Result([], {}, {source: position}), CountStage("totals")))
    assert quiet == [Write(changelog, [POSITION_KEY], [position.encode()])]
    (_, shared) = writes_of(result, CountStage("totals", shares_changelogs=True))
    assert shared.target == TopicPartition("totals.changelog", 0)
    assert list(map(source_and_key, map(bytes, shared.keys))) == [
        (b"totals.in/3", b"k"),
        (b"totals.in/3", POSITION_KEY),
    ]
    assert shared.values == [None, position.encode()]


@pytest.mark.kafka
def test_group_metadata_is_what_librdkafka_returns_for_the_same_member(topics: CountTopics, member: Member) -> None:
    metadata = group_metadata(Place(topics.stage, 0), member.assignment())
    assert metadata == member.consumer.consumer_group_metadata()


@pytest.mark.kafka
def test_commit_writes_values_tombstones_and_headers_and_moves_the_offset(
    topics: CountTopics, member: Member, writer: TransactionalWriter
) -> None:
    target = TopicPartition(f"{topics.stage}.out", 1)
    plain = Write(target, [b"a", b"b", b"c"], [b"1", None, b""])
    headed = Write(target, [b"d"], [b"2"], [[("content-type", b"avro")]])
    assert writer.commit([plain, headed], {topics.source(0): 7}, member.assignment())
    reader = ck.Consumer({"bootstrap.servers": topics.bootstrap_servers, "group.id": "reader"})
    reader.list_topics(target.topic, WAIT_S)
    reader.assign([ck.TopicPartition(*target, 0)])
    records = reader.consume(4, WAIT_S)
    reader.close()
    assert [(record.key(), record.value()) for record in records] == [
        (b"a", b"1"),
        (b"b", None),
        (b"c", b""),
        (b"d", b"2"),
    ]
    assert records[3].headers() == [("content-type", b"avro")]
    assert committed(topics) == [7, ck.OFFSET_INVALID]


@pytest.mark.kafka
def test_lost_partition_is_refused_by_the_generation_at_fetch_and_let_through_by_that_at_commit(
    topics: CountTopics, member: Member, writer: TransactionalWriter
) -> None:
    """Why a poll carries its assignment: the broker checks generation and member, not who owns the partition."""
    at_fetch = member.assignment()
    other = Member(topics.bootstrap_servers, Place(topics.stage, 1), f"{topics.stage}.in")
    deadline = time.monotonic() + WAIT_S
    while len(other.consumer.assignment()) != 1 or len(member.consumer.assignment()) != 1:
        assert time.monotonic() < deadline
        member.consumer.poll(0.05)
        other.consumer.poll(0.05)
    (lost,) = other.assignment().partitions
    assert writer.commit([write(topics, b"late")], {lost: 9}, at_fetch) is False
    assert committed(topics) == [ck.OFFSET_INVALID] * 2
    assert writer.commit([write(topics, b"doubled")], {lost: 9}, member.assignment()) is True
    assert committed(topics)[lost.partition] == 9
    other.consumer.close()
    assert topics.outputs(1)[0] == [b"doubled"]


@pytest.mark.kafka
def test_question_whether_the_assignment_holds_is_answered_and_moves_nothing(
    topics: CountTopics, member: Member, writer: TransactionalWriter
) -> None:
    now = member.assignment()
    assert writer.commit([], {topics.source(0): 5}, now)
    assert writer.holds(now, topics.source(0))
    for stale in (
        Assignment(now.generation - 1, now.member_id, now.partitions, 1),
        Assignment(now.generation, f"{now.member_id}-before", now.partitions, 1),
    ):
        assert not writer.holds(stale, topics.source(0))
        assert not writer.commit([write(topics, b"stale")], {topics.source(0): 6}, stale)
    assert committed(topics) == [5, ck.OFFSET_INVALID]
    assert writer.commit([write(topics, b"good")], {topics.source(0): 6}, now)
    assert topics.outputs(1)[0] == [b"good"]


@pytest.mark.kafka
def test_holder_of_a_place_is_put_out_by_the_next_one(
    topics: CountTopics, member: Member, writer: TransactionalWriter
) -> None:
    TransactionalWriter(Place(topics.stage, 0), topics.bootstrap_servers).open()
    with pytest.raises(PlaceTaken):
        writer.holds(member.assignment(), topics.source(0))
    with pytest.raises(PlaceTaken):
        writer.commit([write(topics, b"late")], {topics.source(0): 1}, member.assignment())
    assert topics.outputs(0)[0] == []


@pytest.mark.kafka
@pytest.mark.parametrize("size_bytes", [2 << 20, 33 << 20])
def test_record_larger_than_its_topic_takes_stops_the_worker_and_nothing_is_seen(
    topics: CountTopics, member: Member, writer: TransactionalWriter, size_bytes: int
) -> None:
    large = write(topics, b"small", Random(1).randbytes(size_bytes))  # The limit is on the compressed size.
    with pytest.raises(InvariantBroken, match="larger than its topic takes"):
        writer.commit([large], {topics.source(0): 1}, member.assignment())
    assert committed(topics) == [ck.OFFSET_INVALID] * 2
    assert topics.outputs(0)[0] == []


STEPS = ("begun", "outputs written", "state written", "offsets sent")


@pytest.mark.kafka
@pytest.mark.parametrize("last", STEPS)
def test_nothing_is_seen_of_a_transaction_whose_worker_died_after_any_step(
    topics: CountTopics, member: Member, writer: TransactionalWriter, last: str
) -> None:
    now, source = member.assignment(), topics.source(0)
    dying = writer._producer
    began = time.monotonic()
    dying.begin_transaction()
    for step in STEPS[1 : STEPS.index(last) + 1]:
        if step == "outputs written":
            writer._produce(write(topics, b"half"))
        elif step == "state written":
            changelog = TopicPartition(f"{topics.stage}.changelog", 0)
            writer._produce(Write(changelog, [POSITION_KEY], [Position(5).encode()]))
        else:
            offsets = [ck.TopicPartition(*source, 5)]
            dying.send_offsets_to_transaction(offsets, group_metadata(Place(topics.stage, 0), now), WAIT_S)
        assert dying.flush(WAIT_S) == 0
    heir = TransactionalWriter(Place(topics.stage, 0), topics.bootstrap_servers)
    heir.open()
    assert committed(topics) == [ck.OFFSET_INVALID] * 2
    assert heir.commit([write(topics, b"whole")], {source: 5}, now)
    assert topics.outputs(1)[0] == [b"whole"]
    assert time.monotonic() - began < TRANSACTION_MS_MAX / 1000, "the broker ended it, not the heir"
    assert committed(topics) == [5, ck.OFFSET_INVALID]


@pytest.mark.kafka
def test_worker_that_died_after_its_commit_has_committed(
    topics: CountTopics, member: Member, writer: TransactionalWriter
) -> None:
    assert writer.commit([write(topics, b"once")], {topics.source(0): 5}, member.assignment())
    TransactionalWriter(Place(topics.stage, 0), topics.bootstrap_servers).open()
    assert topics.outputs(1)[0] == [b"once"]
    assert committed(topics) == [5, ck.OFFSET_INVALID]


@pytest.mark.kafka
def test_transaction_that_timed_out_is_aborted_and_its_worker_may_not_commit_it(
    topics: CountTopics, member: Member, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The broker looks for such transactions every 10 s."""
    monkeypatch.setattr("esep.stream_apps.transaction.TRANSACTION_MS_MAX", 1_000)
    slow = TransactionalWriter(Place(topics.stage, 0), topics.bootstrap_servers)
    slow.open()
    metadata, source = group_metadata(Place(topics.stage, 0), member.assignment()), topics.source(0)
    slow._write([write(topics, b"late")], {source: 5}, metadata)
    reader = ck.Consumer(
        {
            "bootstrap.servers": topics.bootstrap_servers,
            "group.id": topics.stage,
            "isolation.level": "read_committed",
        }
    )
    (answer,) = reader.committed([ck.TopicPartition(*source)], WAIT_S)  # Refused while the transaction is open.
    reader.close()
    assert answer.offset == ck.OFFSET_INVALID
    with pytest.raises(PlaceTaken, match="stopped in a transaction"):
        slow._abort(slow._end_of_commit())
    assert topics.outputs(0)[0] == []
