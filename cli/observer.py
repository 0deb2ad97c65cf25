"""When a posting can be asked for: watches ClickHouse from outside while events flow, and tells each event's delay.

Reads     ClickHouse's ledger, many times a second; when each event was handed over
Returns   the delay from hand-over to queryable per event, in milliseconds
Promises  an observed instant is one at which an answer holding the row had arrived: never too early, late by one look
          at the most
"""

from __future__ import annotations

import threading
import time
from types import TracebackType
from typing import Self

import polars as pl

from esep.settings import Settings
from esep.sinks.clickhouse.client import connect

LOOK_EVERY_S = 0.02  # Each look takes a few milliseconds of its own, and more as the ledger grows.
_LAST_ROWS = "SELECT cause_partition AS lane, max(row) AS row FROM ledger GROUP BY lane"
_SEEN_COLUMNS = pl.Schema({"lane": pl.Int64, "row": pl.Int64, "seen_ns": pl.Int64})
_LEDGER_COLUMNS = pl.Schema(
    {
        "organizer_bin": pl.String,
        "stream_id": pl.String,
        "sequence": pl.Int64,
        "lane": pl.Int64,
        "row": pl.Int64,
    }
)
_LEDGER = "SELECT organizer_bin, stream_id, sequence, cause_partition AS lane, row FROM ledger"


class Observer:
    """Watches while its context is open."""

    def __init__(self, settings: Settings, look_every_s: float = LOOK_EVERY_S) -> None:
        self._settings = settings
        self._look_every_s = look_every_s
        self._seen: list[tuple[int, int, int]] = []  # lane, last row, instant (ns) at which it was first seen
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._look, name="observer")

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._ended.set()
        self._thread.join()

    def delays(self, handed_over: pl.DataFrame) -> pl.DataFrame:
        """Return of each event that is in the ledger when it was handed over, `handed_at`, and its `delay_ms`.

        handed_over: organizer_bin, stream_id, sequence, handed_at (UTC, ns).
        """
        client = connect(self._settings)
        ledger = pl.DataFrame(client.query(_LEDGER).result_rows, schema=_LEDGER_COLUMNS, orient="row")
        client.close()
        return delays(pl.DataFrame(self._seen, schema=_SEEN_COLUMNS, orient="row"), ledger, handed_over)

    def _look(self) -> None:
        client = connect(self._settings)
        last: dict[int, int] = {}
        while True:
            ended = self._ended.is_set()  # One more look after the end has been called.
            for lane, row in client.query(_LAST_ROWS).result_rows:
                if row > last.get(lane, 0):
                    last[lane] = row
                    self._seen.append((lane, row, time.time_ns()))
            if ended:
                break
            time.sleep(self._look_every_s)
        client.close()


def delays(seen: pl.DataFrame, ledger: pl.DataFrame, handed_over: pl.DataFrame) -> pl.DataFrame:
    """Return, per event of the ledger, `handed_at` and `delay_ms`: to the first look that showed its row.

    seen: lane, row, seen_ns: at seen_ns an answer held rows of the lane up to row. ledger: organizer_bin, stream_id,
    sequence, lane, row. handed_over: organizer_bin, stream_id, sequence, handed_at (ns). Rows nobody saw are left out.
    """
    visible = ledger.sort("row").join_asof(
        seen.sort("row"), on="row", by="lane", strategy="forward", check_sortedness=False
    )
    both = visible.join(handed_over, on=["organizer_bin", "stream_id", "sequence"]).drop_nulls("seen_ns")
    return both.select("handed_at", delay_ms=(pl.col("seen_ns") - pl.col("handed_at").cast(pl.Int64)) / 1e6)
