"""The Faust transport: one fetch over all of a worker's partitions is one message, stamped with its assignment.

Reads     the stage's input topics, committed records only
Returns   `Poll`s, in order and numbered 1, 2, 3 … per `Assignment`, through a `BatchApp`'s agent
Promises  nothing is fetched for an assignment before `BatchApp.open` gave the positions; a poll carries the assignment
          in force when its records were taken; offsets are never committed here (boxes: intake, totals, alerts)

Faust makes one message and one acknowledgement of every record and commits offsets by itself; both are switched off
here. What is kept of it: agents, group membership, the life of a worker (DESIGN §5).
"""

from __future__ import annotations

import asyncio
import time
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

import aiokafka
import faust
from aiokafka.consumer.fetcher import Fetcher, FetchResult
from aiokafka.coordinator.assignors.roundrobin import RoundRobinPartitionAssignor
from aiokafka.errors import ConsumerStoppedError
from faust.app.base import BootStrategy
from faust.transport.drivers import aiokafka as driver
from faust.types import TP, ConsumerMessage
from mode import Service

from esep.lineage import TopicPartition
from esep.security import PLAIN, aiokafka_properties
from esep.stream_apps.fetched import Room, reread_with, take_batch

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

    from esep.stream_apps.stage import Batch

# Nothing is asked for while the stage rests, or is at work on a poll that was not large: an answer would lie here, and
# what came after it would wait for the next one; and a request that waits at the broker for many partitions costs it a
# look at all of them whenever one gets a record. After the rest the next record is answered with at once: a stage takes
# what the one before it has committed, when it has, and an idle one asks rarely.
FETCH_WAIT_MS_MAX = 500
PARTITION_FETCH_BYTES_MAX = 4 << 20  # Per partition and request; a larger single record still comes through (KIP-74).
REST = 4.0  # From one poll to the next passes this many times the processor time of the last one: what is fixed about
REST_S_MAX = 0.2  # a poll takes a quarter of a core at most. At most so long: what takes longer is large, not dear.
LARGE = 0.25  # Of a full poll: the next one is fetched while such a poll is at work, for then there is a backlog.
PATIENCE_S = 1.0  # How long a wait for records may last before the worker looks whether it is to stop.
REQUEST_TIMEOUT_MS = 40_000  # Of one request to a broker; must be longer than the session time-out.
IDLE_MS_MAX = 300_000  # A worker that asks for no records so long leaves the group: it hangs.
METADATA_AGE_MS_MAX = 60_000  # How soon a new partition count or a new leader is seen without an error.


@dataclass(frozen=True, slots=True)
class Limits:
    """When a poll is full, and how fast a worker is missed.

    records_max, bytes_max: a poll takes no further record batch once it holds so many (keys and values).
    spacing_ms: the least time between the takings of two polls while polls are not full, so that a transaction holds
    many records under traffic (see `REST`); a lone record waits for nothing.
    session_timeout_ms: silence after which the broker gives a worker's partitions to others.
    """

    records_max: int = 50_000
    bytes_max: int = 32 << 20
    spacing_ms: int = 20
    session_timeout_ms: int = 10_000


@dataclass(frozen=True, slots=True)
class Assignment:
    """What the group gave this worker in one rebalance, and the credentials to act on it (KIP-447).

    epoch: counts this process's assignments from 1; the group's generation may stay while a static member returns.
    """

    generation: int
    member_id: str
    partitions: frozenset[TopicPartition]
    epoch: int


@dataclass(frozen=True, slots=True)
class Poll:
    """The records of one fetch: at most one batch per partition, never none; number: 1, 2, 3 … per assignment."""

    assignment: Assignment
    number: int
    batches: tuple[Batch, ...]


