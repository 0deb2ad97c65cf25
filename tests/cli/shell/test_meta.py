"""The shell's own commands."""

from __future__ import annotations

from pathlib import Path

import pytest

from esep.cli.shell.meta import HELP, NAMES, Command, command_of, help_text, lookup_of

PAGE = Path(__file__).resolve().parents[3] / "docs" / "analysts.md"


def test_every_command_is_in_the_help_and_explained() -> None:
    text = help_text()
    for name, meaning in HELP:
        assert name in text
        assert meaning in text
    assert {"\\d", "\\q", "\\?"} <= set(NAMES)
    page = PAGE.read_text(encoding="utf-8")
    assert [name for name, _ in HELP if f"`{name}`" not in page] == []


def test_name_that_is_typed_is_never_part_of_a_statement() -> None:
    typed = "ledger'; DROP TABLE ledger"
    for command in (Command(r"\d", typed), Command(r"\df", typed)):
        lookup = lookup_of(command)
        assert lookup is not None
        assert typed not in lookup.statement
        assert lookup.parameters == {"name": typed}


@pytest.mark.parametrize(("line", "command"), [("\\q", ("\\q", "")), ("  \\f  csv;", ("\\f", "csv"))])
def test_line_is_taken_apart(line: str, command: tuple[str, str]) -> None:
    assert command_of(line) == command
    assert lookup_of(command_of(line)) is None
