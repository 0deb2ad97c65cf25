"""The loader's process ends with the exit code of what stopped it."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

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


_HANGS = """
import os, signal, sys, threading
from esep.errors import InvariantBroken
from esep.settings import load_settings
from esep.sinks.clickhouse import loader

class Store:
    def __init__(self, _): pass
    def close(self): pass

class Group:
    def __init__(self, *_, **__): pass
    def positions(self, _): return {}
    def fetch(self, *_):
        if sys.argv[1] == "error":
            raise InvariantBroken("rows are missing")
        os.kill(os.getpid(), signal.SIGTERM)
        return []
    def close(self): threading.Event().wait()

loader.Store, loader.LoaderGroup, loader.STOP_S_MAX = Store, Group, 0.2
loader.refuse_undone = lambda _: None
sys.exit(loader.run_loader(load_settings()))
"""


@pytest.mark.parametrize(("end", "exit_code"), [("signal", 0), ("error", 70)])
def test_loader_that_hangs_while_it_leaves_the_group_is_gone_all_the_same(end: str, exit_code: int) -> None:
    ended = subprocess.run([sys.executable, "-c", _HANGS, end], capture_output=True, text=True, timeout=60, check=False)
    assert ended.returncode == exit_code, ended.stderr
    assert " in close\n" in ended.stderr, "where it hung"
