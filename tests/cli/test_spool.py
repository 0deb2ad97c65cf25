"""`esep spool` as a person and as a program call it."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import polars as pl
import pytest
from typer.testing import CliRunner, Result

from esep.cli.spool import spool as command
from esep.errors import FileUnusable, UsageError
from esep.producers.answers import State
from esep.producers.spool import Ack, Spool
from tests.producers.spooling import ORGANIZER, bet, kept, told

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A spool with a receipted bet of 2019, one of 2026, and one that is still to be sent."""
    made = Spool(tmp_path / "esep.spool", ORGANIZER)
    with made.transaction():
        made.append("desk-7", [bet("t-1", datetime(2019, 5, 1, tzinfo=UTC)), bet("t-2"), bet("t-3")])
        made.acknowledge([Ack(1, 0, 0), Ack(2, 0, 1)])
        made.take_receipts([(0, told(1, consumed={"desk-7": [1, 2]}))])
    made.close()
    return made.path


def _spool(*arguments: object) -> Result:
    return CliRunner().invoke(
        command, [str(argument) for argument in arguments], env={"COLUMNS": "200", "TERM": "dumb"}
    )


@pytest.mark.parametrize("name", ["status", "export", "prune"])
def test_help_of_every_subcommand_shows_an_example(name: str) -> None:
    answer = _spool(name, "--help")
    assert answer.exit_code == 0
    assert f"Example: esep spool {name}" in " ".join(answer.output.split())


def test_status_counts_events_by_state_beside_a_running_client(path: Path) -> None:
    held = Spool(path, ORGANIZER)
    document = json.loads(_spool("status", path, "--json").stdout)
    assert document == {
        "organizer_bin": ORGANIZER,
        "events": {"SPOOLED": 1, "SENT": 0, "RECEIPTED": 2, "REJECTED": 0},
        "next_sequences": {"desk-7": 4},
    }
    assert _spool("status", path).exit_code == 0
    held.close()


def test_export_writes_every_event(path: Path, tmp_path: Path) -> None:
    answer = _spool("export", path, tmp_path / "copy.parquet")
    assert answer.exit_code == 0
    assert pl.read_parquet(tmp_path / "copy.parquet")["state"].to_list() == ["RECEIPTED", "RECEIPTED", "SPOOLED"]
    assert isinstance(_spool("export", path, tmp_path / "copy.parquet").exception, FileUnusable)


def test_prune_counts_first_and_removes_only_what_the_law_sets_free(path: Path) -> None:
    assert _spool("prune", path, "--through-year", 2019).exit_code == 0
    assert len(kept(path)) == 3
    assert isinstance(_spool("prune", path, "--through-year", 2026, "--yes").exception, UsageError)
    assert len(kept(path)) == 3
    assert _spool("prune", path, "--through-year", 2019, "--yes").exit_code == 0
    assert [(row.sequence, row.state) for row in kept(path)] == [(2, State.RECEIPTED), (3, State.SPOOLED)]


def test_prune_of_a_spool_in_use_is_refused(path: Path) -> None:
    held = Spool(path, ORGANIZER)
    assert isinstance(_spool("prune", path, "--through-year", 2019, "--yes").exception, FileUnusable)
    held.close()
