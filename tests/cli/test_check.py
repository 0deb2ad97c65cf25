"""`esep check` as a person and as a program call it."""

from __future__ import annotations

import base64
import json
from typing import TYPE_CHECKING

import pytest
import typer
from typer.testing import CliRunner, Result

from esep.cli import output
from esep.cli.check import check
from esep.errors import FileUnusable, UsageError
from tests.producers.bets import DESK, lost, won, write_file
from tests.stream_apps.intake.made_up import message, wager

if TYPE_CHECKING:
    from pathlib import Path

ORGANIZER = "940140000385"
AT = ("--received-at", "2026-11-21T17:00:00+05:00")


def _check(*arguments: object) -> Result:
    app = typer.Typer(rich_markup_mode="rich")
    app.command()(check)
    words = [str(argument) for argument in (*arguments, "--organizer", ORGANIZER)]
    return CliRunner().invoke(app, words, env={"COLUMNS": "200", "TERM": "dumb"})


@pytest.fixture
def mapping(tmp_path: Path) -> str:
    path = tmp_path / "desk.yaml"
    path.write_text(DESK.model_dump_json(exclude_unset=True), encoding="utf-8")
    return str(path)


def test_file_that_would_pass_ends_with_0_and_one_that_would_not_with_1(mapping: str, tmp_path: Path) -> None:
    good, bad = (
        write_file(tmp_path / "good.csv", won("t-1")),
        write_file(tmp_path / "bad.csv", lost("t-1", stake="0")),
    )
    assert _check(good, "--mapping", mapping, *AT).exit_code == 0
    answer = _check(bad, "--mapping", mapping, *AT, "--json", "--lang", "ru")
    assert answer.exit_code == 1
    document = json.loads(answer.stdout)
    assert document["findings"][0]["text"] == "Сумма не больше нуля."
    assert document["received_at"].startswith("2026-11-21 12:00:00")


def test_person_reads_streams_codes_and_the_first_findings(
    mapping: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(output.out, "_width", 200)
    path = write_file(tmp_path / "desk-7.csv", won("t-0"), *(lost(f"t-{n}", iin="900101300008") for n in range(25)))
    with output.out.capture() as captured:
        assert _check(path, "--mapping", mapping, *AT).exit_code == 1
    printed = captured.get()
    assert "desk-7" in printed
    assert printed.count("IIN_INVALID") == 21
    assert "… and 5 more; --json shows all." in printed
    assert "900101300008" not in printed


def test_raw_messages_of_another_language_are_checked(tmp_path: Path) -> None:
    one = message(wager(iin="000813159890"))
    path = tmp_path / "messages.txt"
    path.write_bytes(base64.b64encode(one.key or b"") + b" " + base64.b64encode(one.value or b"") + b"\n")
    answer = _check("--messages", path, "--json", "--received-at", "2026-03-01T12:00:00Z")
    assert answer.exit_code == 1
    assert json.loads(answer.stdout)["count_by_code"] == {"IIN_INVALID": 1}


def test_register_of_the_demo_is_asked_if_it_is_named(tmp_path: Path) -> None:
    one = message(wager(site_id="AST-1"))
    path = tmp_path / "messages.txt"
    path.write_bytes(base64.b64encode(one.key or b"") + b" " + base64.b64encode(one.value or b"") + b"\n")
    answer = _check("--messages", path, "--json", *AT, "--register", "examples/register.yaml")
    assert json.loads(answer.stdout)["count_by_code"] == {"SITE_UNKNOWN": 1}


@pytest.mark.parametrize(
    ("arguments", "kind"),
    [
        ((), UsageError),
        (("desk-7.csv",), UsageError),
        (("desk-7.csv", "--mapping", "bustabit", "--messages", "messages.txt"), UsageError),
        (("--messages", "none.txt"), FileUnusable),
        (("--messages", "none.txt", "--received-at", "yesterday"), UsageError),
        (("--messages", "none.txt", "--received-at", "2026-11-21T17:00:00"), UsageError),
        (("--messages", "none.txt", "--register", "none.yaml"), FileUnusable),
    ],
)
def test_wrong_call_raises_an_error_that_exits_with_2(arguments: tuple[str, ...], kind: type[UsageError]) -> None:
    answer = _check(*arguments)
    assert type(answer.exception) is kind
    assert answer.exception.exit_code == 2
    assert answer.exception.hint
