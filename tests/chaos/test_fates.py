"""A process meets its fate at the step that it was told, at that arrival and once, and says so before."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import confluent_kafka as ck
import pytest

from tests.chaos.fates import THROUGH, WOKEN, Fate, Fates, Mark, Step, Told, What

AT_COMMITS = """
import sys
from pathlib import Path
from tests.chaos.fates import Fates, Step
fates = Fates(Path(sys.argv[1]), "totals-0")
for number in range(4):
    fates.reached(Step.WRITTEN)
    print("written", number, flush=True)
    fates.reached(Step.COMMITTED)
"""


def worker(folder: Path) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", AT_COMMITS, str(folder)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=Path(__file__).parents[2])


def test_process_dies_at_the_arrival_that_it_was_told_and_has_said_so(tmp_path: Path) -> None:
    told = Told(tmp_path, "totals-0")
    told.tell(Fate(Step.WRITTEN, What.DIE, 3))
    with worker(tmp_path) as process:
        said, _ = process.communicate(timeout=60)
    assert process.returncode == -signal.SIGKILL
    assert said.split("\n") == ["written 0", "written 1", ""]
    assert told.marks() == [Mark(process.pid, What.DIE)]
    with worker(tmp_path) as next_one:
        assert next_one.communicate(timeout=60)[0].endswith("written 3\n"), "its successor knows nothing of it"


def test_process_sleeps_until_it_is_woken_and_says_when_its_transaction_is_through(tmp_path: Path) -> None:
    told = Told(tmp_path, "totals-0")
    told.tell(Fate(Step.WRITTEN, What.SLEEP))
    with worker(tmp_path) as process:
        while "State:\tT" not in Path(f"/proc/{process.pid}/status").read_text():
            time.sleep(0.01)
        assert told.marks() == [Mark(process.pid, What.SLEEP)]
        process.send_signal(signal.SIGCONT)
        process.communicate(timeout=60)
    assert [mark.what for mark in told.marks()] == [What.SLEEP, WOKEN, THROUGH]


@pytest.mark.parametrize(("what", "is_fatal"), [(What.ABORTABLE, False), (What.FATAL, True)])
def test_refusal_is_raised_as_librdkafka_raises_one(tmp_path: Path, what: What, *, is_fatal: bool) -> None:
    fates, settled = Fates(tmp_path, "intake-1"), []
    Told(tmp_path, "intake-1").tell(Fate(Step.OFFERED, what))
    fates.reached(Step.STATED)
    with pytest.raises(ck.KafkaException) as raised:
        fates.reached(Step.OFFERED, lambda: settled.append(True))
    error = raised.value.args[0]
    assert (error.fatal(), error.txn_requires_abort(), error.retriable()) == (is_fatal, not is_fatal, False)
    assert settled == [True]
    fates.reached(Step.OFFERED)
    fates.reached(Step.COMMITTED)
    marks = [Mark(os.getpid(), what), Mark(os.getpid(), THROUGH)]
    assert Told(tmp_path, "intake-1").marks() == marks


def test_what_is_taken_back_befalls_nobody(tmp_path: Path) -> None:
    told = Told(tmp_path, "intake-1")
    told.tell(Fate(Step.BEGUN, What.FATAL))
    told.forget()
    Fates(tmp_path, "intake-1").reached(Step.BEGUN)
    assert told.marks() == []
