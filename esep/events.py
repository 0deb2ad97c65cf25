"""What an organizer reports, as typed records: wager, payout, deposit, withdrawal, correction.

Reads     keyword arguments; decoded frames of any version
Returns   `Wager`, `Payout`, `Deposit`, `Withdrawal`, `Correction`: the fields of the newest schemas that an organizer
          fills in; all events in one frame, and the values inside corrections in the same frame
Promises  types only; whether the values are right is said by `esep.checks`, the same code that intake runs; an event is
          written in the oldest version that holds it (`esep.versions`; O9-L2, O9-L4, O9-LN, D934-42)
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any, Literal

import polars as pl
from pydantic import AwareDatetime, BaseModel, ConfigDict

from esep.codec import INDEX, empty_frame
from esep.codes import EVENT_TYPES
from esep.errors import UsageError
from esep.schemas import Schema, newest
from esep.versions import absent, encode_oldest, encode_record

RECORD_BY_TYPE = {event_type: event_type.lower() for event_type in EVENT_TYPES}
CORRECTION_RECORD = "correction"
EVENT_RECORDS = frozenset({*RECORD_BY_TYPE.values(), CORRECTION_RECORD})  # What may stand on an organizer's topic.
_ON_ACCOUNT = {"DEPOSIT", "WITHDRAWAL"}  # These belong to no bet: their wager_id is empty.


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
    occurred_at: AwareDatetime
    amount_tiyn: int
    payment_method: str
    instrument_kind: str | None = None
    instrument_hash: str | None = None
    instrument_key_version: int | None = None
    device_kind: str | None = None
    device_id: str | None = None


class _OfBet(_Money):
    wager_id: str
    account_id: str | None = None
    payment_provider: str | None = None
    balance_before_tiyn: int | None = None
    balance_after_tiyn: int | None = None
    bonus_tiyn: int | None = None


class _OnAccount(_Money):
    payment_id: str
    account_id: str
    payment_provider: str
    balance_before_tiyn: int
    balance_after_tiyn: int


class Wager(_OfBet):
    """Money staked by a person (O9-L1 … O9-L3)."""

    channel: str
    funding: str
    odds_milli: int | None = None
    selections: tuple[Selection, ...] = ()
    bet_kind: str | None = None
    market_names: tuple[str, ...] = ()


class Payout(_OfBet):
    """Money paid to a person (O9-L1, O9-L4, O9-L5)."""

    kind: str
    won_tiyn: int
    wager_occurred_at: AwareDatetime
    wager_amount_tiyn: int


class Deposit(_OnAccount):
    """Money put on a betting account (O9-L1 … O9-L3, D934-42)."""


class Withdrawal(_OnAccount):
    """Money taken from a betting account and paid to the person (O9-L1, O9-L4, O9-L5, D934-42)."""


class Values(_OfBet):
    """The values of an event inside a correction: of the type that `event_type` says, the fields of others unset."""

    event_type: str
    wager_id: str = ""
    payment_id: str | None = None
    channel: str | None = None
    funding: str | None = None
    odds_milli: int | None = None
    selections: tuple[Selection, ...] = ()
    kind: str | None = None
    won_tiyn: int | None = None
    wager_occurred_at: AwareDatetime | None = None
    wager_amount_tiyn: int | None = None
    bet_kind: str | None = None
    market_names: tuple[str, ...] = ()


class Correction(_Record):
    """The right values for an event reported before; `was` null: it had been rejected; `now` null: it is void."""

    target_sequence: int
    replaces_revision: int
    corrected_at: AwareDatetime
    reason: str
    was: Values | None = None
    now: Values | None = None


Movement = Wager | Payout | Deposit | Withdrawal
Event = Movement | Correction


def record_name(event: Event) -> str:
    """Return the record that an event is.

    >>> record_name(Correction(target_sequence=1, replaces_revision=0, corrected_at="2026-03-01T12:00Z", reason="typo"))
    'correction'
    """
    return type(event).__name__.lower()


def numbered(event: Event, organizer_bin: str, stream_id: str, sequence: int) -> dict[str, Any]:
    """Return the whole record of an event: its own fields and whose and which one it is."""
    return {"organizer_bin": organizer_bin, "stream_id": stream_id, "sequence": sequence, **event.model_dump()}


def unified(frames: Mapping[Schema, pl.DataFrame]) -> pl.DataFrame:
    """Return all events but corrections in one frame: the columns of every type, and `event_type`.

    frames: by schema, of any version, as of `esep.codec.Decoded`; where they have an `index`, the rows are in its
    order. This is the shape that the checks read: a column that a type or a version has not is null, or an empty list,
    and `wager_id` is an empty text for what belongs to no bet.
    """
    parts = [
        _as_events(frame, schema)
        for schema, frame in frames.items()
        if schema.record != CORRECTION_RECORD and frame.height
    ]
    if not parts:
        return empty_events().with_columns(pl.Series(INDEX, [], dtype=pl.UInt32))
    if len(parts) == 1:
        return parts[0]
    together = pl.concat(parts)
    return together.sort(INDEX) if INDEX in together.columns else together


def _as_events(frame: pl.DataFrame, schema: Schema) -> pl.DataFrame:
    """Return events of one version of one type with the columns of all types."""
    return frame.select(*_columns_of(schema), *([INDEX] if INDEX in frame.columns else []))


@cache
def _columns_of(schema: Schema) -> tuple[pl.Expr, ...]:
    """Return the columns of all types, made of those of one version of one type."""
    event_type, has = schema.record.upper(), empty_frame(schema).schema
    given = {"event_type": pl.lit(event_type)}
    if event_type in _ON_ACCOUNT:
        given["wager_id"] = pl.lit("")
    return tuple(
        pl.col(name) if name in has else given.get(name, absent(kind)).alias(name)
        for name, kind in _event_columns().items()
    )


@cache
def _event_columns() -> dict[str, pl.DataType]:
    """Return the columns of the unified frame: those of a wager and the type, then what other types add."""
    columns: dict[str, pl.DataType] = {}
    for event_type, record in RECORD_BY_TYPE.items():
        for name, kind in empty_frame(newest(record)).schema.items():
            columns.setdefault(name, kind)
        if event_type == EVENT_TYPES[0]:
            columns["event_type"] = pl.String()
    return columns


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
    return pl.DataFrame(schema=_event_columns())


def events_frame(records: Sequence[Mapping[str, Any]], record: str) -> pl.DataFrame:
    """Return a frame, with the types of the newest schema, of whole records of one type; what they lack is unset."""
    frame = pl.DataFrame(list(records), schema=empty_frame(newest(record)).schema, orient="row")
    lists = [name for name, kind in frame.schema.items() if isinstance(kind, pl.List)]
    return frame.with_columns(pl.col(name).fill_null(absent(frame.schema[name])) for name in lists)


def encoded(events: pl.DataFrame) -> list[bytes]:
    """Return the message values of numbered events (the columns of `unified`), in the order of the rows.

    Raises UsageError for a row of another type, and what `encode` raises.
    """
    values = [b""] * events.height
    for event_type, record in RECORD_BY_TYPE.items():
        at = (events["event_type"] == event_type).arg_true()
        if len(at):
            for place, value in zip(at, encode_oldest(events[at], record), strict=True):
                values[place] = value
    if not all(values):
        raise UsageError("the frame holds rows that are no events", hint="send corrections one by one")
    return values


def encoded_one(event: Event, organizer_bin: str, stream_id: str, sequence: int) -> bytes:
    """Return the message value of one event. Raises what `encode_one` raises."""
    return encode_record(numbered(event, organizer_bin, stream_id, sequence), record_name(event))
