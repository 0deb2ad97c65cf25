"""The command that is loaded once says and returns what the real one does, wherever and with whatever it is called."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.loaded import esep_command


@pytest.fixture(scope="module")
def loaded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    with esep_command(tmp_path_factory.mktemp("loaded")) as script:
        yield script


def _run(command: list[str], folder: Path, *words: str) -> tuple[int, str, str]:
    env = {"PATH": os.environ["PATH"], "ESEP_CLICKHOUSE_URL": "http://127.0.0.1:9"}
    ended = subprocess.run(
        [*command, *words], cwd=folder, env=env, input="1,2", capture_output=True, text=True, timeout=60, check=False
    )
    return ended.returncode, ended.stdout, ended.stderr


@pytest.mark.parametrize(
    ("code", "words"),
    [
        (0, ["--version"]),
        (2, ["no-such-command"]),
        (75, ["sql", "SELECT 1"]),
        (0, ["check", "a.csv", "--organizer", "940140000385", "--mapping", "bustabit", "--help"]),
    ],
)
def test_loaded_command_does_what_the_real_one_does(loaded: Path, tmp_path: Path, code: int, words: list[str]) -> None:
    real = _run([str(Path(sys.executable).with_name("esep"))], tmp_path, *words)
    assert real[0] == code
    assert _run([str(loaded)], tmp_path, *words) == real


def test_nothing_is_left_of_it(tmp_path: Path) -> None:
    with esep_command(tmp_path) as script:
        assert _run([str(script)], tmp_path, "--version")[0] == 0
    assert _run([str(script)], tmp_path, "--version")[0] != 0
