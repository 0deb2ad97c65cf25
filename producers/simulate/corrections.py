"""Corrections of simulated events: void one, give it another amount, or repair one that was refused.

Reads     the events that are corrected, as they are in force
Returns   a message value per correction
Promises  `was` is what is in force and null where the target was refused; `now` passes every check; each target is
          corrected once (DESIGN §3; box: producers)
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from esep.events import CORRECTION_RECORD, Values
from esep.money import AMOUNT_TIYN_MAX
from esep.versions import encode_record

if TYPE_CHECKING:
    import polars as pl

VOID, REPLACE, REPAIR = "VOID", "REPLACE", "REPAIR"
_VALUES = tuple(Values.model_fields)
_REASONS = {VOID: "Қате енгізілген бәс", REPLACE: "Сумма введена неверно", REPAIR: "Fields mended"}
_MORE_TIYN = 100_00  # What a corrected amount is higher by.


def correction_kind(number: int, *, target_refused: bool) -> str:
    """Return how an event is corrected; number: random. What was refused is repaired."""
    if target_refused:
        return REPAIR
    return VOID if number % 2 else REPLACE


def correction_values(corrections: pl.DataFrame, targets: pl.DataFrame, kinds: list[str]) -> list[bytes]:
    """Return the message value of each correction.

    corrections, targets: numbered events, in the same order; of a correction the numbering and the instant count, of a
    target the values that are in force, or that would be had it not been refused. kinds: see `correction_kind`.
    """
    rows = zip(corrections.iter_rows(named=True), targets.iter_rows(named=True), kinds, strict=True)
    return [encode_record(_record(correction, target, kind), CORRECTION_RECORD) for correction, target, kind in rows]


def _record(correction: dict[str, Any], target: dict[str, Any], kind: str) -> dict[str, Any]:
    values = {name: target[name] for name in _VALUES}
    other_amount = {"amount_tiyn": min(values["amount_tiyn"] + _MORE_TIYN, AMOUNT_TIYN_MAX)}
    return {
        **{name: correction[name] for name in ("organizer_bin", "stream_id", "sequence")},
        "target_sequence": target["sequence"],
        "replaces_revision": 0,
        "corrected_at": correction["occurred_at"],
        "reason": _REASONS[kind],
        "was": None if kind == REPAIR else values,
        "now": {VOID: None, REPLACE: values | other_amount, REPAIR: values}[kind],
    }
