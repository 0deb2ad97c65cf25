"""What the ledger holds of a request that was approved.

Reads     view extract_postings, what a coverage and a request allow; the log of removals
Writes    the rows as a Parquet file
Returns   sums by month, person, organizer and kind of event; months of the period that retention has removed
Promises  every statement has the conditions of the request: person, organizer, days, what was known, coverage; a
          posting that lies there twice is taken once (O114-3; decision 0031; box: sinks/clickhouse)
"""

from __future__ import annotations

import os
from contextlib import closing
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from esep.calendar import end_of_day, start_of_day
from esep.clock import to_ms
from esep.sinks.clickhouse.extracts.layout import POSTING_COLUMNS, VIEW
from esep.sinks.clickhouse.reports.coverage import COVERED

if TYPE_CHECKING:
    from pathlib import Path

    from clickhouse_connect.driver.client import Client

    from esep.sinks.clickhouse.extracts.requests import Asked
    from esep.sinks.clickhouse.reports.coverage import Coverage

Sums = tuple[tuple[str, str, str, str, str, int, int, int], ...]
_PIECE_BYTES = 1 << 20
# Rows of one identity are in one partition of the table, so that FINAL need not look across them.
_SETTINGS = {"do_not_merge_across_partitions_select_final": 1, "output_format_parquet_compression_method": "zstd"}
ORDER = "iin, occurred_at, organizer_bin, entry_id, revision, leg, ledger_partition, ledger_offset"


@dataclass(frozen=True, slots=True)
class Look:
    """One look at what was asked for, of a coverage."""

    client: Client
    asked: Asked
    coverage: Coverage

    @property
    def condition(self) -> str:
        """What every statement asks of a row."""
        parts = [
            *(["iin = {iin:String}"] if self.asked.iin else []),
            *(["organizer_bin = {organizer:String}"] if self.asked.organizer_bin else []),
            "utc_occurred_at >= fromUnixTimestamp64Milli({first_ms:Int64}, 'UTC')",
            "utc_occurred_at <= fromUnixTimestamp64Milli({last_ms:Int64}, 'UTC')",
            COVERED,
        ]
        return " AND ".join(parts)

    @property
    def parameters(self) -> dict[str, Any]:
        """What the condition asks for."""
        return {
            "iin": self.asked.iin,
            "organizer": self.asked.organizer_bin,
            "first_ms": to_ms(start_of_day(self.asked.first_day)),
            "last_ms": to_ms(end_of_day(self.asked.last_day)),
            **self.coverage.parameters,
        }

    def write_parquet(self, path: Path) -> None:
        """Write every posting of it into a new file that its owner alone can read, piece by piece."""
        names = ", ".join(column.name for column in POSTING_COLUMNS)
        statement = f"SELECT {names} FROM {VIEW} WHERE {self.condition} ORDER BY {ORDER}"  # noqa: S608 - our names
        stream: Any = self.client.raw_stream(statement, parameters=self.parameters, settings=_SETTINGS, fmt="Parquet")
        with closing(stream), os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
            while piece := stream.read(_PIECE_BYTES):
                file.write(piece)

    def sums(self) -> Sums:
        """Return the sums as the engine adds them up, by the columns before them."""
        rows = self.client.query(
            f"""
            SELECT iin, organizer_bin, formatDateTime(occurred_at, '%Y-%m') AS month, event_type,
                ifNull(kind, '') AS of_kind, count() AS postings, sum(leg) AS entries, sum(amount_tiyn) AS tiyn
            FROM {VIEW} WHERE {self.condition}
            GROUP BY iin, organizer_bin, month, event_type, of_kind
            ORDER BY iin, organizer_bin, month, event_type, of_kind
            """,  # noqa: S608 - our names
            parameters=self.parameters,
            settings=_SETTINGS,
        ).result_rows
        return tuple((*row[:5], int(row[5]), int(row[6]), int(row[7])) for row in rows)

    def removed_months(self) -> list[int]:
        """Return the months (yyyymm, UTC) with days of the period whose postings retention has removed."""
        first = start_of_day(self.asked.first_day)
        last = end_of_day(self.asked.last_day) + timedelta(milliseconds=1)
        rows = self.client.query(
            "SELECT DISTINCT month FROM retention_steps WHERE table_name = 'ledger' AND is_removed"
            " AND month BETWEEN {first:UInt32} AND {last:UInt32} ORDER BY month",
            parameters={"first": int(f"{first:%Y%m}"), "last": int(f"{last:%Y%m}")},
        ).result_rows
        return [int(row[0]) for row in rows]
