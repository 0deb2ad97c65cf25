"""What a report covers of the ledger, lane by lane, and the condition that keeps every query of it to that.

Reads     table ledger: rows, offsets and instants of receipt
Returns   `Coverage`, as it is now or as it was known at an instant
Promises  offsets decide what is covered, so that a report can be made again from what it says; a look into the middle
          of an insert (a row missing below the last one of its lane) is not taken while waiting helps
          (DESIGN §5; decision 0028; box: sinks/clickhouse)
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from esep.clock import to_ms
from esep.sinks.clickhouse.reports.facts import Lane, instant, lane_of
from esep.sinks.clickhouse.tables import LEDGER_TABLE

if TYPE_CHECKING:
    from clickhouse_connect.driver.client import Client

COVERED = """
    ledger_offset <= transform(ledger_partition, {partitions:Array(Int32)}, {through:Array(Int64)}, toInt64(-1))
    AND received_at <= fromUnixTimestamp64Milli({known_ms:Int64}, 'UTC')"""
_EVER = datetime(2299, 1, 1, tzinfo=UTC)  # Later than any instant that ClickHouse is asked about here.
_NO_PARTITION = -1  # So that the lists are never empty: ClickHouse would not know their type.
_SETTLE_S_MAX = 3.0  # An insert of several months is done within a second; what is missing then, is missing.
_LOOK_S = 0.2


@dataclass(frozen=True, slots=True)
class Coverage:
    """Lanes by partition and cause; what was received after known_at is not covered, though its offset may be lower."""

    lanes: tuple[Lane, ...]
    known_at: datetime | None = None

    @property
    def parameters(self) -> dict[str, Any]:
        """What the condition COVERED asks for."""
        through: dict[int, int] = {_NO_PARTITION: -1}
        for lane in self.lanes:
            through[lane.partition] = max(lane.last_offset, through.get(lane.partition, -1))
        return {
            "partitions": list(through),
            "through": list(through.values()),
            "known_ms": to_ms(self.known_at or _EVER),
        }


def coverage_of(client: Client, known_at: datetime | None = None) -> Coverage:
    """Return what there is to cover now, or of that what was received up to known_at."""
    lanes, until = _lanes(client), time.monotonic() + _SETTLE_S_MAX
    while any(lane.postings != lane.last_row for lane in lanes) and time.monotonic() < until:
        time.sleep(_LOOK_S)
        lanes = _lanes(client)
    whole = Coverage(lanes)
    return whole if known_at is None else covered_again(client, Coverage(lanes, known_at))


def covered_again(client: Client, coverage: Coverage) -> Coverage:
    """Return what the ledger holds today of a coverage: the same, unless rows have come late or gone since."""
    return Coverage(_lanes(client, coverage), coverage.known_at)


def _lanes(client: Client, within: Coverage | None = None) -> tuple[Lane, ...]:
    """Distinct rows are counted as a bitmap: exact where a posting lies there twice, and small where rows are dense."""
    rows = client.query(
        f"""
        SELECT ledger_partition, cause_partition, min(row), max(row), groupBitmap(toUInt64(row)),
            min(ledger_offset), max(ledger_offset), toUnixTimestamp64Milli(max(received_at))
        FROM {LEDGER_TABLE.name} {"WHERE " + COVERED if within else ""}
        GROUP BY ledger_partition, cause_topic, cause_partition ORDER BY ledger_partition, cause_partition
        """,  # noqa: S608 - names from tables.py, our own condition
        parameters=within.parameters if within else None,
    ).result_rows
    return tuple(lane_of(row[:7], instant(row[7])) for row in rows)
