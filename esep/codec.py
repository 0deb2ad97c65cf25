"""Frames to messages and back: Avro in the Confluent wire format, whole batches at a time.

Reads     message values (0x00, 4-byte schema id, Avro body), or a frame with the columns of a schema
Returns   `Decoded`: a frame per schema and the messages that are none; or a list of message values
Promises  reading a batch gives exactly what reading its messages one by one gives, and one bad message costs no other
          (DESIGN §8; boxes: all)

The columnar reader takes each body by itself, so that none can shift another, and raises where others panic. It is lax
in three ways, and each is made good in `_read`: bytes left over (a mark drawn for this call is appended to each body,
read as its last field and compared in every row), numbers too large for an int (read as longs, then cast with a check)
and bytes that are no UTF-8 (Arrow's full validation). A batch that fails is halved until few bodies are left; of these
fastavro sifts out what is no record, and what it does not see is found by halving on.
"""

from __future__ import annotations

import io
import json
import secrets
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from itertools import compress
from typing import Any

import fastavro
import polars as pl
import pyarrow as pa
import pyarrow.compute as pc
from pyruhvro import deserialize_array, serialize_record_batch

from esep.schema_ids import current
from esep.schemas import Schema

HEADER_BYTES = 5  # 0x00 and the schema id, four bytes, big endian.
INDEX = "index"  # Column with the place of a record in the batch that was decoded.
_MARK = "_mark"  # Last field of what the columnar reader is told to read.
_SIFT_MAX = 256  # Bodies at most that are looked at singly because one of them is bad: some 2 ms.
_MARK_BYTES = 8  # Random bytes of a mark: nobody guesses 64 bits before the call is over.
_ARROW_TYPES = {"string": pa.string(), "bytes": pa.binary(), "int": pa.int32(), "long": pa.int64()}


@dataclass(frozen=True, slots=True)
class Decoded:
    """`frames`: per schema a frame with the schema's columns and `index` (UInt32). `bad`: place → reject code."""

    frames: dict[Schema, pl.DataFrame]
    bad: dict[int, str]


def decode(values: Sequence[bytes | None], allowed: frozenset[str]) -> Decoded:
    """Return the records of a batch of message values, by schema.

    allowed: the record names that may stand here. Codes of what is no record: EMPTY, NOT_WIRE_FORMAT, SCHEMA_UNKNOWN,
    UNDECODABLE. Every place of the batch is in exactly one frame or in `bad`.
    """
    bad: dict[int, str] = {}
    frames: dict[Schema, pl.DataFrame] = {}
    for header, group in _by_header(values).items():
        code, schema = _named(header, allowed)
        if schema is None:
            bad.update(dict.fromkeys(group, code))
            continue
        batches, failed = _read_group(schema, [value for place in group if (value := values[place])], group)
        bad.update(dict.fromkeys(failed, "UNDECODABLE"))
        read = [place for place in group if place not in bad] if failed else group
        if read:
            frames[schema] = _frame(schema, batches).with_columns(pl.Series(INDEX, read, dtype=pl.UInt32))
    return Decoded(frames, bad)


def encode(frame: pl.DataFrame, schema: Schema) -> list[bytes]:
    """Return one message value per row; columns are taken by name, in the order of the schema.

    Raises polars' ColumnNotFoundError if a column is missing, ValueError if one holds a null or a value that the schema
    has no room for. Instants without a zone are UTC.
    """
    if frame.is_empty():
        return []
    fields = _arrow_schema(schema)
    if _has_bytes(schema):  # The columnar writer knows no bytes (measured).
        return [encode_one(record, schema) for record in frame.select(schema.fields).iter_rows(named=True)]
    told = frame[schema.fields].to_arrow().columns
    columns = [_cast(column, field.type) for column, field in zip(told, fields, strict=True)]
    for place, field in _never_null(schema):
        _refuse_nulls(columns[place], field)
    batch = pa.RecordBatch.from_arrays(columns, schema=fields)
    bodies = serialize_record_batch(batch, schema.text, 1)[0]
    header = pa.scalar(wire_header(schema), pa.binary())
    values: list[bytes] = pc.binary_join_element_wise(header, bodies, pa.scalar(b"", pa.binary())).to_pylist()
    return values


def encode_one(record: dict[str, Any], schema: Schema) -> bytes:
    """Return the message value of one record."""
    return wire_header(schema) + encode_body(record, schema)


