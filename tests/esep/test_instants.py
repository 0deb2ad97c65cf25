"""When events may lie, beside a check of one event in plain Python."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import polars as pl
from hypothesis import given, settings
from hypothesis import strategies as st

from esep.clock import AHEAD_MAX, retention_horizon, to_ms
from esep.codes import REJECT_CODES
from esep.instants import bet_ms, check_instants
from esep.precedence import PASSED

NEW_YEAR = datetime(2025, 12, 31, 19, tzinfo=UTC)  # 2026 begins in Almaty.
HORIZON_2025, HORIZON_2026 = datetime(2019, 12, 31, 18, tzinfo=UTC), datetime(2020, 12, 31, 18, tzinfo=UTC)
MS = timedelta(milliseconds=1)
EVENT = dict[str, datetime | None]


def near(*instants: datetime) -> st.SearchStrategy[datetime]:
    return st.tuples(st.sampled_from(instants), st.integers(-2, 2)).map(lambda drawn: drawn[0] + drawn[1] * MS)


RECEIVED = near(NEW_YEAR, NEW_YEAR + timedelta(days=40))
OCCURRED = near(HORIZON_2025, HORIZON_2026, NEW_YEAR, NEW_YEAR + AHEAD_MAX, NEW_YEAR + timedelta(days=50))
EVENTS = st.lists(
    st.fixed_dictionaries(
        {"received_at": RECEIVED, "occurred_at": OCCURRED, "wager_occurred_at": st.one_of(st.none(), OCCURRED)}
    )
)


def frame(events: list[EVENT]) -> pl.DataFrame:
    return pl.DataFrame(
        events, schema=dict.fromkeys(["received_at", "occurred_at", "wager_occurred_at"], pl.Datetime("ms", "UTC"))
    )


def codes(events: list[EVENT]) -> list[str | None]:
    return [None if place == PASSED else REJECT_CODES[place].code for place in check_instants(frame(events))]


def expected(event: EVENT) -> str | None:
    received_at, occurred_at = event["received_at"], event["occurred_at"]
    assert received_at is not None
    assert occurred_at is not None
    if occurred_at > received_at + timedelta(minutes=5):
        return "INSTANT_AHEAD"
    expired = (event["wager_occurred_at"] or occurred_at) < retention_horizon(received_at)
    return "INSTANT_EXPIRED" if expired else None


@settings(deadline=None)
@given(EVENTS)
def test_verdicts_are_those_of_one_event_at_a_time(events: list[EVENT]) -> None:
    assert codes(events) == [expected(event) for event in events]


def test_events_received_around_new_year_have_the_horizon_of_their_own_year() -> None:
    at = HORIZON_2025 + timedelta(days=3)
    events: list[EVENT] = [
        {"received_at": NEW_YEAR + ms * MS, "occurred_at": at, "wager_occurred_at": None} for ms in (-1, 0)
    ]
    assert codes(events) == [None, "INSTANT_EXPIRED"]


@settings(deadline=None)
@given(EVENTS)
def test_payout_is_as_old_as_its_wager(events: list[EVENT]) -> None:
    """Clause O9-4.7: a payout counts by its wager's date."""
    bets = [event["wager_occurred_at"] or event["occurred_at"] for event in events]
    assert bet_ms(frame(events)).tolist() == [to_ms(bet) for bet in bets if bet]


@settings(deadline=None)
@given(st.integers(-(2**63) + 1, 2**63 - 1))
def test_instant_that_is_no_date_is_judged_all_the_same(occurred_ms: int) -> None:
    """It has its code from the check of form; here it must only not break its neighbours."""
    events = frame([{"received_at": NEW_YEAR, "occurred_at": NEW_YEAR, "wager_occurred_at": None}] * 2)
    odd = events.with_columns(occurred_at=pl.Series([occurred_ms, to_ms(NEW_YEAR)]).cast(pl.Datetime("ms", "UTC")))
    assert check_instants(odd).tolist()[1] == PASSED
