"""A report is verified by making it again: unchanged, changed, or no longer what the ledger says (O9-F, D934-7..11)."""

from __future__ import annotations

from dataclasses import replace

import pytest

from esep.errors import UsageError
from esep.sinks.clickhouse.client import connect
from esep.sinks.clickhouse.reports.csv_file import csv_of
from esep.sinks.clickhouse.reports.facts import Report
from esep.sinks.clickhouse.reports.forms import FORMS
from esep.sinks.clickhouse.reports.make import Request, make, verify_issued, verify_read
from esep.sinks.clickhouse.reports.period import period_of
from esep.sinks.clickhouse.reports.read import read_csv, read_xlsx
from esep.sinks.clickhouse.reports.record import issued_one, record
from esep.sinks.clickhouse.reports.sheet import sheet_of
from esep.sinks.clickhouse.reports.xlsx_file import xlsx_of
from tests.sinks.line import BINS
from tests.support.made_reports import ISSUE
from tests.support.report_books import DAY, ReportBooks, history

pytestmark = pytest.mark.clickhouse
PERIODS = {"order9": str(DAY), "monthly": "2026-10", "yearly": "2026", "cash-out": "2026-H2"}


def test_files_and_numbers_are_verified_after_more_has_come(books: ReportBooks) -> None:
    with connect(books.settings) as client:
        reports = [
            make(client, Request(form, period_of(PERIODS[form]), BINS[0] if form == "order9" else "")) for form in FORMS
        ]
        for report in reports:
            record(client, report, ISSUE, "ru", "pdf")
        books.report(history(9, 25))
        form, monthly, yearly, signs = reports
        verdicts = [
            verify_read(client, read_csv(csv_of(sheet_of(form, ISSUE, "ru")))),
            verify_issued(client, issued_one(client, monthly.report_id)),
            verify_issued(client, issued_one(client, yearly.report_id)),
            verify_read(client, read_xlsx(xlsx_of(sheet_of(signs, ISSUE, "kk")))),
        ]
    for verdict, report in zip(verdicts, reports, strict=True):
        assert (verdict.is_intact, verdict.is_again, verdict.lost, verdict.late) == (True, True, 0, 0)
        assert (verdict.report_id, verdict.made_again) == (report.report_id, report.checksum)


def test_changed_file_and_changed_ledger_are_told_apart(books: ReportBooks) -> None:
    with connect(books.settings) as client:
        report = make(client, Request("order9", period_of(str(DAY)), BINS[0]))
        text = csv_of(sheet_of(report, ISSUE, "kk"))
        (sum_,) = {row[5] for row in report.tables[0].texts()[-1:]}
        changed = verify_read(client, read_csv(text.replace(sum_.encode(), b"1.00")))
        assert (changed.is_intact, changed.is_again) == (False, True)
        lane = replace(report.lanes[0], postings=report.lanes[0].postings + 3)
        false = replace(report, lanes=(lane, *report.lanes[1:]))
        gone = verify_read(client, read_csv(csv_of(sheet_of(false, ISSUE, "kk"))))
    assert (gone.is_intact, gone.is_again, gone.lost, gone.late) == (True, False, 3, 0)
    assert gone.to_json()["same_again"] is False
    assert gone.made_again == report.checksum


def test_report_of_another_layout_is_not_called_changed(books: ReportBooks) -> None:
    with connect(books.settings) as client:
        report = make(client, Request("order9", period_of(str(DAY)), BINS[0]))
        text = csv_of(sheet_of(report, ISSUE, "kk")).replace(b", layout 1", b", layout 2")
        with pytest.raises(UsageError, match="layout 2"):
            verify_read(client, read_csv(text))


def test_list_of_movements_is_verified_too(books: ReportBooks) -> None:
    with connect(books.settings) as client:
        report = make(client, Request("order9", period_of(str(DAY)), BINS[1], with_movements=True))
        assert [table.name for table in report.tables] == ["lines", "inside", "movements"]
        assert isinstance(report, Report)
        verdict = verify_read(client, read_csv(csv_of(sheet_of(report, ISSUE, "en"))))
    assert (verdict.is_intact, verdict.is_again) == (True, True)
