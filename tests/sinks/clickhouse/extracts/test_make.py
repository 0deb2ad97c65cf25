"""An extract is there whole or not at all, noted before it is there, and only once it is approved."""

from __future__ import annotations

import csv
import io
import stat
from datetime import timedelta
from hashlib import sha256
from typing import TYPE_CHECKING

import openpyxl
import polars as pl
import pytest

from esep.errors import BooksUnbalanced, UsageError
from esep.sinks.clickhouse.extracts import make as module
from esep.sinks.clickhouse.extracts import register
from esep.sinks.clickhouse.extracts.make import Order, make_extract
from esep.sinks.clickhouse.extracts.manifest import MANIFEST
from tests.sinks.clickhouse.extracts.conftest import NOW
from tests.sinks.line import IINS
from tests.support.receipt_signing import SIGNING_KEY

if TYPE_CHECKING:
    from pathlib import Path

    from clickhouse_connect.driver.client import Client

    from esep.sinks.clickhouse.extracts.requests import Standing

pytestmark = pytest.mark.clickhouse
ORDER = Order("c.akhmetova", NOW + timedelta(minutes=1), "esep test", "ru")
SHORT = Order("c.akhmetova", ORDER.at, "esep test", "kk", ("csv",))


def test_files_of_an_extract_say_the_same(client: Client, approved: Standing, tmp_path: Path) -> None:
    """O114-3: Parquet, CSV, XLSX and paper hold the same postings, the manifest their hashes and sums."""
    manifest = make_extract(client, approved, ORDER, SIGNING_KEY, tmp_path)
    folder = tmp_path / approved.request_id
    assert [path.name for path in tmp_path.iterdir()] == [approved.request_id]
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert all(stat.S_IMODE(path.stat().st_mode) == 0o600 for path in folder.iterdir())
    named = {one.name: one.sha256 for one in manifest.files}
    assert named == {
        path.name: sha256(path.read_bytes()).hexdigest() for path in folder.iterdir() if path.name != MANIFEST
    }
    assert not any(iin in text for iin in IINS for text in (str(manifest), (folder / MANIFEST).read_text()))
    frame = pl.read_parquet(folder / "postings.parquet")
    rows = list(csv.DictReader(io.StringIO((folder / "postings.csv").read_text(encoding="utf-8"), newline="")))
    sheet = openpyxl.load_workbook(folder / "extract.xlsx").worksheets[2]
    cells = list(sheet.iter_rows(min_row=3, max_row=2 + frame.height, values_only=True))
    assert manifest.row_count == frame.height == len(rows) == len(cells) > 0
    for name, place in (("iin", 0), ("amount_tiyn", 8), ("entry_id", 23)):
        assert [str(value) for value in frame[name].to_list()] == [row[name] for row in rows]
        read = [round(float(c[place]) * 100) if name == "amount_tiyn" else c[place] for c in cells]
        assert [str(value) for value in read] == [row[name] for row in rows]
    assert sum(int(row["amount_tiyn"]) for row in rows) == sum(one.tiyn for one in manifest.sums.values())
    assert sum(one.postings for one in manifest.held) == manifest.row_count
    assert manifest.coverage
    (noted,) = register.standing_of(client, approved.request_id).extracted
    assert noted.manifest_sha256 == sha256((folder / MANIFEST).read_bytes()).hexdigest()
    assert (noted.officer, noted.row_count) == ("c.akhmetova", manifest.row_count)
    with pytest.raises(UsageError, match="is there already"):
        make_extract(client, approved, ORDER, SIGNING_KEY, tmp_path)


def test_only_the_kinds_that_are_wanted_are_there(client: Client, approved: Standing, tmp_path: Path) -> None:
    order = Order("c.akhmetova", ORDER.at, "esep test", "kk", ("pdf",))
    manifest = make_extract(client, approved, order, SIGNING_KEY, tmp_path)
    assert {path.name for path in (tmp_path / approved.request_id).iterdir()} == {"extract.pdf", MANIFEST}
    assert manifest.held


def test_request_that_is_not_approved_gives_nothing(client: Client, approved: Standing, tmp_path: Path) -> None:
    entered = register.request(client, approved.asked, "a.serikova", NOW)
    with pytest.raises(UsageError, match="is not approved: REQUESTED"):
        make_extract(client, entered, ORDER, SIGNING_KEY, tmp_path / "new")
    assert not (tmp_path / "new").exists()


@pytest.mark.parametrize("step", ["_write", "sealed", "_settle"])
def test_whatever_fails_leaves_neither_files_nor_a_note(
    client: Client, approved: Standing, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    def fail(*_: object) -> None:
        raise OSError("the disk is full")

    monkeypatch.setattr(module, step, fail)
    with pytest.raises(OSError, match="disk is full"):
        make_extract(client, approved, SHORT, SIGNING_KEY, tmp_path)
    assert list(tmp_path.iterdir()) == []
    assert register.standing_of(client, approved.request_id).extracted == ()


def test_extract_whose_sums_differ_from_the_ledger_s_is_not_given(
    client: Client, approved: Standing, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "sums_in", lambda path: ())
    with pytest.raises(BooksUnbalanced, match="disagree about its sums"):
        make_extract(client, approved, ORDER, SIGNING_KEY, tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_what_a_killed_command_left_is_no_hindrance(client: Client, approved: Standing, tmp_path: Path) -> None:
    part = tmp_path / f".{approved.request_id}.part"
    part.mkdir()
    (part / "postings.parquet").write_bytes(b"half")
    make_extract(client, approved, SHORT, SIGNING_KEY, tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == [approved.request_id]
