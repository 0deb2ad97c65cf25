"""Postings as the record says them, from what the table `ledger` keeps of them: one after the other, in plain Python.

Reads     rows, or a block, with the table's columns
Returns   the same with the record's, as a store took them before migration 0023
Promises  no code in common with the loader's `narrowed`, nor with the table's ALIAS columns
"""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

import polars as pl
import pyarrow as pa

if TYPE_CHECKING:
    from collections.abc import Iterable

_KINDS = ("wager", "winning", "refund", "cash_out", "deposit", "withdrawal")
MEASURES = [f"{kind}_{unit}" for kind in _KINDS for unit in ("count", "tiyn")]
_KEPT = ("row_behind", "lag_ms", "cause_behind", "other_name", "own_year", "others_year", "other_years")
_WIDE = {
    **dict.fromkeys(("row", "cause_offset"), pl.Int64),
    "received_at": pl.Datetime("ms", "UTC"),
    "entry_id": pl.String,
    **{
        f"{scope}_{period}_{measure}": pl.Int64
        for scope in ("person", "organizer")
        for period in ("year", "ever")
        for measure in MEASURES
    },
}


def widened(rows: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return the rows with the record's columns beside the table's."""
    return [{**row, **_places(row), **_totals(row)} for row in rows]


def wide_block(block: bytes) -> bytes:
    """Return a loader's block as the loader sent it before."""
    narrow = pl.read_ipc_stream(block)
    derived = [{name: row[name] for name in _WIDE} for row in widened(narrow.to_dicts())]
    wide = narrow.drop(_KEPT).hstack(pl.DataFrame(derived, schema=_WIDE)).to_arrow()
    out = pa.BufferOutputStream()
    with pa.ipc.new_stream(out, wide.schema) as stream:
        stream.write_table(wide)
    content: bytes = out.getvalue().to_pybytes()
    return content


def _places(row: dict[str, Any]) -> dict[str, Any]:
    told = row["other_name"]
    return {
        "row": row["ledger_offset"] - row["row_behind"],
        "cause_offset": row["ledger_offset"] - row["cause_behind"],
        "received_at": row["occurred_at"] + timedelta(milliseconds=row["lag_ms"]),
        "entry_id": told or "/".join((row["organizer_bin"], row["stream_id"], str(row["sequence"]))),
    }


def _totals(row: dict[str, Any]) -> dict[str, int]:
    found = {}
    for place, measure in enumerate(MEASURES):
        own, others = (_at(row[name], place) for name in ("own_year", "others_year"))
        own_before, others_before = (_at(row["other_years"], place + start) for start in (0, len(MEASURES)))
        found[f"organizer_year_{measure}"] = own
        found[f"organizer_ever_{measure}"] = _wrapped(own + own_before)
        found[f"person_year_{measure}"] = _wrapped(own + others)
        found[f"person_ever_{measure}"] = _wrapped(own + others + own_before + others_before)
    return found


def _at(numbers: list[int], place: int) -> int:
    return numbers[place] if numbers else 0


def _wrapped(number: int) -> int:
    """Return what 64 bits hold of a sum."""
    return (number + 2**63) % 2**64 - 2**63