def encode_body(record: dict[str, Any], schema: Schema) -> bytes:
    """Return the bare Avro body of one record."""
    out = io.BytesIO()
    fastavro.schemaless_writer(out, _parsed(schema), record, strict=True)
    return out.getvalue()


def decode_one(value: bytes, schema: Schema) -> dict[str, Any]:
    """Return one record from its message value; ValueError if it is none or bytes are left over.

    Another reader than that of `decode`, against which that one is tested, and for messages of our own: it does not see
    an int of more than 32 bits, a number of more than 64, or a negative choice of a union, which `decode` refuses. An
    instant outside the years 1 to 9999 is a ValueError here, and a value there.
    """
    if value[:HEADER_BYTES] != wire_header(schema):
        raise ValueError("another schema id")
    return decode_body(value[HEADER_BYTES:], schema)


def decode_body(body: bytes, schema: Schema) -> dict[str, Any]:
    """Return one record from its bare Avro body; ValueError if it is none or bytes are left over."""
    source = io.BytesIO(body)
    try:
        record = fastavro.schemaless_reader(source, _parsed(schema), None)
    except Exception as error:
        raise ValueError("not a record of the schema") from error
    if source.read(1):
        raise ValueError("bytes are left over")
    return dict(record)


def wire_header(schema: Schema) -> bytes:
    """Return the five bytes that stand before the bodies of a schema."""
    return b"\x00" + current().id_of(schema).to_bytes(4, "big")


def empty_frame(schema: Schema) -> pl.DataFrame:
    """Return a frame without rows that has the columns and types of a schema."""
    return _frame(schema, [])


def _by_header(values: Sequence[bytes | None]) -> dict[bytes, Sequence[int]]:
    """Return the places of the values by their first bytes, by none for what is empty."""
    headers = [value[:HEADER_BYTES] if value else b"" for value in values]
    if len(set(headers)) == 1:  # As in each topic of ours; the loop costs a fifth of the decoding (measured).
        return {headers[0]: range(len(headers))}
    places: defaultdict[bytes, list[int]] = defaultdict(list)
    for place, header in enumerate(headers):
        places[header].append(place)
    return dict(places)


def _named(header: bytes, allowed: frozenset[str]) -> tuple[str, Schema | None]:
    if not header:
        return "EMPTY", None
    if len(header) < HEADER_BYTES or header[0] != 0:
        return "NOT_WIRE_FORMAT", None
    schema = current().schema_of(int.from_bytes(header[1:], "big"))
    if schema is None or schema.record not in allowed:
        return "SCHEMA_UNKNOWN", None
    return "", schema


def _read_group(
    schema: Schema, values: list[bytes], places: Sequence[int], *, sifted: bool = False
) -> tuple[list[pa.RecordBatch], list[int]]:
    """Read values of one schema: those that are records, in order, and the places of those that are not."""
    batch = _read(schema, values)
    if batch is not None:
        return [batch], []
    if len(values) == 1:
        return [], [*places]
    if len(values) <= _SIFT_MAX and not sifted:
        fine = [_is_plausible(value[HEADER_BYTES:], schema) for value in values]
        batches, bad = _read_group(schema, [*compress(values, fine)], [*compress(places, fine)], sifted=True)
        return batches, bad + [place for place, ok in zip(places, fine, strict=True) if not ok]
    half = len(values) // 2
    left, left_bad = _read_group(schema, values[:half], places[:half], sifted=sifted)
    right, right_bad = _read_group(schema, values[half:], places[half:], sifted=sifted)
    return left + right, left_bad + right_bad


def _is_plausible(body: bytes, schema: Schema) -> bool:
    """Return whether the reader of single records takes a body: far quicker than halving where many are bad."""
    source = io.BytesIO(body)
    try:
        fastavro.schemaless_reader(source, _wire_types(schema), None)
    except Exception:  # noqa: BLE001 - whatever it is, it is no record
        return False
    return not source.read(1)


def _read(schema: Schema, values: list[bytes]) -> pa.RecordBatch | None:
    """Return the records of all values, or None if any of them is none."""
    mark = secrets.token_hex(_MARK_BYTES)
    end = bytes([2 * len(mark)]) + mark.encode()
    fields = _arrow_schema(schema)
    bodies = [value[HEADER_BYTES:] + end for value in values]  # One pass: two take three times as long (measured).
    try:
        *columns, marks = deserialize_array(bodies, _reading_text(schema)).columns
        if not marks.equals(pa.repeat(pa.scalar(mark), len(bodies))):
            return None
        typed = [_typed(column, field.type) for column, field in zip(columns, fields, strict=True)]
        batch = pa.RecordBatch.from_arrays(typed, schema=fields)
        batch.validate(full=True)
    except ValueError:
        return None
    except BaseException as error:
        if type(error).__name__ == "PanicException":  # A panic of the reader, which no module exports; none is known.
            return None
        raise
    return batch


