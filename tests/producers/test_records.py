"""One event as message and record: the codes that intake would give, and what no schema or topic holds."""

from __future__ import annotations

from datetime import timedelta

import pytest

from esep.checks import check_form
from esep.codec import decode
from esep.errors import UsageError
from esep.events import EVENT_RECORDS, Deposit, Movement, Withdrawal, empty_events
from esep.producers.records import VALUE_BYTES_MAX, check_events, value_of
from tests.producers.spooling import AT, ORGANIZER, bet, paid


def test_offline_check_says_what_intake_would() -> None:
    events: list[Movement] = [
        paid("t-1").model_copy(update={"occurred_at": AT - timedelta(hours=1)}),
        bet("t-1"),
        bet("t-2").model_copy(update={"iin": "900101300008"}),
        paid("t-1"),
        bet("t-3").model_copy(update={"amount_tiyn": 0}),
    ]
    codes = ["PAYOUT_BEFORE_WAGER", None, "IIN_INVALID", None, "AMOUNT_NOT_POSITIVE"]
    assert check_events(events, ORGANIZER) == codes
    assert check_events([], ORGANIZER) == []
    assert check_form(empty_events()).to_list() == []


def test_all_types_of_events_are_checked_together_and_written_as_old_as_they_can_be() -> None:
    """Clause D934-42: what says nothing new is still of version 1, the same bytes as before."""
    top_up = Deposit(
        **bet("t-1").model_dump(include={"site_id", "iin", "occurred_at", "amount_tiyn"}), payment_method="CARD",
        payment_id="P-1", account_id="A-17", payment_provider="Kaspi Bank", balance_before_tiyn=0, balance_after_tiyn=1,
    )  # fmt: skip
    pay_off = Withdrawal(**top_up.model_dump() | {"balance_after_tiyn": -1})
    newer = bet("t-2").model_copy(update={"bonus_tiyn": 1})
    events: list[Movement] = [pay_off, newer, top_up, bet("t-1"), newer.model_copy(update={"bonus_tiyn": -1})]
    assert check_events(events, ORGANIZER) == ["BALANCE_INVALID", None, None, None, "BONUS_INVALID"]
    values = [value_of(event, ORGANIZER, "desk-7", 1) for event in events[1:4]]
    assert [int.from_bytes(value[1:5], "big") for value in values] == [1004, 1007, 1001]


@pytest.mark.parametrize("change", [{"amount_tiyn": 2**70}, {"odds_milli": 2**40}, {"site_id": "\ud800"}])
def test_value_that_no_field_holds_is_refused(change: dict[str, object]) -> None:
    event = bet("t-1").model_copy(update=change)
    with pytest.raises(UsageError, match="cannot be written"):
        value_of(event, ORGANIZER, "desk-7", 1)
    with pytest.raises(UsageError, match="cannot be written"):
        check_events([event], ORGANIZER)


def test_event_larger_than_its_topic_takes_is_refused() -> None:
    fits = bet("x" * (VALUE_BYTES_MAX - 200))
    assert len(value_of(fits, ORGANIZER, "desk-7", 1)) <= VALUE_BYTES_MAX
    with pytest.raises(UsageError, match="too large"):
        value_of(bet("x" * VALUE_BYTES_MAX), ORGANIZER, "desk-7", 1)


def test_value_holds_the_event_under_its_number() -> None:
    value = value_of(paid("t-1"), ORGANIZER, "desk-7", 118)
    (frame,) = decode([value], EVENT_RECORDS).frames.values()
    assert frame.row(0, named=True) | {"sequence": 118, "stream_id": "desk-7"} == frame.row(0, named=True)
    assert frame["occurred_at"][0].replace(tzinfo=None) == paid("t-1").occurred_at.replace(tzinfo=None)
