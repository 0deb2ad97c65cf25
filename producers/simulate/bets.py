"""Bets and the money behind them: deposits, wagers, payouts, withdrawals as they occur, in blocks, without a fault.

Reads     `Plan`'s people, places and shape
Returns   blocks of events in order of occurrence, in the columns of `esep.events.unified` and those that say where
Promises  the same blocks for the same arguments; every event passes every check of intake; a payout follows its wager
          and comes on its stream; every other organizer reports the longer list of D934-42, so that old and new stand
          side by side (clauses O9-L1 … O9-L5, O9-4.3; box: producers)
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl
import pyarrow as pa

from esep.events import empty_events
from esep.producers.simulate.people import DESKS, ONLINE_STREAMS, People, Places
from esep.schemas import newest

if TYPE_CHECKING:
    from collections.abc import Iterator

    from esep.producers.simulate.shape import Shape

STREAM, ORGANIZER = "_stream", "_organizer"  # Columns with numbers of `Places`.
BLOCK = 16_384  # Bets drawn at a time. Another size would be another simulation.
PAYOUTS_PER_BET_MIN = 0.25  # Fewer than there are, so that the bets end before the span does.
EVENT_SCHEMA = empty_events().schema
_INSTANT = pl.Datetime("ms", "UTC")
_NO_MARKETS = pl.lit([], EVENT_SCHEMA["market_names"])
_STAKE_TIYN = 1_500_00  # The usual stake.
_STAKE_TIYN_MIN, _STAKE_TIYN_MAX = 100_00, 2_000_000_00
_ROUND_ONLINE_TIYN, _ROUND_DESK_TIYN = 1_00, 100_00
_ONLINE, _FROM_ACCOUNT, _BONUS, _CASH = 0.75, 0.75, 0.05, 0.8  # Shares: of all; of online; of online; at desks.
_CREDIT = 0.05  # Of payments by card.
_MARGIN = 0.93  # What players get back of a tenge in the long run.
_REFUND, _CASH_OUT = 0.015, 0.045  # Shares of bets.
_DEPOSIT, _WITHDRAWAL = 0.2, 0.3  # Of bets from an account, before which is paid in; of payouts to one, paid on.
_BALANCE_MEAN = 30_000_00  # What lies on an account beside the money of the bet itself, tiyn.
_BONUS_SHARE = 0.5  # Of a stake that bonus money is in.
_BANKS = ("Халық Банкі", "Kaspi Bank", "Банк ЦентрКредит")
_DEVICES = ("PHONE", "TABLET", "COMPUTER")
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
        later = [_payouts(made), _withdrawals(made)]
        due = pl.concat(later if waiting is None else [waiting, *later])
        now = made["occurred_at"][-1]
        yield pl.concat([_deposits(made), _wagers(made), due.filter(pl.col("occurred_at") <= now)]).sort(
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
    return _with_account(pl.DataFrame(columns), draw)


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
        _kind="kind",
        _digest="digest",
        _own_method=by_instrument,
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


def _with_account(bets: pl.DataFrame, draw: np.random.Generator) -> pl.DataFrame:
    """Return bets with what the longer list of D934-42 asks for, null where an organizer does not report it yet."""
    own, share = draw.exponential(_BALANCE_MEAN, BLOCK).astype(np.int64), draw.random((2, BLOCK))
    longer, on_account = pl.col(ORGANIZER) % 2 == 1, pl.col("payment_method") == "ACCOUNT"
    device = pl.when(pl.col("channel") == "RETAIL").then(pl.lit("CASH_DESK")).otherwise(
        pl.Series(_DEVICES).gather(draw.integers(0, len(_DEVICES), BLOCK))
    )  # fmt: skip
    bonus = pl.when(pl.col("funding") == "BONUS").then((pl.col("amount_tiyn") * _BONUS_SHARE).cast(pl.Int64))
    return bets.with_columns(
        _longer=longer,
        _deposits=on_account & (pl.Series(share[0]) < _DEPOSIT),
        _withdraws=on_account & (pl.Series(share[1]) < _WITHDRAWAL) & pl.col("kind").is_not_null(),
        _rest=pl.Series(own),
        _bank=pl.Series(_BANKS).gather(draw.integers(0, len(_BANKS), BLOCK)),
        _account=pl.concat_str(pl.lit("A-"), pl.col("iin").hash(1).cast(pl.String)),
        device_kind=pl.when(longer).then(device),
        device_id=pl.when(longer).then(pl.format("D-{}", pl.Series(draw.integers(1, 10**9, BLOCK)))),
        bonus_tiyn=pl.when(longer).then(bonus.fill_null(0)),
    )


def _moved(frame: pl.DataFrame, before: pl.Expr, after: pl.Expr, *, when: pl.Expr) -> pl.DataFrame:
    """Return events with the account that they move money on, where they do."""
    return frame.with_columns(
        account_id=pl.when(when).then("_account"),
        payment_provider=pl.when(when).then("_bank"),
        balance_before_tiyn=pl.when(when).then(before),
        balance_after_tiyn=pl.when(when).then(after),
    )


def _wagers(bets: pl.DataFrame) -> pl.DataFrame:
    own_tiyn = pl.col("amount_tiyn") - pl.col("bonus_tiyn").fill_null(0)
    on_account = pl.col("_longer") & (pl.col("payment_method") == "ACCOUNT")
    moved = _moved(bets, pl.col("_rest") + own_tiyn, pl.col("_rest"), when=on_account)
    outcomes = pl.col("selections").list.len()
    kind = pl.when(outcomes == 0).then(pl.lit("POOL")).when(outcomes == 1).then(pl.lit("SINGLE")).otherwise(
        pl.lit("EXPRESS")
    )  # fmt: skip
    markets = pl.col("selections").list.eval(pl.element().struct.field("market_id"))
    none = [pl.lit(None).alias(name) for name in ("kind", "won_tiyn", "wager_occurred_at", "wager_amount_tiyn")]
    longer = [
        pl.when("_longer").then(kind).alias("bet_kind"),
        pl.when("_longer").then(markets).otherwise(_NO_MARKETS).alias("market_names"),
    ]
    return _as_events(moved.with_columns(*none, *longer), "WAGER")


def _deposits(bets: pl.DataFrame) -> pl.DataFrame:
    """Return what is paid in so that bets can be made from an account, by the person's own instrument."""
    paid = bets.filter("_deposits").with_columns(payment_id=pl.format("P-{}", "wager_id"))
    return _on_account(paid, "DEPOSIT", pl.col("_rest"), pl.col("_rest") + pl.col("amount_tiyn"))


