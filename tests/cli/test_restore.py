"""`esep backup` and `esep restore` as docs/operators.md shows them: the drill is run, and prints what stands there."""

from __future__ import annotations

import json
import re
import shlex
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import yaml
from typer.testing import CliRunner

from esep.cli.main import app
from esep.cli.output import out
from tests.sinks.line import BINS
from tests.sinks.loading import committed, load_all
from tests.support.command import command

if TYPE_CHECKING:
    from tests.sinks.line import Line, Servers

pytestmark = [pytest.mark.kafka, pytest.mark.clickhouse, pytest.mark.long]
PAGE = Path(__file__).resolve().parents[2] / "docs" / "operators.md"
DRILL = re.compile(r"```console\n(\$ esep backup take --full.*?)```", re.DOTALL)
NAME = re.compile(r"\d{8}T\d{9}Z")


@pytest.fixture
def line(servers: Servers, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Line:
    """Give a line whose settings are the environment's."""
    line = servers.line()
    register = tmp_path / "register.yaml"
    known = yaml.safe_load((PAGE.parents[1] / "examples" / "register.yaml").read_text(encoding="utf-8"))
    known["organizers"] = [one for one in known["organizers"] if one["bin"] in BINS]
    register.write_text(yaml.safe_dump(known, allow_unicode=True), encoding="utf-8")
    shutil.rmtree(servers.clickhouse.backups, ignore_errors=True)
    own = {"backup_dir": servers.clickhouse.backups, "register_file": register}
    for name, value in (line.settings.model_dump(exclude_unset=True) | own).items():
        monkeypatch.setenv(f"ESEP_{name.upper()}", str(value))
    return line


def test_drill_of_the_page_prints_what_stands_there(
    servers: Servers, line: Line, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """O9-4.5: two backups, the second by difference, and a restore; names, days and numbers of files vary."""
    monkeypatch.setattr(out, "_width", 118)
    drill = DRILL.search(PAGE.read_text(encoding="utf-8"))
    assert drill is not None
    told = ""
    for typed in re.findall(r"^\$ (.*)$", drill[1], re.MULTILINE):
        if typed.startswith("esep backup take"):
            line.fill(1)
            load_all(line)
        if typed == "esep restore":
            ended = committed(line)
            servers.lose_clickhouse()
        answer = CliRunner().invoke(app, [*shlex.split(typed)[1:], "--data-dir", str(tmp_path)])
        assert answer.exit_code == 0, (typed, answer.output, answer.exception)
        told += "\n".join([f"$ {typed}", *map(str.rstrip, answer.stdout.splitlines()), ""])
    assert _undated(told) == _undated(drill[1]), told
    assert line.rows() == line.total()
    assert committed(line) == ended
    looked = json.loads(command("restore", "--replace", "--tables-only", "--json", "--data-dir", tmp_path).stdout)
    assert (looked["records"], looked["offsets"]) == (line.total(), {})


def _undated(text: str) -> str:
    """Return the text with names by order, and without when, and how many files ClickHouse had."""
    names = list(dict.fromkeys(NAME.findall(text)))
    for number, name in enumerate(sorted(names)):
        text = text.replace(name, f"backup-{number}")
    return re.sub(r"[\d,]+ files|of \d{4}-\d\d-\d\d [\d:]{8} UTC", "", text)
