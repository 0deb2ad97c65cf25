"""The kinds of bad data that a simulation holds: what is done to a good message, and the code that it must get.

Reads     good events, or their bytes
Returns   `KINDS`: per kind its code and what it changes
Promises  each kind has exactly one fault by which intake refuses it with the kind's code, or several of which that code
          stands first; every code of `esep.codes` that an organizer can cause has at least one kind (box: producers)

Three have none: ORGANIZER_UNKNOWN, for who is not in the register has no topic; INTERNAL, which is our own fault; and
CORRECTION_NOT_HELD, which needs a thousand waiting corrections of one stream.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Literal

import polars as pl

from esep.codec import HEADER_BYTES
from esep.codes import BY_CODE
from esep.events import empty_events
from esep.money import AMOUNT_TIYN_MAX
from esep.schemas import schema

OTHER_BIN, GAP_AT = "_other_bin", "_gap_at"  # Columns that stand beside an event while it is spoilt.
Spoil = Callable[[bytes, int], bytes | None]  # From a value and a random number to another value.
Amend = Callable[[dict[str, Any]], dict[str, Any]]  # From the record of a right correction to what it says instead.

_LONG_AGO, _FAR_AHEAD = datetime(2001, 5, 4, tzinfo=UTC), datetime(2150, 1, 1, tzinfo=UTC)
_NO_DATE = datetime(1899, 12, 30, tzinfo=UTC)  # What an empty cell of a spreadsheet becomes.
_BAD_SELECTIONS = [{"event_id": "kairat-astana", "market_id": "1X2", "outcome_id": "1", "odds_milli": 500}]
_MANY_MARKETS = ["1X2"] * 9  # More than there are selections.
_INSTANT = pl.Datetime("ms", "UTC")
_SCHEMA_ID_NOBODY_HAS = 999_999


@dataclass(frozen=True)
class Kind:
    """One kind of bad message.

    of: the type of event that it can be made of, null for any. fields: what the event says instead. spoil: what is
    done to its bytes. key, partition: what is wrong with where the message stands. needs: a column that must not be
    null. conflict: the number of an event before it is used again. corrects: a correction of the event before it, of a
    correction before it, or of an event that a correction before it has changed; amend: what it says instead.
    """

    code: str
    of: Literal["WAGER", "PAYOUT", "DEPOSIT"] | None = None
    fields: dict[str, pl.Expr] = field(default_factory=dict)
    spoil: Spoil | None = None
    key: Literal["right", "other", "none"] = "right"
    wrong_partition: bool = False
    needs: str | None = None
    conflict: bool = False
    corrects: Literal["event", "correction", "corrected"] | None = None
    amend: Amend | None = None

    @property
    def consumes(self) -> bool:
        """Whether the refused event uses up its number."""
        return BY_CODE[self.code].consumes


def _with_schema(schema_id: int) -> Spoil:
    header = b"\x00" + schema_id.to_bytes(4, "big")
    return lambda value, _: header + value[HEADER_BYTES:]


def _instant(at: datetime) -> pl.Expr:
    return pl.lit(at).cast(_INSTANT)


def _on(event_type: str, column: str, instead: pl.Expr) -> pl.Expr:
    """Return another value for one type of event, and the same for the others."""
    return pl.when(pl.col("event_type") == event_type).then(instead).otherwise(pl.col(column))


def _unless(event_type: str, column: str, instead: pl.Expr) -> pl.Expr:
    """Return another value for all types of event but one."""
    return pl.when(pl.col("event_type") == event_type).then(pl.col(column)).otherwise(instead)


def _says(**instead: Any) -> Amend:
    return lambda record: {**record, **instead}


def _with(side: str, name: str, value: Any) -> Amend:
    """Return another value on one side of a correction."""
    return lambda record: {**record, side: {**record[side], name: value}}


def _other_last_digit() -> pl.Expr:
    last = pl.col("iin").str.slice(11).cast(pl.Int32)
    return pl.concat_str(pl.col("iin").str.slice(0, 11), ((last + 1) % 10).cast(pl.String))


KINDS: dict[str, Kind] = {
    # It cannot be read.
    "TOMBSTONE": Kind("EMPTY", spoil=lambda _value, _number: None),
    "EMPTY_VALUE": Kind("EMPTY", spoil=lambda _value, _number: b""),
    "JSON_TEXT": Kind("NOT_WIRE_FORMAT", spoil=lambda _, number: b'{"wager_id": "T-%d"}' % number),
    "BARE_AVRO": Kind("NOT_WIRE_FORMAT", spoil=lambda value, _: value[HEADER_BYTES:]),
    "CUT_IN_HEADER": Kind("NOT_WIRE_FORMAT", spoil=lambda value, number: value[: 1 + number % (HEADER_BYTES - 1)]),
    "SCHEMA_OF_NOBODY": Kind("SCHEMA_UNKNOWN", spoil=_with_schema(_SCHEMA_ID_NOBODY_HAS)),
    "SCHEMA_OF_THE_LINE": Kind("SCHEMA_UNKNOWN", spoil=_with_schema(schema("accepted").id)),
    "CUT": Kind(
        "UNDECODABLE", spoil=lambda value, number: value[: HEADER_BYTES + number % (len(value) - HEADER_BYTES)]
    ),
    "LEFT_OVER": Kind("UNDECODABLE", spoil=lambda value, number: value + bytes([number % 256])),
    "JOINED": Kind("UNDECODABLE", spoil=lambda value, _: value + value[HEADER_BYTES:]),
    # It is not clear whose it is, or which one.
    "BIN_OF_ANOTHER": Kind("BIN_MISMATCH", fields={"organizer_bin": pl.col(OTHER_BIN)}),
    "STREAM_WITH_SLASH": Kind("STREAM_INVALID", fields={"stream_id": pl.col("stream_id") + "/1"}),
    "SEQUENCE_ZERO": Kind("SEQUENCE_INVALID", fields={"sequence": pl.lit(0)}),
    "KEY_OF_ANOTHER": Kind("KEY_MISMATCH", key="other"),
    "KEY_MISSING": Kind("KEY_MISMATCH", key="none"),
    "PARTITION_OF_ANOTHER": Kind("WRONG_PARTITION", wrong_partition=True),
    "NUMBER_USED_TWICE": Kind("SEQUENCE_CONFLICT", conflict=True),
    # A field is not what it should be.
    "SITE_EMPTY": Kind("SITE_INVALID", fields={"site_id": pl.lit("")}),
    "IIN_WRONG_DIGIT": Kind("IIN_INVALID", fields={"iin": _other_last_digit()}),
    "IIN_SHORT": Kind("IIN_INVALID", fields={"iin": pl.col("iin").str.slice(1)}),
    "WAGER_ID_EMPTY": Kind("WAGER_ID_INVALID", "WAGER", fields={"wager_id": pl.lit("")}),
    "NO_DATE": Kind("INSTANT_INVALID", fields={"occurred_at": _instant(_NO_DATE)}),
    "AMOUNT_ZERO": Kind("AMOUNT_NOT_POSITIVE", fields={"amount_tiyn": pl.lit(0)}),
    "AMOUNT_NEGATIVE": Kind("AMOUNT_NOT_POSITIVE", fields={"amount_tiyn": -pl.col("amount_tiyn")}),
    "AMOUNT_ENORMOUS": Kind("AMOUNT_TOO_LARGE", fields={"amount_tiyn": pl.lit(AMOUNT_TIYN_MAX + 1)}),
    "METHOD_UNHEARD_OF": Kind("PAYMENT_METHOD_UNKNOWN", fields={"payment_method": pl.lit("BARTER")}),
    "INSTRUMENT_WITHOUT_HASH": Kind(
        "INSTRUMENT_INVALID",
        fields={"instrument_kind": pl.lit("CARD"), "instrument_hash": pl.lit(None, pl.String)},
    ),
    "PAYMENT_ID_EMPTY": Kind("PAYMENT_ID_INVALID", "DEPOSIT", {"payment_id": pl.lit("")}),
    "ACCOUNT_EMPTY": Kind("ACCOUNT_INVALID", fields={"account_id": pl.lit("")}),
    "PROVIDER_EMPTY": Kind("PAYMENT_PROVIDER_INVALID", fields={"payment_provider": pl.lit("")}),
    "BALANCE_NEGATIVE": Kind(
        "BALANCE_INVALID", fields={"balance_before_tiyn": pl.lit(0), "balance_after_tiyn": pl.lit(-1)}
    ),
    "BONUS_MORE_THAN_STAKE": Kind("BONUS_INVALID", "WAGER", {"bonus_tiyn": pl.col("amount_tiyn") + 1}),
    "DEVICE_UNHEARD_OF": Kind("DEVICE_INVALID", fields={"device_kind": pl.lit("TELEPATHY")}),
    "CHANNEL_UNHEARD_OF": Kind("CHANNEL_UNKNOWN", "WAGER", {"channel": pl.lit("TELEGRAPH")}),
    "FUNDING_UNHEARD_OF": Kind("FUNDING_UNKNOWN", "WAGER", {"funding": pl.lit("LOAN")}),
    "ODDS_BELOW_ONE": Kind("ODDS_INVALID", "WAGER", {"odds_milli": pl.lit(999)}),
    "SELECTION_BELOW_ONE": Kind(
        "SELECTION_INVALID", "WAGER", {"selections": pl.lit(_BAD_SELECTIONS, empty_events().schema["selections"])}
    ),
    "BET_KIND_UNHEARD_OF": Kind("BET_KIND_UNKNOWN", "WAGER", {"bet_kind": pl.lit("HUNCH")}),
    "MARKETS_TOO_MANY": Kind("MARKET_INVALID", "WAGER", {"market_names": pl.lit(_MANY_MARKETS, pl.List(pl.String))}),
    "KIND_UNHEARD_OF": Kind("KIND_UNKNOWN", "PAYOUT", {"kind": pl.lit("GIFT")}),
    "WON_MORE_THAN_PAID": Kind("WON_INVALID", "PAYOUT", {"won_tiyn": pl.col("amount_tiyn") + 1}),
    "WAGER_WITHOUT_STAKE": Kind("WAGER_AMOUNT_INVALID", "PAYOUT", {"wager_amount_tiyn": pl.lit(0)}),
    "PAID_BEFORE_BET": Kind(
        "PAYOUT_BEFORE_WAGER", "PAYOUT", {"wager_occurred_at": pl.col("occurred_at") + pl.duration(seconds=1)}
    ),
    # It is not in time, or not allowed.
    "OF_THE_FUTURE": Kind("INSTANT_AHEAD", fields={"occurred_at": _instant(_FAR_AHEAD)}),
    "LONG_AGO": Kind(
        "INSTANT_EXPIRED",
        fields={
            "occurred_at": _unless("PAYOUT", "occurred_at", _instant(_LONG_AGO)),
            "wager_occurred_at": _on("PAYOUT", "wager_occurred_at", _instant(_LONG_AGO)),
        },
    ),
    "WITHOUT_LICENCE": Kind(
        "LICENCE_NOT_IN_FORCE",
        fields={
            "occurred_at": pl.col(GAP_AT),
            "wager_occurred_at": _on("PAYOUT", "wager_occurred_at", pl.col(GAP_AT)),
        },
        needs=GAP_AT,
    ),
    "SITE_OF_NOBODY": Kind("SITE_UNKNOWN", fields={"site_id": pl.lit("TSE-404")}),
    # It corrects what it cannot, or not so.
    "CORRECTS_NUMBER_ZERO": Kind("CORRECTION_TARGET_INVALID", corrects="event", amend=_says(target_sequence=0)),
    "REVISION_BELOW_ZERO": Kind("CORRECTION_REVISION_INVALID", corrects="event", amend=_says(replaces_revision=-1)),
    "REASON_EMPTY": Kind("CORRECTION_REASON_INVALID", corrects="event", amend=_says(reason="")),
    "CORRECTS_NOTHING": Kind("CORRECTION_EMPTY", corrects="event", amend=_says(was=None, now=None)),
    "VALUES_OF_NO_EVENT": Kind("CORRECTION_VALUES_INVALID", corrects="event", amend=_with("now", "event_type", "LOAN")),
    "CORRECTS_A_CORRECTION": Kind("CORRECTION_OF_CORRECTION", corrects="correction"),
    "CORRECTED_OTHERWISE_BEFORE": Kind("CORRECTION_CONFLICT", corrects="corrected"),
    "REVISION_OF_NOBODY": Kind("CORRECTION_REVISION_UNKNOWN", corrects="event", amend=_says(replaces_revision=7)),
    "WAS_IS_NOT_TRUE": Kind("CORRECTION_MISMATCH", corrects="event", amend=_with("was", "site_id", "TSE-404")),
}


def spoilt_fields(events: pl.DataFrame, kinds: pl.Series) -> pl.DataFrame:
    """Return events as their kinds (one per row, of KINDS) make them say something else."""
    marked = events.with_columns(kinds.alias("_kind"))
    present = [name for name in kinds.unique().sort() if KINDS[name].fields]
    changes: dict[str, pl.Expr] = {}
    for name in present:
        for column, instead in KINDS[name].fields.items():
            before = changes.get(column, pl.col(column))
            changes[column] = pl.when(pl.col("_kind") == name).then(instead).otherwise(before)
    typed = [expr.cast(events.schema[column]).alias(column) for column, expr in changes.items()]
    return marked.with_columns(typed).drop("_kind")
