"""`esep report`: files of their owner's alone, a record of each, whether one is genuine (O9-F, D934-7..11, O9-5.1)."""

from __future__ import annotations

import json
import stat
import sys
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from esep.errors import FileUnusable, SettingInvalid, UsageError
from tests.sinks.line import BINS, IINS
from tests.support.command import command
from tests.support.report_books import DAY, ReportBooks, history, shared_books

if TYPE_CHECKING:
    from esep.embedded.clickhouse import ClickHouseServer

esep = partial(command, "report")
ALATAU = BINS[0]


@pytest.fixture(scope="module")
def made(clickhouse: ClickHouseServer) -> ReportBooks:
    books = shared_books(clickhouse)
    books.report(history(1, 60))
    return books


@pytest.fixture
def books(made: ReportBooks, monkeypatch: pytest.MonkeyPatch) -> ReportBooks:
    """A day of two organizers, which the commands look into."""
    made.show_to_commands(monkeypatch)
    return made


@pytest.mark.clickhouse
def test_form_is_written_in_every_kind_of_file_and_verified(books: ReportBooks, tmp_path: Path) -> None:
    """O9-L1 … O9-L5: persons are in the files and nowhere else."""
    files = [tmp_path / f"form.{kind}" for kind in ("csv", "xlsx", "pdf")]
    asked = ["--organizer", ALATAU, "--day", str(DAY), *(word for file in files for word in ("--to", file))]
    answer = esep("order9", *asked, "--movements", "--lang", "ru", "--officer", "a.serikova", "--json")
    assert answer.exit_code == 0, answer.exception
    told = json.loads(answer.stdout)
    assert told["report_id"] == f"order9-{ALATAU}-{DAY:%Y%m%d}-{told['checksum'][:16]}"
    assert told["rows"]["lines"] == len(IINS)
    assert all(stat.S_IMODE(file.stat().st_mode) == 0o600 for file in files)
    assert files[2].read_bytes().startswith(b"%PDF-")
    assert IINS[0].encode() in files[0].read_bytes()
    for what in (files[1], told["report_id"]):
        verdict = esep("verify", what)
        assert verdict.exit_code == 0, verdict.output
        assert "says what its checksum stands for: yes" in verdict.stdout
        assert not [iin for iin in IINS if iin in verdict.output + answer.output]
    listed = json.loads(esep("list", "--json").stdout)["reports"]
    assert {one["file_kind"] for one in listed if one["report_id"] == told["report_id"]} == {"csv", "xlsx", "pdf"}
    assert "a.serikova" in esep("list").stdout


@pytest.mark.clickhouse
def test_statistics_and_signs_are_written_and_those_without_persons_have_none(
    books: ReportBooks, tmp_path: Path
) -> None:
    for asked in (["monthly", "--month", "2026-10"], ["yearly", "--year", "2025"], ["cash-out", "--period", "2026-10"]):
        file = tmp_path / f"{asked[0]}.csv"
        answer = esep(*asked, "--to", file)
        assert answer.exit_code == 0, answer.exception
        assert "SHA-256" in answer.stdout
        text = file.read_text(encoding="utf-8")
        assert any(iin in text for iin in IINS) == (asked[0] == "cash-out")
    assert json.loads(esep("verify", file, "--json").stdout)["same_again"] is True


@pytest.mark.clickhouse
def test_report_as_known_then_is_the_same_once_more_is_known(books: ReportBooks, tmp_path: Path) -> None:
    asked = ["order9", "--organizer", ALATAU, "--day", str(DAY), "--known-at", f"{DAY} 15:00:00", "--json", "--to"]
    before = json.loads(esep(*asked, tmp_path / "a.csv").stdout)
    books.report(history(2, 20), received_after=timedelta(days=2))
    after = json.loads(esep(*asked, tmp_path / "b.csv").stdout)
    assert after["checksum"] == before["checksum"]


@pytest.mark.clickhouse
def test_changed_file_is_not_genuine(books: ReportBooks, tmp_path: Path) -> None:
    file = tmp_path / "month.csv"
    assert esep("monthly", "--month", "2026-10", "--to", file, "--lang", "en").exit_code == 0
    lines = file.read_text(encoding="utf-8").splitlines(keepends=True)
    (place,) = [number for number, line in enumerate(lines) if line.startswith("2026-10,")]
    lines[place] = lines[place].replace(",4,", ",5,", 1)
    file.write_text("".join(lines), encoding="utf-8")
    answer = esep("verify", file)
    assert answer.exit_code == 1
    assert "NO, it was changed" in answer.stdout


@pytest.mark.parametrize(
    ("words", "text"),
    [
        (["order9", "--organizer", "900101300007", "--day", "2026-10-31", "--to", "a.csv"], "no BIN"),
        (["order9", "--organizer", ALATAU, "--day", "2026-10", "--to", "a.csv"], "another kind of period"),
        (["monthly", "--month", "2026-10-31", "--to", "a.csv"], "another kind of period"),
        (["yearly", "--year", "20266", "--to", "a.csv"], "no period"),
        (["yearly", "--year", "9998", "--to", "a.csv"], "not over yet"),
        (["cash-out", "--period", "2025-H1", "--to", "a.doc"], "no kind of file"),
        (["cash-out", "--period", "2025-H1", "--to", "900101300007.csv"], "a number of a person"),
        (["monthly", "--month", "2025-10", "--to", "a.csv", "--officer", "900101300007"], "a number of a person"),
        (["monthly", "--month", "2025-10", "--to", "a.csv", "--known-at", "noon"], "no instant"),
        (["monthly", "--month", "2025-10", "--to", "a.csv", "--known-at", "2199-01-01"], "nobody knows yet"),
        (["verify", "form.pdf"], "verified by its number"),
    ],
)
def test_what_cannot_be_asked_is_refused(words: list[str], text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    answer = esep(*words)
    assert isinstance(answer.exception, UsageError)
    assert text in str(answer.exception)
    assert "900101300007" not in str(answer.exception)


def test_file_that_is_no_report_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "other.csv"
    file.write_text("iin\n900101300007\n")
    for path in (file, tmp_path / "missing.xlsx"):
        answer = esep("verify", path)
        assert isinstance(answer.exception, FileUnusable)
        assert "900101300007" not in str(answer.exception)


@pytest.mark.clickhouse
@pytest.mark.parametrize(("kind", "library"), [("pdf", "fpdf"), ("xlsx", "xlsxwriter")])
def test_missing_library_is_named(
    books: ReportBooks, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str, library: str
) -> None:
    monkeypatch.setitem(sys.modules, library, None)
    for module in ("paper", "reports.pdf", "reports.xlsx_file"):
        monkeypatch.delitem(sys.modules, f"esep.sinks.clickhouse.{module}", raising=False)
    answer = esep("monthly", "--month", "2026-10", "--to", tmp_path / f"month.{kind}")
    assert isinstance(answer.exception, SettingInvalid)
    assert library in str(answer.exception)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", ["order9", "monthly", "yearly", "cash-out", "list", "verify"])
def test_every_command_below_explains_itself_with_an_example(name: str) -> None:
    answer = esep(name, "--help")
    assert answer.exit_code == 0
    assert f"Example: esep report {name}" in " ".join(answer.output.split())
