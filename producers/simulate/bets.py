"""Bets and what becomes of them: wagers and payouts as they occur, a block at a time, without a fault.

Reads     `Plan`'s people, places and shape
Returns   blocks of events in order of occurrence, in the columns of `esep.events.unified` and those that say where
Promises  the same blocks for the same arguments; every event passes every check of intake; a payout follows its wager
          and comes on its stream (clauses O9-L1 … O9-L5, O9-4.3; box: producers)
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl
import pyarrow as pa

from esep.events import empty_events
from esep.producers.simulate.people import DESKS, ONLINE_STREAMS, People, Places

if TYPE_CHECKING:
    from collections.abc import Iterator

    from esep.producers.simulate.shape import Shape

STREAM, ORGANIZER = "_stream", "_organizer"  # Columns with numbers of `Places`.
BLOCK = 16_384  # Bets drawn at a time. Another size would be another simulation.
PAYOUTS_PER_BET_MIN = 0.25  # Fewer than there are, so that the bets end before the span does.
EVENT_SCHEMA = empty_events().schema
_INSTANT = pl.Datetime("ms", "UTC")
_STAKE_TIYN = 1_500_00  # The usual stake.
_STAKE_TIYN_MIN, _STAKE_TIYN_MAX = 100_00, 2_000_000_00
_ROUND_ONLINE_TIYN, _ROUND_DESK_TIYN = 1_00, 100_00
_ONLINE, _FROM_ACCOUNT, _BONUS, _CASH = 0.75, 0.75, 0.05, 0.8  # Shares: of all; of online; of online; at desks.
_CREDIT = 0.05  # Of payments by card.
_MARGIN = 0.93  # What players get back of a tenge in the long run.
_REFUND, _CASH_OUT = 0.015, 0.045  # Shares of bets.
_DELAY_MS, _DELAY_MS_MIN = 90 * 60_000, 1_000  # From wager to payout: half of them within the first.
_METHOD = {"CARD": "CARD", "WALLET": "E_MONEY", "PHONE": "MOBILE", "BANK_ACCOUNT": "BANK_TRANSFER"}
_MATCHES = ("kairat-astana", "aktobe-ordabasy", "barys-avtomobilist", "tobol-atyrau", "shakhter-kaisar")
_MARKETS, _OUTCOMES = ("1X2", "total-2.5", "handicap-1"), ("1", "X", "2", "over", "under")


def blocks(people: People, places: Places, shape: Shape, *, seed: int, events: int) -> Iterator[pl.DataFrame]:
    """Yield blocks of events without end; events: how many are wanted, over which the span is spread."""
    bets = max(1.0, events / (1 + PAYOUTS_PER_BET_MIN))
    waiting: pl.DataFrame | None = None
    number = 0
    while True:
        made = _bets(people, places, shape, np.random.default_rng([seed, 2, number]), number * BLOCK, bets)
        payouts = _payouts(made)
        due = payouts if waiting is None else pl.concat([waiting, payouts])
        now = made["occurred_at"][-1]
        yield pl.concat([_wagers(made), due.filter(pl.col("occurred_at") <= now)]).sort(
            "occurred_at", maintain_order=True
        )
        waiting = due.filter(pl.col("occurred_at") > now)
        number += 1


def _bets(
    people: People, places: Places, shape: Shape, draw: np.random.Generator, first: int, bets: float
) -> pl.DataFrame:
    """Return a block of bets, a row each, with what will be paid out."""
    numbers = first + np.arange(BLOCK)
    at_ms = shape.instants_ms((numbers + draw.random(BLOCK)) / bets)
    person = np.searchsorted(people.shares, draw.random(BLOCK)).clip(max=len(people.shares) - 1)
    organizer = people.organizers[person, np.searchsorted([0.7, 0.9], draw.random(BLOCK))]
    online = draw.random(BLOCK) < _ONLINE
    site = np.where(online, 0, person % places.site_count[organizer])
    desk = ONLINE_STREAMS + site * DESKS + draw.integers(0, DESKS, BLOCK)
    stake = _stakes(people.stake[person], online, draw)
    selections, odds = _selections(places.totalizator[organizer], draw)
    columns: dict[str, Any] = {
        ORGANIZER: organizer,
        STREAM: places.stream_from[organizer] + np.where(online, person % ONLINE_STREAMS, desk),
        "site_id": places.sites.gather(places.site_from[organizer] + site),
        "iin": people.iins.gather(person),
        "wager_id": pl.select(pl.format("T-{}", pl.Series(numbers))).to_series(),
        "occurred_at": pl.Series(at_ms).cast(_INSTANT),
        "amount_tiyn": stake,
        "channel": pl.Series(["RETAIL", "ONLINE"]).gather(online.astype(np.uint32)),
        "odds_milli": pl.Series(odds).set(pl.Series(places.totalizator[organizer]), None),
        "selections": selections,
        **_payment(people, person, online, draw),
        **_outcome(stake, odds, at_ms, draw),
    }
    return pl.DataFrame(columns)


def _stakes(keenness: np.ndarray, online: np.ndarray, draw: np.random.Generator) -> np.ndarray:
    stake = (_STAKE_TIYN * keenness * draw.lognormal(0.0, 0.9, BLOCK)).clip(_STAKE_TIYN_MIN, _STAKE_TIYN_MAX)
    unit = np.where(online, _ROUND_ONLINE_TIYN, _ROUND_DESK_TIYN)
    whole: np.ndarray = stake.astype(np.int64) // unit * unit
    return whole


def _selections(totalizator: np.ndarray, draw: np.random.Generator) -> tuple[pl.Series, np.ndarray]:
    """Return what each bet is on, nothing with a totalizator, and its odds, of all outcomes together."""
    counts = 1 + np.searchsorted([0.6, 0.85], draw.random(BLOCK))
    each = (1_000 + draw.lognormal(-0.1, 0.8, (BLOCK, 3)) * 1_000).clip(1_010, 20_000).astype(np.int64)
    taken = np.where(np.arange(3) < counts[:, None], each, 1_000)
    odds = (taken[:, 0] * taken[:, 1] // 1_000) * taken[:, 2] // 1_000
    counts = np.where(totalizator, 0, counts)
    flat = each[np.arange(3) < counts[:, None]]
    names = [
        pl.Series(words).gather(draw.integers(0, len(words), len(flat))) for words in (_MATCHES, _MARKETS, _OUTCOMES)
    ]
    items = pl.DataFrame(dict(zip(("event_id", "market_id", "outcome_id"), names, strict=True)))
    struct = items.with_columns(odds_milli=pl.Series(flat, dtype=pl.Int32)).to_struct("selections")
    offsets = pa.array(np.concatenate([[0], np.cumsum(counts)]), pa.int64())
    lists = pl.Series("selections", pl.from_arrow(pa.LargeListArray.from_arrays(offsets, struct.to_arrow())))
    return lists.cast(EVENT_SCHEMA["selections"]), odds.astype(np.int32)


def _payment(people: People, person: np.ndarray, online: np.ndarray, draw: np.random.Generator) -> dict[str, pl.Series]:
    """Return how the money moves: from the account, in cash, or by the person's own instrument."""
    share, credit = draw.random(BLOCK), draw.random(BLOCK) < _CREDIT
    account, bonus = online & (share < _FROM_ACCOUNT + _BONUS), online & (share < _BONUS)
    cash = ~online & (share < _CASH)
    kinds = people.instrument_kinds.gather(person)
    table = pl.select(
        kind=kinds,
        digest=people.instrument_hashes.gather(person),
        account=pl.Series(account),
        bonus=pl.Series(bonus),
        cash=pl.Series(cash),
        credit=pl.Series(credit) & (kinds == "CARD"),
    )
    by_instrument = pl.col("kind").replace_strict(_METHOD, return_dtype=pl.String)
    own = ~pl.col("account") & ~pl.col("cash")
    return table.select(
        payment_method=pl.when("account").then(pl.lit("ACCOUNT")).when("cash").then(pl.lit("CASH"))
        .when("credit").then(pl.lit("CREDIT_CARD")).otherwise(by_instrument),
        funding=pl.when("bonus").then(pl.lit("BONUS")).when("account").then(pl.lit("ACCOUNT_BALANCE"))
        .when("cash").then(pl.lit("CASH")).otherwise(by_instrument),
        instrument_kind=pl.when(own).then("kind"),
        instrument_hash=pl.when(own).then("digest"),
        instrument_key_version=pl.when(own).then(pl.lit(1, pl.Int32)),
    ).to_dict()  # fmt: skip


