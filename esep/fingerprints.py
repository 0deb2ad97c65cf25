"""By what two messages are the same event: the digest of the value as we would write it.

Reads     decoded messages, their values and digests
Returns   a fingerprint per message
Promises  the SHA-256 of the value, but for an event that we would write otherwise: in an older version, or its lists in
          other blocks; so what two writers, or two versions, make of one event is equal here, for intake and for the
          organizer offline (DESIGN §4 "Sequence"; clauses O9-4.5, D934-42; boxes: producers, intake)
"""

from __future__ import annotations

from hashlib import sha256
from typing import TYPE_CHECKING

import polars as pl

from esep.codec import INDEX
from esep.versions import encode_oldest, upgraded

if TYPE_CHECKING:
    from collections.abc import Sequence

    from esep.codec import Decoded
    from esep.schemas import Schema


def fingerprints_of(decoded: Decoded, values: Sequence[bytes | None], digests: list[bytes]) -> list[bytes]:
    """Return the digests (SHA-256 of each value) themselves where no event would be written otherwise, else a copy."""
    fingerprints = digests
    for schema, frame in decoded.frames.items():
        some = _writable_otherwise(frame, schema)
        if some.is_empty():  # The usual case while bets name no selections.
            continue
        free = upgraded({schema: some}, schema.record)
        for place, ours in zip(free[INDEX], encode_oldest(free, schema.record), strict=True):
            if ours != values[place]:
                fingerprints = fingerprints.copy() if fingerprints is digests else fingerprints
                fingerprints[place] = sha256(ours).digest()
    return fingerprints


def _writable_otherwise(frame: pl.DataFrame, schema: Schema) -> pl.DataFrame:
    """Return the rows that Avro may write in more ways than one: those with arrays, and those of later versions."""
    if schema.version > 1:
        return frame
    arrays = [pl.col(name).list.len() > 0 for name, kind in frame.schema.items() if isinstance(kind, pl.List)]
    return frame.filter(pl.any_horizontal(arrays)) if arrays else frame.clear()
