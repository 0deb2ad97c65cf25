"""Make accepted postings of events: whose event it was, what the IIN hints at, what the authority has to watch.

Reads     events that passed every check, the licences in force, the digests of their bodies
Returns   the columns of schema `accepted`, the lineage apart
Promises  facts as of `occurred_at`; hints reject nothing, and flags go to `accepted` only (DESIGN §4 "Enrich"; LEGAL,
          facts around the law; clause R2021-3; box: intake)
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import polars as pl

from esep.clock import almaty_year
from esep.codec import INDEX
from esep.codes import FLAGS
from esep.identifiers import birth_year_hints, sex_hints
from esep.instants import bet_ms

if TYPE_CHECKING:
    import numpy as np

    from esep.stream_apps.intake.facts import Facts

BETTING_AGE = 21  # LEGAL, facts around the law.


def enrich(events: pl.DataFrame, facts: Facts, licences: np.ndarray, digests: list[bytes]) -> pl.DataFrame:
    """Return accepted postings, one per event, in order, with the events' `index`.

    licences: per event the place of its licence in `facts.licences`. digests: the SHA-256 of all messages' values.
    """
    if events.is_empty():
        return events
    bet_at = pl.Series(bet_ms(events)).cast(pl.Datetime("ms", "UTC"))
    licence = pl.Series(licences)
    hinted = events.with_columns(
        birth_year_hint=birth_year_hints(events["iin"]), sex_hint=sex_hints(events["iin"]), bet_year=almaty_year(bet_at)
    )
    return hinted.with_columns(
        *(pl.lit(facts.licences[name]).gather(licence).alias(name) for name in facts.licences.columns),
        entry_id=pl.concat_str("organizer_bin", "stream_id", "sequence", separator="/"),
        revision=pl.lit(0, pl.Int32),
        leg=pl.lit(1, pl.Int32),
        flags=_flags(),
        reference_version=pl.lit(facts.version, pl.Int64),
        body_sha256=pl.lit(pl.Series(digests, dtype=pl.Binary)).gather(pl.col(INDEX)).bin.encode("hex"),
    )


def _flags() -> pl.Expr:
    """Return the flags; under 21 is who was so on any day of the bet's year: the hint names no day to be sure of."""
    under_age = pl.col("bet_year") - pl.col("birth_year_hint") <= BETTING_AGE
    credit = pl.col("payment_method") == "CREDIT_CARD"
    return _bit(under_age, "UNDER_21_HINT") | _bit(credit, "CREDIT_MONEY")


def _bit(raised: pl.Expr, flag: str) -> pl.Expr:
    return pl.when(raised).then(pl.lit(FLAGS[flag], pl.Int64)).otherwise(pl.lit(0, pl.Int64))
