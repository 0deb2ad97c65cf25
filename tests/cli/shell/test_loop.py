"""The shell from text to answer, without a terminal."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import polars as pl
import pytest

from esep.cli.shell import loop as module
from esep.cli.shell.loop import Shell
from esep.cli.shell.running import Cancelled
from esep.sinks.clickhouse.client import connect
from tests.support.report_books import shared_books

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from esep.embedded.clickhouse import ClickHouseServer

    Say = Callable[..., str]

pytestmark = pytest.mark.clickhouse


@pytest.fixture
def shell(clickhouse: ClickHouseServer) -> Shell:
    return Shell(partial(connect, shared_books(clickhouse).settings), lambda: 50, pager="")


@pytest.fixture
def say(shell: Shell, capfdbinary: pytest.CaptureFixture[bytes]) -> Say:
    def told(*texts: str) -> str:
        for text in texts:
            assert shell.take(text)
        captured = capfdbinary.readouterr()
        return (captured.out + captured.err).decode()

    return told


def test_statements_of_one_text_are_answered_in_order(say: Say) -> None:
    told = say("SELECT 'first'; SELECT 'second';")
    assert told.index("first") < told.index("second")
    assert told.count(" s\n") == 2


def test_statement_after_one_that_failed_is_not_run(say: Say) -> None:
    told = say("SELECT nosuch; SELECT 'second';")
    assert "error: " in told
    assert "UNKNOWN_IDENTIFIER" in told
    assert "second" not in told
    assert "third" in say("SELECT 'third';")


def test_relations_columns_functions_and_databases_are_shown(say: Say) -> None:
    assert "person_history" in say("\\d")
    assert "person_history" not in say("\\dt")
    assert "amount_tiyn" in say("\\d person_history")
    assert "uniqExact" in say("\\df uniqex")
    assert "system" in say("\\l")
    assert "there is no table or view of this name" in say("\\d nosuch")
    assert "\\timing" in say("\\?")


def test_form_timing_and_pager_are_kept_for_the_session(say: Say) -> None:
    assert "Row 1:" in say("\\x", "SELECT 1;")
    told = say("\\x", "\\f csv", "\\timing", "SELECT 1 AS one;")
    assert '"one"\n1\n' in told
    assert not told.rstrip().endswith(" s")
    assert "one of table" in say("\\f parquet")
    assert "no pager" in say("\\pager")
    assert "no command" in say("\\nosuch")


def test_next_answer_goes_into_a_file_and_the_one_after_to_the_screen(say: Say, tmp_path: Path) -> None:
    path = tmp_path / "answer.parquet"
    told = say(f"\\o {path}", "\\dv", "SELECT 7 AS seven;", "SELECT 8 AS eight;")
    assert pl.read_parquet(path)["seven"].to_list() == [7]
    assert "eight" in told
    assert "seven" not in told
    assert "name it FILE" in say("\\o answer.doc")
    assert "error: No such file" in say(f"\\o {tmp_path / 'missing' / 'a.csv'}", "SELECT 1;")


def test_shell_goes_on_after_a_cancelled_statement(shell: Shell, say: Say, monkeypatch: pytest.MonkeyPatch) -> None:
    def cancel(*_: object) -> None:
        raise Cancelled(is_gone=True)

    with monkeypatch.context() as patch:
        patch.setattr(module, "pieces_of", cancel)
        assert "cancelled; it has ended in the engine" in say("SELECT 1; SELECT 2;")
    assert "next" in say("SELECT 'next';")


def test_texts_are_taken_until_the_end_of_the_input(shell: Shell) -> None:
    given = iter([KeyboardInterrupt, "SELECT 1;", "\\q", "SELECT never;"])

    def ask() -> str:
        one = next(given)
        if isinstance(one, str):
            return one
        raise one

    shell.run(ask)
    assert next(given) == "SELECT never;"
