"""Tests of the tests: a worker that dies in the midst of one, and servers that few workers start."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from tests.support.services import LEVELS
from tests.support.work_units import SHARERS

CONFTEST = """
import pytest
from tests.support.work_units import ByWorkUnit, tell_units

def pytest_collection_modifyitems(config, items):
    if hasattr(config, "workerinput"):
        tell_units(config.workerinput, items, dict.fromkeys((item.path for item in items), {level}))

@pytest.hookimpl
def pytest_xdist_make_scheduler(config, log):
    return ByWorkUnit(config, log)
"""
DIES = """
import os
from pathlib import Path

def test_ends_its_worker_once():
    died = Path(__file__).with_name("died")
    if not died.exists():
        died.touch()
        os._exit(1)
"""
WRITES = """
import os
from pathlib import Path

def test_writes_who_ran_it():
    Path(__file__).with_suffix(".ran").write_text(os.environ["PYTEST_XDIST_WORKER"])
"""


def test_what_a_worker_that_died_had_left_is_run_by_another(tmp_path: Path) -> None:
    (tmp_path / "test_before.py").write_text("def test_passes():\n    pass\n")
    (tmp_path / "test_killer.py").write_text(DIES)
    assert "1 failed, 2 passed" in _run(tmp_path, "none", workers=1)


def test_server_of_a_level_is_started_by_few_workers(tmp_path: Path) -> None:
    for number in range(8):
        (tmp_path / f"test_{number}.py").write_text(WRITES)
    assert "8 passed" in _run(tmp_path, "kafka", workers=SHARERS + 1)
    assert len({path.read_text() for path in tmp_path.glob("*.ran")}) == SHARERS


def _run(folder: Path, level: str, workers: int) -> str:
    (folder / "conftest.py").write_text(CONFTEST.replace("{level}", str(LEVELS.index(level))))
    run = subprocess.run(
        [sys.executable, "-m", "pytest", "-n", str(workers), "-p", "no:cacheprovider", "--rootdir", folder, folder],
        env={"PYTHONPATH": str(Path(__file__).parent.parent)},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    return run.stdout
