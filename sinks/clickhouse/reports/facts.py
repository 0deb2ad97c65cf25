"""What a report says, apart from language and kind of file; its number and its checksum.

Reads     plain rows
Returns   `Report`, `Table`, `Lane`; the plain text of a value; content, checksum and number of a report
Promises  pure; the checksum is over what is said and what it covers of the ledger, so that it is the same in every file
          of a report and whenever the report is made again; who made it, when and by which version stand outside
          (O9-F, D934-7..11; box: sinks/clickhouse)
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from typing import TYPE_CHECKING

from esep.sinks.clickhouse.lines import almaty
from esep.sinks.clickhouse.reports.forms import TABLES

if TYPE_CHECKING:
    from collections.abc import Sequence

    from esep.sinks.clickhouse.reports.forms import Kind
    from esep.sinks.clickhouse.reports.period import Period

Value = str | int | datetime | None
Row = tuple[Value, ...]
_ID_DIGITS = 16  # Of the checksum in a number: 64 bits.
LAYOUT = 1  # Of the content: to be raised when a table changes, so that an older report is known as such.


@dataclass(frozen=True, slots=True)
class Lane:
    """What is covered of one lane of the ledger: rows are dense in it, offsets are not. received_at: the last, UTC."""

    partition: int
    cause_partition: int
    first_row: int
    last_row: int
    postings: int
    first_offset: int
    last_offset: int
    received_at: datetime

    def row(self) -> Row:
        """Return it as a row of the table `coverage`."""
        covered = (self.partition, self.cause_partition, self.first_row, self.last_row, self.postings)
        return (*covered, self.first_offset, self.last_offset, self.received_at)


def lane_of(numbers: Sequence[int | str], received_at: datetime) -> Lane:
    """Return a lane from its seven numbers, in the order of its fields."""
    partition, cause_partition, first_row, last_row, postings, first_offset, last_offset = map(int, numbers)
    return Lane(partition, cause_partition, first_row, last_row, postings, first_offset, last_offset, received_at)


@dataclass(frozen=True, slots=True)
class Table:
    """Rows in the order of the columns that `forms` declares for the name; totals have nothing in the first column."""

    name: str
    rows: tuple[Row, ...]
    totals: Row | None = None

    def texts(self) -> list[list[str]]:
        """Return the plain text of every value, the totals' last."""
        kinds = [column.kind for column in TABLES[self.name].columns]
        rows = self.rows if self.totals is None else (*self.rows, self.totals)
        return [[plain(kind, value) for kind, value in zip(kinds, row, strict=True)] for row in rows]


@dataclass(frozen=True, slots=True)
class Report:
    """One report. organizer_bin: empty for all. known_at: what was received later is left out; None: nothing is."""

    form: str
    organizer_bin: str
    organizer_name: str
    period: Period
    known_at: datetime | None
    tables: tuple[Table, ...]
    lanes: tuple[Lane, ...]

    def all_tables(self) -> tuple[Table, ...]:
        """Return the tables, that of the coverage last."""
        return (*self.tables, Table("coverage", tuple(lane.row() for lane in self.lanes)))

    @property
    def content(self) -> str:
        """The canonical form (JSON) that is hashed."""
        tables = {table.name: table.texts() for table in self.all_tables()}
        known_at = "" if self.known_at is None else almaty(self.known_at)
        return content_of(self.form, self.organizer_bin, self.organizer_name, self.period.label, known_at, tables)

    @property
    def checksum(self) -> str:
        """SHA-256 of the content, 64 hex digits."""
        return sha256(self.content.encode()).hexdigest()

    @property
    def report_id(self) -> str:
        """What it is, of whom, when, and the beginning of the checksum: the same content, the same number."""
        whose = self.organizer_bin or "all"
        return f"{self.form}-{whose}-{self.period.label.replace('-', '')}-{self.checksum[:_ID_DIGITS]}"


def content_of(
    form: str,
    organizer_bin: str,
    organizer_name: str,
    period: str,
    known_at: str,
    tables: dict[str, list[list[str]]],
    layout: int = LAYOUT,
) -> str:
    """Return the canonical form of plain texts: what a report gives, and what is read back from its file."""
    facts = {
        "layout": layout,
        "form": form,
        "organizer_bin": organizer_bin,
        "organizer_name": organizer_name,
        "period": period,
        "known_at": known_at,
        "tables": tables,
    }
    return json.dumps(facts, ensure_ascii=False, sort_keys=True, separators=(",", ":"))


def plain(kind: Kind, value: Value) -> str:
    """Return the text of a value, the same in every language: tenge with two decimals, tenths of a percent, Almaty.

    >>> plain("tiyn", -123456789), plain("share", 5), plain("count", 1234), plain("tiyn", None)
    ('-1234567.89', '0.5', '1234', '')
    """
    if value is None:
        return ""
    if isinstance(value, datetime):
        return almaty(value)
    if isinstance(value, int):
        return _decimal(value, {"tiyn": 2, "share": 1}.get(kind, 0))
    return value


def _decimal(value: int, decimals: int) -> str:
    if not decimals:
        return str(value)
    sign, digits = ("-" if value < 0 else ""), f"{abs(value):0{decimals + 1}d}"
    return f"{sign}{digits[:-decimals]}.{digits[-decimals:]}"


def instant(ms: int) -> datetime:
    """Return milliseconds since 1970 as an instant (UTC) of whole seconds: a report tells no fractions of one."""
    return datetime(1970, 1, 1, tzinfo=UTC) + timedelta(seconds=int(ms) // 1000)


def share(part: int, whole: int) -> int | None:
    """Return a part in tenths of a percent of the whole, rounded half up; None where there is no whole.

    >>> share(1, 3), share(-1, 2), share(1, 0)
    (333, -500, None)
    """
    return None if whole == 0 else (2000 * part + whole) // (2 * whole)
