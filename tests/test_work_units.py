"""Tests of the tests: a worker that dies in the midst of one."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

CONFTEST = """
import pytest
from tests.support.work_units import ByWorkUnit

@pytest.hookimpl
def pytest_xdist_make_scheduler(config, log):
    return ByWorkUnit(config, log)
"""
TESTS = """
import os
from pathlib import Path

def test_ends_its_worker_once():
    died = Path(__file__).with_name("died")
    if not died.exists():
        died.touch()
        os._exit(1)
"""


def test_what_a_worker_that_died_had_left_is_run_by_another(tmp_path: Path) -> None:
    (tmp_path / "conftest.py").write_text(CONFTEST)
    (tmp_path / "test_before.py").write_text("def test_passes():\n    pass\n")
    (tmp_path / "test_killer.py").write_text(TESTS)
    run = subprocess.run(
        [sys.executable, "-m", "pytest", "-n", "1", "-p", "no:cacheprovider", "--rootdir", tmp_path, tmp_path],
        env={"PYTHONPATH": str(Path(__file__).parent.parent)},
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    assert "1 failed, 2 passed" in run.stdout
