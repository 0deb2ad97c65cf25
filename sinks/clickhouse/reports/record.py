"""Which reports were issued: who made which, when, by which version, over what of the ledger.

Reads     table reports
Writes    a row of `reports` per report that is issued
Promises  append-only; no person in any row, for a report is made again from its coverage and its checksum proves it
          (O9-F, O9-5.1; decision 0028; box: sinks/clickhouse)
"""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import TYPE_CHECKING, Any, NamedTuple

from esep.clock import to_ms
from esep.errors import UsageError
from esep.sinks.clickhouse.reports.coverage import Coverage
from esep.sinks.clickhouse.reports.facts import LAYOUT, instant, lane_of

if TYPE_CHECKING:
    from datetime import datetime

    from clickhouse_connect.driver.client import Client

    from esep.sinks.clickhouse.reports.facts import Report
    from esep.sinks.clickhouse.reports.sheet import Issue

_COLUMNS = (
    *("report_id", "form", "organizer_bin", "period", "known_at", "has_movements", "layout", "checksum", "coverage"),
    *("row_count", "made_at", "version", "officer", "language", "file_kind"),
)


class Issued(NamedTuple):
    """One report as it was issued, without its content."""

    report_id: str
    form: str
    organizer_bin: str
    period: str
    has_movements: bool
    layout: int
    checksum: str
    coverage: Coverage
    row_count: int
    made_at: datetime
    version: str
    officer: str
    language: str
    file_kind: str

    def to_json(self) -> dict[str, Any]:
        """Return it for a program to read; the coverage as lanes."""
        facts = self._asdict() | {"made_at": self.made_at.isoformat(), "known_at": None, "coverage": []}
        known_at = self.coverage.known_at
        facts["known_at"] = None if known_at is None else known_at.isoformat()
        facts["coverage"] = [asdict(lane) for lane in self.coverage.lanes]
        return facts


def record(client: Client, report: Report, issue: Issue, language: str, file_kind: str) -> None:
    """Record that a report was issued as one file."""
    lanes = json.dumps([[*lane.row()[:-1], to_ms(lane.received_at)] for lane in report.lanes])
    row = [
        *(report.report_id, report.form, report.organizer_bin, report.period.label, report.known_at),
        *(any(table.name == "movements" for table in report.tables), LAYOUT, report.checksum, lanes),
        *(sum(len(table.rows) for table in report.tables), issue.made_at, issue.version, issue.officer),
        *(language, file_kind),
    ]
    client.insert("reports", [row], column_names=_COLUMNS)


def issued(client: Client, report_id: str = "") -> list[Issued]:
    """Return what was issued, the latest first; report_id: of this one only."""
    rows = client.query(
        """
        SELECT report_id, form, organizer_bin, period, has_movements, layout, checksum, row_count,
            toUnixTimestamp64Milli(made_at), version, officer, language, file_kind,
            coverage, toUnixTimestamp64Milli(known_at)
        FROM reports WHERE {report_id:String} = '' OR report_id = {report_id:String}
        ORDER BY made_at DESC, report_id, file_kind
        """,
        parameters={"report_id": report_id},
    ).result_rows
    return [_issued(row) for row in rows]


def issued_one(client: Client, report_id: str) -> Issued:
    """Return the report of a number as it was issued last; UsageError if none was."""
    found = issued(client, report_id)
    if not found:
        raise UsageError("no report of this number was issued here", hint="`esep report list` shows all")
    return found[0]


def _issued(row: Any) -> Issued:
    *facts, coverage, known_ms = row
    report_id, form, bin_, period, has_movements, layout, checksum, row_count, made_ms, *rest = facts
    lanes = [lane_of(numbers, instant(received_ms)) for *numbers, received_ms in json.loads(coverage)]
    held = Coverage(tuple(lanes), None if known_ms is None else instant(known_ms))
    made_at = instant(made_ms)
    return Issued(report_id, form, bin_, period, bool(has_movements), layout, checksum, held, row_count, made_at, *rest)