def _typed(column: pa.Array, kind: pa.DataType) -> pa.Array:
    if column.type == kind:
        return column
    return column.view(kind) if pa.types.is_binary(kind) else column.cast(kind)


def _cast(column: pa.ChunkedArray, kind: pa.DataType) -> pa.Array:
    whole = column.chunk(0) if column.num_chunks == 1 else pa.concat_arrays(column.chunks)
    return whole if whole.type == kind else whole.cast(kind)


def _refuse_nulls(column: pa.Array, field: dict[str, Any]) -> None:
    """Raise ValueError at a null where none may be: the columnar writer would make it 0 or an empty text."""
    name, kind = field["name"], field["type"]
    if isinstance(kind, list):
        column, kind = column.drop_null(), kind[1]
    if column.null_count:
        raise ValueError(f"field {name} holds a null")
    if isinstance(kind, dict) and kind["type"] == "array":
        _refuse_nulls(column.flatten(), {"name": name, "type": kind["items"]})
    elif isinstance(kind, dict) and kind["type"] == "record":
        for child, inner in zip(column.flatten(), kind["fields"], strict=True):
            _refuse_nulls(child, inner)


def _frame(schema: Schema, batches: list[pa.RecordBatch]) -> pl.DataFrame:
    """Return batches as a frame: one column that is taken apart, for of tables polars looks at each column by itself,
    which takes longer than to decode some hundred records (measured).
    """
    whole = batches[0] if len(batches) == 1 else pa.Table.from_batches(batches, _arrow_schema(schema)).combine_chunks()
    return pl.Series(whole).struct.unnest()


@cache
def _reading_text(schema: Schema) -> str:
    """Return the schema that the columnar reader is given: wide numbers, text for bytes, and the mark at the end.

    An int and a long are the same on the wire, and so are a text and bytes, which the reader does not know.
    """
    content = _renamed(schema.parsed(), {"int": "long", "bytes": "string"})
    content["fields"].append({"name": _MARK, "type": "string"})
    return json.dumps(content)


def _renamed(kind: Any, names: dict[str, str]) -> Any:
    """Return a type as it is on the wire, without what its numbers mean, and with other names for flat types."""
    if isinstance(kind, dict):
        inside = {key: _renamed(kind[key], names) for key in ("type", "fields", "items") if key in kind}
        return {key: value for key, value in kind.items() if key != "logicalType"} | inside
    if isinstance(kind, list):
        return [_renamed(part, names) for part in kind]
    return names.get(kind, kind)


@cache
def _wire_types(schema: Schema) -> Any:
    """Return the schema for fastavro without its instants, of which Python cannot hold all."""
    return fastavro.parse_schema(_renamed(schema.parsed(), {}))


@cache
def _parsed(schema: Schema) -> Any:
    return fastavro.parse_schema(schema.parsed())


@cache
def _fields(schema: Schema) -> list[dict[str, Any]]:
    fields: list[dict[str, Any]] = schema.parsed()["fields"]
    return fields


@cache
def _has_bytes(schema: Schema) -> bool:
    return any(pa.types.is_binary(field.type) for field in _arrow_schema(schema))


@cache
def _never_null(schema: Schema) -> tuple[tuple[int, dict[str, Any]], ...]:
    """Return the place and the field of each column in which a null may be where none may."""
    return tuple(
        (place, field)
        for place, field in enumerate(_fields(schema))
        if not isinstance(field["type"], list) or isinstance(field["type"][1], dict)
    )


@cache
def _arrow_schema(schema: Schema) -> pa.Schema:
    """Return the Arrow schema of the frames of a schema, with offsets of 32 bits, as the columnar writer wants them."""
    return pa.schema([(field["name"], _arrow_type(field["type"])) for field in _fields(schema)])


def _arrow_type(kind: Any) -> pa.DataType:
    if isinstance(kind, str):
        return _ARROW_TYPES[kind]
    if isinstance(kind, list):
        return _arrow_type(kind[1])
    if kind["type"] == "record":
        return pa.struct([(field["name"], _arrow_type(field["type"])) for field in kind["fields"]])
    if kind["type"] == "array":
        return pa.list_(_arrow_type(kind["items"]))
    return pa.timestamp("ms", "UTC")
