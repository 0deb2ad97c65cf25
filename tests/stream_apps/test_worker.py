"""The worker against a real broker: killed, stopped, doubled and started anew, it writes each result once."""

from __future__ import annotations

import signal
import threading
import time
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from esep.errors import InvariantBroken, PlaceTaken, PositionMismatch, SettingInvalid
from esep.lineage import Position, TopicPartition
from esep.security import PLAIN
from esep.stream_apps.batches import Assignment, Limits, Poll
from esep.stream_apps.stage import Batch, PartitionState, Result
from esep.stream_apps.transaction import Place
from esep.stream_apps.worker import Worker
from tests.support.count_stage import Counts, CountStage
from tests.support.kafka_topics import CountTopics
from tests.support.worker_process import WorkerProcess

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from esep.stream_apps.stage import Write
    from tests.support.brokers import Broker

pytestmark = pytest.mark.kafka


SOURCE = TopicPartition("totals.in", 0)
BEFORE, NOW = (Assignment(number, "totals-0-7d25", frozenset({SOURCE}), number) for number in (1, 2))


class Refusing:
    """Stands in for the writer: keeps what it is to commit, and answers as it is told."""

    def __init__(self, *answers: bool) -> None:
        self.answers = list(answers)
        self.asked: list[tuple[dict[TopicPartition, int], Assignment]] = []

    def commit(self, writes: Sequence[Write], offsets: dict[TopicPartition, int], assignment: Assignment) -> bool:
        self.asked.append((offsets, assignment))
        return self.answers.pop(0)


def ready(stage: CountStage, writer: Refusing, assignment: Assignment = NOW) -> Worker[Counts]:
    """Return a worker that is ready to work under an assignment; it has no broker."""
    worker = Worker(stage, Place("totals", 0), "127.0.0.1:1", Limits(), None, PLAIN, None)
    worker._writer = writer  # type: ignore[assignment]
    worker._states = {SOURCE: PartitionState(Position(0), {})}
    worker._assignment = worker._ready = assignment
    return worker


def poll(number: int, assignment: Assignment = NOW) -> Poll:
    offsets = [2 * number - 2, 2 * number - 1]
    return Poll(assignment, number, (Batch(SOURCE, offsets, [0, 0], [b"a", b"b"], [b"v", b"v"]),))


def test_poll_that_the_group_refuses_changes_no_state_and_nothing_is_processed_after_it() -> None:
    writer = Refusing(True, False)
    worker = ready(CountStage("totals"), writer)
    worker._on_poll(poll(1))
    counted = PartitionState(Position(2, {TopicPartition("totals.out", 0): 2}), {b"a": 1, b"b": 1})
    assert worker._states == {SOURCE: counted}
    for number in (2, 3):
        worker._on_poll(poll(number))
        assert worker._states == {SOURCE: counted}
    assert [offsets for offsets, _ in writer.asked] == [{SOURCE: 2}, {SOURCE: 4}]
    assert dict(worker._counters) == {"transactions": 1, "records": 2, "commits_refused": 1, "polls_dropped": 1}


def test_poll_of_an_older_assignment_is_dropped_and_a_newer_one_is_committed_under_its_own() -> None:
    """The broker would take the older one under the newer one's generation, though its partitions may be another's."""
    writer = Refusing(True)
    worker = ready(CountStage("totals"), writer)
    worker._on_poll(poll(1, BEFORE))
    assert writer.asked == []
    worker._on_poll(poll(1))
    assert writer.asked == [({SOURCE: 2}, NOW)]
    assert writer.asked[0][1] is NOW


def test_poll_that_was_missed_stops_the_worker_before_it_commits_what_comes_after() -> None:
    worker = ready(CountStage("totals"), writer := Refusing(True))
    with pytest.raises(InvariantBroken, match="missed a poll"):
        worker._on_poll(poll(2))
    assert writer.asked == []


