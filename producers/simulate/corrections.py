"""Corrections of simulated events: void one, give it another amount, or repair one that was refused.

Reads     the events that are corrected, as they are in force; what bad corrections say instead
Returns   a message value per correction
Promises  of a right one `was` is what is in force and null where the target was refused, and `now` passes every check
          (DESIGN §3; box: producers)
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from esep.events import CORRECTION_RECORD, Values
from esep.money import AMOUNT_TIYN_MAX
from esep.versions import encode_record

if TYPE_CHECKING:
    import polars as pl

    from esep.producers.simulate.kinds import Amend

VOID, REPLACE, REPAIR = "VOID", "REPLACE", "REPAIR"
_VALUES = tuple(Values.model_fields)
_REASONS = {VOID: "Қате енгізілген бәс", REPLACE: "Сумма введена неверно", REPAIR: "Fields mended"}
_MORE_TIYN = 100_00  # What a corrected amount is higher by.


def correction_kind(number: int, *, target_refused: bool) -> str:
    """Return how an event is corrected; number: random. What was refused is repaired."""
    if target_refused:
        return REPAIR
    return VOID if number % 2 else REPLACE


def other_kind(number: int) -> str:
    """Return how an event is corrected otherwise than `correction_kind` says of the same number."""
    return REPLACE if correction_kind(number, target_refused=False) == VOID else VOID


def correction_values(
    corrections: pl.DataFrame, targets: pl.DataFrame, kinds: list[str], amends: list[Amend | None]
) -> list[bytes]:
    """Return the message value of each correction.

    corrections, targets: numbered events, in the same order; of a correction the numbering and the instant count, of a
    target the values that are in force, or that would be had it not been refused. kinds: see `correction_kind`. amends:
    what a bad correction says instead.
    """
    rows = zip(corrections.iter_rows(named=True), targets.iter_rows(named=True), kinds, amends, strict=True)
    records = ((_record(correction, target, kind), amend) for correction, target, kind, amend in rows)
    return [encode_record(amend(record) if amend else record, CORRECTION_RECORD) for record, amend in records]


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