def _withdrawals(bets: pl.DataFrame) -> pl.DataFrame:
    """Return what is paid on, a while after it was paid out to an account."""
    waited = pl.duration(minutes=5) + (pl.col("paid_at") - pl.col("occurred_at"))
    paid = bets.filter("_withdraws").with_columns(
        payment_id=pl.format("R-{}", "wager_id"), occurred_at=pl.col("paid_at") + waited, amount_tiyn="paid_tiyn"
    )
    return _on_account(paid, "WITHDRAWAL", pl.col("_rest") + pl.col("amount_tiyn"), pl.col("_rest"))


def _on_account(paid: pl.DataFrame, event_type: str, before: pl.Expr, after: pl.Expr) -> pl.DataFrame:
    """Return movements of an account, which belong to no bet."""
    moved = _moved(paid, before, after, when=pl.lit(value=True))
    unset = [
        (_NO_MARKETS if isinstance(kind, pl.List) else pl.lit(None)).alias(name)
        for name, kind in EVENT_SCHEMA.items()
        if name not in {*newest(event_type.lower()).fields, "event_type", "wager_id", "selections"}
    ]
    own = {"payment_method": "_own_method", "instrument_kind": "_kind", "instrument_hash": "_digest"}
    plain = {"instrument_key_version": pl.lit(1), "wager_id": pl.lit("")}
    plain["selections"] = pl.lit([], EVENT_SCHEMA["selections"])
    return _as_events(moved.with_columns(*unset, **own, **plain), event_type)


def _payouts(bets: pl.DataFrame) -> pl.DataFrame:
    paid = bets.filter(pl.col("kind").is_not_null()).with_columns(
        wager_occurred_at="occurred_at", wager_amount_tiyn="amount_tiyn", occurred_at="paid_at", amount_tiyn="paid_tiyn"
    )
    on_account = pl.col("_longer") & (pl.col("payment_method") == "ACCOUNT")
    moved = _moved(paid, pl.col("_rest"), pl.col("_rest") + pl.col("amount_tiyn"), when=on_account)
    none = [pl.lit(None).alias(name) for name in ("channel", "funding", "odds_milli", "bet_kind", "bonus_tiyn")]
    empty = pl.lit([], dtype=EVENT_SCHEMA["selections"]).alias("selections")
    return _as_events(moved.with_columns(*none, empty, market_names=_NO_MARKETS), "PAYOUT")


def _as_events(frame: pl.DataFrame, event_type: str) -> pl.DataFrame:
    """Return the columns of the unified frame but for the numbering, and where each event is from."""
    typed = [
        (pl.col(name) if name in frame.columns else pl.lit(None)).cast(dtype).alias(name)
        for name, dtype in EVENT_SCHEMA.items()
        if name not in {"organizer_bin", "stream_id", "sequence", "event_type"}
    ]
    return frame.select(pl.lit(event_type).alias("event_type"), *typed, ORGANIZER, STREAM)