class HalfStage(CountStage):
    """Leaves the last record of a batch for another time."""

    def process(self, batches: Sequence[Batch], states: Mapping[TopicPartition, PartitionState[Counts]]) -> Result:
        halves = [one.first(len(one) - 1) for one in batches]
        return super().process(halves, states)


def test_stage_that_does_not_take_all_of_a_batch_commits_nothing() -> None:
    worker = ready(HalfStage("totals"), writer := Refusing(True))
    with pytest.raises(InvariantBroken, match="are not the ends of its batches"):
        worker._on_poll(poll(1))
    assert writer.asked == []


class PartStage(CountStage):
    """Takes one record of a batch at a time, and leaves the rest; or says that it leaves all, and does nothing."""

    takes = 1

    def process(self, batches: Sequence[Batch], states: Mapping[TopicPartition, PartitionState[Counts]]) -> Result:
        result = super().process([one.first(self.takes) for one in batches if self.takes], states)
        return replace(result, left=[one.rest(self.takes) for one in batches if len(one) > self.takes])


def test_what_a_stage_leaves_of_a_poll_is_processed_once_the_part_before_is_committed() -> None:
    worker = ready(PartStage("totals"), writer := Refusing(True, True, True, False))
    worker._on_poll(poll(1))
    assert [offsets for offsets, _ in writer.asked] == [{SOURCE: 1}, {SOURCE: 2}]
    assert worker._states == {
        SOURCE: PartitionState(Position(2, {TopicPartition("totals.out", 0): 2}), {b"a": 1, b"b": 1})
    }
    assert dict(worker._counters) == {"transactions": 2, "records": 2}
    worker._on_poll(poll(2))
    assert worker._states[SOURCE].position.next_offset == 3, "the first part stands, the second was refused"
    assert worker._counters["commits_refused"] == 1


