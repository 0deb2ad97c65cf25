"""The versions of a record side by side: read into the columns of the newest, written in the oldest that holds a row.

Reads     decoded frames of any version; rows and records with the columns of the newest
Returns   one frame; message values, each in the oldest version that loses nothing of its row
Promises  what an older version has not is null or empty in the newest, and is left out again in writing: a row that
          was read in one version and says nothing new is written in that version, byte for byte (D934-42; decision
          0018; boxes: all)

So a program that knows a newer version goes on writing the older one until there is something new to say, and readers
that have not been upgraded meet nothing that they cannot read until then.
"""

from __future__ import annotations

from functools import cache
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import polars as pl

from esep.codec import HEADER_BYTES, INDEX, decode_one, empty_frame, encode, encode_one, wire_header
from esep.schemas import Schema, newest, versions

if TYPE_CHECKING:
    from collections.abc import Mapping

_Path = tuple[str, ...]  # A field, or a field and one inside the record that it may hold.
_PLACE, _VERSION = "_place", "_version"


def upgraded(frames: Mapping[Schema, pl.DataFrame], record: str) -> pl.DataFrame:
    """Return the rows of all versions of a record with the columns of the newest, in order of their `index`.

    frames: as of `esep.codec.Decoded`; those of other records are passed over.
    """
    found = [_as_newest(frame, schema) for schema, frame in frames.items() if schema.record == record]
    if not found:
        return _no_rows(record)
    return found[0] if len(found) == 1 else pl.concat(found).sort(INDEX)


def encode_oldest(frame: pl.DataFrame, record: str) -> list[bytes]:
    """Return one message value per row, in order: each in the oldest version that holds it.

    frame: the columns of the newest version. Raises what `esep.codec.encode` raises.
    """
    known = versions(record)
    numbers = _oldest(frame, record)
    if numbers is None:
        return encode(frame, known[0])
    values = [b""] * frame.height
    for number in numbers.unique():
        at = (numbers == number).arg_true()
        for place, value in zip(at, encode(frame[at], known[number]), strict=True):
            values[place] = value
    return values


def encode_record(record: Mapping[str, Any], name: str) -> bytes:
    """Return the message value of one record, in the oldest version that holds it; what it does not name is new."""
    for schema, added in zip(reversed(versions(name)), reversed(_added(name)), strict=True):
        if schema.version == 1 or any(_is_set(_at(record, path)) for path in added):
            return encode_one(_narrowed(record, schema), schema)
    raise AssertionError("a record has a first version")


def decode_record(value: bytes, name: str) -> dict[str, Any]:
    """Return one record of any version with the fields of the newest; ValueError if it is none."""
    for schema in versions(name):
        if value[:HEADER_BYTES] == wire_header(schema):
            record = decode_one(value, schema)
            return {field: record.get(field, absent) for field, absent in _absent(name).items()}
    raise ValueError("another schema id")


def _oldest(frame: pl.DataFrame, record: str) -> pl.Series | None:
    """Return per row the place of the oldest version that holds it; None if the first one holds all."""
    told = frame.select(_asked(record))
    needed = [name for name in told.columns if told[name].any()]
    if not needed:
        return None
    places = [pl.when(pl.col(name)).then(int(name)).otherwise(0) for name in needed]
    return told.select(pl.max_horizontal(places).alias(_VERSION)).to_series()


@cache
def _asked(record: str) -> tuple[pl.Expr, ...]:
    """Return per version whether a row says anything that the one before it has not; nothing for the first."""
    columns = empty_frame(newest(record)).schema
    return tuple(
        pl.any_horizontal(_is_set_in(columns, path) for path in added).alias(str(number))
        for number, added in enumerate(_added(record))
        if added
    )


def _is_set_in(columns: Mapping[str, Any], path: _Path) -> pl.Expr:
    value, kind = pl.col(path[0]), columns[path[0]]
    for name in path[1:]:
        value, kind = value.struct.field(name), dict(kind)[name]
    return (value.list.len() > 0).fill_null(value=False) if isinstance(kind, pl.List) else value.is_not_null()


def _is_set(value: Any) -> bool:
    return value is not None and value not in ([], ())


def _at(record: Mapping[str, Any], path: _Path) -> Any:
    value: Any = record
    for name in path:
        value = value.get(name) if value is not None else None
    return value


def _narrowed(record: Mapping[str, Any], schema: Schema) -> dict[str, Any]:
    """Return what a version has of a record, inside the records that it holds too."""
    inner = _inner(schema)
    return {
        name: {part: record[name][part] for part in inner[name]} if name in inner and record[name] else record[name]
        for name in schema.fields
    }


@cache
def _added(record: str) -> tuple[tuple[_Path, ...], ...]:
    """Return per version what the one before it has not; nothing for the first."""
    paths = [_paths(schema) for schema in versions(record)]
    return ((), *(tuple(path for path in after if path not in before) for before, after in pairwise(paths)))


def _paths(schema: Schema) -> list[_Path]:
    inner = _inner(schema)
    return [(name,) for name in schema.fields] + [(name, part) for name in inner for part in inner[name]]


@cache
def _absent(record: str) -> dict[str, Any]:
    """Return what a record says of each field of its newest version that it has not."""
    return {
        field["name"]: () if isinstance(field["type"], dict) and field["type"]["type"] == "array" else None
        for field in newest(record).parsed()["fields"]
    }


@cache
def _inner(schema: Schema) -> dict[str, tuple[str, ...]]:
    """Return the fields of each record that a record may hold."""
    kinds = {field["name"]: field["type"][1] for field in schema.parsed()["fields"] if isinstance(field["type"], list)}
    return {
        name: tuple(field["name"] for field in kind["fields"])
        for name, kind in kinds.items()
        if isinstance(kind, dict) and "fields" in kind
    }


def _as_newest(frame: pl.DataFrame, schema: Schema) -> pl.DataFrame:
    if schema == newest(schema.record):
        return frame
    return frame.select(*_columns(schema), INDEX)


@cache
def _columns(schema: Schema) -> tuple[pl.Expr, ...]:
    """Return the columns of the newest version, made of those of this one."""
    has = empty_frame(schema).schema
    wanted = empty_frame(newest(schema.record)).schema
    return tuple(_column(has.get(name), name, kind) for name, kind in wanted.items())


def _column(has: pl.DataType | None, name: str, kind: pl.DataType) -> pl.Expr:
    """Return a column in the type of the newest version."""
    if has is None:
        return absent(kind).alias(name)
    if has == kind:
        return pl.col(name)
    known, wanted = dict(has), dict(kind)  # type: ignore[call-overload]  # Structs: only records within grow.
    parts = [absent(wanted[part]).alias(part) for part in wanted if part not in known]
    whole = pl.col(name).struct.with_fields(*parts).struct
    ordered = pl.struct(whole.field(part) for part in wanted)
    return pl.when(pl.col(name).is_not_null()).then(ordered).alias(name)


def absent(kind: pl.DataType) -> pl.Expr:
    """Return what a row says of a column that its version has not: null, or an empty list."""
    return pl.lit([], dtype=kind) if isinstance(kind, pl.List) else pl.lit(None, dtype=kind)


@cache
def _no_rows(record: str) -> pl.DataFrame:
    return empty_frame(newest(record)).with_columns(pl.Series(INDEX, [], dtype=pl.UInt32))
