"""A Parquet file as columns of text: its rows by number, from 1 on.

Reads     a file
Returns   `FileRows`, as for CSV: a text column per column of the mapping
Promises  what a column holds is written out exactly, so that the same rules as for CSV apply: an instant with a zone in
          UTC, one without a zone as no instant at all; no text of an error holds a value of the file (box: producers)
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq

from esep.errors import FileUnusable
from esep.producers.files import LINE, REJECTS, FileRows, refuse_columns, refuse_too_large, unusable

if TYPE_CHECKING:
    from pathlib import Path

ROWS_MAX = 4_000_000  # They take some 4 GB of memory while they are mapped.
_FORMAT = "%Y-%m-%dT%H:%M:%S%.f"
_AS_TEXT = (pl.String, pl.Categorical, pl.Enum, pl.Decimal, pl.Boolean, pl.Date, pl.Null)


def read_parquet(path: Path, columns: Sequence[str]) -> FileRows:
    """Return the rows of a file that has exactly these columns, in any order.

    Raises FileUnusable with one of the codes of scope `file`: FILE_NOT_PARQUET, COLUMN_MISSING, COLUMN_UNKNOWN,
    COLUMN_TWICE, COLUMN_KIND; or because the file cannot be opened or is too large.
    """
    refuse_too_large(path)
    original = _read(path, columns)
    odd = [name for name in columns if not _is_plain(original.schema[name])]
    if odd:
        do = "write texts, numbers, instants or truth values there"
        raise unusable(path, "COLUMN_KIND", f"See {', '.join(odd)}.", do)
    texts = original.select(_as_text(name, original.schema[name]) for name in columns)
    numbered = texts.with_columns(pl.int_range(1, pl.len() + 1, dtype=pl.UInt32).alias(LINE))
    return FileRows(numbered, pl.DataFrame(schema=REJECTS), [], original)


def write_parquet(path: Path, original: pl.DataFrame, numbers: Iterable[int]) -> None:
    """Write the rows with these numbers into a new file; FileUnusable if it cannot."""
    places = sorted(number - 1 for number in numbers)
    try:
        with path.open("xb") as file:
            original[places].write_parquet(file)
    except OSError as error:
        raise FileUnusable(
            f"the rejected rows cannot be written to {path}", detail=error.strerror or "", hint="name a new file"
        ) from error


def _read(path: Path, columns: Sequence[str]) -> pl.DataFrame:
    try:
        with pq.ParquetFile(path) as file:
            _refuse_shape(path, file.schema_arrow.names, file.metadata.num_rows, columns)
            return pl.DataFrame(pl.from_arrow(file.read()))
    except (pa.ArrowException, pl.exceptions.PolarsError) as error:
        do = "name another file, or give this one the ending that says what it is"
        raise unusable(path, "FILE_NOT_PARQUET", "", do) from error
    except OSError as error:
        raise FileUnusable(f"{path} cannot be read", detail=error.strerror or "", hint="name another file") from error


def _refuse_shape(path: Path, names: Sequence[str], rows: int, columns: Sequence[str]) -> None:
    """Refuse a file by what its footer says, before its rows are read."""
    if rows > ROWS_MAX:
        raise FileUnusable(
            f"{path} is too large",
            detail=f"it has {rows:,} rows, more than {ROWS_MAX:,}",
            hint="cut it into several files, by day for example; each is a stream of its own",
        )
    missing = [name for name in columns if name not in names]
    refuse_columns(path, missing, [name for name in names if name not in columns])
    if len(set(names)) != len(names):
        raise unusable(path, "COLUMN_TWICE", "", "rename or remove one of them")


def _is_plain(dtype: pl.DataType) -> bool:
    return isinstance(dtype, (*_AS_TEXT, pl.Datetime)) or dtype.is_numeric()


def _as_text(name: str, dtype: pl.DataType) -> pl.Expr:
    column = pl.col(name)
    if isinstance(dtype, pl.Datetime):
        if dtype.time_zone is None:
            return column.dt.strftime(_FORMAT)
        return column.dt.convert_time_zone("UTC").dt.strftime(f"{_FORMAT}Z")
    return column.cast(pl.String)
