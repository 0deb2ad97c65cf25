"""`esep retention` as docs/operators.md shows it: the page's drill is run, and prints what stands there."""

from __future__ import annotations

import json
import re
import shlex
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from typer.testing import CliRunner

from esep.cli import retention as module
from esep.cli.main import app
from esep.cli.output import out
from esep.errors import UsageError
from tests.sinks.clickhouse.retention.books import NOW, database, fill
from tests.sinks.line import IINS
from tests.support.command import command

if TYPE_CHECKING:
    from collections.abc import Iterator

    from typer.testing import Result

    from esep.embedded.clickhouse import ClickHouseServer

pytestmark = pytest.mark.clickhouse
PAGE = Path(__file__).resolve().parents[2] / "docs" / "operators.md"
DRILL = re.compile(r"```console\n(\$ echo \d{12} \| esep retention.*?)```", re.DOTALL)
PAGE_COLUMNS = 118
HOLD = re.compile(r"hold-[0-9a-f]{10}")


@pytest.fixture
def store(clickhouse: ClickHouseServer, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Give a store on 1 March 2026, beside which no loader runs."""
    monkeypatch.setattr(module, "_now", lambda: NOW)
    monkeypatch.setattr(module, "Away", lambda *_: lambda: None)
    with database(clickhouse, "drill") as (settings, _):
        fill(settings)
        monkeypatch.setenv("ESEP_CLICKHOUSE_URL", settings.clickhouse_url)
        monkeypatch.setenv("ESEP_CLICKHOUSE_DATABASE", settings.clickhouse_database)
        yield


def _typed(line: str, tmp_path: Path) -> Result:
    given = None
    if (echoed := re.fullmatch(r"echo (\d{12}) \| (.*)", line)) is not None:
        given, line = echoed.groups()
    words = [*shlex.split(line)[1:], "--data-dir", str(tmp_path)]
    return CliRunner().invoke(app, words, input=given)


@pytest.mark.usefixtures("store")
@pytest.mark.long
def test_drill_of_the_page_prints_what_stands_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """O9-4.7: hold, plan, run, release, run; a hold has another name each time."""
    monkeypatch.setattr(out, "_width", PAGE_COLUMNS)
    drill = DRILL.search(PAGE.read_text(encoding="utf-8"))
    assert drill is not None
    (name,) = set(HOLD.findall(drill[1]))
    told, real = "", name
    for line in re.findall(r"^\$ (.*)$", drill[1], re.MULTILINE):
        answer = _typed(line.replace(name, real), tmp_path)
        assert answer.exit_code == 0, (line, answer.output, answer.exception)
        real = next(iter(HOLD.findall(answer.output)), real)
        told += "\n".join([f"$ {line}", *map(str.rstrip, answer.stdout.replace(real, name).splitlines()), ""])
    assert _undated(told) == _undated(drill[1]), told
    _programs_are_told_the_same_and_nobody_the_person(tmp_path)


def _undated(text: str) -> str:
    """Leave out on which day the drill was run."""
    return re.sub(r"│ a\.serikova │ .*", "│ a.serikova │", text)


def _programs_are_told_the_same_and_nobody_the_person(tmp_path: Path) -> None:
    add = ["hold", "add", "--case", "7-115/26", "--reason", "court order", "--by", "a.serikova", "--json"]
    typed = command("retention", *add, "--iin", IINS[0], "--data-dir", tmp_path)
    assert "may not be a word of a command" in str(typed.exception)
    (tmp_path / "person").write_text(IINS[0])
    held = command("retention", *add, "--iin", tmp_path / "person", "--data-dir", tmp_path)
    document = json.loads(held.stdout)
    assert (document["what"], document["added"]["case_number"]) == ("a person", "7-115/26")
    planned = json.loads(command("retention", "plan", "--at", "2027-01-01", "--json", "--data-dir", tmp_path).stdout)
    verdicts = {(one["table"], one["month"]): one["verdict"] for one in planned["months"]}
    assert verdicts["ledger", 202012] == verdicts["rejected", 202012] == "HELD"
    assert {hold["hold_id"] for one in planned["months"] for hold in one["holds"]} == {document["hold"]}
    assert json.loads(command("retention", "run", "--json", "--data-dir", tmp_path).stdout) == {"removals": []}
    listed = command("retention", "hold", "list", "--data-dir", tmp_path)
    assert not any(
        iin in text for iin in IINS for text in (str(typed.exception), held.output, listed.output, str(planned))
    )


def test_day_that_is_none_is_refused_before_anybody_is_asked(tmp_path: Path) -> None:
    answer = command("retention", "plan", "--at", "soon", "--data-dir", tmp_path)
    assert isinstance(answer.exception, UsageError)
    assert "--at is no day" in str(answer.exception)
