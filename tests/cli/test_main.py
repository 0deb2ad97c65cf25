"""The command line as a whole: every command explains itself, errors end in texts and exit codes."""

from __future__ import annotations

import subprocess
import sys

import pytest
from typer.testing import CliRunner

from esep import __version__
from esep.cli.main import COMMANDS, Entry, app
from esep.errors import SettingInvalid


@pytest.mark.parametrize("command", COMMANDS)
def test_help_of_every_command_says_what_it_does_and_shows_an_example(command: str) -> None:
    answer = CliRunner().invoke(app, [command, "--help"])
    assert answer.exit_code == 0
    assert "Example: esep" in " ".join(answer.output.split()) or "Example: ESEP_" in " ".join(answer.output.split())


def test_help_lists_every_command() -> None:
    answer = CliRunner().invoke(app, ["--help"])
    assert all(command in answer.output for command in COMMANDS)


def test_version_is_printed() -> None:
    assert __version__ in CliRunner().invoke(app, ["--version"]).output


def test_command_without_its_libraries_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(COMMANDS, "sql", Entry("nosuchlibrary.sql", "sql", "sink"))
    answer = CliRunner().invoke(app, ["sql"])
    assert isinstance(answer.exception, SettingInvalid)
    assert "pip install 'esep[sink]'" in answer.exception.hint


def test_error_of_ours_is_told_on_stderr_with_its_exit_code() -> None:
    answer = subprocess.run(
        [sys.executable, "-m", "esep.cli", "demo", "--file", "nosuch.csv"], capture_output=True, text=True, check=False
    )
    assert answer.returncode == 2
    assert answer.stdout == ""
    assert "error: nosuch.csv is not there" in answer.stderr
    assert "do:" in answer.stderr
