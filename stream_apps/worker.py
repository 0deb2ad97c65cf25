"""The shell that all stages share: a Faust app that hands each poll to a stage and commits what it returns.

Reads     the stage's input topics, through `batches`; its changelogs on assignment, through `handover`; before a poll
          is processed what else the stage has to know, through its side input
Writes    what the stage returns, through `transaction`; a status file, on request
Promises  a poll counts once its transaction has committed (a part of it, where the stage cuts it), and only then is the
          stage's state changed; whatever cannot
          be put right stops the process with the error's exit code, and its successor goes on where it stood (clause
          O9-4.4; boxes: intake, totals, alerts)
"""

from __future__ import annotations

import asyncio
import gc
import json
import logging
import os
import signal
import time
from collections import Counter
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from aiokafka.errors import KafkaError, OffsetOutOfRangeError

from esep.closing import end_process_in
from esep.errors import (
    BrokerUnavailable,
    EsepError,
    InvariantBroken,
    PlaceTaken,
    PositionMismatch,
    SettingInvalid,
)
from esep.group_watch import GroupWatch
from esep.lineage import TopicPartition
from esep.security import PLAIN
from esep.stream_apps.batches import Assignment, BatchApp, Limits
from esep.stream_apps.handover import restore
from esep.stream_apps.ladder import raised_at
from esep.stream_apps.stage import PartitionState
from esep.stream_apps.transaction import Place, TransactionalWriter, writes_of

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from esep.stream_apps.batches import Poll
    from esep.stream_apps.stage import Batch, Result, SideInput, Stage

S = TypeVar("S")

LOG = logging.getLogger(__name__)
GC_OBJECTS = 200_000  # Objects made before Python looks for cycles: at its own 700 that took ¾ of a fetch's time.
STATUS_S = 1.0  # The status file is written at most once a second, and at each hand-over.
STOP_S_MAX = 30.0  # Longer than a transaction; Faust itself needs about a second.
NOBODY = Assignment(0, "nobody", frozenset(), 0)  # Good for asking about the place: the group knows no such member.


def run_worker(
    stage: Stage[S],
    *,
    bootstrap_servers: str,
    group: str,
    ordinal: int,
    limits: Limits | None = None,
    status_path: Path | None = None,
    security: Mapping[str, str] = PLAIN,
    side_input: SideInput | None = None,
) -> int:
    """Work until SIGTERM or SIGINT; return the exit code: 0, or that of the error that stopped the worker.

    side_input: what the stage has to know before a poll is processed; inputs that it brings are read from then on.
    ordinal: this worker's place in the stage; a second worker of the same place puts the first one out.
    status_path: a JSON file that says how far the worker is (`Worker.status`), written whole or not at all.
    """
    for library in ("aiokafka", "esep.stream_apps.batches", "faust", "mode"):  # The second: Faust logs under it.
        logging.getLogger(library).setLevel(logging.WARNING)  # At DEBUG they take 23 % of a worker's time (DESIGN §8).
    gc.set_threshold(GC_OBJECTS, 20, 20)
    worker = Worker(
        stage, Place(group, ordinal), bootstrap_servers, limits or Limits(), status_path, security, side_input
    )
    try:
        asyncio.run(worker.run())
    except EsepError as error:
        LOG.error("%s stopped. %s", worker.place, error)  # noqa: TRY400  # its text says what to do, not its stack
        return error.exit_code
    return 0