class BatchApp(faust.App):  # type: ignore[misc]  # faust carries no types
    """A Faust app without web server, tables, producer and offset commits, whose one message is one poll.

    on_assigned: called on the app's event loop for each new assignment; answers sooner or later with `open`.
    on_failed: called there when the consumer cannot go on (Faust would restart it, or hang).
    """

    class BootStrategy(BootStrategy):  # type: ignore[misc]
        """Starts the consumer and the agents only."""

        enable_kafka_producer = False
        enable_web = False

    def __init__(
        self,
        group: str,
        *,
        bootstrap_servers: str,
        instance_id: str,
        limits: Limits,
        on_assigned: Callable[[Assignment], None],
        on_failed: Callable[[Exception], None],
        security: Mapping[str, str] = PLAIN,
    ) -> None:
        self.limits = limits
        self.work_s = 0.0  # Processor time of the last poll, from being handed over to its commit.
        self.security = security
        self.on_assigned = on_assigned
        self.on_failed = on_failed
        super().__init__(
            group,
            autodiscover=False,
            broker=["kafka://" + server for server in bootstrap_servers.split(",")],
            broker_session_timeout=limits.session_timeout_ms / 1000,
            consumer_group_instance_id=instance_id,
            store="memory://",
            stream_buffer_maxsize=1,
            stream_wait_empty=False,
            topic_allow_declare=False,
            topic_disable_leader=True,
            web_enabled=False,
        )

    async def open(self, assignment: Assignment, positions: Mapping[TopicPartition, int]) -> bool:
        """Fetch from these positions (one per partition of the assignment); False if it is no longer in force."""
        thread = cast("Consumer", self.consumer)._thread
        with self.alive():
            return bool(await thread.call_thread(thread.open, assignment, positions))
        return False

    async def subscribe(self, topics: Iterable[str]) -> None:
        """Read these topics from now on: the group is joined anew, and a new assignment follows."""
        for channel in self.topics:
            channel.topics = tuple(topics)
        with self.alive():
            # By hand, for Faust itself waits 45 s, to see whether further topics come (`Conductor._subscriber`).
            await cast("Consumer", self.consumer).subscribe(await self.topics._update_indices())

    @contextmanager
    def alive(self) -> Iterator[None]:
        """Let an error out only if the app goes on: when it stops, it ends its consumer's thread, whoever asks it."""
        try:
            yield
        except Exception:
            if not self.should_stop:
                raise

    def done(self, poll: Poll, work_s: float) -> None:
        """Go on to the next poll; whoever is handed a poll says so. work_s: the processor time that it took."""
        self.work_s = work_s
        thread = cast("Consumer", self.consumer)._thread
        with suppress(RuntimeError):  # A loop that has ended delivers nothing more.
            thread.thread_loop.call_soon_threadsafe(thread.done, poll)

    def in_force(self, assignment: Assignment) -> bool:
        """Return whether no rebalance has begun since; may be asked on any thread."""
        return cast("Consumer", self.consumer)._thread.assignment_now is assignment

    def _new_transport(self) -> Transport:
        return Transport(self.conf.broker_consumer, self)

    def _create_directories(self) -> None:
        """Nothing of ours is kept in files."""

    def FlowControlQueue(self, maxsize: int | None = None, *, clear_on_resume: bool = False) -> Any:  # noqa: N802, ARG002
        """Return a queue that a rebalance does not empty: stale polls are known by their assignment."""
        return super().FlowControlQueue(maxsize, clear_on_resume=False)


class RebalanceListener(driver.ConsumerRebalanceListener):  # type: ignore[misc]
    """Ends delivery at the very start of a rebalance and notes the assignment at its very end."""

    def on_partitions_revoked(self, revoked: Iterable[Any]) -> Any:
        """Runs on the consumer's thread when the group is to be joined anew."""
        self._thread.close_delivery()
        return super().on_partitions_revoked(revoked)

    async def on_partitions_assigned(self, assigned: Iterable[Any]) -> None:
        """Runs on the consumer's thread once the group has settled; no heartbeat is sent until it returns."""
        self._thread.park(assigned)
        await super().on_partitions_assigned(assigned)


class PatientFetcher(Fetcher):  # type: ignore[misc]  # aiokafka carries no types
    """aiokafka's fetcher, which asks for nothing while the stage rests or is at work.

    taken_at: when records were last taken, on the monotonic clock. rest_s: how long to rest after that. at_work: the
    poll to wait for.
    """

    taken_at = 0.0
    rest_s = 0.0
    at_work: Poll | None = None

    @property
    def rest_left_s(self) -> float:
        """How long the stage still rests; not above zero once it does not."""
        return self.taken_at + self.rest_s - time.monotonic()

    def _get_actions_per_node(self, assignment: Any) -> tuple[Any, ...]:
        """Return what aiokafka is to do next, and how long to wait until it asks again; the first are its requests."""
        requests, resets, wait_s, *others = super()._get_actions_per_node(assignment)
        left_s = self.rest_left_s
        if left_s > 0:
            return [], resets, min(wait_s, left_s), *others
        return [] if self.at_work else requests, resets, wait_s, *others

    def done(self, poll: Poll | None) -> bool:
        """Ask for the next records if this is the poll to wait for; return whether it was."""
        if self.at_work is not poll:
            return False
        self.at_work = None
        self._notify(self._wait_consume_future)
        return True


