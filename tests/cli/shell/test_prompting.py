"""What is typed: many lines, completion, a history without persons."""

from __future__ import annotations

import stat
from typing import TYPE_CHECKING

import pytest
from prompt_toolkit.application import create_app_session
from prompt_toolkit.completion import CompleteEvent
from prompt_toolkit.document import Document
from prompt_toolkit.input import create_pipe_input
from prompt_toolkit.output import DummyOutput

from esep.cli.shell.prompting import CatalogueCompleter, MaskedHistory, asker
from esep.errors import FileUnusable
from tests.cli.shell.test_catalogue import CATALOGUE

if TYPE_CHECKING:
    from pathlib import Path

IIN = "900101300007"


def test_history_is_the_owner_s_and_has_stars_for_a_person(tmp_path: Path) -> None:
    """O9-5.1: the session in which it was typed has it, the file and the next session have not."""
    path = tmp_path / "state" / "sql_history"
    history = MaskedHistory(path)
    history.append_string(f"SELECT '{IIN}', 940140000385;")
    assert history.get_strings()[-1] == f"SELECT '{IIN}', 940140000385;"
    assert IIN not in path.read_text()
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert list(MaskedHistory(path).load_history_strings()) == ["SELECT '************', 940140000385;"]


def test_history_that_others_could_read_is_closed(tmp_path: Path) -> None:
    path = tmp_path / "sql_history"
    path.write_text("")
    path.chmod(0o644)
    MaskedHistory(path)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    with pytest.raises(FileUnusable, match="cannot be written"):
        MaskedHistory(path / "below")


def test_statement_is_asked_for_until_its_end(tmp_path: Path) -> None:
    with create_pipe_input() as typed, create_app_session(input=typed, output=DummyOutput()):
        ask = asker(tmp_path / "history", lambda: CATALOGUE, "> ")
        typed.send_text("SELECT 1,\r'a;'\r;\r\\q\r\x04")
        assert ask() == "SELECT 1,\n'a;'\n;"
        assert ask() == "\\q"
        with pytest.raises(EOFError):
            ask()


def test_tab_completes_from_the_catalogue() -> None:
    document = Document("SELECT * FROM per")
    (offered,) = CatalogueCompleter(lambda: CATALOGUE).get_completions(document, CompleteEvent())
    assert (offered.text, offered.start_position, offered.display_meta_text) == ("person_daily", -3, "relation")
