"""The loader's process ends with the exit code of what stopped it."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

REGISTER = Path(__file__).resolve().parents[3] / "examples" / "register.yaml"


def test_process_without_clickhouse_ends_as_one_that_may_be_started_again() -> None:
    environment = {"ESEP_CLICKHOUSE_URL": "http://127.0.0.1:9", "ESEP_REGISTER_FILE": str(REGISTER)}
    ended = subprocess.run(
        [sys.executable, "-m", "esep.sinks.clickhouse.app"],
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert ended.returncode == 75, ended.stderr
    assert "ClickHouse at http://127.0.0.1:9 did not answer" in ended.stderr
    assert "Traceback" not in ended.stderr