def test_stage_that_leaves_all_of_a_poll_stops_the_worker(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(PartStage, "takes", 0)
    worker = ready(PartStage("totals"), writer := Refusing(True))
    with pytest.raises(InvariantBroken, match="are not the ends of its batches"):
        worker._on_poll(poll(1))
    assert writer.asked == []


@pytest.fixture
def topics(broker: Broker) -> CountTopics:
    return CountTopics(broker.bootstrap_servers)


def test_each_record_of_a_new_topic_leads_to_one_output_and_a_told_stop_exits_with_0(
    topics: CountTopics, tmp_path: Path
) -> None:
    topics.send(20_000)
    with WorkerProcess(topics, tmp_path) as worker:
        assert topics.outputs(20_000) == topics.expected()
        topics.send(100)
        assert topics.outputs(20_100) == topics.expected()
        worker.stop()
        assert worker.status()["state"] == "stopped"
        assert worker.status()["counters"]["records"] == 20_100
        assert worker.status()["positions"] == {str(topics.source(n)): 5_025 for n in range(4)}


def test_worker_killed_twice_in_the_middle_of_its_load_writes_each_row_once(
    topics: CountTopics, tmp_path: Path
) -> None:
    """Clause O9-4.4: what was killed goes on where it stood, by itself."""
    topics.send(40_000)
    for killed_at in (2_000, 6_000):
        with WorkerProcess(topics, tmp_path, records_max=100, work_s=0.1):  # So that it is not done before the kill.
            topics.outputs(killed_at, quiet_s=0)
        assert sum(map(len, topics.outputs(killed_at).values())) < 40_000
    with WorkerProcess(topics, tmp_path):
        assert topics.outputs(40_000) == topics.expected()


def test_worker_stopped_past_its_session_commits_nothing_when_woken(topics: CountTopics, tmp_path: Path) -> None:
    stop_sending = threading.Event()

    def keep_sending() -> None:
        while not stop_sending.wait(0.05):
            topics.send(40)

    sender = threading.Thread(target=keep_sending)
    with (
        WorkerProcess(topics, tmp_path, 0, work_s=0.2) as stopped,
        WorkerProcess(topics, tmp_path, 1, work_s=0.05) as other,
    ):
        stopped.wait_until_ready(2)
        other.wait_until_ready(2)
        sender.start()
        stopped.wait_until(lambda status: status["counters"].get("transactions", 0) > 2)
        stopped.process.send_signal(signal.SIGSTOP)
        other.wait_until_ready(4)
        time.sleep(1)  # So that the other has moved the positions on.
        stopped.process.send_signal(signal.SIGCONT)
        stopped.wait_until(lambda status: status["counters"].get("commits_refused", 0) == 1)
        stopped.wait_until_ready(2)
        other.wait_until_ready(2)
        stop_sending.set()
        sender.join()
        total = sum(map(len, topics.sent.values()))
        assert topics.outputs(total) == topics.expected()


def test_second_process_of_a_place_puts_the_first_one_out(topics: CountTopics, tmp_path: Path) -> None:
    with WorkerProcess(topics, tmp_path, label="first") as first:
        first.wait_until_ready(4)
        with WorkerProcess(topics, tmp_path, label="second") as second:
            assert first.exit_code() == PlaceTaken.exit_code
            assert "has taken the place" in first.log()
            topics.send(400)
            assert topics.outputs(400) == topics.expected()
            second.stop()


def test_missing_committed_offset_with_a_changelog_in_place_stops_the_worker(
    topics: CountTopics, tmp_path: Path
) -> None:
    topics.send(400)
    with WorkerProcess(topics, tmp_path) as worker:
        topics.outputs(400)
        worker.stop()
    with WorkerProcess(topics, tmp_path, label="other-group", group=f"{topics.stage}-b") as worker:
        assert worker.exit_code() == PositionMismatch.exit_code
        assert "cannot be restored" in worker.log()
    assert topics.outputs(400) == topics.expected()


def test_new_input_is_read_by_both_workers_and_neither_of_them_ends(topics: CountTopics, tmp_path: Path) -> None:
    other, more = CountTopics(topics.bootstrap_servers), tmp_path / "more"
    with (
        WorkerProcess(topics, tmp_path, 0, more=more) as first,
        WorkerProcess(topics, tmp_path, 1, more=more) as second,
    ):
        first.wait_until_ready(2)
        second.wait_until_ready(2)
        topics.send(4_000)
        other.send(4_000)
        more.write_text(f"{other.stage}.in")
        assert other.outputs(4_000) == other.expected()
        first.wait_until_ready(4)
        second.wait_until_ready(4)
        for each in (topics, other):
            each.send(400)
            assert each.outputs(4_400) == each.expected()
        first.stop()
        second.stop()
    assert int(more.with_suffix(".caught_up").read_text()) > 1_700_000_000_000, "the stamp of the last records"


def test_input_that_is_new_when_a_killed_worker_is_back_at_once_is_read_too(
    topics: CountTopics, tmp_path: Path
) -> None:
    """The broker gives a member that is back before its session is over what it had, and nothing else (KIP-345)."""
    other, more = CountTopics(topics.bootstrap_servers), tmp_path / "more"
    with WorkerProcess(topics, tmp_path, more=more) as first:
        first.wait_until_ready(4)
        topics.send(400)
        assert topics.outputs(400) == topics.expected()
        first.kill()
    more.write_text(f"{other.stage}.in")
    with WorkerProcess(topics, tmp_path, label="-again", more=more) as second:
        other.send(400)
        assert other.outputs(400) == other.expected()
        second.wait_until_ready(8)
        second.stop()


def test_worker_without_any_input_says_what_to_do(topics: CountTopics, tmp_path: Path) -> None:
    with WorkerProcess(topics, tmp_path, inputs="none") as worker:
        assert worker.exit_code() == SettingInvalid.exit_code
        assert "esep reference load" in worker.log()
