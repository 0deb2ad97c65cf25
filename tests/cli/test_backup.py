"""`esep backup list|verify`: what is there, which one is meant, and the exit code of one that is not whole."""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING

import pytest

from esep.cli.backup import chosen_of
from esep.cli.output import out
from esep.settings import Settings
from esep.sinks.clickhouse.backup.folder import Backups
from tests.sinks.clickhouse.backup.made import made
from tests.support.command import command

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def backups(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Backups:
    """Give a directory with a full backup, one that is based on it, and one that was cut short."""
    monkeypatch.setenv("ESEP_BACKUP_DIR", str(tmp_path / "backups"))
    there = Backups(tmp_path / "backups")
    made(there, "20261128T020000000Z", {"a": b"0123"}, made(there, "20261127T020000000Z", {"a": b"0", "b": b"12"}))
    there.begin("20261129T020000000Z")
    return there


def test_list_shows_backups_and_names_what_is_none(
    backups: Backups, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(out, "_width", 118)
    shown = command("backup", "list", "--data-dir", tmp_path)
    assert shown.exit_code == 0
    assert "│ 20261128T020000000Z │ 20261127T020000000Z │       3 │     1 │     4 │ 1.0" in shown.stdout
    assert "20261129T020000000Z is no backup: it was cut short" in shown.stderr
    told = json.loads(command("backup", "list", "--json", "--data-dir", tmp_path).stdout)["backups"]
    assert [(one["name"], one["base"], one["bytes"]) for one in told] == [
        ("20261127T020000000Z", None, 3),
        ("20261128T020000000Z", "20261127T020000000Z", 4),
    ]
    assert told[0]["offsets"] == {"ledger/0": 5}
    content = (backups.directory / "20261127T020000000Z" / "manifest.json").read_bytes()
    assert told[0]["sha256"] == hashlib.sha256(content).hexdigest()
    assert backups.names()[-1] == "20261129T020000000Z"


def test_damage_in_the_base_is_told_with_exit_code_1(backups: Backups, tmp_path: Path) -> None:
    """O9-5.1: without a name the newest backup is read, with all that it is based on."""
    whole = command("backup", "verify", "--data-dir", tmp_path)
    assert (whole.exit_code, whole.stdout.strip()) == (0, "backup 20261128T020000000Z is whole")
    (backups.directory / "20261127T020000000Z" / "data" / "b").write_bytes(b"13")
    damaged = command("backup", "verify", "--json", "--data-dir", tmp_path)
    fault = "20261127T020000000Z/data/b is not what was written"
    assert damaged.exit_code == 1
    assert json.loads(damaged.stdout) == {"name": "20261128T020000000Z", "whole": False, "faults": [fault]}
    assert command("backup", "verify", "20261129T020000000Z", "--data-dir", tmp_path).exit_code != 0


def test_backup_is_chosen_by_name_path_or_age(backups: Backups) -> None:
    settings = Settings(backup_dir=backups.directory)
    assert chosen_of(settings, "") == "20261128T020000000Z"
    assert chosen_of(settings, "20261127T020000000Z") == "20261127T020000000Z"
    assert chosen_of(settings, f"{backups.directory}/20261127T020000000Z/") == "20261127T020000000Z"
