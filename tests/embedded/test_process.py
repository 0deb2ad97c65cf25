from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING

import psutil
import pytest
from hypothesis import given
from hypothesis import strategies as st

from esep.embedded import process as module
from esep.embedded.process import ManagedProcess, ProcessIdentity, tail
from esep.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

SOON_S = 10.0
LINES_UNTIL_STOPPED = "while :; do echo receipt; sleep 0.02; done"
STARTER = """
import os, signal, sys, threading
from pathlib import Path
from esep.embedded.process import ManagedProcess
folder, outlives = Path(sys.argv[1]), sys.argv[2] == "outlives"
child = ManagedProcess("loader", ["sleep", "60"], log_path=folder / "loader.log", pid_path=folder / "loader.pid",
                       die_with_parent=not outlives)
thread = threading.Thread(target=child.start)
thread.start()
thread.join()
print("started", flush=True)
sys.stdin.readline()
os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.fixture
def run(tmp_path: Path) -> Iterator[Callable[..., ManagedProcess]]:
    started = []

    def start(*command: str, pid_path: Path | None = None) -> ManagedProcess:
        child = ManagedProcess("loader", command, log_path=tmp_path / "loader.log", pid_path=pid_path)
        child.start()
        started.append(child)
        return child

    yield start
    for child in started:
        if child.is_running():
            child.kill()


def until(condition: Callable[[], object]) -> None:
    deadline = time.monotonic() + SOON_S
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_child_that_ends_by_itself_leaves_its_exit_code_and_its_words(run):
    child = run("sh", "-c", "echo ledger; echo balanced >&2; exit 3")
    assert child.wait(SOON_S) == 3
    assert not child.is_running()
    assert child.log_tail() == "ledger\nbalanced"


def test_second_run_appends_to_the_log(run):
    child = run("echo", "receipt")
    assert child.wait(SOON_S) == 0
    child.start()
    assert child.wait(SOON_S) == 0
    assert child.log_tail() == "receipt\nreceipt"


def test_stop_asks_and_the_child_ends_in_order(run):
    child = run("sh", "-c", f"trap 'echo closed; exit 0' TERM; {LINES_UNTIL_STOPPED}")
    until(child.log_tail)
    assert child.stop() == 0
    assert child.log_tail(1) == "closed"


def test_child_deaf_to_term_is_killed_after_the_bound(run):
    child = run("sh", "-c", f"trap '' TERM; {LINES_UNTIL_STOPPED}")
    until(child.log_tail)
    begun = time.monotonic()
    assert child.stop(term_s=0.3) == -signal.SIGKILL
    assert 0.3 <= time.monotonic() - begun < SOON_S


def test_stop_without_a_start_and_a_second_stop_do_nothing(run, tmp_path):
    assert ManagedProcess("loader", ["sleep", "60"], log_path=tmp_path / "loader.log").stop() is None
    child = run("sleep", "60")
    assert child.stop() == child.stop() == -signal.SIGTERM


def test_paused_child_says_nothing_more_until_it_is_resumed(run):
    """In Python: a shell caught between fork and exec of its `sleep` would not count as stopped."""
    child = run(sys.executable, "-u", "-c", "import time\nwhile True: print('receipt'); time.sleep(0.02)")
    until(child.log_tail)
    child.pause()
    until(lambda: psutil.Process(child.pid).status() == psutil.STATUS_STOPPED)
    said = child.log_path.stat().st_size
    time.sleep(0.1)
    assert child.is_running()
    assert child.log_path.stat().st_size == said
    child.resume()
    until(lambda: child.log_path.stat().st_size > said)


def test_paused_child_is_woken_to_end_in_order(run):
    child = run("sleep", "60")
    child.pause()
    assert child.stop() == -signal.SIGTERM


def test_what_the_child_has_started_ends_with_it(run):
    child = run("sh", "-c", "sleep 60 & echo $!; wait")
    until(child.log_tail)
    grandchild = ProcessIdentity.of(int(child.log_tail()))
    assert grandchild
    child.kill()
    assert grandchild.wait(SOON_S)


def test_unknown_program_is_named_in_the_error(tmp_path):
    child = ManagedProcess("loader", ["esep-no-such-program"], log_path=tmp_path / "loader.log")
    with pytest.raises(UsageError, match="loader: there is no program esep-no-such-program"):
        child.start()
    with pytest.raises(UsageError, match="has not been started"):
        _ = child.pid


def test_second_start_is_refused_while_the_first_runs(run, tmp_path):
    child = run("sleep", "60", pid_path=tmp_path / "loader.pid")
    other = ManagedProcess("loader", ["sleep", "60"], log_path=tmp_path / "2.log", pid_path=tmp_path / "loader.pid")
    for second in (child, other):
        with pytest.raises(UsageError, match="runs already"):
            second.start()
    child.stop()
    assert not (tmp_path / "loader.pid").exists()


def test_pid_file_of_a_former_process_does_not_stand_in_the_way(run, tmp_path):
    ProcessIdentity(os.getpid(), "another boot:1").write(tmp_path / "loader.pid")
    child = run("sleep", "60", pid_path=tmp_path / "loader.pid")
    assert ProcessIdentity.read(tmp_path / "loader.pid") == ProcessIdentity.of(child.pid)


def test_signal_never_reaches_a_later_process_of_the_same_number():
    former = ProcessIdentity(os.getpid(), "another boot:1")
    assert not former.send(signal.SIGKILL)
    former.stop()


def test_process_that_has_ended_but_is_not_yet_collected_does_not_run():
    child = subprocess.Popen(["sleep", "60"])
    identity = ProcessIdentity.of(child.pid)
    assert identity
    assert identity.is_running()
    child.kill()
    assert identity.wait(SOON_S)
    assert ProcessIdentity.of(child.pid) is None
    child.wait()


def test_both_ways_to_ask_for_the_start_agree_on_who_runs():
    child = subprocess.Popen(["sleep", "60"])
    ways = (module._started_by_proc, module._started_by_psutil)
    assert all(way(child.pid) and way(child.pid) == way(child.pid) for way in ways)
    child.kill()
    until(lambda: not any(way(child.pid) for way in ways))
    child.wait()


@pytest.mark.parametrize("content", ["", "4711", "{}", '{"pid": 1', '{"pid": 1, "started": "x", "name": "y"}'])
def test_unreadable_pid_file_names_nobody(tmp_path, content):
    (tmp_path / "loader.pid").write_text(content)
    assert ProcessIdentity.read(tmp_path / "loader.pid") is None
    assert ProcessIdentity.read(tmp_path / "none.pid") is None


@given(pid=st.integers(1, 2**22), started=st.text())
def test_identity_written_is_the_identity_read(tmp_path_factory, pid, started):
    path = tmp_path_factory.getbasetemp() / "identity.pid"
    ProcessIdentity(pid, started).write(path)
    assert ProcessIdentity.read(path) == ProcessIdentity(pid, started)


@given(lines=st.lists(st.text("abc 123", max_size=80), max_size=40), count=st.integers(1, 50))
def test_tail_is_the_last_lines(tmp_path_factory, lines, count):
    path = tmp_path_factory.getbasetemp() / "tail.log"
    path.write_text("".join(f"{line}\n" for line in lines))
    assert tail(path, count) == "\n".join(lines[-count:])


def test_tail_of_a_large_log_is_bounded(tmp_path):
    (tmp_path / "large.log").write_text("receipt\n" * 100_000)
    assert tail(tmp_path / "large.log", 10**6).count("receipt") <= module.TAIL_BYTES_MAX


def end(starter: subprocess.Popen[bytes]) -> None:
    """Let it die, if it has not yet."""
    if starter.returncode is None:
        starter.communicate(b"\n")


@pytest.fixture
def starter(tmp_path: Path) -> Iterator[Callable[[str], subprocess.Popen[bytes]]]:
    """A process that starts a child from a thread of its own and dies by SIGKILL when it reads a line."""
    processes = []

    def start(mode: str) -> subprocess.Popen[bytes]:
        process = subprocess.Popen(
            [sys.executable, "-c", STARTER, str(tmp_path), mode], stdin=subprocess.PIPE, stdout=subprocess.PIPE
        )
        processes.append(process)
        assert process.stdout
        assert process.stdout.readline() == b"started\n"
        return process

    yield start
    for process in processes:
        end(process)
    if left := ProcessIdentity.read(tmp_path / "loader.pid"):
        left.stop()


def test_child_dies_with_its_parent_but_not_with_the_thread_that_started_it(starter, tmp_path):
    parent = starter("dies")
    child = ProcessIdentity.read(tmp_path / "loader.pid")
    assert child
    assert not child.wait(0.2)
    end(parent)
    assert child.wait(SOON_S)


def test_child_that_is_to_outlive_its_parent_does_and_is_stopped_by_its_pid_file(starter, tmp_path):
    end(starter("outlives"))
    child = ProcessIdentity.read(tmp_path / "loader.pid")
    assert child
    assert not child.wait(0.2)
    child.stop()
    assert not child.is_running()


def test_processes_started_at_once_from_many_threads_are_all_ours(tmp_path):
    children = [ManagedProcess(f"app-{n}", ["sleep", "60"], log_path=tmp_path / f"{n}.log") for n in range(8)]
    threads = [threading.Thread(target=child.start) for child in children]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len({child.pid for child in children}) == len(children)
    for child in children:
        child.terminate()
    assert {child.stop() for child in children} == {-signal.SIGTERM}
