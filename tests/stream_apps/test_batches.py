"""The Faust transport against a real broker: when it delivers, what a poll holds, and what it leaves alone."""

from __future__ import annotations

import asyncio
import contextlib
import threading
import time
from typing import TYPE_CHECKING, Any

import confluent_kafka as ck
import pytest
from aiokafka.consumer.fetcher import Fetcher
from aiokafka.errors import KafkaError

from esep.stream_apps.batches import (
    REST,
    Assignment,
    BatchApp,
    Limits,
    PatientFetcher,
    Poll,
)
from tests.support.kafka_topics import CountTopics

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable

    from tests.support.brokers import Broker

pytestmark = pytest.mark.kafka
WAIT_S = 30.0


class Feed:
    """An app with an agent that keeps polls, and its assignments in the order in which they came."""

    def __init__(self, topics: CountTopics, ordinal: int, limits: Limits) -> None:
        self.polls: list[Poll] = []
        self.assignments: list[Assignment] = []
        self.failures: list[Exception] = []
        self.work_s = 0.0
        self.is_busy = False
        self.app = BatchApp(
            topics.stage,
            bootstrap_servers=topics.bootstrap_servers,
            instance_id=f"{topics.stage}-{ordinal}",
            limits=limits,
            on_assigned=self.assignments.append,
            on_failed=self.failures.append,
        )

        @self.app.agent(self.app.topic(f"{topics.stage}.in", value_serializer="raw"))  # type: ignore[untyped-decorator]
        async def keep(polls: Any) -> None:
            async for poll in polls:
                self.polls.append(poll)
                if self.is_busy:
                    continue
                self.app.done(poll, self.work_s)

    def records(self) -> int:
        return sum(len(batch) for poll in self.polls for batch in poll.batches)

    async def wait_until(self, holds: Callable[[], bool]) -> None:
        async with asyncio.timeout(WAIT_S):
            while not holds():  # noqa: ASYNC110  # Faust's threads set no event of ours.
                await asyncio.sleep(0.01)


@contextlib.asynccontextmanager
async def feed_of(topics: CountTopics, ordinal: int = 0, **limits: int) -> AsyncIterator[Feed]:
    feed = Feed(topics, ordinal, Limits(session_timeout_ms=6_000, **limits))
    await feed.app.start()
    try:
        yield feed
    finally:
        await feed.app.stop()


@pytest.fixture
def topics(broker: Broker) -> CountTopics:
    return CountTopics(broker.bootstrap_servers)


def run(test: Callable[[], Awaitable[None]]) -> None:
    asyncio.run(test())  # type: ignore[arg-type]


def test_delivery_begins_when_the_assignment_is_opened_and_at_the_positions_given(topics: CountTopics) -> None:
    topics.send(400)

    async def test() -> None:
        async with feed_of(topics) as feed:
            await feed.wait_until(lambda: bool(feed.assignments))
            (assignment,) = feed.assignments
            assert assignment.partitions == {topics.source(partition) for partition in range(4)}
            assert (assignment.generation, assignment.epoch) == (1, 1)
            assert assignment.member_id
            await asyncio.sleep(0.5)
            assert feed.polls == []
            assert await feed.app.open(assignment, {topics.source(n): 10 * n for n in range(4)})
            await feed.wait_until(lambda: feed.records() == 100 + 90 + 80 + 70)
            offsets = {batch.source: batch.offsets for poll in feed.polls for batch in poll.batches}
            assert offsets == {topics.source(n): list(range(10 * n, 100)) for n in range(4)}
            assert all(poll.assignment is assignment for poll in feed.polls)

    run(test)


def test_polls_are_numbered_and_end_near_their_limit_in_records(topics: CountTopics) -> None:
    for _ in range(20):
        topics.send(400)

    async def test() -> None:
        async with feed_of(topics, records_max=500) as feed:
            await feed.wait_until(lambda: bool(feed.assignments))
            await feed.app.open(feed.assignments[0], {topics.source(n): 0 for n in range(4)})
            await feed.wait_until(lambda: feed.records() == 8_000)
            assert [poll.number for poll in feed.polls] == list(range(1, len(feed.polls) + 1))
            assert max(sum(map(len, poll.batches)) for poll in feed.polls) <= 500 + 100  # One block of `send` more.
            for poll in feed.polls:
                assert len({batch.source for batch in poll.batches}) == len(poll.batches)
            for source in map(topics.source, range(4)):
                batches = [batch for poll in feed.polls for batch in poll.batches if batch.source == source]
                assert [offset for batch in batches for offset in batch.offsets] == list(range(2_000))

    run(test)


