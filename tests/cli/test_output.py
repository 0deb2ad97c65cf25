"""What commands print."""

from __future__ import annotations

import json

import pytest

from esep.cli.output import print_error, print_json, print_table
from esep.errors import FileUnusable, SettingInvalid


def test_table_shows_every_cell(capsys: pytest.CaptureFixture[str]) -> None:
    print_table("books", ("what", "rows"), [("ledger", 1_234_567), ("rejected", None), ("whole", True)])
    shown = capsys.readouterr().out
    assert all(text in shown for text in ("books", "what", "ledger", "1,234,567", "true"))


def test_json_is_one_document_in_any_script(capsys: pytest.CaptureFixture[str]) -> None:
    print_json({"organizer": "«Алатау»", "rows": 3})
    assert json.loads(capsys.readouterr().out) == {"organizer": "«Алатау»", "rows": 3}


def test_error_says_what_why_and_what_to_do_on_stderr(capsys: pytest.CaptureFixture[str]) -> None:
    print_error(SettingInvalid("it failed", detail="because [this]", hint="do that"))
    told = capsys.readouterr()
    assert told.out == ""
    assert "error: it failed" in told.err
    assert "why: because [this]" in told.err
    assert "do:  do that" in told.err


def test_error_is_one_json_document_for_a_program(capsys: pytest.CaptureFixture[str]) -> None:
    print_error(FileUnusable("it failed", hint="do that", code="FILE_EMPTY", line=1), as_json=True)
    told = json.loads(capsys.readouterr().out)
    assert (told["error"], told["what"], told["do"]) == ("FileUnusable", "it failed", "do that")
    assert (told["code"], told["line"], told["exit_code"]) == ("FILE_EMPTY", 1, 2)
