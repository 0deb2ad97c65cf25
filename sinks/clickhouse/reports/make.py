"""Make a report, make it again from what it covers, and say whether both are the same.

Reads     table ledger, through what a `Request` and a coverage name
Returns   `Report`; `Verdict` of a report that was issued or read from a file
Promises  reads only; the same request and coverage give the same report; where they do not, it is said whether the
          ledger lacks what was covered (O9-F, D934-7..11; box: sinks/clickhouse)
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from esep.errors import UsageError
from esep.sinks.clickhouse.reports.cash_out import cash_out_tables
from esep.sinks.clickhouse.reports.coverage import Coverage, coverage_of, covered_again
from esep.sinks.clickhouse.reports.facts import LAYOUT, Report
from esep.sinks.clickhouse.reports.forms import CASH_OUT, MONTHLY, ORDER9, YEARLY
from esep.sinks.clickhouse.reports.movements import Question
from esep.sinks.clickhouse.reports.order9 import order9_tables
from esep.sinks.clickhouse.reports.period import period_of
from esep.sinks.clickhouse.reports.statistics import monthly_tables, yearly_tables

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from clickhouse_connect.driver.client import Client

    from esep.sinks.clickhouse.reports.facts import Table
    from esep.sinks.clickhouse.reports.period import Period
    from esep.sinks.clickhouse.reports.read import ReadReport
    from esep.sinks.clickhouse.reports.record import Issued

_MAKERS: dict[str, Callable[[Question], tuple[Table, ...]]] = {
    ORDER9: order9_tables,
    MONTHLY: monthly_tables,
    YEARLY: yearly_tables,
    CASH_OUT: cash_out_tables,
}


@dataclass(frozen=True, slots=True)
class Request:
    """What report is wanted. organizer_bin: empty for all. known_at: leave out what was received later."""

    form: str
    period: Period
    organizer_bin: str = ""
    known_at: datetime | None = None
    with_movements: bool = False


@dataclass(frozen=True, slots=True)
class Verdict:
    """Whether a report is what was issued. is_intact: a file says what its own checksum stands for (a number is);
    is_again: made again from the ledger it has the same checksum; lost: postings covered then and not there now;
    late: postings that have come into what was covered since."""

    report_id: str
    checksum: str
    made_again: str
    is_intact: bool
    lost: int
    late: int

    @property
    def is_again(self) -> bool:
        """Whether the ledger still says the same."""
        return self.checksum == self.made_again

    def to_json(self) -> dict[str, Any]:
        """Return it for a program to read."""
        return {
            "report_id": self.report_id,
            "checksum": self.checksum,
            "intact": self.is_intact,
            "same_again": self.is_again,
            "checksum_again": self.made_again,
            "lost_postings": self.lost,
            "late_postings": self.late,
        }


def make(client: Client, request: Request) -> Report:
    """Return a report of what is loaded now, or of that what was known at an instant."""
    return _made(client, request, coverage_of(client, request.known_at))


def make_again(client: Client, request: Request, coverage: Coverage) -> Report:
    """Return a report of what the ledger holds today of a coverage."""
    return _made(client, request, covered_again(client, coverage))


def verify_issued(client: Client, issued: Issued) -> Verdict:
    """Make a report again that was issued."""
    _check_layout(issued.layout)
    asked = Request(
        issued.form,
        period_of(issued.period),
        issued.organizer_bin,
        issued.coverage.known_at,
        with_movements=issued.has_movements,
    )
    return _verdict(client, asked, issued.coverage, (issued.report_id, issued.checksum), is_intact=True)


def verify_read(client: Client, read: ReadReport) -> Verdict:
    """Look whether a file says what its checksum stands for, and make its report again."""
    _check_layout(read.layout)
    coverage = read.coverage
    asked = Request(
        read.form,
        period_of(read.period),
        read.organizer_bin,
        coverage.known_at,
        with_movements="movements" in read.tables,
    )
    is_intact = read.checksum == read.own_checksum
    return _verdict(client, asked, coverage, (read.report_id, read.checksum), is_intact=is_intact)


def _check_layout(layout: int) -> None:
    if layout != LAYOUT:
        raise UsageError(
            f"the report is of layout {layout}, and this program makes layout {LAYOUT}",
            hint="verify it with the version that stands on it",
        )


def _made(client: Client, request: Request, coverage: Coverage) -> Report:
    question = Question(client, coverage, request.period, request.organizer_bin)
    tables = order9_tables(question, with_movements=True) if request.with_movements else _MAKERS[request.form](question)
    name = question.names().get(request.organizer_bin, "") if request.organizer_bin else ""
    return Report(request.form, request.organizer_bin, name, request.period, request.known_at, tables, coverage.lanes)


def _verdict(client: Client, asked: Request, coverage: Coverage, named: tuple[str, str], *, is_intact: bool) -> Verdict:
    again = make_again(client, asked, coverage)
    before = {(lane.partition, lane.cause_partition): lane.postings for lane in coverage.lanes}
    now = {(lane.partition, lane.cause_partition): lane.postings for lane in again.lanes}
    changes = [now.get(lane, 0) - before.get(lane, 0) for lane in before.keys() | now.keys()]
    lost, late = -sum(min(change, 0) for change in changes), sum(max(change, 0) for change in changes)
    return Verdict(*named, again.checksum, is_intact, lost, late)