def test_lone_records_come_at_once_and_frequent_ones_together(topics: CountTopics) -> None:
    async def test() -> None:
        async with feed_of(topics, spacing_ms=200) as feed:
            await feed.wait_until(lambda: bool(feed.assignments))
            await feed.app.open(feed.assignments[0], {topics.source(n): 0 for n in range(4)})
            await asyncio.sleep(0.3)
            began = asyncio.get_running_loop().time()
            await asyncio.to_thread(topics.send, 1)
            await feed.wait_until(lambda: feed.records() == 1)
            assert asyncio.get_running_loop().time() - began < 0.15
            for _ in range(20):
                await asyncio.to_thread(topics.send, 4)
            await feed.wait_until(lambda: feed.records() == 81)
            assert len(feed.polls) <= 5

    run(test)


def test_rebalance_ends_an_assignment_for_good(topics: CountTopics) -> None:
    async def test() -> None:
        async with feed_of(topics) as first:
            await first.wait_until(lambda: bool(first.assignments))
            before = first.assignments[0]
            await first.app.open(before, dict.fromkeys(before.partitions, 0))
            assert first.app.in_force(before)
            async with feed_of(topics, ordinal=1) as second:
                await first.wait_until(lambda: len(first.assignments) == 2 and bool(second.assignments))
                after, other = first.assignments[1], second.assignments[0]
                assert not first.app.in_force(before)
                assert not await first.app.open(before, dict.fromkeys(before.partitions, 0))
                assert (after.epoch, after.generation) == (2, other.generation)
                assert after.partitions | other.partitions == before.partitions
                assert not after.partitions & other.partitions
                topics.send(40)
                await asyncio.sleep(0.3)
                assert first.polls == []
                await first.app.open(after, dict.fromkeys(after.partitions, 0))
                await first.wait_until(lambda: first.records() == 20)
                assert all(poll.assignment is after for poll in first.polls)

    run(test)


def test_position_that_the_broker_does_not_have_is_reported(topics: CountTopics) -> None:
    async def test() -> None:
        async with feed_of(topics) as feed:
            await feed.wait_until(lambda: bool(feed.assignments))
            await feed.app.open(feed.assignments[0], {topics.source(n): 1_000_000 for n in range(4)})
            await feed.wait_until(lambda: bool(feed.failures))
            assert type(feed.failures[0]).__name__ == "OffsetOutOfRangeError"

    run(test)


def test_error_of_the_group_is_reported_before_there_is_an_assignment(topics: CountTopics) -> None:
    """aiokafka keeps it for the next call of its consumer, of which Faust makes none before the first assignment."""

    async def test() -> None:
        feed = Feed(topics, 0, Limits(session_timeout_ms=6_000))
        starting = asyncio.ensure_future(feed.app.start())
        thread = feed.app.consumer._thread
        await feed.wait_until(lambda: thread._consumer is not None and thread._consumer._coordinator is not None)
        thread._consumer._coordinator._pending_exception = KafkaError("the group was deleted")
        await feed.wait_until(lambda: bool(feed.failures))
        assert str(feed.failures[0]) == "KafkaError: the group was deleted"
        await feed.app.stop()
        await starting

    run(test)


def test_consumer_that_ends_because_the_app_stops_has_not_failed(topics: CountTopics) -> None:
    """Faust ends the consumer's thread before it ends those that ask it something: their calls fail, now and then."""

    async def test() -> None:
        async with feed_of(topics) as feed:
            await feed.wait_until(lambda: bool(feed.assignments))
            thread = feed.app.consumer._thread
            ask = thread.call_thread
            refused = []

            async def call_thread(*call: Any) -> Any:
                if not feed.app.should_stop:
                    return await ask(*call)
                refused.append(call)
                raise RuntimeError("Event loop is closed")

            thread.call_thread = call_thread
        assert refused
        assert await feed.app.open(feed.assignments[0], {}) is False
        await feed.app.subscribe([f"{topics.stage}.in"])
        assert feed.failures == []

    run(test)


def test_records_of_an_aborted_transaction_are_not_delivered(topics: CountTopics) -> None:
    producer = ck.Producer({"bootstrap.servers": topics.bootstrap_servers, "transactional.id": topics.stage})
    producer.init_transactions(WAIT_S)
    for end, value in ((producer.abort_transaction, b"lost"), (producer.commit_transaction, b"kept")):
        producer.begin_transaction()
        for partition in range(4):
            producer.produce(f"{topics.stage}.in", value, b"desk-7", partition)
        producer.flush(WAIT_S)
        end(WAIT_S)

    async def test() -> None:
        async with feed_of(topics) as feed:
            await feed.wait_until(lambda: bool(feed.assignments))
            await feed.app.open(feed.assignments[0], {topics.source(n): 0 for n in range(4)})
            await feed.wait_until(lambda: feed.records() >= 4)
            assert {value for poll in feed.polls for batch in poll.batches for value in batch.values} == {b"kept"}

    run(test)


