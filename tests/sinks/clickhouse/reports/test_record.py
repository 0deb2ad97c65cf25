"""What was issued stays on record with its coverage, and names nobody (O9-F, O9-5.1)."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from esep.errors import UsageError
from esep.sinks.clickhouse.client import connect
from esep.sinks.clickhouse.reports.coverage import Coverage
from esep.sinks.clickhouse.reports.make import Request, make
from esep.sinks.clickhouse.reports.period import period_of
from esep.sinks.clickhouse.reports.record import issued, issued_one, record
from tests.sinks.line import BINS, IINS
from tests.support.made_reports import ISSUE
from tests.support.report_books import DAY, ReportBooks, history

pytestmark = pytest.mark.clickhouse


def test_report_is_found_by_its_number_as_it_was_issued_last(books: ReportBooks) -> None:
    books.report(history(7, 20))
    later = ISSUE._replace(made_at=ISSUE.made_at + timedelta(hours=1), officer="b.akhmetova")
    request = Request("order9", period_of(str(DAY)), BINS[0], ISSUE.made_at.replace(microsecond=0), True)
    with connect(books.settings) as client:
        report = make(client, request)
        for issue, kind in ((later, "pdf"), (ISSUE, "xlsx")):
            record(client, report, issue, "kk", kind)
        found = [one for one in issued(client) if one.report_id == report.report_id]
        last = issued_one(client, report.report_id)
        told = client.query("SELECT toString(tuple(*)) FROM reports").result_rows
    assert [(one.officer, one.file_kind, one.made_at) for one in found] == [
        ("b.akhmetova", "pdf", later.made_at),
        ("a.serikova", "xlsx", ISSUE.made_at),
    ]
    assert last == found[0]
    assert (last.form, last.organizer_bin, last.period) == ("order9", BINS[0], str(DAY))
    assert (last.checksum, last.has_movements, last.language) == (report.checksum, True, "kk")
    assert last.coverage == Coverage(report.lanes, request.known_at)
    assert last.row_count == sum(len(table.rows) for table in report.tables) > 0
    assert last.to_json()["coverage"][0]["last_row"] == report.lanes[0].last_row
    assert not [iin for iin in IINS if iin in str(told)]
    assert replace(report).report_id == last.report_id


def test_number_that_was_not_issued_is_refused(books: ReportBooks) -> None:
    with connect(books.settings) as client, pytest.raises(UsageError, match="no report of this number"):
        issued_one(client, "order9-940140000385-20261031-0000000000000000")
