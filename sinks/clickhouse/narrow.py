"""Postings as the table `ledger` keeps them: in place of columns that others give, what is missing of them to others.

Reads     a frame with the columns of the record `ledger` and where its rows stood on the topic
Returns   the frame with the columns of the table, as migration 0023 declares them
Promises  no I/O; the table's ALIAS columns give back what stood in the record, to the unit, whatever it was
          (clause O9-4.6; docs/decisions/0041; box: sinks/clickhouse)

What a person did with the organizer in the year is in all four of a posting's running totals. Told apart by whether
organizer and year are the posting's own there are four parts: the first changes with the posting, the others are mostly
nothing, or what they were at the person's posting before.
"""

from __future__ import annotations

import numpy as np
import polars as pl
import pyarrow as pa

from esep.sinks.clickhouse.rollups import KINDS
from esep.sinks.clickhouse.tables import LEDGER_TABLE

MEASURES = tuple(f"{kind}_{unit}" for kind in KINDS for unit in ("count", "tiyn"))
SCOPES = ("person_year", "person_ever", "organizer_year", "organizer_ever")
DERIVED = (
    *("row", "received_at", "cause_offset", "entry_id"),
    *(f"{scope}_{measure}" for scope in SCOPES for measure in MEASURES),
)


def narrowed(frame: pl.DataFrame) -> pl.DataFrame:
    """Return the postings with what is missing of the columns `DERIVED` in place of these."""
    offset = pl.col(LEDGER_TABLE.offset_column)
    own_name = pl.concat_str("organizer_bin", "stream_id", "sequence", separator="/")
    totals = [f"{scope}_{measure}" for scope in SCOPES for measure in MEASURES]
    person_year, person_ever, own_year, own_ever = np.split(frame.select(totals).to_numpy(order="c"), len(SCOPES), 1)
    own_others = own_ever - own_year
    others = np.hstack((own_others, person_ever - person_year - own_others))
    return frame.with_columns(
        row_behind=offset - pl.col("row"),
        lag_ms=(pl.col("received_at") - pl.col("occurred_at")).dt.total_milliseconds(),
        cause_behind=offset - pl.col("cause_offset"),
        other_name=pl.when(pl.col("entry_id") == own_name).then(pl.lit("")).otherwise("entry_id"),
        own_year=_lists(own_year),
        others_year=_lists(person_year - own_year),
        other_years=_lists(others),
    ).drop(DERIVED)


def _lists(rows: np.ndarray) -> pl.Series:
    """Return a list per row; an empty one where each number is 0."""
    is_any = rows.any(axis=1)
    ends = np.cumsum(is_any * rows.shape[1], dtype=np.int64)
    values = pa.array(rows[is_any].reshape(-1))
    return pl.Series(pa.LargeListArray.from_arrays(pa.array(np.concatenate(([0], ends))), values))
