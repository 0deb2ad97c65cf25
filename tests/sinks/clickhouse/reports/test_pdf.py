"""On paper stands what the report says: every cell, the heading and the number on every page (O9-F, D934-7..11)."""

from __future__ import annotations

import io
from pathlib import Path

import pypdf
import pytest
import ttf_opensans
from fontTools.ttLib import TTFont
from hypothesis import given, settings

from esep.errors import UsageError
from esep.money import tenge_text
from esep.sinks.clickhouse.reports import pdf, words
from esep.sinks.clickhouse.reports.facts import Report, Table
from esep.sinks.clickhouse.reports.pdf import pdf_of
from esep.sinks.clickhouse.reports.period import period_of
from esep.sinks.clickhouse.reports.sheet import sheet_of, text_of
from tests.support.examples import examples
from tests.support.made_reports import ISSUE, reports


def pages_of(content: bytes) -> list[str]:
    """Return the text of each page without spaces and line breaks, since a cell may take several lines."""
    return ["".join(page.extract_text().split()) for page in pypdf.PdfReader(io.BytesIO(content)).pages]


def long_report(lines: int) -> Report:
    row = ("900101300007", 2, 1, 2, 10**15, 4, 5, 6, 1, 3, "C1 C2")
    persons = Table("persons", (row,) * lines, (None, None, *[7] * 6, None, None, None))
    return Report("cash-out", "", "", period_of("2026-H1"), None, (persons,), ())


@settings(max_examples=examples(4))
@given(reports())
def test_every_cell_is_on_paper_and_the_same_sheet_is_the_same_file(report: Report) -> None:
    sheet = sheet_of(report, ISSUE, "kk")
    content = pdf_of(sheet)
    assert pdf_of(sheet) == content
    told = "".join(pages_of(content))
    assert report.checksum in told
    for section in sheet.sections:
        assert "".join(section.title.split()) in told
        for row in section.rows if section.totals is None else (*section.rows, section.totals):
            for column, value in zip(section.columns, row, strict=True):
                if isinstance(value, int):
                    shown = {"tiyn": tenge_text(value), "count": f"{value:,}"}.get(column.kind, text_of(column, value))
                else:
                    shown = text_of(column, value)
                assert all(word in told for word in shown.split()), (section.name, column.name)


def test_every_page_has_the_headings_the_number_and_its_place_and_the_last_one_is_signed() -> None:
    report = long_report(90)
    sheet = sheet_of(report, ISSUE, "ru")
    pages = pages_of(pdf_of(sheet))
    assert len(pages) >= 4
    for number, page in enumerate(pages, 1):
        assert report.report_id in page
        assert f"стр.{number}/{len(pages)}" in page
    assert sum("900101300007" in page for page in pages) == sum("ИИН" in page for page in pages) >= 3
    assert "Подпись" in pages[-1]


def test_what_nobody_can_sign_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pdf, "ROWS_MAX", 2)
    with pytest.raises(UsageError, match="too many for paper") as error:
        pdf_of(sheet_of(long_report(3), ISSUE, "kk"))
    assert "900101300007" not in str(error.value)


def test_font_has_every_letter_of_the_words() -> None:
    letters = set(Path(words.__file__).with_name("words.yaml").read_text(encoding="utf-8"))
    for font in (ttf_opensans.OPENSANS_REGULAR, ttf_opensans.OPENSANS_BOLD):
        with TTFont(font.path) as opened:
            known = opened.getBestCmap()
        assert [letter for letter in sorted(letters - {"\n"}) if ord(letter) not in known] == []
