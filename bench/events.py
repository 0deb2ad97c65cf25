"""Made-up events for the benchmarks: as many as wanted, always the same ones for a seed.

Reads     nothing
Returns   frames of wagers and payouts; accepted postings; their message values
Promises  every event passes every check; persons follow a heavy-tailed law, as bettors do
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import numpy as np
import polars as pl

from esep.codec import empty_frame
from esep.identifiers import control_digit
from esep.schemas import schema

PERSONS = 50_000
_TAIL = 0.8  # Few bet very often, most hardly ever: the n-th keenest person bets in proportion to n ** -0.8.


def made_up_iins(count: int, seed: int = 1) -> list[str]:
    """Return different valid IINs of made-up adults."""
    draw = np.random.default_rng(seed)
    iins: dict[str, None] = {}
    while len(iins) < count:
        born = datetime(1955, 1, 1, tzinfo=UTC) + timedelta(days=int(draw.integers(0, 17_000)))
        stem = f"{born:%y%m%d}{draw.integers(3, 5)}{draw.integers(0, 10_000):04d}"
        digit = control_digit(stem)
        if digit is not None:
            iins[f"{stem}{digit}"] = None
    return list(iins)


def wagers(
    count: int, organizer_bin: str, stream_id: str, iins: list[str], site_id: str, seed: int = 1
) -> pl.DataFrame:
    """Return wagers of one stream, numbered from 1, in the columns of schema `wager`."""
    draw = np.random.default_rng(seed)
    start = datetime.now(UTC).replace(microsecond=0) - timedelta(days=1)
    weight = np.arange(1, len(iins) + 1) ** -_TAIL
    person = draw.choice(len(iins), count, p=weight / weight.sum())
    frame = pl.DataFrame(
        {
            "sequence": np.arange(1, count + 1),
            "iin": np.array(iins)[person],
            "wager_id": [f"w{number}" for number in range(count)],
            "occurred_at": pl.Series(np.sort(draw.integers(0, 80_000_000, count))).cast(pl.Duration("ms")) + start,
            "amount_tiyn": draw.integers(10_000, 5_000_000, count),
            "odds_milli": draw.integers(1_050, 9_000, count).astype(np.int32),
        }
    ).with_columns(
        organizer_bin=pl.lit(organizer_bin),
        stream_id=pl.lit(stream_id),
        site_id=pl.lit(site_id),
        payment_method=pl.lit("CARD"),
        channel=pl.lit("ONLINE"),
        funding=pl.lit("CARD"),
    )
    return typed(frame, "wager")


def typed(frame: pl.DataFrame, record: str) -> pl.DataFrame:
    """Return the frame with all columns of a schema in its types; what is not there is null, lists are empty."""
    columns = []
    for name, kind in empty_frame(schema(record)).schema.items():
        if name in frame.columns:
            columns.append(pl.col(name).cast(kind))
        elif isinstance(kind, pl.List):
            columns.append(pl.lit([], dtype=kind).alias(name))
        else:
            columns.append(pl.lit(None, dtype=kind).alias(name))
    return frame.select(columns)
