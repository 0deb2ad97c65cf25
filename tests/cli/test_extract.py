"""`esep extract`: from a request to a verified folder, two officers, no number in what is printed (O114-3, O114-C)."""

from __future__ import annotations

import json
import re
import shlex
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from typer.testing import CliRunner

from esep.cli.main import app
from esep.errors import UsageError
from esep.receipt_keys import make_receipt_keys, renew_signing_key
from tests.sinks.clickhouse.extracts.conftest import NOW
from tests.sinks.line import BINS, IINS
from tests.support.command import command
from tests.support.report_books import history, shared_books

if TYPE_CHECKING:
    from esep.embedded.clickhouse import ClickHouseServer

esep = partial(command, "extract")
PAGE = Path(__file__).resolve().parents[2] / "docs" / "extracts.md"
DRILL = re.compile(r"```console\n(\$ echo \d{12} \| esep extract.*?)```", re.DOTALL)
NAME = re.compile(r"extract-[0-9a-f]{10}")
LETTER = ["--asker", "Алматы қ. соты", "--basis", "ҚПК 122-бап", "--case", "26-7/114"]
DAYS = ["--from", "2026-10-01", "--to", "2026-10-31"]


@pytest.fixture
def keys(clickhouse: ClickHouseServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    books = shared_books(clickhouse)
    books.report(history(5, 20))
    books.show_to_commands(monkeypatch)
    make_receipt_keys(tmp_path / "keys", NOW.replace(year=2020))
    renew_signing_key(tmp_path / "keys", NOW.replace(year=2020), days=40 * 365)
    monkeypatch.setenv("ESEP_RECEIPT_KEY_FILE", str(tmp_path / "keys" / "receipt.key"))
    return tmp_path / "keys"


@pytest.mark.clickhouse
def test_drill_of_the_page_prints_what_stands_there(
    keys: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """docs/extracts.md, from the request to the verified folder; names, numbers, instants are others each time."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "receipt-root.crt").write_bytes((keys / "receipt-root.crt").read_bytes())
    drill = DRILL.search(PAGE.read_text(encoding="utf-8"))
    assert drill is not None
    (name,) = set(NAME.findall(drill[1]))
    told, real = "", name
    for line in re.findall(r"^\$ (.*)$", drill[1], re.MULTILINE):
        echoed = re.fullmatch(r"echo (\d{12}) \| (.*)", line)
        given, words = echoed.groups() if echoed else (None, line)
        answer = CliRunner().invoke(
            app, shlex.split(words.replace(name, real))[1:], input=given, env={"COLUMNS": "250", "TERM": "dumb"}
        )
        assert answer.exit_code == 0, (line, answer.output, answer.exception)
        assert not [iin for iin in IINS if iin in answer.output]
        real = next(iter(NAME.findall(answer.output)), real)
        told += f"$ {line}\n{answer.output}"
    assert _undated(told.replace(real, name)) == _undated(drill[1]), told
    _who_may_not_is_refused_and_changes_show(real, tmp_path)


def _undated(text: str) -> str:
    """Leave out how much there was, when, and its hash."""
    text = re.sub(r"\b[\d,]+ postings", "N postings", text)
    text = re.sub(r"\d\d\.\d\d\.\d{4} \d\d:\d\d:\d\d", "AT", text)
    return re.sub(r"SHA-256 [0-9a-f]+", "SHA-256 …", text)


def _who_may_not_is_refused_and_changes_show(name: str, folder: Path) -> None:
    (folder / "extracts" / name / "sums.csv").write_text("other")
    root = ["--receipt-root", folder / "receipt-root.crt"]
    changed = esep("verify", folder / "extracts" / name, *root, "--files-only", "--json")
    assert changed.exit_code == 1
    assert json.loads(changed.stdout)["changed"] == ["sums.csv"]
    told = esep("verify", folder / "extracts" / name, *root, "--files-only")
    assert "changed: sums.csv" in told.stdout
    assert "the ledger says" not in told.stdout
    shown = next(one for one in json.loads(esep("list", "--json").stdout)["requests"] if one["request_id"] == name)
    assert [step["step"] for step in shown["steps"]] == ["REQUESTED", "APPROVED", "EXTRACTED"]
    listed = esep("list")
    assert "EXTRACTED" in listed.stdout
    entered = esep("request", *LETTER, *DAYS, "--organizer", BINS[0], "--officer", "a.serikova", "--json")
    again = json.loads(entered.stdout)["request_id"]
    own = esep("approve", again, "--reason", "sanctioned", "--officer", "a.serikova")
    early = esep("run", again, "--to", folder / "early")
    assert isinstance(own.exception, UsageError)
    assert "not approved: REQUESTED" in str(early.exception)
    assert not (folder / "early").exists()
    other = CliRunner().invoke(
        app,
        ["extract", "approve", name, "--reason", "sanctioned", "--officer", "b.omarov", "--iin", "-"],
        input=IINS[1],
    )
    assert "somebody else" in str(other.exception)
    answers = [changed, told, listed, own, early, other]
    assert not [iin for iin in IINS for one in answers if iin in one.output + str(one.exception) + str(shown)]


@pytest.mark.clickhouse
@pytest.mark.usefixtures("keys")
def test_refused_request_stays_refused(tmp_path: Path) -> None:
    entered = esep("request", *LETTER, *DAYS, "--organizer", BINS[0], "--officer", "a.serikova", "--json")
    name = json.loads(entered.stdout)["request_id"]
    assert "REFUSED" in esep("refuse", name, "--reason", "no sanction", "--officer", "b.omarov").stdout
    late = esep("approve", name, "--reason", "after all", "--officer", "b.omarov")
    assert "decided already" in str(late.exception)
    assert "not approved: REFUSED" in str(esep("run", name, "--to", tmp_path / "out").exception)


@pytest.mark.parametrize(
    ("words", "text"),
    [
        (["request", *LETTER, *DAYS, "--iin", "900101300007"], "may not be a word"),
        (["request", *LETTER, "--from", "soon", "--to", "2026-10-31", "--organizer", BINS[0]], "--from is no day"),
        (["request", *LETTER, *DAYS, "--organizer", BINS[0], "--known-at", "noon"], "no instant"),
        (["run", "extract-1", "--to", "900101300007"], "a number of a person"),
        (["run", "extract-1", "--to", "out", "--officer", "900101300007"], "a number of a person"),
    ],
)
def test_what_cannot_be_asked_is_refused(words: list[str], text: str) -> None:
    answer = esep(*words)
    assert isinstance(answer.exception, UsageError)
    assert text in str(answer.exception)
    assert "900101300007" not in str(answer.exception)


@pytest.mark.parametrize("name", ["request", "approve", "refuse", "run", "list", "verify"])
def test_every_command_below_explains_itself_with_an_example(name: str) -> None:
    answer = esep(name, "--help")
    assert answer.exit_code == 0
    assert f"Example: esep extract {name}" in " ".join(answer.output.split())
