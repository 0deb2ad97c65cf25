"""A counting worker as a process of its own, to be killed, stopped and woken."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.support.kafka_topics import CountTopics

ROOT = Path(__file__).parents[2]
WAIT_S = 60.0


class WorkerProcess:
    """One process of `tests.support.count_stage`; ended when the test leaves it."""

    def __init__(self, topics: CountTopics, folder: Path, ordinal: int = 0, label: str = "", **options: object) -> None:
        name = f"{topics.stage}-{ordinal}{label}"
        self.status_path = folder / f"{name}.json"
        self.log_path = folder / f"{name}.log"
        self.status_path.unlink(missing_ok=True)
        flags = [text for key, value in options.items() for text in (f"--{key.replace('_', '-')}", str(value))]
        command = [sys.executable, "-m", "tests.support.count_stage", "--bootstrap-servers", topics.bootstrap_servers]
        command += ["--stage", topics.stage, "--ordinal", str(ordinal), "--status", str(self.status_path), *flags]
        with self.log_path.open("ab") as log:
            self.process = subprocess.Popen(command, cwd=ROOT, stdout=log, stderr=log)

    def __enter__(self) -> WorkerProcess:
        return self

    def __exit__(self, *_: object) -> None:
        self.kill()

    def kill(self) -> None:
        self.process.send_signal(signal.SIGCONT)
        self.process.kill()
        self.process.wait(WAIT_S)

    def stop(self) -> None:
        """Tell the worker to stop; AssertionError, with its log, unless it ends with 0."""
        self.process.terminate()
        code = self.process.wait(WAIT_S)
        assert code == 0, f"the worker left with {code}:\n{self.log()}"

    def exit_code(self) -> int:
        return self.process.wait(WAIT_S)

    def log(self) -> str:
        return self.log_path.read_text()

    def status(self) -> dict[str, Any]:
        try:
            status: dict[str, Any] = json.loads(self.status_path.read_text())
        except FileNotFoundError:
            return {"state": "starting", "positions": {}, "counters": {}}
        return status

    def wait_until(self, holds: Callable[[dict[str, Any]], bool]) -> None:
        deadline = time.monotonic() + WAIT_S
        while not holds(self.status()):
            assert self.process.poll() is None, f"the worker left with {self.process.returncode}:\n{self.log()}"
            assert time.monotonic() < deadline, f"{self.status()}\n{self.log()}"
            time.sleep(0.05)

    def wait_until_ready(self, partitions: int) -> None:
        self.wait_until(lambda status: status["state"] == "ready" and len(status["positions"]) == partitions)
