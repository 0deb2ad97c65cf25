"""Many callers, one disk: what they want written at the same time goes to the disk in one commit.

Reads     jobs, from any thread
Writes    a spool
Promises  a job's future is done only after the commit that holds its work; one job's fault costs no other; no job is
          left without an answer, also when the thread ends (DESIGN §5 "Outbox"; box: producers)

Nobody waits for a group to fill: while one group is on its way to the disk the next gathers.
"""

from __future__ import annotations

import queue
import threading
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeVar

from esep.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from esep.producers.spool import Spool

JOBS_MAX = 10_000  # Of one commit: bounds how long the first of them waits.
T = TypeVar("T")


@dataclass(slots=True)
class _Job:
    work: Callable[[], Any]
    answer: Future[Any] = field(default_factory=Future)


class GroupCommit:
    """The thread that writes a spool; nobody else may once it has started. Who submits bounds how much waits."""

    def __init__(self, spool: Spool) -> None:
        self._spool = spool
        self._jobs: queue.SimpleQueue[_Job | None] = queue.SimpleQueue()
        self._gate = threading.Lock()
        self._closed = False
        self._thread = threading.Thread(target=self._run, name="esep-spool", daemon=True)
        self._thread.start()

    def submit(self, work: Callable[[], T]) -> Future[T]:
        """Let `work` be done inside a transaction; the future has what it returned once that is on disk.

        Errors come by the future: UsageError, for which only this work is undone (it must not have written by then);
        SpoolUnwritable; whatever else it raised. UsageError at once if the spool is closed. A future that is cancelled
        before its work began is passed over.
        """
        job = _Job(work)
        with self._gate:
            if self._closed:
                raise UsageError(f"the spool {self._spool.path} is closed", hint="make a new client")
            self._jobs.put(job)
        return job.answer

    def close(self) -> None:
        """Do what has been submitted, then end."""
        with self._gate:
            if not self._closed:
                self._closed = True
                self._jobs.put(None)
        self._thread.join()

    def _run(self) -> None:
        going_on = True
        while going_on:
            group, going_on = self._gather()
            self._commit([job for job in group if job.answer.set_running_or_notify_cancel()])

    def _gather(self) -> tuple[list[_Job], bool]:
        """Return what waits, at least one job, and whether more may come."""
        group: list[_Job] = []
        job = self._jobs.get()
        while job is not None:
            group.append(job)
            if len(group) == JOBS_MAX:
                return group, True
            try:
                job = self._jobs.get_nowait()
            except queue.Empty:
                return group, True
        return group, False

    def _commit(self, group: Sequence[_Job]) -> None:
        if not group:
            return
        try:
            with self._spool.transaction():
                outcomes = [_outcome(job) for job in group]
        except Exception as error:  # noqa: BLE001 - told to the caller, whatever it is
            if len(group) == 1:
                group[0].answer.set_exception(error)
                return
            for job in group:  # One of them is at fault, or is too much for the disk; the others need not be.
                self._commit([job])
            return
        for job, (result, refused) in zip(group, outcomes, strict=True):
            if refused is None:
                job.answer.set_result(result)
            else:
                job.answer.set_exception(refused)


def _outcome(job: _Job) -> tuple[Any, UsageError | None]:
    try:
        return job.work(), None
    except UsageError as error:
        return None, error