class Worker(Generic[S]):
    """One worker process of a stage. Everything here runs on the app's event loop unless it says otherwise."""

    def __init__(
        self,
        stage: Stage[S],
        place: Place,
        bootstrap_servers: str,
        limits: Limits,
        status_path: Path | None,
        security: Mapping[str, str],
        side_input: SideInput | None,
    ) -> None:
        self.stage = stage
        self.place = place
        self._bootstrap_servers = bootstrap_servers
        self._security = security
        self._limits = limits
        self._status_path = status_path
        self._side_input = side_input
        self._side_input_busy = False  # On a thread of its own.
        self._inputs: tuple[str, ...] = ()  # What the app is subscribed to, or is about to be.
        self._writer = TransactionalWriter(place, bootstrap_servers, security)
        self._counters: Counter[str] = Counter()
        self._states: dict[TopicPartition, PartitionState[S]] = {}
        self._assignment: Assignment | None = None  # The newest that the group gave.
        self._ready: Assignment | None = None  # The same once its hand-over is complete, until the group refuses it.
        self._hand_over_task: asyncio.Task[None] | None = None  # Kept: the event loop itself does not keep its tasks.
        self._inquiry_task: asyncio.Task[None] | None = None
        self._subscribe_task: asyncio.Task[None] | None = None
        self._watch = GroupWatch(place.group, bootstrap_servers, security)
        self._polls = 0  # Of the assignment that is ready.
        self._failure: EsepError | None = None

    async def run(self) -> None:
        """Take the place and work until told to stop; raises the EsepError that stops the worker."""
        await asyncio.to_thread(self._writer.open)
        self._stop = asyncio.Event()
        for number in (signal.SIGTERM, signal.SIGINT):
            asyncio.get_running_loop().add_signal_handler(number, self._stop.set)
        await self._catch_up(0)
        self._inputs = tuple(self.stage.inputs)
        if not self._inputs:
            raise SettingInvalid(
                f"{self.place} knows no topic that it is to read",
                hint="publish the organizers: `esep setup`, or `esep reference load FILE`",
            )
        app = self._app = self._new_app()
        try:
            await self._run_until_stopped(app)
        except Exception as failure:  # noqa: BLE001  # Faust and aiokafka raise all kinds; each ends the worker.
            self._fail(failure)
        self._stop.set()
        end_process_in(STOP_S_MAX, self._failure.exit_code if self._failure else 0)
        try:
            await app.stop()
        except Exception as failure:  # noqa: BLE001
            self._fail(failure)
        self._write_status()
        if self._failure is not None:
            raise self._failure
        LOG.info("%s: stopped as told", self.place)

    def status(self) -> dict[str, Any]:
        """Return how far the worker is; positions are the next offsets to read, as last committed."""
        now = self._ready
        settled = "ready" if now else "restoring" if self._assignment else "joining"
        return {
            "pid": os.getpid(),
            "place": str(self.place),
            "state": "stopped" if self._stop.is_set() else settled,
            "epoch": now.epoch if now else None,
            "generation": now.generation if now else None,
            "positions": {str(source): one.position.next_offset for source, one in sorted(self._states.items())},
            "counters": dict(self._counters),
        }

    def _new_app(self) -> BatchApp:
        app = BatchApp(
            self.place.group,
            bootstrap_servers=self._bootstrap_servers,
            instance_id=str(self.place),
            limits=self._limits,
            on_assigned=self._on_assigned,
            on_failed=self._on_consumer_failed,
            security=self._security,
        )

        @app.agent(app.topic(*self._inputs, value_serializer="raw"), name=self.stage.name)  # type: ignore[untyped-decorator]
        async def work(polls: Any) -> None:
            async for poll in polls:
                try:
                    await self._catch_up(max(max(batch.timestamps_ms) for batch in poll.batches))
                    began_s = time.process_time()
                    self._on_poll(poll)
                    app.done(poll, time.process_time() - began_s)
                except Exception as failure:  # noqa: BLE001  # Faust would acknowledge the poll and go on.
                    self._fail(failure)

        return app

    async def _run_until_stopped(self, app: BatchApp) -> None:
        """Start the app and return once the worker is to stop; the start itself waits for the first assignment."""
        starting = asyncio.ensure_future(app.start())
        ends = {asyncio.ensure_future(self._stop.wait()), asyncio.ensure_future(app.wait_until_stopped())}
        while not any(end.done() for end in ends):
            waited_for = ends if starting.done() else {*ends, starting}
            await asyncio.wait(waited_for, timeout=STATUS_S, return_when=asyncio.FIRST_COMPLETED)
            if starting.done():
                starting.result()
                self._look_aside()
                self._look_at_the_group()
            self._write_status()
        for end in ends:
            end.cancel()
        if app.crash_reason is not None:
            raise app.crash_reason

    def _fail(self, failure: Exception) -> None:
        """Note what stops the worker, and stop it; the first failure is the cause."""
        if self._failure is None:
            self._failure = _as_ours(failure)
        self._ready = None
        self._stop.set()

    async def _catch_up(self, received_ms: int) -> None:
        """Wait, while other tasks go on, until the stage knows what may count for what was received by then."""
        if self._side_input is None:
            return
        self._side_input_busy = True
        try:
            await asyncio.to_thread(self._side_input.catch_up, received_ms)
        finally:
            self._side_input_busy = False

    def _look_aside(self) -> None:
        """See whether there are new inputs, and read them, too: the group is joined anew, with them."""
        if self._side_input is None or self._side_input_busy:
            return
        self._side_input.look()
        inputs = tuple(self.stage.inputs)
        if inputs != self._inputs and not self._is_joining():
            LOG.info("%s: new inputs: %s", self.place, ", ".join(sorted({*inputs} - {*self._inputs})))
            self._inputs = inputs
            self._subscribe_task = asyncio.ensure_future(self._subscribe(inputs))

    def _look_at_the_group(self) -> None:
        """Join it anew where it has left something out of what it gave away."""
        if self._ready is None or self._is_joining():
            return
        if left_out := self._watch.left_out(self._inputs):
            LOG.info("%s: joins anew, for nobody was given %s", self.place, ", ".join(map(str, sorted(left_out))))
            self._subscribe_task = asyncio.ensure_future(self._subscribe(self._inputs))

    def _is_joining(self) -> bool:
        return self._subscribe_task is not None and not self._subscribe_task.done()

    async def _subscribe(self, inputs: tuple[str, ...]) -> None:
        try:
            await self._app.subscribe(inputs)
        except Exception as failure:  # noqa: BLE001  # In a task of its own nobody else would see it.
            self._fail(failure)

    def _on_consumer_failed(self, failure: Exception) -> None:
        self._inquiry_task = asyncio.ensure_future(self._inquire(failure))

    async def _inquire(self, failure: Exception) -> None:
        """Stop, but for the right reason: aiokafka has no name for the error of a member whose place was taken."""
        try:
            await asyncio.to_thread(self._holds, NOBODY)
        except EsepError as answer:
            self._fail(answer if isinstance(answer, PlaceTaken) else failure)
        self._fail(failure)

    def _on_assigned(self, assignment: Assignment) -> None:
        facts = f"{len(assignment.partitions)} partitions, generation {assignment.generation}, {assignment.member_id}"
        LOG.info("%s: assignment %d: %s", self.place, assignment.epoch, facts)
        self._assignment, self._ready = assignment, None
        self._watch.assigned()
        self._hand_over_task = asyncio.ensure_future(self._hand_over(assignment))

    async def _hand_over(self, assignment: Assignment) -> None:
        try:
            states = await asyncio.to_thread(self._restore, assignment)
            if states is None or not self._in_force(assignment):
                LOG.info("%s: assignment %d was superseded", self.place, assignment.epoch)
                return
            self._states, self._ready, self._polls = states, assignment, 0
            positions = {source: state.position.next_offset for source, state in states.items()}
            await self._app.open(assignment, positions)
        except Exception as failure:  # noqa: BLE001  # In a task of its own nobody else would see it.
            self._fail(failure)
            return
        self._write_status()
        LOG.info("%s: ready to work under assignment %d", self.place, assignment.epoch)

    def _restore(self, assignment: Assignment) -> dict[TopicPartition, PartitionState[S]] | None:
        """Return the states of an assignment, None if it is no longer ours; on a thread of its own."""
        try:
            states = restore(
                self.stage,
                assignment.partitions,
                self._states,
                bootstrap_servers=self._bootstrap_servers,
                group=self.place.group,
                in_force=lambda: self._in_force(assignment),
                security=self._security,
            )
        except PositionMismatch:
            if self._holds(assignment):
                raise
            return None  # Somebody else works on these partitions already, so nothing had to match.
        return states if states is not None and self._holds(assignment) else None

    def _in_force(self, assignment: Assignment) -> bool:
        return self._app.in_force(assignment) and not self._stop.is_set()

    def _holds(self, assignment: Assignment) -> bool:
        """Ask the broker; also finds out, before there is anything to commit, that the place was taken."""
        any_input = min(assignment.partitions, default=TopicPartition(self._inputs[0], 0))
        return self._writer.holds(assignment, any_input)

    def _on_poll(self, poll: Poll) -> None:
        """Process and commit a poll, in parts where the stage leaves some of it; no other task runs in between."""
        if poll.assignment is not self._ready:
            self._counters["polls_dropped"] += 1
            return
        self._polls += 1
        if poll.number != self._polls:
            raise InvariantBroken(f"{self.place} missed a poll.", detail=f"expected {self._polls}, got {poll.number}")
        batches: Sequence[Batch] = poll.batches
        while batches:
            result = self._process(batches)
            offsets = {source: position.next_offset for source, position in result.positions.items()}
            if not self._writer.commit(list(writes_of(result, self.stage)), offsets, poll.assignment):
                LOG.warning("%s: the group refused a commit under assignment %d", self.place, poll.assignment.epoch)
                self._counters["commits_refused"] += 1
                self._ready = None
                return
            self.stage.settle(self._states, result.changes)
            for source, position in result.positions.items():
                self._states[source] = PartitionState(position, self._states[source].data)
            self._counters["transactions"] += 1
            batches = result.left
        self._counters["records"] += sum(map(len, poll.batches))

    def _process(self, batches: Sequence[Batch]) -> Result:
        """Return the stage's result, having checked that it takes each input partition to where what it left begins."""
        try:
            result = self.stage.process(batches, self._states)
        except EsepError:
            raise
        except BaseException as failure:  # Polars panics are no Exception, and would end the agent only.
            raise _stage_broken(self.stage.name, batches, raised_at(failure)) from failure
        left = {batch.source: len(batch) for batch in result.left}
        done = [batch.first(count) for batch in batches if (count := len(batch) - left.get(batch.source, 0))]
        ends = {batch.source: batch.next_offset for batch in done}
        if not ends or {source: position.next_offset for source, position in result.positions.items()} != ends:
            raise _stage_broken(self.stage.name, batches, "the positions it returned are not the ends of its batches")
        return result

    def _write_status(self) -> None:
        if self._status_path is not None:
            draft = self._status_path.with_suffix(".draft")
            draft.write_text(json.dumps(self.status(), indent=1))
            draft.replace(self._status_path)


def _stage_broken(name: str, batches: Sequence[Batch], detail: str) -> InvariantBroken:
    ranges = ", ".join(f"{batch.source} {batch.offsets[0]}..{batch.offsets[-1]}" for batch in batches)
    return InvariantBroken(f"The stage {name} failed on {ranges}.", detail=detail)


def _as_ours(failure: Exception) -> EsepError:
    if isinstance(failure, EsepError):
        return failure
    if isinstance(failure, OffsetOutOfRangeError):
        return InvariantBroken("Input records were deleted before they were read.", detail=repr(failure))
    if isinstance(failure, KafkaError):
        return BrokerUnavailable("The consumer cannot go on.", detail=repr(failure), hint="Is the broker up?")
    return InvariantBroken("The worker failed.", detail=raised_at(failure))
