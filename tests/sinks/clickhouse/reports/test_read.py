"""What is read back from a file is what was written: CSV = XLSX = PDF, in every language (O9-F, D934-7..11)."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from esep.errors import FileUnusable
from esep.sinks.clickhouse.reports.csv_file import csv_of
from esep.sinks.clickhouse.reports.facts import Report
from esep.sinks.clickhouse.reports.read import read_csv, read_xlsx
from esep.sinks.clickhouse.reports.sheet import sheet_of
from esep.sinks.clickhouse.reports.words import LANGUAGES
from esep.sinks.clickhouse.reports.xlsx_file import xlsx_of
from tests.support.examples import examples
from tests.support.made_reports import ISSUE, reports


@settings(max_examples=examples(8))
@given(reports(), st.sampled_from(LANGUAGES))
def test_file_says_what_the_report_says(report: Report, language: str) -> None:
    sheet = sheet_of(report, ISSUE, language)  # type: ignore[arg-type]
    for read in (read_csv(csv_of(sheet)), read_xlsx(xlsx_of(sheet))):
        assert read.tables == {table.name: table.texts() for table in report.all_tables()}
        assert read.own_checksum == read.checksum == report.checksum
        assert (read.form, read.period, read.report_id) == (report.form, report.period.label, report.report_id)
        assert (read.organizer_bin, read.coverage.lanes) == (report.organizer_bin, report.lanes)
        assert read.coverage.known_at == report.known_at


@settings(max_examples=examples(8))
@given(reports(), st.data())
def test_changed_digit_of_the_tables_is_found(report: Report, data: st.DataObject) -> None:
    text = csv_of(sheet_of(report, ISSUE, "en")).decode()
    begins = text.index("\r\n\r\n")
    places = [at for at in range(begins, len(text)) if text[at].isdigit()]
    at = data.draw(st.sampled_from(places))
    changed = text[:at] + str((int(text[at]) + 1) % 10) + text[at + 1 :]
    try:
        read = read_csv(changed.encode())
    except FileUnusable:
        return
    untouched = read.tables == {table.name: table.texts() for table in report.all_tables()}  # A digit of a note.
    assert (read.own_checksum == read.checksum) == untouched


@pytest.mark.parametrize("content", [b"", b"a,b\n1,2\n", b"\xff\xfe", b"PK\x03\x04", b"900101300007"])
def test_what_is_no_report_is_refused_and_nothing_of_it_told(content: bytes) -> None:
    for read in (read_csv, read_xlsx):
        with pytest.raises(FileUnusable) as error:
            read(content)
        assert "900101300007" not in str(error.value)