class ConsumerThread(driver.AIOKafkaConsumerThread):  # type: ignore[misc]
    """aiokafka's consumer on its own thread and loop; all methods here run on that thread."""

    app: BatchApp
    assignment_now: Assignment | None = None
    _epochs = 0
    _polls = 0
    _full = False

    async def on_start(self) -> None:
        """Create and start the consumer."""
        self._opened, self._done = asyncio.Event(), asyncio.Event()
        self._reread = reread_with(
            ",".join(driver.server_list(self.transport.url, self.transport.default_port)),
            self.app.conf.id,
            self.app.security,
        )
        await super().on_start()
        self._ensure_consumer()._fetcher.__class__ = PatientFetcher

    def close(self) -> None:
        """Leave it to the thread's own end, which leaves the group and then closes the connections, on its own loop.

        Faust, where a rebalance meets a stop, closes them on the app's loop, and marks the consumer as closed, so that
        its own end passes them by.
        """

    def _create_worker_consumer(self, transport: Transport) -> aiokafka.AIOKafkaConsumer:
        conf, limits = self.app.conf, self.app.limits
        return aiokafka.AIOKafkaConsumer(
            auto_offset_reset="none",
            bootstrap_servers=driver.server_list(transport.url, transport.default_port),
            client_id=conf.consumer_group_instance_id,
            enable_auto_commit=False,
            fetch_max_bytes=limits.bytes_max,
            fetch_max_wait_ms=FETCH_WAIT_MS_MAX,
            group_id=conf.id,
            group_instance_id=conf.consumer_group_instance_id,
            heartbeat_interval_ms=limits.session_timeout_ms // 5,
            isolation_level="read_committed",
            max_partition_fetch_bytes=PARTITION_FETCH_BYTES_MAX,
            max_poll_interval_ms=IDLE_MS_MAX,
            metadata_max_age_ms=METADATA_AGE_MS_MAX,
            partition_assignment_strategy=[RoundRobinPartitionAssignor],
            rebalance_timeout_ms=3 * limits.session_timeout_ms,
            request_timeout_ms=REQUEST_TIMEOUT_MS,
            session_timeout_ms=limits.session_timeout_ms,
            **aiokafka_properties(self.app.security),
        )

    def close_delivery(self) -> None:
        """Deliver nothing more until the next assignment has been opened."""
        self.assignment_now = None
        self._opened.clear()

    def park(self, assigned: Iterable[Any]) -> None:
        """Note the new assignment and keep its partitions from being fetched."""
        consumer = self._ensure_consumer()
        for partition in assigned:
            consumer.seek(partition, 0)  # A position of some kind, so that aiokafka does not look for one by itself.
            consumer.pause(partition)
        self._epochs += 1
        self.assignment_now = Assignment(
            generation=consumer._coordinator.generation,
            member_id=consumer._coordinator.member_id,
            partitions=frozenset(TopicPartition(*partition) for partition in assigned),
            epoch=self._epochs,
        )

    async def open(self, assignment: Assignment, positions: Mapping[TopicPartition, int]) -> bool:
        """Begin to fetch; see `BatchApp.open`."""
        if assignment is not self.assignment_now:
            return False
        consumer = self._ensure_consumer()
        for partition, position in positions.items():
            consumer.seek(aiokafka.TopicPartition(*partition), position)
            consumer.resume(aiokafka.TopicPartition(*partition))
        self._polls, self._full = 0, False
        self.done(consumer._fetcher.at_work)
        self._opened.set()
        return True

    def done(self, poll: Poll | None) -> None:
        """See `BatchApp.done`."""
        if self._ensure_consumer()._fetcher.done(poll):
            self._done.set()

    async def check_group(self) -> None:
        """Raise what the group's coordinator has refused for good; aiokafka keeps it until somebody asks."""
        self._ensure_consumer()._coordinator.check_errors()

    async def poll(self) -> Poll | None:
        """Return what has been fetched by now, or None if nothing comes within `PATIENCE_S`."""
        fetcher = self._ensure_consumer()._fetcher
        with fetcher._subscriptions.fetch_context():
            if not await self._records_wait(fetcher) or not await self._space(fetcher):
                return None
            return self._take(fetcher)

    async def _records_wait(self, fetcher: PatientFetcher) -> bool:
        if fetcher._closed:
            raise ConsumerStoppedError
        if not self._opened.is_set():
            await asyncio.wait([opening := asyncio.ensure_future(self._opened.wait())], timeout=PATIENCE_S)
            opening.cancel()
        elif not fetcher._records:
            waiter = fetcher._create_fetch_waiter()
            await asyncio.wait([waiter], timeout=PATIENCE_S)
            if waiter.done():
                waiter.result()  # Raises what the group refuses us, such as missing authorization.
            waiter.cancel()
        return bool(fetcher._records)

    async def _space(self, fetcher: PatientFetcher) -> bool:
        """Rest, and return whether a poll may be taken: not while one is at work that has taken all there was."""
        if (left_s := fetcher.rest_left_s) > 0 and not self._full:
            await asyncio.sleep(left_s)
        if fetcher.at_work is not None:
            self._done.clear()
            await asyncio.wait([waiting := asyncio.ensure_future(self._done.wait())], timeout=PATIENCE_S)
            waiting.cancel()
        if fetcher.at_work is not None:
            return False
        fetcher.taken_at = time.monotonic()
        fetcher.rest_s = max(self.app.limits.spacing_ms / 1000, min(REST * self.app.work_s, REST_S_MAX))
        return True

    def _take(self, fetcher: PatientFetcher) -> Poll | None:
        """Take records from the fetcher and stamp them, without a pause in between."""
        assignment = self.assignment_now
        if assignment is None or not self._opened.is_set():
            return None
        batches: list[Batch] = []
        limits = self.app.limits
        room = Room(limits.records_max, limits.bytes_max)
        for partition in list(fetcher._records):
            if not room:
                break
            fetched = fetcher._records[partition]
            if not isinstance(fetched, FetchResult):
                if batches:
                    break  # The error is raised at the next call.
                fetched.check_raise()
            batch = take_batch(fetched, room, self._reread)
            if not fetched.has_more():
                del fetcher._records[partition]
                fetcher._notify(fetcher._wait_consume_future)
            if batch is not None:
                batches.append(batch)
        self._full = not room
        if not batches:
            return None
        self._polls += 1
        poll = Poll(assignment, self._polls, tuple(batches))
        left = min(room.records / limits.records_max, room.size_bytes / limits.bytes_max)
        fetcher.at_work = poll if left > 1 - LARGE else None
        return poll


