"""XLSX: ids are texts, sums lose no tiyn, no text becomes a formula, the same sheet is the same file."""

from __future__ import annotations

import io
import re
import zipfile
from datetime import datetime
from decimal import Decimal
from zoneinfo import ZoneInfo

import openpyxl
import pytest
from hypothesis import given, settings

from esep.errors import UsageError
from esep.sinks.clickhouse.reports import xlsx_file
from esep.sinks.clickhouse.reports.facts import Report, plain
from esep.sinks.clickhouse.reports.sheet import sheet_of
from esep.sinks.clickhouse.reports.xlsx_file import EXACT_MAX, xlsx_of
from tests.support.examples import examples
from tests.support.made_reports import ISSUE, reports

ALMATY = ZoneInfo("Asia/Almaty")  # Its clock was up to seven hours ahead of UTC.


@settings(max_examples=examples(8))
@given(reports())
def test_every_cell_is_there_in_its_own_type(report: Report) -> None:
    sheet = sheet_of(report, ISSUE, "kk")
    content = xlsx_of(sheet)
    assert xlsx_of(sheet) == content
    book = openpyxl.load_workbook(io.BytesIO(content))
    assert book.sheetnames == [sheet.words.about, *(sheet.words.sheets[one.name] for one in sheet.sections)]
    for section in sheet.sections:
        page = book[sheet.words.sheets[section.name]]
        rows = section.rows if section.totals is None else (*section.rows, section.totals)
        for number, row in enumerate(rows):
            for place, (column, value) in enumerate(zip(section.columns, row, strict=True)):
                cell = page.cell(number + 3, place + 1)
                if value is None:
                    assert cell.value is None
                elif isinstance(value, datetime):
                    assert cell.value - value.replace(tzinfo=None) == value.astimezone(ALMATY).utcoffset()
                elif isinstance(value, str) or abs(value) >= EXACT_MAX:
                    assert (cell.data_type, cell.value) == ("s", plain(column.kind, value))
                else:
                    assert cell.data_type == "n"
                    assert Decimal(repr(cell.value)) == Decimal(plain(column.kind, value))


@settings(max_examples=examples(5))
@given(reports(form="cash-out"))
def test_file_itself_has_all_digits_of_a_sum(report: Report) -> None:
    """Before any reader makes a binary number of them."""
    with zipfile.ZipFile(io.BytesIO(xlsx_of(sheet_of(report, ISSUE, "kk")))) as file:
        written = re.findall(r"<v>([^<]*)</v>", file.read("xl/worksheets/sheet3.xml").decode())
    (persons,) = [table for table in report.tables if table.name == "persons"]
    for row in persons.rows:
        for value in row[2:8]:
            if isinstance(value, int) and abs(value) < EXACT_MAX:
                assert plain("tiyn", value) in written


def test_more_rows_than_a_sheet_may_have_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    from esep.sinks.clickhouse.reports.facts import Table
    from esep.sinks.clickhouse.reports.period import period_of

    monkeypatch.setattr(xlsx_file, "ROWS_MAX", 3)
    tables = (Table("inside", (("STAKE_INSIDE", 1, 1), ("PAYOUT_INSIDE", 1, 1))),)
    report = Report("order9", "940140000385", "", period_of("2026-10-31"), None, tables, ())
    with pytest.raises(UsageError, match="more than a sheet"):
        xlsx_of(sheet_of(report, ISSUE, "kk"))
