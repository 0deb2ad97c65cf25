"""Callers at the same time share a commit; each hears of its own work and only after it is on disk."""

from __future__ import annotations

import sqlite3
import threading
from concurrent.futures import CancelledError, Future
from functools import partial
from typing import TYPE_CHECKING

import pytest

from esep.errors import SpoolUnwritable, UsageError
from esep.producers.group_commit import GroupCommit
from esep.producers.spool import Spool
from tests.producers.spooling import ORGANIZER, bet, kept

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

WAIT_S = 30.0


class Gate:
    """Holds the writer inside a job, so that others gather behind it."""

    def __init__(self, writer: GroupCommit) -> None:
        self._entered, self._open = threading.Event(), threading.Event()
        self.job = writer.submit(self._hold)
        assert self._entered.wait(WAIT_S)

    def _hold(self) -> None:
        self._entered.set()
        assert self._open.wait(WAIT_S)

    def open(self) -> None:
        self._open.set()
        self.job.result(WAIT_S)


@pytest.fixture
def spool(tmp_path: Path) -> Iterator[Spool]:
    made = Spool(tmp_path / "esep.spool", ORGANIZER, bytes_max=400_000)
    yield made
    made.close()


@pytest.fixture
def writer(spool: Spool) -> Iterator[GroupCommit]:
    made = GroupCommit(spool)
    yield made
    made.close()


def test_jobs_that_gather_share_one_commit(spool: Spool, writer: GroupCommit) -> None:
    commits: list[str] = []
    gate = Gate(writer)
    spool._file.set_trace_callback(lambda statement: commits.append(statement) if statement == "COMMIT" else None)
    futures = [writer.submit(partial(spool.append, "desk-7", [bet(f"t-{number}")])) for number in range(100)]
    gate.open()
    assert [future.result(WAIT_S).start for future in futures] == list(range(1, 101))
    assert len(commits) == 2, "the gate's own, and one for all"


def test_answer_comes_after_the_commit(spool: Spool, writer: GroupCommit) -> None:
    """Seen by another connection at the moment when the future is done."""
    seen: list[int] = []
    future = writer.submit(partial(spool.append, "desk-7", [bet("t-1")]))
    future.add_done_callback(lambda _: seen.append(len(kept(spool.path))))
    future.result(WAIT_S)
    writer.close()
    assert seen == [1]


def test_refused_event_costs_its_neighbours_nothing_and_no_number(spool: Spool, writer: GroupCommit) -> None:
    gate = Gate(writer)
    wrong = bet("t-2").model_copy(update={"amount_tiyn": 2**70})
    futures = [writer.submit(partial(spool.append, "desk-7", [event])) for event in (bet("t-1"), wrong, bet("t-3"))]
    gate.open()
    assert isinstance(futures[1].exception(WAIT_S), UsageError)
    assert [futures[0].result(WAIT_S).start, futures[2].result(WAIT_S).start] == [1, 2]


def test_too_much_for_the_disk_fails_alone(spool: Spool, writer: GroupCommit) -> None:
    gate = Gate(writer)
    sizes = (1, 5_000, 1)
    futures = [writer.submit(partial(spool.append, "desk-7", [bet("t")] * size)) for size in sizes]
    gate.open()
    assert isinstance(futures[1].exception(WAIT_S), SpoolUnwritable)
    assert [futures[0].result(WAIT_S).start, futures[2].result(WAIT_S).start] == [1, 2]
    assert len(kept(spool.path)) == 2


def test_unforeseen_fault_is_told_and_undone(spool: Spool, writer: GroupCommit) -> None:
    def written_then_failed() -> None:
        spool.append("desk-7", [bet("t-1")])
        raise KeyError("unforeseen")

    assert isinstance(writer.submit(written_then_failed).exception(WAIT_S), KeyError)
    assert kept(spool.path) == []


def test_cancelled_before_its_turn_is_not_done(spool: Spool, writer: GroupCommit) -> None:
    gate = Gate(writer)
    futures = [writer.submit(partial(spool.append, "desk-7", [bet(f"t-{number}")])) for number in range(3)]
    assert futures[1].cancel()
    gate.open()
    assert [futures[0].result(WAIT_S).start, futures[2].result(WAIT_S).start] == [1, 2]
    with pytest.raises(CancelledError):
        futures[1].result(WAIT_S)


def test_what_was_submitted_before_the_end_is_done_and_later_is_refused(spool: Spool) -> None:
    writer = GroupCommit(spool)
    futures: list[Future[range]] = [
        writer.submit(partial(spool.append, "desk-7", [bet(f"t-{number}")])) for number in range(50)
    ]
    writer.close()
    writer.close()
    assert all(future.done() for future in futures)
    assert len(kept(spool.path)) == 50
    with pytest.raises(UsageError, match="is closed"):
        writer.submit(lambda: None)


def test_many_threads_get_numbers_that_are_dense_and_their_own(spool: Spool, writer: GroupCommit) -> None:
    given: list[int] = []

    def send() -> None:
        for number in range(20):
            future = writer.submit(partial(spool.append, "desk-7", [bet(f"t-{number}")]))
            given.append(future.result(WAIT_S).start)

    threads = [threading.Thread(target=send) for _ in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(WAIT_S)
    assert sorted(given) == list(range(1, 321))
    assert sqlite3.threadsafety >= 1
