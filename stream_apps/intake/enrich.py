"""Make accepted postings of events: whose event it was, what the IIN hints at, what the authority has to watch.

Reads     events that passed every check, or the two sides of corrections
Returns   the columns of schema `accepted`, the lineage apart
Promises  facts as of `occurred_at`, as published by `received_at`; hints reject nothing, and flags go to `accepted`
          only (DESIGN §4 "Enrich"; LEGAL, facts around the law; clause R2021-3; box: intake)
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import polars as pl

from esep.clock import almaty_year
from esep.flags import FLAGS
from esep.identifier_columns import birth_year_hints, sex_hints
from esep.instants import bet_ms

if TYPE_CHECKING:
    from esep.stream_apps.intake.facts import Facts

BETTING_AGE = 21  # LEGAL, facts around the law.


def enrich(postings: pl.DataFrame, facts: Facts) -> pl.DataFrame:
    """Return accepted postings, one per row, in order.

    postings: the columns of `esep.events.unified`, received_at, revision and leg, and `licence`: its place in
    `facts.licences`.
    What is booked is signed by its leg.
    """
    if postings.is_empty():
        return postings
    bet_at = pl.Series(bet_ms(postings)).cast(pl.Datetime("ms", "UTC"))
    hinted = postings.with_columns(
        birth_year_hint=birth_year_hints(postings["iin"]),
        sex_hint=sex_hints(postings["iin"]),
        bet_year=almaty_year(bet_at),
        reference_version=facts.versions(postings),
        listed=facts.flags(postings),
    )
    return hinted.with_columns(
        *(pl.lit(facts.licences[name]).gather(pl.col("licence")).alias(name) for name in facts.licences.columns),
        *(pl.col(name) * pl.col("leg") for name in ("amount_tiyn", "won_tiyn", "bonus_tiyn")),
        entry_id=pl.concat_str("organizer_bin", "stream_id", "sequence", separator="/"),
        flags=_flags(),
    )


def _flags() -> pl.Expr:
    """Return the flags; under 21 is who was so on any day of the bet's year: the hint names no day to be sure of."""
    under_age = pl.col("bet_year") - pl.col("birth_year_hint") <= BETTING_AGE
    credit = pl.col("payment_method") == "CREDIT_CARD"
    return pl.col("listed") | _bit(under_age, "UNDER_21_HINT") | _bit(credit, "CREDIT_MONEY")


def _bit(raised: pl.Expr, flag: str) -> pl.Expr:
    return pl.when(raised).then(pl.lit(FLAGS[flag], pl.Int64)).otherwise(pl.lit(0, pl.Int64))
