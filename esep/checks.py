"""The stateless checks: what an event must be in itself, the same code for intake and for the organizer offline.

Reads     a frame of decoded events, one row each, all types together (`esep.events.unified`); corrections
Returns   a column of reject codes in row order, null where every check passed
Promises  no I/O, no clock, no state; the first failing check in the order of `esep.codes` decides (box: intake)
"""

from __future__ import annotations

from datetime import UTC, datetime
from functools import cache
from typing import TYPE_CHECKING

import polars as pl

from esep.codec import empty_frame
from esep.codes import (
    BET_KINDS,
    CHANNELS,
    DEVICE_KINDS,
    FUNDINGS,
    INSTRUMENT_KINDS,
    PAYMENT_METHODS,
    PAYOUT_KINDS,
    PRECEDENCE,
)
from esep.events import RECORD_BY_TYPE, corrected
from esep.identifier_columns import valid_iin
from esep.money import AMOUNT_TIYN_MAX
from esep.schemas import newest

if TYPE_CHECKING:
    from collections.abc import Iterator

_TEXT_CHARS_MAX = 120  # Of an id that an organizer chooses; bounds topics, keys and tables.
_STREAM_ID = rf"^[A-Za-z0-9._+-]{{1,{_TEXT_CHARS_MAX}}}$"  # Printable and free of "/", which entry ids are cut at.
_ODDS_MILLI_MIN = 1000  # Decimal odds include the stake: below 1.000 nobody could win.
_INSTANT_MIN, _INSTANT_MAX = (
    datetime(1990, 1, 1, tzinfo=UTC),
    datetime(2200, 1, 1, tzinfo=UTC),
)  # Fit to be a date at all.

_REASON_CHARS_MAX = 500
_NUMBERED = {"organizer_bin", "stream_id", "sequence"}  # A correction says these of itself.
_WAGER, _PAYOUT = pl.col("event_type") == "WAGER", pl.col("event_type") == "PAYOUT"


def check_identity(events: pl.DataFrame) -> pl.Series:
    """Return STREAM_INVALID or SEQUENCE_INVALID, or null, per event: whether it can be told from all others."""
    return _first_failing(events, _IDENTITY_FAILS)


def check_form(events: pl.DataFrame) -> pl.Series:
    """Return the code of the first check of form that fails, or null, per event.

    Clauses O9-L1 … O9-L5, O9-4.1, O9-4.3, D934-42; the codes from SITE_INVALID to PAYOUT_BEFORE_WAGER.
    """
    return _first_failing(events.with_columns(_iin_ok=valid_iin(events["iin"])), _FORM_FAILS)


def check_correction(corrections: pl.DataFrame) -> pl.Series:
    """Return the code of the first check of form that a correction fails, or null, per correction.

    Its right values are checked as an event's are. Values that no event in force can have had are a mismatch.
    """
    codes = _first_failing(corrections, _CORRECTION_FAILS).alias("own").to_frame().with_row_index("place")
    now, was = corrected(corrections, "now"), corrected(corrections, "was")
    of_now = now.select("place", check_form(now).alias("now"))
    of_was = was.select(
        "place", check_form(was).replace_strict({None: None}, default="CORRECTION_MISMATCH").alias("was")
    )
    for codes_of_side in (of_now, of_was):
        codes = codes.join(codes_of_side, on="place", how="left", maintain_order="left")
    return codes.select(pl.coalesce("own", "now", "was").alias("reject_code")).to_series()


def _values_fit(side: str) -> pl.Expr:
    """Return whether the values on a side of a correction, if there are any, are those of one type of event."""
    fit = [pl.all_horizontal(_values_fit_type(side, event_type)) for event_type in RECORD_BY_TYPE]
    return pl.col(side).is_null() | pl.any_horizontal(fit)


def _values_fit_type(side: str, event_type: str) -> Iterator[pl.Expr]:
    """Yield what holds of values of a type: what its schema asks for is there, what only others have is not."""
    of = pl.col(side).struct
    yield of.field("event_type") == event_type
    own = {field["name"]: field["type"] for field in newest(RECORD_BY_TYPE[event_type]).parsed()["fields"]}
    for name, kind in _value_columns().items():
        value = of.field(name)
        if name in own and not isinstance(own[name], list):
            yield value.is_not_null()
        elif name not in own:
            yield _is_unset(value, kind)


def _is_unset(value: pl.Expr, kind: pl.DataType) -> pl.Expr:
    if isinstance(kind, pl.List):
        return value.list.len() == 0
    return value.is_null() | (value.cast(pl.String) == "")  # The one text that may not be null is empty instead.


@cache
def _value_columns() -> dict[str, pl.DataType]:
    """Return the values that a correction repeats, and their types."""
    held = empty_frame(newest("correction")).schema["now"]
    return {name: kind for name, kind in dict(held).items() if name != "event_type"}  # type: ignore[call-overload]  # A struct.


def _text_ok(column: str) -> pl.Expr:
    return pl.col(column).str.len_chars().is_between(1, _TEXT_CHARS_MAX)


def _instrument_ok() -> pl.Expr:
    kind, digest, version = pl.col("instrument_kind"), pl.col("instrument_hash"), pl.col("instrument_key_version")
    absent = kind.is_null() & digest.is_null() & version.is_null()
    present = kind.is_in(INSTRUMENT_KINDS) & digest.str.contains("^[0-9a-f]{64}$") & (version >= 1)
    return absent | present.fill_null(value=False)


def _balance_ok() -> pl.Expr:
    before, after = pl.col("balance_before_tiyn"), pl.col("balance_after_tiyn")
    within = [balance.is_between(0, AMOUNT_TIYN_MAX) for balance in (before, after)]
    return (before.is_null() & after.is_null()) | pl.all_horizontal(within).fill_null(value=False)


