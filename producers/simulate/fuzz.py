"""Messages that were damaged at random among good ones: whatever intake says of them, it must say it of each.

Reads     a `Plan` for the good messages
Returns   frames of messages (columns of MESSAGES): good ones with their verdict, mutated ones without
Promises  the same for the same plan and share; no mutated message can pass for one of a good stream, since its key is
          another (box: producers)

A mutated message is an event of a stream of its own to which one of these was done: bits flipped, cut, joined with
another, given another schema's id, or made so that whoever reads joined bodies in one piece reads the next one wrongly:
a text said to be longer than the body, a list said to have more items than it has, numbers of ten bytes and more.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import polars as pl

from esep.codec import HEADER_BYTES, decode, encode, wire_header
from esep.events import EVENT_RECORDS
from esep.partitioner import partition_of
from esep.producers.simulate.generator import GOOD, MESSAGES, messages
from esep.schemas import versions

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from esep.producers.simulate.plan import Plan

UNKNOWN = "UNKNOWN"  # The verdict that is not foretold.
STREAM = "fuzz"  # Stream of what is mutated.
_FLIPS_MAX = 8
_HEADERS = [wire_header(schema) for record in sorted(EVENT_RECORDS) for schema in versions(record)]
_HUGE = (  # Avro numbers: lengths and counts that no body of ours has.
    b"\xfe\xff\xff\xff\x0f",  # 2**31 - 1
    b"\xfe\xff\xff\xff\xff\xff\xff\xff\xff\x01",  # 2**63 - 1
    b"\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01",  # -(2**63)
    b"\x01",  # -1
    b"\xff" * 12,  # No number at all.
)


def fuzzed(plan: Plan, share: float, batch: int = 20_000) -> Iterator[pl.DataFrame]:
    """Yield the messages of a plan, this share of them mutated (verdict UNKNOWN, kind: what was done)."""
    for number, frame in enumerate(messages(plan, batch)):
        draw = np.random.default_rng([plan.seed, 4, number])
        yield _with_mutated(frame, draw.random(frame.height) < share, plan, draw)


def _with_mutated(frame: pl.DataFrame, chosen: np.ndarray, plan: Plan, draw: np.random.Generator) -> pl.DataFrame:
    """Return the good messages, and behind each chosen one a mutated copy of it."""
    good = frame.filter(pl.col("kind") == GOOD, pl.Series(chosen))
    if good.is_empty():
        return frame
    values = _of_stream(good["value"].to_list())
    names = [_NAMES[place] for place in draw.integers(0, len(_NAMES), len(values))]
    others = [values[place] for place in draw.integers(0, len(values), len(values))]
    mutated = [MUTATIONS[name](value, other, draw) for name, value, other in zip(names, values, others, strict=True)]
    beside = good.with_columns(
        pl.Series("value", mutated, dtype=pl.Binary),
        pl.Series("kind", names),
        key=pl.lit(STREAM).cast(pl.Binary),
        partition=pl.lit(partition_of(STREAM.encode(), plan.partitions), pl.Int32),
        verdict=pl.lit(UNKNOWN),
        code=pl.lit(None, pl.String),
    )
    return pl.concat([frame, beside]).sort("number", maintain_order=True).select(MESSAGES.names())


def _of_stream(values: list[bytes]) -> list[bytes]:
    """Return the events as events of the stream of what is mutated; their numbers may repeat."""
    decoded = decode(values, EVENT_RECORDS)
    found = [b""] * len(values)
    for schema, events in decoded.frames.items():
        moved = encode(events.with_columns(stream_id=pl.lit(STREAM)), schema)
        for place, value in zip(events["index"], moved, strict=True):
            found[place] = value
    return found


def _flip(value: bytes, _other: bytes, draw: np.random.Generator) -> bytes:
    damaged = bytearray(value)
    for bit in draw.integers(0, 8 * len(value), draw.integers(1, _FLIPS_MAX + 1)).tolist():
        damaged[bit // 8] ^= 1 << bit % 8
    return bytes(damaged)


def _cut(value: bytes, _other: bytes, draw: np.random.Generator) -> bytes:
    return value[: draw.integers(0, len(value))]


def _cut_inside(value: bytes, _other: bytes, draw: np.random.Generator) -> bytes:
    first, last = sorted(draw.integers(HEADER_BYTES, len(value) + 1, 2).tolist())
    return value[:first] + value[last:]


def _join(value: bytes, other: bytes, draw: np.random.Generator) -> bytes:
    return value + other[HEADER_BYTES * int(draw.integers(0, 2)) :]


def _splice(value: bytes, other: bytes, draw: np.random.Generator) -> bytes:
    return value[: draw.integers(HEADER_BYTES, len(value))] + other[draw.integers(HEADER_BYTES, len(other)) :]


def _swap_schema(value: bytes, _other: bytes, draw: np.random.Generator) -> bytes:
    others = [header for header in _HEADERS if not value.startswith(header)]
    return others[draw.integers(0, len(others))] + value[HEADER_BYTES:]


def _swallow(value: bytes, other: bytes, draw: np.random.Generator) -> bytes:
    """Say that the first text goes on beyond the body: into the next one, where bodies are joined."""
    length = len(value) + int(draw.integers(0, len(other)))
    return value[:HEADER_BYTES] + _avro_long(length) + value[HEADER_BYTES + 1 :]


def _swallow_at_the_end(value: bytes, other: bytes, _draw: np.random.Generator) -> bytes:
    """Leave the end open, as long as the next body is: a list of one more item, or a number that goes on."""
    return value[:-1] + b"\x02" + _avro_long(len(other) - HEADER_BYTES)


def _huge_number(value: bytes, _other: bytes, draw: np.random.Generator) -> bytes:
    at = int(draw.integers(HEADER_BYTES, len(value)))
    return value[:at] + _HUGE[draw.integers(0, len(_HUGE))] + value[at + 1 :]


def _noise(value: bytes, _other: bytes, draw: np.random.Generator) -> bytes:
    return value[:HEADER_BYTES] + draw.bytes(len(value))


def _avro_long(number: int) -> bytes:
    """Return a number from 0 on as Avro writes it.

    >>> _avro_long(64).hex()
    '8001'
    """
    rest, out = number << 1, bytearray()
    while rest > 0x7F:
        out.append(rest & 0x7F | 0x80)
        rest >>= 7
    return bytes([*out, rest])


MUTATIONS: dict[str, Callable[[bytes, bytes, np.random.Generator], bytes]] = {
    "FLIPPED": _flip,
    "CUT_ANYWHERE": _cut,
    "CUT_INSIDE": _cut_inside,
    "JOINED_WITH_ANOTHER": _join,
    "SPLICED": _splice,
    "SCHEMA_SWAPPED": _swap_schema,
    "TEXT_TOO_LONG": _swallow,
    "END_LEFT_OPEN": _swallow_at_the_end,
    "NUMBER_TOO_LARGE": _huge_number,
    "NOISE": _noise,
}
_NAMES = list(MUTATIONS)
