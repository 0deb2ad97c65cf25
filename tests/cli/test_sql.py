"""One statement in each format, and the shell at a terminal."""

from __future__ import annotations

import csv
import io
import json
import os
import pty
import select
import signal
import stat
import subprocess
import sys
import time
from typing import TYPE_CHECKING

import polars as pl
import pytest
from typer.testing import CliRunner

from esep.cli.main import app
from esep.errors import SettingInvalid, UsageError

if TYPE_CHECKING:
    from pathlib import Path

    from esep.embedded.clickhouse import ClickHouseServer

IIN = "900101300007"
LONG = "SELECT count() FROM numbers(1000000000000) WHERE NOT ignore(sipHash64(number))"
pytestmark = pytest.mark.clickhouse


@pytest.fixture(autouse=True)
def _here(clickhouse: ClickHouseServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ESEP_CLICKHOUSE_URL", clickhouse.url)
    monkeypatch.setenv("ESEP_CLICKHOUSE_DATABASE", "default")


def ask(output_format: str) -> str:
    statement = "SELECT number AS n, concat('ставка ', toString(number)) AS name FROM numbers(2)"
    answer = CliRunner().invoke(app, ["sql", statement, "--format", output_format])
    assert answer.exit_code == 0, answer.exception
    return answer.output


def test_every_format_holds_the_same_rows() -> None:
    rows = [{"n": "0", "name": "ставка 0"}, {"n": "1", "name": "ставка 1"}]
    assert list(csv.DictReader(io.StringIO(ask("csv")))) == rows
    assert list(csv.DictReader(io.StringIO(ask("tsv")), delimiter="\t")) == rows
    assert [{key: str(value) for key, value in row.items()} for row in json.loads(ask("json"))["data"]] == rows
    assert all(row["name"] in ask("table") for row in rows)


def test_wrong_statement_is_told_in_clickhouse_s_words() -> None:
    answer = CliRunner().invoke(app, ["sql", "SELECT nosuch"])
    assert isinstance(answer.exception, UsageError)
    assert "UNKNOWN_IDENTIFIER" in answer.exception.detail


def test_statement_comes_from_the_standard_input_and_the_answer_goes_into_a_file(tmp_path: Path) -> None:
    path = tmp_path / "answer.parquet"
    answer = CliRunner().invoke(app, ["sql", "--format", "parquet", "--to", str(path)], input="SELECT 7 AS seven\n")
    assert answer.exit_code == 0, answer.exception
    assert pl.read_parquet(path)["seven"].to_list() == [7]
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert "8" in CliRunner().invoke(app, ["sql", "-"], input="SELECT 8").output
    assert "name a file" in str(CliRunner().invoke(app, ["sql", "SELECT 1", "--format", "parquet"]).exception)


def test_shell_without_its_library_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    from esep.cli import sql as module

    monkeypatch.setitem(sys.modules, "prompt_toolkit", None)
    monkeypatch.delitem(sys.modules, "esep.cli.shell.prompting", raising=False)
    with pytest.raises(SettingInvalid, match="prompt_toolkit"):
        module._talk(module.settings_of(module.DATA_DIR), None)


class Terminal:
    """`esep sql` at a pseudo-terminal."""

    def __init__(self, *words: str) -> None:
        self._unread = ""
        self._own, theirs = pty.openpty()
        code = "from esep.cli.main import main; main()"
        env = {**os.environ, "TERM": "xterm", "PROMPT_TOOLKIT_NO_CPR": "1", "COLUMNS": "200", "LINES": "50"}
        command = [sys.executable, "-c", code, "sql", *words]
        self.process = subprocess.Popen(
            command, stdin=theirs, stdout=theirs, stderr=theirs, env=env, start_new_session=True
        )
        os.close(theirs)

    def read_until(self, text: str, within_s: float = 60) -> str:
        """Return what stands up to a text and with it; what follows is kept for the next call."""
        until = time.monotonic() + within_s
        while text not in self._unread:
            assert time.monotonic() < until, self._unread
            if select.select([self._own], [], [], 0.2)[0]:
                self._unread += os.read(self._own, 65_536).decode(errors="replace")
        told, _, self._unread = self._unread.partition(text)
        return told + text

    def type(self, text: str) -> None:
        os.write(self._own, text.encode())

    def close(self) -> None:
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        os.close(self._own)


def test_person_at_a_terminal_asks_cancels_and_leaves(tmp_path: Path) -> None:
    """Many lines, an answer, its time; Ctrl-C ends a query in the engine and not the shell; stars in the history."""
    history = tmp_path / "state" / "history"
    terminal = Terminal("--history", str(history))
    try:
        terminal.read_until("default>")
        terminal.type(f"SELECT 'person',\r '{IIN}'\r;\r")
        assert "1 rows" in terminal.read_until(" s\r\n")
        terminal.read_until("default>")
        terminal.type(f"{LONG};\r")
        terminal.read_until("million rows")
        os.kill(terminal.process.pid, signal.SIGINT)  # As the terminal does for Ctrl-C while nothing is typed.
        assert "it has ended in the engine" in terminal.read_until("default>")
        terminal.type("SELECT 'go' || 'ne on';\r")
        terminal.read_until("gone on")
        terminal.type("\\q\r")
        assert terminal.process.wait(30) == 0
    finally:
        terminal.close()
    text = history.read_text(encoding="utf-8")
    assert IIN not in text
    assert "************" in text
    assert stat.S_IMODE(history.stat().st_mode) == 0o600


def test_script_that_is_interrupted_ends_its_query_and_says_so() -> None:
    code = "from esep.cli.main import main; main()"
    process = subprocess.Popen(
        [sys.executable, "-c", code, "sql", LONG, "--format", "tsv"], stderr=subprocess.PIPE, text=True
    )
    statement = "SELECT count() FROM system.processes WHERE query LIKE '%sipHash64(number)%' AND query NOT LIKE '%LI%'"
    until = time.monotonic() + 60
    while CliRunner().invoke(app, ["sql", statement, "--format", "tsv"]).output.splitlines()[-1] != "1":
        assert time.monotonic() < until
    process.send_signal(signal.SIGINT)
    _, told = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "it has ended in the engine" in told
    assert CliRunner().invoke(app, ["sql", statement, "--format", "tsv"]).output.splitlines()[-1] == "0"