def _outcome(stake: np.ndarray, odds: np.ndarray, at_ms: np.ndarray, draw: np.random.Generator) -> dict[str, pl.Series]:
    """Return what is paid out, null where the stake is lost."""
    fate = draw.random(BLOCK)
    refund, cash_out = fate < _REFUND, (fate >= _REFUND) & (fate < _REFUND + _CASH_OUT)
    wins = ~refund & ~cash_out & (draw.random(BLOCK) < _MARGIN * 1_000 / odds)
    offered = np.maximum(1, (stake * draw.uniform(0.3, 1.8, BLOCK)).astype(np.int64))
    paid = np.where(wins, stake * odds // 1_000, np.where(cash_out, offered, stake))
    delay_ms = (_DELAY_MS * draw.lognormal(0.0, 0.8, BLOCK)).astype(np.int64) + _DELAY_MS_MIN
    lost = pl.Series(~(refund | cash_out | wins))
    kind = pl.Series(["WINNING", "REFUND", "CASH_OUT"]).gather((refund * 1 + cash_out * 2).astype(np.uint32))
    return {
        "kind": kind.set(lost, None),
        "paid_at": pl.Series(at_ms + delay_ms).cast(_INSTANT),
        "paid_tiyn": pl.Series(paid),
        "won_tiyn": pl.Series(np.maximum(0, paid - stake)),
    }


def _wagers(bets: pl.DataFrame) -> pl.DataFrame:
    none = [pl.lit(None).alias(name) for name in ("kind", "won_tiyn", "wager_occurred_at", "wager_amount_tiyn")]
    return _as_events(bets.with_columns(*none), "WAGER")


def _payouts(bets: pl.DataFrame) -> pl.DataFrame:
    paid = bets.filter(pl.col("kind").is_not_null()).with_columns(
        wager_occurred_at="occurred_at", wager_amount_tiyn="amount_tiyn", occurred_at="paid_at", amount_tiyn="paid_tiyn"
    )
    none = [pl.lit(None).alias(name) for name in ("channel", "funding", "odds_milli")]
    empty = pl.lit([], dtype=EVENT_SCHEMA["selections"]).alias("selections")
    return _as_events(paid.with_columns(*none, empty), "PAYOUT")


def _as_events(frame: pl.DataFrame, event_type: str) -> pl.DataFrame:
    """Return the columns of the unified frame but for the numbering, and where each event is from."""
    typed = [
        pl.col(name).cast(dtype)
        for name, dtype in EVENT_SCHEMA.items()
        if name not in {"organizer_bin", "stream_id", "sequence", "event_type"}
    ]
    return frame.select(pl.lit(event_type).alias("event_type"), *typed, ORGANIZER, STREAM)
