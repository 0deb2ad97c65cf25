"""An extract in words: every value is there, head and sections in three languages."""

from __future__ import annotations

import io
from datetime import UTC, date, datetime
from typing import TYPE_CHECKING, Any

import openpyxl
import polars as pl
import pytest
from pypdf import PdfReader

from esep.sinks.clickhouse.extracts.files import postings_of
from esep.sinks.clickhouse.extracts.layout import ON_PAPER, POSTING_COLUMNS
from esep.sinks.clickhouse.extracts.requests import Asked, Deed, Step, standings
from esep.sinks.clickhouse.extracts.sheets import Taken, sheet_of_extract
from esep.sinks.clickhouse.reports.facts import Lane
from esep.sinks.clickhouse.reports.pdf import pdf_of
from esep.sinks.clickhouse.reports.words import LANGUAGES
from esep.sinks.clickhouse.reports.xlsx_file import xlsx_of
from tests.sinks.clickhouse.extracts.test_files import parquet, posting

if TYPE_CHECKING:
    from pathlib import Path

    from esep.sinks.clickhouse.reports.words import Language

AT = datetime(2026, 11, 1, 7, tzinfo=UTC)
IIN, BIN = "900101300007", "940140000385"
SUMS = ((IIN, BIN, "2026-11", "WAGER", "", 2, 2, 10_000_05), (IIN, BIN, "2026-11", "PAYOUT", "WINNING", 1, 1, 77))


def taken(**facts: Any) -> Taken:
    asked = Asked("Сот", "ҚПК 122", "7/114", IIN, "", date(2026, 11, 1), date(2026, 11, 30))
    steps = [
        Step("extract-1", Deed.REQUESTED, AT, "a.serikova", asked=asked),
        Step("extract-1", Deed.APPROVED, AT, "b.omarov", "ok"),
    ]
    base = {
        "standing": standings(steps)["extract-1"],
        "officer": "c.akhmetova",
        "at": AT,
        "version": "esep 1",
        "lanes": (Lane(0, 0, 1, 3, 3, 2, 6, AT),),
        "removed": (),
        "sums": SUMS,
        "checksum": "ab" * 32,
    }
    return Taken(**{**base, **facts})


@pytest.fixture
def frame(tmp_path: Path) -> pl.DataFrame:
    rows = [
        posting(amount_tiyn=10_000_05 * number, payment_method="CASH", entry_id=f"{BIN}/desk/{number}")
        for number in (1, 2)
    ]
    return postings_of(parquet(tmp_path, rows)).collect()


@pytest.mark.parametrize("language", LANGUAGES)
def test_sheet_holds_every_value_in_words(frame: pl.DataFrame, language: Language) -> None:
    sheet = sheet_of_extract(taken(removed=(202609,)), frame, language)
    book = openpyxl.load_workbook(io.BytesIO(xlsx_of(sheet)))
    assert len(book.sheetnames) == 4
    head = dict(book.worksheets[0].iter_rows(min_row=2, max_row=16, max_col=2, values_only=True))
    assert {IIN, "7/114", "b.omarov, 01.11.2026 12:00:00", "ab" * 32} <= set(head.values())
    assert any("2026-09" in str(text) for text in head.values())
    rows = list(book.worksheets[2].iter_rows(min_row=3, max_row=4, values_only=True))
    assert len(rows[0]) == len(POSTING_COLUMNS)
    values = dict(zip([column.name for column in POSTING_COLUMNS], rows[1], strict=True))
    assert values["amount_tiyn"] == 20_000.1
    assert values["occurred_at"] == datetime(2026, 11, 1, 0, 0)  # noqa: DTZ001 - a spreadsheet knows no zones
    assert values["event_type"] != "WAGER"
    assert values["payment_method"] != "CASH"


def test_paper_has_the_columns_that_fit_and_whom_it_is_about(frame: pl.DataFrame) -> None:
    """O114-3: the last of the five ways is paper."""
    sheet = sheet_of_extract(taken(), frame, "kk", is_paper=True)
    assert [column.name for column in sheet.sections[1].columns] == list(ON_PAPER)
    text = "".join(page.extract_text() for page in PdfReader(io.BytesIO(pdf_of(sheet))).pages)
    assert IIN in text
    assert "extract-1" in text
    assert "20 000.10" in text.replace(" ", " ") or "20,000.10" in text
