"""The stateless checks: what an event must be in itself, the same code for intake and for the organizer offline.

Reads     a frame of decoded events, one row each, wagers and payouts together: columns of `EVENT_COLUMNS`
Returns   a column of reject codes in row order, null where every check passed
Promises  no I/O, no clock, no state; the first failing check in the order of `esep.codes` decides (box: intake)
"""

from __future__ import annotations

from datetime import UTC, datetime

import polars as pl

from esep.codes import CHANNELS, FUNDINGS, INSTRUMENT_KINDS, PAYMENT_METHODS, PAYOUT_KINDS, PRECEDENCE
from esep.identifiers import valid_iin
from esep.money import AMOUNT_TIYN_MAX

_TEXT_CHARS_MAX = 120  # Of an id that an organizer chooses; bounds topics, keys and tables.
_STREAM_ID = rf"^[A-Za-z0-9._+-]{{1,{_TEXT_CHARS_MAX}}}$"  # Printable and free of "/", which entry ids are cut at.
_ODDS_MILLI_MIN = 1000  # Decimal odds include the stake: below 1.000 nobody could win.
_INSTANT_MIN, _INSTANT_MAX = (
    datetime(1990, 1, 1, tzinfo=UTC),
    datetime(2200, 1, 1, tzinfo=UTC),
)  # Fit to be a date at all.

_WAGER, _PAYOUT = pl.col("event_type") == "WAGER", pl.col("event_type") == "PAYOUT"


def check_identity(events: pl.DataFrame) -> pl.Series:
    """Return STREAM_INVALID or SEQUENCE_INVALID, or null, per event: whether it can be told from all others."""
    return _first_failing(
        events,
        {
            "STREAM_INVALID": ~pl.col("stream_id").str.contains(_STREAM_ID),
            "SEQUENCE_INVALID": pl.col("sequence") < 1,
        },
    )


def check_form(events: pl.DataFrame) -> pl.Series:
    """Return the code of the first check of form that fails, or null, per event.

    Clauses O9-L1 … O9-L5, O9-4.1, O9-4.3; the codes from SITE_INVALID to PAYOUT_BEFORE_WAGER.
    """
    return _first_failing(events.with_columns(_iin_ok=valid_iin(events["iin"])), _FORM)


def _text_ok(column: str) -> pl.Expr:
    return pl.col(column).str.len_chars().is_between(1, _TEXT_CHARS_MAX)


def _instrument_ok() -> pl.Expr:
    kind, digest, version = pl.col("instrument_kind"), pl.col("instrument_hash"), pl.col("instrument_key_version")
    absent = kind.is_null() & digest.is_null() & version.is_null()
    present = kind.is_in(INSTRUMENT_KINDS) & digest.str.contains("^[0-9a-f]{64}$") & (version >= 1)
    return absent | present.fill_null(value=False)


def _selections_ok() -> pl.Expr:
    each = pl.element().struct
    whole = (
        (each.field("event_id") != "")
        & (each.field("market_id") != "")
        & (each.field("outcome_id") != "")
        & (each.field("odds_milli") >= _ODDS_MILLI_MIN)
    )
    return pl.col("selections").list.eval(whole).list.all()


_FORM: dict[str, pl.Expr] = {
    "SITE_INVALID": ~_text_ok("site_id"),
    "IIN_INVALID": ~pl.col("_iin_ok"),
    "WAGER_ID_INVALID": ~_text_ok("wager_id"),
    "INSTANT_INVALID": ~pl.col("occurred_at").is_between(_INSTANT_MIN, _INSTANT_MAX, closed="left")
    | (_PAYOUT & ~pl.col("wager_occurred_at").is_between(_INSTANT_MIN, _INSTANT_MAX, closed="left")),
    "AMOUNT_NOT_POSITIVE": pl.col("amount_tiyn") <= 0,
    "AMOUNT_TOO_LARGE": pl.col("amount_tiyn") > AMOUNT_TIYN_MAX,
    "PAYMENT_METHOD_UNKNOWN": ~pl.col("payment_method").is_in(PAYMENT_METHODS),
    "INSTRUMENT_INVALID": ~_instrument_ok(),
    "CHANNEL_UNKNOWN": _WAGER & ~pl.col("channel").is_in(CHANNELS),
    "FUNDING_UNKNOWN": _WAGER & ~pl.col("funding").is_in(FUNDINGS),
    "ODDS_INVALID": _WAGER & (pl.col("odds_milli") < _ODDS_MILLI_MIN),
    "SELECTION_INVALID": _WAGER & ~_selections_ok(),
    "KIND_UNKNOWN": _PAYOUT & ~pl.col("kind").is_in(PAYOUT_KINDS),
    "WON_INVALID": _PAYOUT & ~pl.col("won_tiyn").is_between(0, pl.col("amount_tiyn")),
    "WAGER_AMOUNT_INVALID": _PAYOUT & ~pl.col("wager_amount_tiyn").is_between(1, AMOUNT_TIYN_MAX),
    "PAYOUT_BEFORE_WAGER": _PAYOUT & (pl.col("occurred_at") < pl.col("wager_occurred_at")),
}
if list(_FORM) != sorted(_FORM, key=PRECEDENCE.__getitem__):
    raise ImportError("the checks of form stand in another order than esep.codes")


def _first_failing(events: pl.DataFrame, checks: dict[str, pl.Expr]) -> pl.Series:
    """Return the first code whose expression is true; nearly always none is, so that is asked first."""
    fails = events.select(expr.fill_null(value=False).alias(code) for code, expr in checks.items())
    hit = [code for code, any_fails in fails.select(pl.all().any()).row(0, named=True).items() if any_fails]
    if not hit:
        return pl.repeat(None, events.height, dtype=pl.String, eager=True).alias("reject_code")
    codes = pl.coalesce(pl.when(pl.col(code)).then(pl.lit(code)) for code in hit)
    return fails.select(codes.alias("reject_code")).to_series()
