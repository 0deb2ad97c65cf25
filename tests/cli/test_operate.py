"""What `esep up` starts, and what is said of processes that are not there any more."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

from typer.testing import CliRunner

from esep.cli.main import app
from esep.cli.operate import _process_facts, app_commands
from esep.errors import UsageError


def test_one_worker_of_each_part_is_started() -> None:
    assert set(app_commands()) == {"intake-0", "totals-0", "alerts-0", "loader-0"}
    assert set(app_commands(no_loader=True)) == {"intake-0", "totals-0", "alerts-0"}


def test_process_that_ended_is_not_said_to_be_ready(tmp_path: Path) -> None:
    gone = subprocess.run([sys.executable, "-c", "import os; print(os.getpid())"], capture_output=True, check=True)
    for pid, state in ((os.getpid(), "ready"), (int(gone.stdout), "ended")):
        file = tmp_path / f"{state}.json"
        file.write_text(json.dumps({"pid": pid, "state": "ready"}))
        assert _process_facts(file)["state"] == state


def test_down_without_a_line_is_an_error(tmp_path: Path) -> None:
    answer = CliRunner().invoke(app, ["down", "--data-dir", str(tmp_path)])
    assert isinstance(answer.exception, UsageError)
