"""CSV: what is written is read back by any reader, cell by cell."""

from __future__ import annotations

import csv
import io
from decimal import Decimal

from hypothesis import given, settings

from esep.sinks.clickhouse.reports.csv_file import csv_of
from esep.sinks.clickhouse.reports.facts import Report
from esep.sinks.clickhouse.reports.sheet import sheet_of
from tests.support.examples import examples
from tests.support.made_reports import ISSUE, reports


@settings(max_examples=examples(8))
@given(reports())
def test_every_cell_is_there_and_sums_are_numbers(report: Report) -> None:
    sheet = sheet_of(report, ISSUE, "ru")
    found = list(csv.reader(io.StringIO(csv_of(sheet).decode())))
    assert found[0] == [sheet.title]
    assert found[1 : 1 + len(sheet.head)] == [list(pair) for pair in sheet.head]
    for section, table in zip(sheet.sections, report.all_tables(), strict=True):
        begins = found.index([section.title]) + 2
        written = found[begins : begins + len(section.rows)]
        assert len(written) == len(table.rows)
        for cells, row in zip(written, table.rows, strict=True):
            for column, cell, value in zip(section.columns, cells, row, strict=True):
                if column.kind == "tiyn" and isinstance(value, int):
                    assert Decimal(cell) * 100 == value
                elif column.kind == "text":
                    assert cell == value
