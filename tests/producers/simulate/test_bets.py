"""Good events: each passes every check of form, and what is paid out fits the stake and the odds."""

from __future__ import annotations

from itertools import islice

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from esep.checks import check_form
from esep.codes import FUNDINGS, PAYMENT_METHODS
from esep.producers.simulate.bets import BLOCK, ORGANIZER, blocks
from esep.producers.simulate.people import people_of, places_of
from esep.producers.simulate.plan import oldest_of_use
from esep.producers.simulate.register import made_up_register
from esep.producers.simulate.shape import Shape
from tests.producers.simulate.made import UNTIL
from tests.support.examples import examples


def some_blocks(seed: int, count: int = 2, organizers: int = 4, events: int = 40_000) -> pl.DataFrame:
    places = places_of(made_up_register(organizers, seed, UNTIL), 2, oldest_of_use(UNTIL), "1")
    made = blocks(people_of(200, organizers, seed), places, Shape(UNTIL, 7), seed=seed, events=events)
    return pl.concat(islice(made, count))


@pytest.fixture(scope="module")
def events() -> pl.DataFrame:
    return some_blocks(7)


@settings(max_examples=examples(5))
@given(seed=st.integers(0, 2**32), organizers=st.integers(1, 6), events=st.integers(1, 10**6))
def test_every_event_passes_every_check_of_form(seed: int, organizers: int, events: int) -> None:
    made = some_blocks(seed, 1, organizers, events)
    assert check_form(made).null_count() == made.height
    assert made["occurred_at"].is_sorted()
    assert made["occurred_at"].max() < UNTIL  # type: ignore[operator]


def test_blocks_go_on_in_time_and_in_the_numbers_of_bets(events: pl.DataFrame) -> None:
    assert events["occurred_at"].is_sorted()
    wagers = events.filter(pl.col("event_type") == "WAGER")
    assert wagers["wager_id"].to_list() == [f"T-{number}" for number in range(2 * BLOCK)]


def test_winnings_are_stake_times_odds_and_refunds_the_stake(events: pl.DataFrame) -> None:
    wagers = events.filter(pl.col("event_type") == "WAGER").select("wager_id", odds="odds_milli")
    paid = events.filter(pl.col("event_type") == "PAYOUT").drop("odds_milli").join(wagers, on="wager_id")
    winning = paid.filter((pl.col("kind") == "WINNING") & pl.col("odds").is_not_null())
    assert winning.height > 1_000
    exact = winning["wager_amount_tiyn"] * winning["odds"].cast(pl.Int64) // 1_000
    assert (winning["amount_tiyn"] == exact).all()
    assert (winning["won_tiyn"] == winning["amount_tiyn"] - winning["wager_amount_tiyn"]).all()
    refunds = paid.filter(pl.col("kind") == "REFUND")
    assert refunds.height > 100
    assert (refunds["amount_tiyn"] == refunds["wager_amount_tiyn"]).all()
    assert (refunds["won_tiyn"] == 0).all()
    assert paid.filter(pl.col("kind") == "CASH_OUT").height > 300


def test_odds_are_those_of_the_selections_together_and_absent_with_a_totalizator(events: pl.DataFrame) -> None:
    wagers = events.filter(pl.col("event_type") == "WAGER")
    assert wagers.filter(pl.col("odds_milli").is_null())["selections"].list.len().sum() == 0
    for odds, selections in (
        wagers.filter(pl.col("odds_milli").is_not_null()).head(500).select("odds_milli", "selections").iter_rows()
    ):
        product = 1_000
        for selection in selections:
            product = product * selection["odds_milli"] // 1_000
        assert odds == product


def test_instrument_is_named_where_money_does_not_come_from_the_account_or_the_till(events: pl.DataFrame) -> None:
    own = ~events["payment_method"].is_in(["ACCOUNT", "CASH"])
    assert (events["instrument_hash"].is_not_null() == own).all()
    assert set(events["payment_method"]) == set(PAYMENT_METHODS)
    assert set(events["funding"].drop_nulls()) == set(FUNDINGS)


def test_every_other_organizer_reports_the_longer_list_and_the_rest_what_they_did(events: pl.DataFrame) -> None:
    """Clause D934-42: producers of both versions stand side by side."""
    bets = events.filter(pl.col("event_type") == "WAGER")
    longer = bets[ORGANIZER] % 2 == 1
    for name in ("device_kind", "device_id", "bonus_tiyn", "bet_kind"):
        assert (bets[name].is_not_null() == longer).all()
    named = bets.filter(longer).select(pl.col("market_names").list.len() == pl.col("selections").list.len())
    assert named.to_series().all()
    assert bets.filter(~longer)["market_names"].list.len().sum() == 0
    moved = bets.filter(pl.col("account_id").is_not_null())
    own_tiyn = moved["amount_tiyn"] - moved["bonus_tiyn"]
    assert moved.height > 1_000
    assert (moved["balance_before_tiyn"] - moved["balance_after_tiyn"] == own_tiyn).all()


def test_accounts_are_paid_into_and_out_of_and_the_balances_say_so(events: pl.DataFrame) -> None:
    """Clauses O9-L2, O9-L4 and their note."""
    for event_type, sign in (("DEPOSIT", 1), ("WITHDRAWAL", -1)):
        moved = events.filter(pl.col("event_type") == event_type)
        assert moved.height > 300
        difference = moved["balance_after_tiyn"] - moved["balance_before_tiyn"]
        assert (difference == sign * moved["amount_tiyn"]).all()
        assert moved["payment_id"].n_unique() == moved.height
