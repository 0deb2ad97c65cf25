"""The files of an extract, all from one look: Parquet as the engine wrote it, and CSV, XLSX and paper from that.

Reads     a Parquet file of postings
Writes    files that their owner alone can read, below a folder
Returns   sums that are added up from the file; where its rows lie in Kafka
Promises  the CSV of the same postings has the same bytes each time: its hash is the extract's checksum; sums are
          integers in tiyn, instants are Almaty's with their offset, to the millisecond (O114-3; box: sinks/clickhouse)
"""

from __future__ import annotations

import os
from hashlib import sha256
from typing import TYPE_CHECKING

import polars as pl

from esep.clock import ALMATY
from esep.sinks.clickhouse.extracts.layout import POSTING_COLUMNS, SUM_COLUMNS

if TYPE_CHECKING:
    from pathlib import Path

    from esep.sinks.clickhouse.extracts.look import Sums

_INSTANT = "%Y-%m-%dT%H:%M:%S%.3f%:z"
_READ_BYTES = 1 << 20


def postings_of(parquet: Path) -> pl.LazyFrame:
    """Return the postings of a file: texts are texts, instants are Almaty's."""
    frame = pl.scan_parquet(parquet)
    schema = frame.collect_schema()
    texts = [name for name, kind in schema.items() if isinstance(kind, pl.Categorical | pl.Enum)]
    instants = [column.name for column in POSTING_COLUMNS if column.kind == "instant"]
    return frame.with_columns(
        pl.col(texts).cast(pl.String), pl.col(instants).cast(pl.Datetime("ms", "UTC")).dt.convert_time_zone(ALMATY)
    )


def write_postings_csv(parquet: Path, path: Path) -> str:
    """Write the postings of a file as CSV (RFC 4180, every value in quotes), and return the SHA-256 of it."""
    instants = [column.name for column in POSTING_COLUMNS if column.kind == "instant"]
    texts = postings_of(parquet).with_columns(pl.col(instants).dt.strftime(_INSTANT))
    os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))
    texts.sink_csv(path, quote_style="always", line_terminator="\r\n")
    return hash_of(path)


def sums_csv(sums: Sums) -> bytes:
    """Return sums as CSV."""
    names = [column.name for column in SUM_COLUMNS]
    frame = pl.DataFrame([list(row) for row in sums], schema=names, orient="row")
    return frame.write_csv(quote_style="always", line_terminator="\r\n").encode()


def sums_in(parquet: Path) -> Sums:
    """Return the sums as they are added up from a file, in the order of `Look.sums`."""
    by = ["iin", "organizer_bin", "month", "event_type", "kind"]
    frame = postings_of(parquet).with_columns(
        month=pl.col("occurred_at").dt.strftime("%Y-%m"), kind=pl.col("kind").fill_null("")
    )
    summed = frame.group_by(by).agg(
        postings=pl.len().cast(pl.Int64),
        entries=pl.col("leg").cast(pl.Int64).sum(),
        tiyn=pl.col("amount_tiyn").sum(),
    )
    return tuple(summed.sort(by).collect().iter_rows())


def places_in(parquet: Path) -> list[dict[str, int]]:
    """Return which rows and offsets of each partition of the ledger a file holds."""
    found = (
        postings_of(parquet)
        .group_by(partition="ledger_partition")
        .agg(
            postings=pl.len().cast(pl.Int64),
            first_row=pl.col("row").min(),
            last_row=pl.col("row").max(),
            first_offset=pl.col("ledger_offset").min(),
            last_offset=pl.col("ledger_offset").max(),
        )
    )
    return found.sort("partition").collect().to_dicts()


def hash_of(path: Path) -> str:
    """Return the SHA-256 of a file, 64 hex digits."""
    digest = sha256()
    with path.open("rb") as file:
        while piece := file.read(_READ_BYTES):
            digest.update(piece)
    return digest.hexdigest()
