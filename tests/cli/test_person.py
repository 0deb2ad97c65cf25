"""A person's number comes from the standard input, a terminal or a file, and never as a word (O9-5.1)."""

from __future__ import annotations

import getpass
import io
import sys
from typing import TYPE_CHECKING

import pytest

from esep.cli.person import number_from
from esep.errors import FileUnusable, UsageError

if TYPE_CHECKING:
    from pathlib import Path

IIN = "900101300007"


def test_number_is_read_from_where_nobody_sees_it(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(sys, "stdin", io.StringIO(f" {IIN}\nrest"))
    assert number_from("-") == IIN
    file = tmp_path / "iin.txt"
    file.write_text(f"{IIN}\n")
    assert number_from(str(file)) == IIN
    assert number_from("") == ""


def test_terminal_does_not_show_what_is_typed(monkeypatch: pytest.MonkeyPatch) -> None:
    typed = io.StringIO()
    typed.isatty = lambda: True  # type: ignore[method-assign]
    monkeypatch.setattr(sys, "stdin", typed)
    monkeypatch.setattr(getpass, "getpass", lambda prompt: IIN)
    assert number_from("-") == IIN


def test_number_as_a_word_is_refused_and_not_repeated(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="may not be a word") as refused:
        number_from(IIN)
    assert IIN not in str(refused.value)
    with pytest.raises(FileUnusable, match="cannot be read"):
        number_from(str(tmp_path / "missing"))
