"""An application from its first word to the block, on the command line (clauses J127-3..6)."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.support.command import command

APPLIED = ["--person", "A. Serikova", "--unit", "4th", "--reason", "trends", "--agreement", "26-117"]
DECIDED = ["--by", "d.omarov", "--reason", "order 12"]


def test_user_is_granted_listed_and_blocked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ESEP_STORE_USERS_DIR", str(tmp_path))
    assert "to be decided by" in command("users", "apply", "a.serikova", "--role", "analyst", *APPLIED).output
    granted = command("users", "grant", "a.serikova", *DECIDED)
    assert len(granted.stdout.strip()) >= 24
    (listed,) = json.loads(command("users", "list", "--json").output)
    assert (listed["state"], listed["decided_by"]) == ("GRANTED", "d.omarov")
    assert "shut out" in command("users", "block", "a.serikova", *DECIDED).output
    assert "BLOCKED" in command("users", "list").output
    assert json.loads((tmp_path / "users.json").read_text())["a.serikova"]["blocked"]
    assert command("users", "apply", "a.serikova", "--role", "auditor", *APPLIED).exit_code == 0
    assert "is refused" in command("users", "refuse", "a.serikova", *DECIDED).output
    assert command("users", "block", "nobody", *DECIDED).exit_code != 0
