"""What an organizer reports, as typed records: wager, payout, correction.

Reads     keyword arguments
Returns   `Wager`, `Payout`, `Correction`: the fields of schemas/*/v1.avsc that an organizer fills in; frames of them
          and the values inside corrections in the same frames
Promises  types only; whether the values are right is said by `esep.checks`, the same code that intake runs
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

import polars as pl
from pydantic import AwareDatetime, BaseModel, ConfigDict

from esep.codec import empty_frame, encode
from esep.errors import UsageError
from esep.schemas import schema

WAGER, PAYOUT, CORRECTION = schema("wager"), schema("payout"), schema("correction")
EVENT_RECORDS = frozenset({"wager", "payout", "correction"})  # What may stand on an organizer's topic.


class _Record(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Selection(_Record):
    """One outcome of a bet; odds in thousandths (O9-4.3)."""

    event_id: str
    market_id: str
    outcome_id: str
    odds_milli: int


class _Money(_Record):
    site_id: str
    iin: str
    wager_id: str
    occurred_at: AwareDatetime
    amount_tiyn: int
    payment_method: str
    instrument_kind: str | None = None
    instrument_hash: str | None = None
    instrument_key_version: int | None = None


class Wager(_Money):
    """Money staked by a person (O9-L1 … O9-L3)."""

    channel: str
    funding: str
    odds_milli: int | None = None
    selections: tuple[Selection, ...] = ()


class Payout(_Money):
    """Money paid to a person (O9-L1, O9-L4, O9-L5)."""

    kind: str
    won_tiyn: int
    wager_occurred_at: AwareDatetime
    wager_amount_tiyn: int


class Values(_Money):
    """The values of an event inside a correction: of a wager or of a payout, as `event_type` says."""

    event_type: str
    channel: str | None = None
    funding: str | None = None
    odds_milli: int | None = None
    selections: tuple[Selection, ...] = ()
    kind: str | None = None
    won_tiyn: int | None = None
    wager_occurred_at: AwareDatetime | None = None
    wager_amount_tiyn: int | None = None


class Correction(_Record):
    """The right values for an event reported before; `was` null: it had been rejected; `now` null: it is void."""

    target_sequence: int
    replaces_revision: int
    corrected_at: AwareDatetime
    reason: str
    was: Values | None = None
    now: Values | None = None


Event = Wager | Payout | Correction


def schema_of(event: Event) -> Any:
    """Return the schema that an event is written with."""
    return {Wager: WAGER, Payout: PAYOUT, Correction: CORRECTION}[type(event)]


def numbered(event: Event, organizer_bin: str, stream_id: str, sequence: int) -> dict[str, Any]:
    """Return the whole record of an event: its own fields and whose and which one it is."""
    return {"organizer_bin": organizer_bin, "stream_id": stream_id, "sequence": sequence, **event.model_dump()}


def unified(wagers: pl.DataFrame, payouts: pl.DataFrame) -> pl.DataFrame:
    """Return wagers and payouts in one frame: all columns of both and `event_type`; wagers first.

    This is the shape that the checks read; a column that a type has not is null.
    """
    return pl.concat(
        [
            wagers.with_columns(event_type=pl.lit("WAGER")),
            payouts.with_columns(event_type=pl.lit("PAYOUT")),
        ],
        how="diagonal",
    )


def corrected(corrections: pl.DataFrame, side: Literal["was", "now"]) -> pl.DataFrame:
    """Return the values on one side of corrections in the shape of `unified`, a row per correction that has them.

    `sequence` is that of the corrected event; `place` (UInt32) is the row of the correction.
    """
    rows = corrections.with_row_index("place").filter(pl.col(side).is_not_null())
    head = rows.select("place", "organizer_bin", "stream_id", sequence="target_sequence")
    values = rows.select(pl.col(side).struct.unnest())
    return pl.concat([head, values], how="horizontal")


def empty_events() -> pl.DataFrame:
    """Return the unified frame without rows."""
    return unified(empty_frame(WAGER), empty_frame(PAYOUT))


def events_frame(records: Sequence[dict[str, Any]], record: str) -> pl.DataFrame:
    """Return a frame, with the types of the schema, of whole records of one type."""
    return pl.DataFrame(list(records), schema=empty_frame(schema(record)).schema, orient="row")


def encoded(events: pl.DataFrame) -> list[bytes]:
    """Return the message values of numbered events (the columns of `unified`), in the order of the rows.

    Raises UsageError for an event that is neither wager nor payout, and what `encode` raises.
    """
    values = [b""] * events.height
    placed = events.with_row_index("_place")
    for name, kind in (("WAGER", WAGER), ("PAYOUT", PAYOUT)):
        rows = placed.filter(pl.col("event_type") == name)
        for place, value in zip(rows["_place"], encode(rows, kind), strict=True):
            values[place] = value
    if not all(values):
        raise UsageError("the frame holds events that are neither wager nor payout", hint="send corrections one by one")
    return values
