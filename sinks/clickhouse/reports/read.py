"""Read a report back from its file, in whatever language it is: to see whether it says what it said.

Reads     the bytes of a CSV or XLSX file
Returns   `ReadReport`: the plain texts of the report, the number and checksum that it names, what it covers
Promises  pure; what is no report of ours is FileUnusable; no cell of the file stands in an error
          (O9-5.1; decision 0028; box: sinks/clickhouse)
"""

from __future__ import annotations

import csv
import io
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from hashlib import sha256
from typing import TYPE_CHECKING
from zipfile import BadZipFile
from zoneinfo import ZoneInfo

import openpyxl

from esep.clock import ALMATY
from esep.errors import FileUnusable
from esep.sinks.clickhouse.reports.coverage import Coverage
from esep.sinks.clickhouse.reports.facts import content_of, lane_of
from esep.sinks.clickhouse.reports.forms import FORMS, TABLES
from esep.sinks.clickhouse.reports.words import LABELS, LANGUAGES, Words, words

if TYPE_CHECKING:
    from collections.abc import Sequence

    from esep.sinks.clickhouse.reports.forms import Column

Raw = str | int | float | datetime | None
_INSTANT = "%d.%m.%Y %H:%M:%S"


@dataclass(frozen=True, slots=True)
class ReadReport:
    """What a file says. known_at: as written, empty where all that was loaded is meant; layout: of its content; tables:
    their plain texts."""

    form: str
    report_id: str
    checksum: str
    organizer_bin: str
    organizer_name: str
    period: str
    known_at: str
    layout: int
    tables: dict[str, list[list[str]]]

    @property
    def own_checksum(self) -> str:
        """SHA-256 of what the file says: the one that it names, unless it was changed."""
        head = (self.form, self.organizer_bin, self.organizer_name, self.period, self.known_at)
        content = content_of(*head, self.tables, self.layout)
        return sha256(content.encode()).hexdigest()

    @property
    def coverage(self) -> Coverage:
        """What the report says that it covers."""
        lanes = [lane_of(row[:7], _instant(row[7])) for row in self.tables["coverage"]]
        return Coverage(tuple(lanes), _instant(self.known_at) if self.known_at else None)


def read_csv(content: bytes) -> ReadReport:
    """Return the report in a CSV file."""
    try:
        return _read([list(row) for row in csv.reader(io.StringIO(content.decode()))])
    except (UnicodeDecodeError, csv.Error) as error:
        raise _unusable() from error


def read_xlsx(content: bytes) -> ReadReport:
    """Return the report in an XLSX file."""
    try:
        book = openpyxl.load_workbook(io.BytesIO(content), read_only=True, data_only=True)
        rows: list[list[Raw]] = []
        for page in book.worksheets:
            rows += [[], *(_unpadded(row) for row in page.iter_rows(values_only=True))]
    except (BadZipFile, KeyError, ValueError, OSError) as error:
        raise _unusable() from error
    return _read(rows[1:])


def _unpadded(row: Sequence[Raw]) -> list[Raw]:
    """Return a row without the empty cells at its end, which other rows of its sheet fill."""
    cells = list(row)
    while cells and cells[-1] is None:
        cells.pop()
    return cells


def _read(rows: list[list[Raw]]) -> ReadReport:
    try:
        said, form = _language(str(rows[0][0]))
        head = {str(row[0]): str(row[1] or "") if len(row) > 1 else "" for row in rows[1 : len(LABELS) + 1]}
        told = {name: head[said.labels[name]] for name in LABELS}
        tables = {name: found for name in FORMS[form] if (found := _table(rows, name, said)) is not None}
        report = ReadReport(
            form,
            told["report_id"],
            told["checksum"],
            told["organizer_bin"],
            told["organizer_name"] if told["organizer_bin"] else "",
            told["period"].split(" ")[0],
            "" if told["known_at"] == said.everything else told["known_at"],
            int(told["version"].rpartition(" ")[2]),
            tables,
        )
        _ = report.coverage
    except (IndexError, KeyError, TypeError, ValueError, ArithmeticError) as error:
        raise _unusable() from error
    return report


def _language(title: str) -> tuple[Words, str]:
    for language in LANGUAGES:
        for form, known in words(language).titles.items():
            if title == known:
                return words(language), form
    raise KeyError


def _table(rows: Sequence[list[Raw]], name: str, said: Words) -> list[list[str]] | None:
    """Return the texts of a section, None where there is none: from below its headings to a blank row or its totals."""
    starts = [number for number, row in enumerate(rows) if len(row) == 1 and row[0] == said.tables[name]]
    if not starts:
        return None
    columns, found = TABLES[name].columns, []
    for row in rows[starts[0] + 2 :]:
        if not any(cell not in {None, ""} for cell in row):
            break
        cells = [*row, *[None] * (len(columns) - len(row))]
        texts = [_text(column, cell, said) for column, cell in zip(columns, cells, strict=True)]
        is_total = TABLES[name].has_totals and cells[0] == said.total
        found.append(["", *texts[1:]] if is_total else texts)
        if is_total:
            break
    return found


def _text(column: Column, cell: Raw, said: Words) -> str:
    """Return the plain text of a cell; a code by its word, a number with the decimals of its column."""
    if cell is None or cell == "":
        return ""
    if isinstance(cell, datetime):
        return f"{cell:{_INSTANT}}"
    if isinstance(cell, int | float):
        decimals = {"tiyn": 2, "share": 1}.get(column.kind, 0)
        return f"{Decimal(repr(cell)):.{decimals}f}"
    if column.kind == "code":
        return next((code for code, word in said.codes.items() if word == cell), cell)
    return cell


def _instant(text: str) -> datetime:
    return datetime.strptime(text, _INSTANT).replace(tzinfo=ZoneInfo(ALMATY)).astimezone(UTC)


def _unusable() -> FileUnusable:
    return FileUnusable("this is no report of ours", hint="verify a file that `esep report` wrote, CSV or XLSX")
