"""Numbered streams of made-up events that go on and on: wagers, and now and then a payout that raises an alert.

Reads     a register of organizers
Returns   chunks of messages
Promises  every event passes every check; each partition of each organizer has one stream, without gaps
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import numpy as np
import polars as pl

from bench.events import typed
from esep.codec import encode
from esep.partitioner import partition_of
from esep.register import Register
from esep.schemas import schema
from esep.topics import events_topic

WIN_TIYN = 1_500_000_00
_SKEW = 3  # The share of events of the keenest tenth of persons is then a half.


class Streams:
    """One stream per partition of every organizer, and how far each is numbered."""

    def __init__(self, register: Register, per_topic: int, iins: list[str]) -> None:
        places = [(one, partition) for partition in range(per_topic) for one in register.organizers]
        self._streams = pl.DataFrame(
            {
                "organizer_bin": [one.bin for one, _ in places],
                "topic": [events_topic(one.bin) for one, _ in places],
                "site_id": [one.sites[0].id for one, _ in places],
                "partition": [partition for _, partition in places],
                "stream_id": [_stream_in(partition, per_topic) for _, partition in places],
            },
            schema_overrides={"partition": pl.Int32},
        )
        self._iins = np.array(iins)
        self._made = 0

    def chunk(self, count: int, wins_every: int, seed: int) -> pl.DataFrame:
        """Return the next messages, streams by turns: what names each and where it goes, `wins`, `value`.

        wins_every: each so many-th is a payout of winnings above the threshold.
        """
        draw, number = np.random.default_rng(seed), np.arange(self._made, self._made + count)
        self._made += count
        events = self._streams[number % self._streams.height].with_columns(
            place=pl.int_range(count, dtype=pl.UInt32),
            sequence=pl.Series(number // self._streams.height + 1, dtype=pl.Int64),
            iin=pl.Series(self._iins[(len(self._iins) * draw.random(count) ** _SKEW).astype(int)]),
            wins=pl.Series(number % wins_every == 0),
            wager_id=pl.format("w{}", pl.Series(number)),
            occurred_at=pl.lit(datetime.now(UTC).replace(microsecond=0) - timedelta(minutes=1)),
            payment_method=pl.lit("CARD"),
        )
        wagers = events.filter(~pl.col("wins")).with_columns(
            amount_tiyn=pl.Series(draw.integers(10_000, 5_000_000, count))[: events.height - events["wins"].sum()],
            odds_milli=pl.lit(1_900),
            channel=pl.lit("ONLINE"),
            funding=pl.lit("CARD"),
        )
        payouts = events.filter("wins").with_columns(
            amount_tiyn=pl.lit(WIN_TIYN),
            won_tiyn=pl.lit(WIN_TIYN // 2),
            kind=pl.lit("WINNING"),
            wager_occurred_at=pl.col("occurred_at") - timedelta(hours=2),
            wager_amount_tiyn=pl.lit(WIN_TIYN // 2),
        )
        values = pl.concat([_values(wagers, "wager"), _values(payouts, "payout")])
        return events.join(values, on="place", maintain_order="left")


def _values(events: pl.DataFrame, record: str) -> pl.DataFrame:
    return events.select("place", value=pl.Series(encode(typed(events, record), schema(record)), dtype=pl.Binary))


def _stream_in(partition: int, partitions: int) -> str:
    """Return a stream id whose messages belong to this partition."""
    return next(name for n in range(1_000) if partition_of((name := f"desk-{n}").encode(), partitions) == partition)
