"""A context is left closed, and what was raised in it is seen; a process that hangs at its end is gone in time."""

from __future__ import annotations

import subprocess
import sys

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
