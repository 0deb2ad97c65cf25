"""The organizer's own copy of what it reported, and of what the authority said to it, as a Parquet file.

Reads     a spool
Writes    a Parquet file (zstd): one row per event, in the order in which they were kept
Promises  the fields of every record type, the exact message beside them; bounded memory however long the spool; the
          file is there as a whole or not at all (clauses O9-4.5, O9-4.7; box: producers)
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import polars as pl
import pyarrow.parquet as pq

from esep.codec import INDEX, Decoded, decode
from esep.errors import FileUnusable, InvariantBroken
from esep.events import CORRECTION_RECORD, EVENT_RECORDS, unified
from esep.producers.answers import State
from esep.producers.spool_reader import SpoolReader
from esep.versions import upgraded

if TYPE_CHECKING:
    from pathlib import Path

_PAGE_ROWS = 20_000  # Some 10 MB of messages.
_INSTANT = pl.Datetime("ms", "UTC")
_OF_SPOOL = pl.Schema(
    [
        ("state", pl.String),
        ("spooled_at", _INSTANT),
        ("sent_at", _INSTANT),
        ("partition", pl.Int32),
        ("offset", pl.Int64),
        ("receipt_offset", pl.Int64),
        ("reject_code", pl.String),
        ("value", pl.Binary),
    ]
)


def export_spool(spool_path: Path, out_path: Path) -> int:
    """Write all events of a spool; return how many.

    Columns: `event_type`, the fields of every type of event (null where a type has them not), then state,
    spooled_at and sent_at (UTC, by the organizer's clock), partition, offset, receipt_offset, reject_code, and value:
    the message, byte for byte. Raises FileUnusable if there is a file already, or the spool is none.
    """
    if out_path.exists():
        raise FileUnusable(f"{out_path} is there already", hint="name a new file: nothing is written over")
    part = out_path.with_name(f".{out_path.name}.part")
    try:
        with SpoolReader(spool_path) as reader:
            count = _write(reader, part)
        part.replace(out_path)
    except OSError as error:
        raise FileUnusable(f"{out_path} cannot be written", detail=error.strerror or str(error)) from error
    finally:
        part.unlink(missing_ok=True)
    return count


def events_table(rows: list[dict[str, Any]]) -> pl.DataFrame:
    """Return rows of `SpoolReader.page` with the fields of their events."""
    of_spool = pl.DataFrame(
        [{**row, "state": State(row["state"]).name} for row in rows],
        schema={name: pl.Int64 if kind == _INSTANT else kind for name, kind in _OF_SPOOL.items()},
    ).cast(dict(_OF_SPOOL))  # type: ignore[arg-type]
    events = _events(decode([row["value"] for row in rows], EVENT_RECORDS))
    return pl.concat([events, of_spool], how="horizontal")


def _write(reader: SpoolReader, path: Path) -> int:
    count, after = 0, 0
    with pq.ParquetWriter(path, events_table([]).to_arrow().schema, compression="zstd") as file:
        while rows := reader.page(after, _PAGE_ROWS):
            file.write_table(events_table(rows).to_arrow())
            count, after = count + len(rows), rows[-1]["id"]
    return count


def _events(decoded: Decoded) -> pl.DataFrame:
    """Return decoded events of all types in one frame, in the order of their messages."""
    if decoded.bad:
        raise InvariantBroken("the spool holds a message that is no event", detail=f"{len(decoded.bad)} of a page")
    events = unified(decoded.frames).select("event_type", pl.exclude("event_type"))
    corrections = upgraded(decoded.frames, CORRECTION_RECORD).with_columns(event_type=pl.lit("CORRECTION"))
    return pl.concat([events, corrections], how="diagonal").sort(INDEX).drop(INDEX)
