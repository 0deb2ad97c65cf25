"""`esep alerts due` and `report`: what is to be reported by when, and one report as a file of its owner's alone."""

from __future__ import annotations

import json
import stat
import sys
from functools import partial
from pathlib import Path

import pytest

from esep.cli.output import out
from esep.errors import SettingInvalid, UsageError
from tests.support.alert_books import FRIDAY_NOON, MILLION, PERSON, AlertBooks
from tests.support.command import command

pytestmark = pytest.mark.clickhouse
esep = partial(command, "alerts")


def test_mandatory_alerts_are_listed_by_time_left_until_they_are_reported(
    books: AlertBooks, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert json.loads(esep("due", "--json").stdout) == {"due": 0, "hours_left": None, "alerts": []}
    later = books.alert([books.pay(MILLION)])
    sooner = books.alert([books.pay(MILLION, at=FRIDAY_NOON.replace(day=18))])
    told = json.loads(esep("due", "--json").stdout)
    assert [one["alert_id"] for one in told["alerts"]] == [sooner, later]
    assert (told["due"], told["hours_left"]) == (2, told["alerts"][0]["hours_left"])
    assert [one["due_at"] for one in told["alerts"]] == ["2026-11-19T18:59:59.999Z", "2026-11-23T18:59:59.999Z"]
    books.decide(sooner, "REPORTED")
    monkeypatch.setattr(out, "_width", 250)  # Or an id would be folded.
    text = esep("due")
    assert text.exit_code == 0, text.exception
    assert "1 mandatory alerts are to be reported" in text.stdout
    assert later in text.stdout
    assert sooner not in text.stdout
    assert PERSON not in text.stdout + json.dumps(told)


def test_report_is_written_for_a_program_and_on_paper_for_its_owner_alone(books: AlertBooks, tmp_path: Path) -> None:
    """AML law 191-IV, Art. 10. What is printed names nobody."""
    alert_id = books.alert([books.pay(MILLION)])
    for suffix in ("json", "pdf"):
        file = tmp_path / f"report.{suffix}"
        answer = esep("report", alert_id, "--to", file)
        assert answer.exit_code == 0, answer.exception
        assert "due 23.11.2026 23:59:59 (Almaty)" in answer.stderr
        assert PERSON not in answer.output
        assert stat.S_IMODE(file.stat().st_mode) == 0o600
        before = file.read_bytes()
        assert esep("report", alert_id, "--to", file).exit_code == 0
        assert file.read_bytes() == before, "the same report is the same file"
    told = json.loads((tmp_path / "report.json").read_text(encoding="utf-8"))
    assert told["person"] == {"iin": PERSON}
    assert [one["amount_tiyn"] for one in told["operations"]] == [MILLION]
    assert (tmp_path / "report.pdf").read_bytes().startswith(b"%PDF-")


def test_what_cannot_be_reported_leaves_no_file(books: AlertBooks, tmp_path: Path) -> None:
    file = tmp_path / "report.json"
    structured = books.structured([books.pay(600_000_00), books.pay(600_000_00)])
    mandatory = books.alert([books.pay(MILLION)])
    for answer in (
        esep("report", structured, "--to", file),
        esep("report", mandatory, "--to", tmp_path / "report.doc"),
    ):
        assert isinstance(answer.exception, UsageError)
    assert list(tmp_path.iterdir()) == []


def test_missing_library_of_the_pdf_is_named(
    books: AlertBooks, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "fpdf", None)
    monkeypatch.delitem(sys.modules, "esep.sinks.clickhouse.paper", raising=False)
    answer = esep("report", books.alert([books.pay(MILLION)]), "--to", tmp_path / "report.pdf")
    assert isinstance(answer.exception, SettingInvalid)
    assert "fpdf" in str(answer.exception)
