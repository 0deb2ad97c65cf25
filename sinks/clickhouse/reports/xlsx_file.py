"""A report as XLSX: a sheet about it, and a sheet per section.

Reads     a `Sheet`
Returns   the bytes of the file
Promises  pure; ids are texts; a sum is written with all its digits, as a number where a spreadsheet holds it exactly
          (15 digits) and as a text beyond; no text is a formula; the same sheet gives the same bytes
          (box: sinks/clickhouse)
"""

from __future__ import annotations

import io
from datetime import UTC, datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

import xlsxwriter

from esep.clock import ALMATY
from esep.errors import UsageError
from esep.sinks.clickhouse.reports.facts import plain
from esep.sinks.clickhouse.reports.forms import WEIGHTS
from esep.sinks.clickhouse.reports.sheet import section_grid

if TYPE_CHECKING:
    from esep.sinks.clickhouse.reports.facts import Value
    from esep.sinks.clickhouse.reports.forms import Kind
    from esep.sinks.clickhouse.reports.sheet import Section, Sheet

EXACT_MAX = 10**15  # What a spreadsheet keeps of a number: 15 digits.
ROWS_MAX = 1_048_576  # Of a sheet, by the format's own limit.
_FORMATS: dict[Kind, str] = {"text": "@", "code": "@", "count": "#,##0", "tiyn": "#,##0.00", "share": "0.0"}
_INSTANT = "dd.mm.yyyy hh:mm:ss"
_CHARS_PER_WEIGHT = 0.7  # A weight is about a millimetre and a half on paper.
_HEAD_ROW = 1  # Below the section's title.


def xlsx_of(sheet: Sheet) -> bytes:
    """Return a report as XLSX; UsageError if a section has more rows than a sheet may have."""
    buffer = io.BytesIO()
    book = xlsxwriter.Workbook(
        buffer, {"in_memory": True, "strings_to_formulas": False, "strings_to_urls": False, "strings_to_numbers": False}
    )
    book.set_properties({"title": sheet.title, "created": datetime(1980, 1, 1, tzinfo=UTC).replace(tzinfo=None)})
    formats = _formats(book)
    about = book.add_worksheet(sheet.words.about)
    about.set_column(0, 0, 30)
    about.set_column(1, 1, 90)
    about.write_string(0, 0, sheet.title, formats["title"])
    for number, (label, text) in enumerate(sheet.head, 1):
        about.write_string(number, 0, label)
        about.write_string(number, 1, text)
    about.write_string(len(sheet.head) + 2, 0, sheet.words.signature)
    for section in sheet.sections:
        _write(book.add_worksheet(sheet.words.sheets[section.name]), section, formats)
    book.close()
    return buffer.getvalue()


def _formats(book: Any) -> dict[str, Any]:
    made = {kind: book.add_format({"num_format": form}) for kind, form in {**_FORMATS, "instant": _INSTANT}.items()}
    bold = {
        f"{kind} total": book.add_format({"num_format": form, "bold": True, "top": 1})
        for kind, form in {**_FORMATS, "instant": _INSTANT}.items()
    }
    head = book.add_format({"bold": True, "text_wrap": True, "valign": "top", "border": 1, "bg_color": "#E8EDF3"})
    return {**made, **bold, "head": head, "title": book.add_format({"bold": True, "font_size": 13})}


def _write(page: Any, section: Section, formats: dict[str, Any]) -> None:
    rows = section_grid(section)
    if len(rows) > ROWS_MAX:
        raise UsageError(
            f"{len(rows):,} rows are more than a sheet may have", detail=section.title, hint="write FILE.csv"
        )
    for place, column in enumerate(section.columns):
        page.set_column(place, place, max(6, (column.weight or WEIGHTS[column.kind]) * _CHARS_PER_WEIGHT))
    last, totals = _HEAD_ROW + len(section.rows), section.totals is not None
    for number, row in enumerate(rows):
        if _HEAD_ROW < number <= last + totals:
            for place, (column, value) in enumerate(zip(section.columns, row, strict=True)):
                form = formats[f"{column.kind} total" if number > last else column.kind]
                _write_cell(page, (number, place), column.kind, value, form)
        else:
            page.write_row(number, 0, row, formats.get({0: "title", _HEAD_ROW: "head"}.get(number, "")))
    page.freeze_panes(_HEAD_ROW + 1, 0)
    page.autofilter(_HEAD_ROW, 0, max(last, _HEAD_ROW + 1), len(section.columns) - 1)
    page.set_landscape()
    page.set_paper(9)  # A4.
    page.fit_to_pages(1, 0)
    page.repeat_rows(_HEAD_ROW)


def _write_cell(page: Any, place: tuple[int, int], kind: Kind, value: Value, form: Any) -> None:
    if value is None:
        page.write_blank(*place, None, form)
    elif isinstance(value, datetime):
        page.write_datetime(*place, value.astimezone(ZoneInfo(ALMATY)).replace(tzinfo=None), form)
    elif isinstance(value, str):
        page.write_string(*place, value, form)
    elif abs(value) < EXACT_MAX:
        page.write_number(*place, Decimal(plain(kind, value)), form)
    else:
        page.write_string(*place, plain(kind, value), form)