def _device_ok() -> pl.Expr:
    kind, device = pl.col("device_kind"), pl.col("device_id")
    known = kind.is_in(DEVICE_KINDS) & (device.is_null() | _text_ok("device_id"))
    return (kind.is_null() & device.is_null()) | known.fill_null(value=False)


def _markets_ok() -> pl.Expr:
    names = pl.col("market_names")
    chars = pl.element().str.len_chars()
    whole = names.list.eval(chars.is_between(1, _TEXT_CHARS_MAX)).list.all()
    return (names.list.len() == 0) | ((names.list.len() == pl.col("selections").list.len()) & whole)


def _selections_ok() -> pl.Expr:
    each = pl.element().struct
    whole = (
        (each.field("event_id") != "")
        & (each.field("market_id") != "")
        & (each.field("outcome_id") != "")
        & (each.field("odds_milli") >= _ODDS_MILLI_MIN)
    )
    return pl.col("selections").list.eval(whole).list.all()


_IDENTITY: dict[str, pl.Expr] = {
    "STREAM_INVALID": ~pl.col("stream_id").str.contains(_STREAM_ID),
    "SEQUENCE_INVALID": pl.col("sequence") < 1,
}
_FORM: dict[str, pl.Expr] = {
    "SITE_INVALID": ~_text_ok("site_id"),
    "IIN_INVALID": ~pl.col("_iin_ok"),
    "WAGER_ID_INVALID": (_WAGER | _PAYOUT) & ~_text_ok("wager_id"),
    "INSTANT_INVALID": ~pl.col("occurred_at").is_between(_INSTANT_MIN, _INSTANT_MAX, closed="left")
    | (_PAYOUT & ~pl.col("wager_occurred_at").is_between(_INSTANT_MIN, _INSTANT_MAX, closed="left")),
    "AMOUNT_NOT_POSITIVE": pl.col("amount_tiyn") <= 0,
    "AMOUNT_TOO_LARGE": pl.col("amount_tiyn") > AMOUNT_TIYN_MAX,
    "PAYMENT_METHOD_UNKNOWN": ~pl.col("payment_method").is_in(PAYMENT_METHODS),
    "INSTRUMENT_INVALID": ~_instrument_ok(),
    "PAYMENT_ID_INVALID": ~_text_ok("payment_id"),
    "ACCOUNT_INVALID": ~_text_ok("account_id"),
    "PAYMENT_PROVIDER_INVALID": ~_text_ok("payment_provider"),
    "BALANCE_INVALID": ~_balance_ok(),
    "BONUS_INVALID": ~pl.col("bonus_tiyn").is_between(0, pl.col("amount_tiyn")),
    "DEVICE_INVALID": ~_device_ok(),
    "CHANNEL_UNKNOWN": _WAGER & ~pl.col("channel").is_in(CHANNELS),
    "FUNDING_UNKNOWN": _WAGER & ~pl.col("funding").is_in(FUNDINGS),
    "ODDS_INVALID": _WAGER & (pl.col("odds_milli") < _ODDS_MILLI_MIN),
    "SELECTION_INVALID": _WAGER & ~_selections_ok(),
    "BET_KIND_UNKNOWN": ~pl.col("bet_kind").is_in(BET_KINDS),
    "MARKET_INVALID": ~_markets_ok(),
    "KIND_UNKNOWN": _PAYOUT & ~pl.col("kind").is_in(PAYOUT_KINDS),
    "WON_INVALID": _PAYOUT & ~pl.col("won_tiyn").is_between(0, pl.col("amount_tiyn")),
    "WAGER_AMOUNT_INVALID": _PAYOUT & ~pl.col("wager_amount_tiyn").is_between(1, AMOUNT_TIYN_MAX),
    "PAYOUT_BEFORE_WAGER": _PAYOUT & (pl.col("occurred_at") < pl.col("wager_occurred_at")),
}
_CORRECTION: dict[str, pl.Expr] = {
    "CORRECTION_TARGET_INVALID": ~pl.col("target_sequence").is_between(1, pl.col("sequence") - 1),
    "CORRECTION_REVISION_INVALID": pl.col("replaces_revision") < 0,
    "CORRECTION_REASON_INVALID": ~pl.col("reason").str.len_chars().is_between(1, _REASON_CHARS_MAX),
    "CORRECTION_EMPTY": pl.col("was").is_null() & pl.col("now").is_null(),
    "CORRECTION_VALUES_INVALID": ~(_values_fit("was") & _values_fit("now")),
}
if any(list(checks) != sorted(checks, key=PRECEDENCE.__getitem__) for checks in (_IDENTITY, _FORM, _CORRECTION)):
    raise ImportError("the checks of form stand in another order than esep.codes")
_IDENTITY_FAILS, _FORM_FAILS, _CORRECTION_FAILS = (
    [expr.fill_null(value=False).alias(code) for code, expr in checks.items()]
    for checks in (_IDENTITY, _FORM, _CORRECTION)
)


def _first_failing(events: pl.DataFrame, checks: list[pl.Expr]) -> pl.Series:
    """Return the first code whose expression is true; nearly always none is, so that is asked first."""
    fails = events.select(checks)
    hit = [failing.name for failing in fails.get_columns() if failing.any()]
    if not hit:
        return pl.repeat(None, events.height, dtype=pl.String, eager=True).alias("reject_code")
    codes = pl.coalesce(pl.when(pl.col(code)).then(pl.lit(code)) for code in hit)
    return fails.select(codes.alias("reject_code")).to_series()
