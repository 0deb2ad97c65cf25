"""Avro read by the letter of its specification (1.12), in plain Python: what every fast reader is held against.

Reads     the bare body of one record, and its schema
Returns   the record with instants as numbers; None where the bytes are not exactly one record
Promises  imports nothing of the project; numbers are taken modulo 2**64, as Avro's Java reader takes them
"""

from __future__ import annotations

import json
from typing import Any

VARINT_BYTES_MAX = 10


class NoRecordError(Exception):
    """The bytes are not a record of the schema; the text says why."""


def read(schema_text: str, body: bytes) -> dict[str, Any] | None:
    """Return the record in `body`, or None if it is none or bytes are left over."""
    try:
        record, end = _value(json.loads(schema_text), body, 0)
    except NoRecordError:
        return None
    return record if end == len(body) else None


def varint(number: int) -> bytes:
    """Return a long as Avro writes it: zigzag, seven bits a byte."""
    left = (number << 1 ^ number >> 63) % 2**64
    out = bytearray()
    while left > 0x7F:
        out.append(left & 0x7F | 0x80)
        left >>= 7
    return bytes([*out, left])


def _long(body: bytes, at: int) -> tuple[int, int]:
    number = 0
    for place in range(VARINT_BYTES_MAX):
        if at + place >= len(body):
            raise NoRecordError("ends within a number")
        byte = body[at + place]
        number |= (byte & 0x7F) << 7 * place
        if byte < 0x80:
            number %= 2**64
            return number >> 1 ^ -(number & 1), at + place + 1
    raise NoRecordError("a number of more than ten bytes")


def _value(kind: Any, body: bytes, at: int) -> tuple[Any, int]:
    if isinstance(kind, list):
        choice, at = _long(body, at)
        if choice not in range(len(kind)):
            raise NoRecordError("no such choice of a union")
        return _value(kind[choice], body, at)
    name = kind["type"] if isinstance(kind, dict) else kind
    return READERS[name](kind, body, at)


def _int(_kind: Any, body: bytes, at: int) -> tuple[int, int]:
    number, at = _long(body, at)
    if number not in range(-(2**31), 2**31):
        raise NoRecordError("an int of more than 32 bits")
    return number, at


def _bytes(_kind: Any, body: bytes, at: int) -> tuple[bytes, int]:
    size, at = _long(body, at)
    if not 0 <= size <= len(body) - at:
        raise NoRecordError("a length below zero or beyond the end")
    return body[at : at + size], at + size


def _string(kind: Any, body: bytes, at: int) -> tuple[str, int]:
    raw, at = _bytes(kind, body, at)
    try:
        return raw.decode("utf-8"), at
    except UnicodeDecodeError:
        raise NoRecordError("a text that is no UTF-8") from None


def _array(kind: Any, body: bytes, at: int) -> tuple[list[Any], int]:
    items: list[Any] = []
    while True:
        count, at = _long(body, at)
        if count == 0:
            return items, at
        if count < 0:  # Then the size in bytes follows; -2**63 has no positive and stays below every range.
            count = -count if count > -(2**63) else 0
            _, at = _long(body, at)
        for _ in range(count):
            item, at = _value(kind["items"], body, at)
            items.append(item)


def _record(kind: Any, body: bytes, at: int) -> tuple[dict[str, Any], int]:
    record: dict[str, Any] = {}
    for field in kind["fields"]:
        record[field["name"]], at = _value(field["type"], body, at)
    return record, at


READERS = {
    "null": lambda _kind, _body, at: (None, at),
    "int": _int,
    "long": lambda _kind, body, at: _long(body, at),
    "string": _string,
    "bytes": _bytes,
    "array": _array,
    "record": _record,
}
