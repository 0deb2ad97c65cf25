"""House style and strict types, in the tests' way: `make check` does the same."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent


CHECKS = [["ruff", "check", "--no-cache", "."], ["ruff", "format", "--no-cache", "--check", "."], ["mypy"]]


@pytest.mark.parametrize("arguments", CHECKS, ids=" ".join)
def test_tree_passes(arguments: list[str]) -> None:
    answer = subprocess.run(
        [sys.executable, "-m", *arguments], cwd=ROOT, capture_output=True, text=True, timeout=280, check=False
    )
    assert answer.returncode == 0, answer.stdout + answer.stderr