def test_transport_commits_no_offsets(topics: CountTopics) -> None:
    topics.send(400)

    async def test() -> None:
        async with feed_of(topics) as feed:
            await feed.wait_until(lambda: bool(feed.assignments))
            await feed.app.open(feed.assignments[0], {topics.source(n): 0 for n in range(4)})
            await feed.wait_until(lambda: feed.records() == 400)
            await feed.app.consumer.commit()
            await asyncio.sleep(3)  # Faust commits every 2.8 s.

    run(test)
    consumer = ck.Consumer({"bootstrap.servers": topics.bootstrap_servers, "group.id": topics.stage})
    answers = consumer.committed([ck.TopicPartition(*topics.source(partition)) for partition in range(4)], WAIT_S)
    consumer.close()
    assert [answer.offset for answer in answers] == [ck.OFFSET_INVALID] * 4


@pytest.mark.parametrize(
    ("taken_s_ago", "rest_s", "requests", "wait_s"),
    [(0, 0.1, [], 0.1), (0, 9.0, [], 0.2), (0.2, 0.1, ["a request"], 0.2), (0, 0.0, ["a request"], 0.2)],
)
def test_nothing_is_asked_for_while_the_stage_rests(
    taken_s_ago: float, rest_s: float, requests: list[str], wait_s: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    """But positions are looked for, and what the fetcher waits for besides is left as it is."""
    actions = (["a request"], {"a broker": "a position"}, 0.2, False, ["resumed"])
    monkeypatch.setattr(Fetcher, "_get_actions_per_node", lambda *_: actions)
    fetcher = object.__new__(PatientFetcher)
    fetcher.taken_at, fetcher.rest_s = time.monotonic() - taken_s_ago, rest_s
    found = fetcher._get_actions_per_node(None)
    assert (found[0], found[1], *found[3:]) == (requests, *actions[1:2], *actions[3:])
    assert found[2] == pytest.approx(wait_s, abs=0.02)


def test_dear_polls_are_taken_less_often(topics: CountTopics) -> None:
    """A stage that takes 30 ms for each poll has 120 ms to gather the next one."""

    async def test() -> None:
        async with feed_of(topics, spacing_ms=0) as feed:
            await feed.wait_until(lambda: bool(feed.assignments))
            feed.work_s = feed.app.work_s = 0.03
            await feed.app.open(feed.assignments[0], {topics.source(n): 0 for n in range(4)})
            taken: list[float] = []
            for count in range(1, 9):
                await asyncio.to_thread(topics.send, 4)
                await feed.wait_until(lambda count=count: feed.records() == 4 * count)  # type: ignore[misc]
                taken.append(time.monotonic())
            assert len(feed.polls) >= 8
            assert taken[-1] - taken[1] > 6 * 0.03 * REST * 0.9

    run(test)


def test_nothing_is_fetched_while_a_poll_is_at_work_that_was_not_large(topics: CountTopics) -> None:
    """What has come meanwhile is one poll, not one for each of those that would have been fetched ahead."""

    async def test() -> None:
        async with feed_of(topics, spacing_ms=0) as feed:
            await feed.wait_until(lambda: bool(feed.assignments))
            await feed.app.open(feed.assignments[0], {topics.source(n): 0 for n in range(4)})
            feed.is_busy = True
            for count in range(1, 6):
                await asyncio.to_thread(topics.send, 4)
                await feed.wait_until(lambda: bool(feed.polls))
                await asyncio.sleep(0.2)
                assert len(feed.polls) == 1, f"a poll was taken while one was at work, after {count} sends"
            (first,), feed.is_busy = feed.polls, False
            feed.app.done(first, 0.0)
            await feed.wait_until(lambda: feed.records() == 20)
            assert sum(map(len, feed.polls[1].batches)) >= 16
            assert len(feed.polls) == 2

    run(test)


def test_next_poll_is_fetched_while_a_large_one_is_at_work(topics: CountTopics) -> None:
    for _ in range(20):
        topics.send(400)

    async def test() -> None:
        async with feed_of(topics, records_max=500) as feed:
            await feed.wait_until(lambda: bool(feed.assignments))
            feed.is_busy = True
            await feed.app.open(feed.assignments[0], {topics.source(n): 0 for n in range(4)})
            await feed.wait_until(lambda: len(feed.polls) >= 3)

    run(test)


def test_connections_are_closed_and_the_group_is_left_where_a_rebalance_meets_a_stop(topics: CountTopics) -> None:
    async def test() -> None:
        left: list[str] = []
        async with feed_of(topics) as feed:
            await feed.wait_until(lambda: bool(feed.assignments))
            consumer = feed.app.consumer._thread._ensure_consumer()
            connections = list(consumer._client._conns.values())
            end = consumer._coordinator.close

            async def close() -> None:
                left.append(threading.current_thread().name)
                await end()

            consumer._coordinator.close = close
            feed.app._on_rebalance_when_stopped()
        assert connections
        assert [one for one in connections if one.connected()] == []
        assert len(left) == 1
        assert left != [threading.current_thread().name]

    run(test)


def test_requests_of_an_app_are_patient(topics: CountTopics) -> None:
    async def test() -> None:
        async with feed_of(topics) as feed:
            await feed.wait_until(lambda: bool(feed.assignments))
            assert type(feed.app.consumer._thread._ensure_consumer()._fetcher) is PatientFetcher

    run(test)