class Consumer(driver.Consumer):  # type: ignore[misc]
    """Faust's consumer, on the app's own thread: passes polls on and keeps no account of single records."""

    app: BatchApp
    _thread: ConsumerThread
    RebalanceListener = RebalanceListener

    def _new_consumer_thread(self) -> ConsumerThread:
        return ConsumerThread(self, loop=self.loop, beacon=self.beacon)

    async def on_partitions_assigned(self, assigned: set[Any], generation_id: int = 0) -> None:
        """Let Faust settle, then have the assignment handed over."""
        assignment = self._thread.assignment_now
        await super().on_partitions_assigned(assigned, generation_id)
        if assignment is not None:
            self.app.on_assigned(assignment)

    async def _drain_messages(self, fetcher: Any) -> None:
        try:
            with self.app.alive():
                while not (self.should_stop or fetcher.should_stop):
                    poll = await self._thread.call_thread(self._thread.poll)
                    if poll is not None:
                        await self.callback(self._message(poll))
        except asyncio.CancelledError:
            if not self.app.should_stop:
                raise
        except Exception as failure:  # noqa: BLE001  # Whatever it is, no further record would come.
            self.app.on_failed(failure)

    @Service.task  # type: ignore[untyped-decorator]
    async def _watch_group(self) -> None:
        try:
            with self.app.alive():
                while not self.should_stop:
                    await self.sleep(PATIENCE_S)
                    await self._thread.call_thread(self._thread.check_group)
        except Exception as failure:  # noqa: BLE001  # Whatever it is, no assignment would come any more.
            self.app.on_failed(failure)

    def _message(self, poll: Poll) -> ConsumerMessage:
        first = poll.batches[0].source
        return ConsumerMessage(
            *(first.topic, first.partition, poll.number, time.time(), 0, None, None, poll, None),
            tp=TP(*first),
            generation_id=self.app.consumer_generation_id,
        )

    def ack(self, message: Any) -> bool:
        """Keep no account: offsets are committed with what was written, or not at all."""
        message.acked = True
        return True

    async def commit(self, topics: Any = None, start_new_transaction: bool = True) -> bool:  # noqa: ARG002
        """Commit nothing: it would move the group's offset past records whose transaction is still open."""
        return False

    async def perform_seek(self) -> None:
        """Seek nothing: positions come with `BatchApp.open`."""

    async def verify_all_partitions_active(self) -> None:
        """Look for no livelock by Faust's commits, of which there are none."""

    def on_buffer_full(self, tp: Any) -> None:
        """Go on: the stream's queue of one poll is limit enough."""

    def on_buffer_drop(self, tp: Any) -> None:
        """Go on, as `on_buffer_full`."""


class Transport(driver.Transport):  # type: ignore[misc]
    """Faust's aiokafka transport with our consumer."""

    Consumer = Consumer
