"""How fast the codec reads and writes, as a ratio to one record at a time, over the same messages in the same run.

Reads     made-up wagers
Returns   `Measured` per direction
Promises  both ways do the same work on the same input; the better of several runs counts, for both
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import NamedTuple

from bench.events import made_up_iins, wagers
from esep.codec import decode, decode_one, encode, encode_one
from esep.schemas import schema

_BATCH = 10_000
_RUNS = 5


class Measured(NamedTuple):
    """Events per second of a part and of what it is held against; CPU seconds per million events where known."""

    part: str
    rate: float
    yardstick: str
    yardstick_rate: float
    note: str = ""


def measure_codec() -> list[Measured]:
    """Return decode and encode of wagers against fastavro, record by record."""
    kind = schema("wager")
    frame = wagers(_BATCH, "940140000385", "desk-1", site_id="ALA-1", iins=made_up_iins(1_000))
    values = encode(frame, kind)
    records = frame.to_dicts()
    return [
        Measured(
            "codec: decode wagers",
            best_rate(_BATCH, lambda: decode(values, frozenset({"wager"})), _RUNS),
            "fastavro, one by one",
            best_rate(_BATCH, lambda: [decode_one(value, kind) for value in values], _RUNS),
        ),
        Measured(
            "codec: encode wagers",
            best_rate(_BATCH, lambda: encode(frame, kind), _RUNS),
            "fastavro, one by one",
            best_rate(_BATCH, lambda: [encode_one(record, kind) for record in records], _RUNS),
        ),
    ]


def best_rate(events: int, run: Callable[[], object], runs: int) -> float:
    """Return how many events a second the best of so many runs got through."""
    best = float("inf")
    for _ in range(runs):
        started = time.perf_counter()
        run()
        best = min(best, time.perf_counter() - started)
    return events / best
