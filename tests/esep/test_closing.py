"""A context is left closed, and what was raised in it is seen; a process that hangs at its end is gone in time."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time

import pytest

from esep.closing import Closing


class Door(Closing):
    """Counts how often it was closed."""

    closed = 0

    def close(self) -> None:
        self.closed += 1


@pytest.mark.parametrize("raised", [None, KeyError("desk-7")])
def test_context_closes_once_and_hides_no_error(raised: KeyError | None) -> None:
    door, seen = Door(), None
    try:
        with door as inside:
            assert inside is door
            assert door.closed == 0
            if raised is not None:
                raise raised
    except KeyError as error:
        seen = error
    assert (door.closed, seen) == (1, raised)


def test_process_that_hangs_at_its_end_is_gone_and_says_where_it_was() -> None:
    hangs = "import threading\nfrom esep.closing import end_process_in\n"
    hangs += "def wait_for_a_broker():\n    threading.Event().wait()\n"
    hangs += "end_process_in(0.1, 75)\nwait_for_a_broker()\n"
    ended = subprocess.run([sys.executable, "-c", hangs], capture_output=True, text=True, timeout=60, check=False)
    assert ended.returncode == 75
    assert "wait_for_a_broker" in ended.stderr


def test_process_that_ends_by_itself_is_not_kept_and_keeps_its_exit_code() -> None:
    ends = "import sys\nfrom esep.closing import end_process_in\nend_process_in(3600, 75)\nsys.exit(3)\n"
    ended = subprocess.run([sys.executable, "-c", ends], capture_output=True, text=True, timeout=60, check=False)
    assert (ended.returncode, ended.stderr) == (3, "")


HANGS = """
import sys, threading, time
from esep.closing import HangWatch

watch = HangWatch("loader-0", 2, 75)

def quick():
    for _ in range(400):
        with watch.call():
            time.sleep(0.01)

threading.Thread(target=quick, daemon=True).start()
with watch.call():
    print("waits", flush=True)
    {wait}
time.sleep({then_s})
sys.exit(3)
"""


def _hanging(wait: str, then_s: float = 0.0) -> subprocess.Popen[str]:
    code = HANGS.format(wait=wait, then_s=then_s)
    process = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert process.stdout.readline() == "waits\n"
    return process


def test_call_that_does_not_come_back_ends_the_process_beside_others_that_do() -> None:
    """The loader's two threads commit by one consumer: what one of them is told says nothing of the other."""
    process = _hanging("threading.Event().wait()")
    _, told = process.communicate(timeout=60)
    assert process.returncode == 75
    assert "loader-0" in told
    assert "has not come back" in told
    assert "wait" in told.partition("most recent call first")[2], "where each thread was"


def test_call_of_a_process_that_was_stopped_and_woken_has_not_hung() -> None:
    """Nor does one that came back count any more."""
    process = _hanging("time.sleep(1)", then_s=2.5)
    os.kill(process.pid, signal.SIGSTOP)
    time.sleep(4)
    os.kill(process.pid, signal.SIGCONT)
    process.communicate(timeout=60)
    assert process.returncode == 3
