"""The alerts that must stand are found for persons and means of payment, few or many, with what proves them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import polars as pl
import pytest
import yaml

from esep.codec import encode_one
from esep.rules import load_rules
from tests.chaos.oracle import Posting, Record, postings_of_message, read, record_of
from tests.chaos.standing import by_looking, few_owners, flags_of
from tests.chaos.test_oracle import AT, BIN, IIN, OTHER, PAYOUT, RULES, booked, correction, payout, values
from tests.chaos.test_wins import PLAN
from tests.chaos.wins import messages_with_wins
from tests.support.live_rules import live_rules

THIRD = "061211600012"


@pytest.fixture(scope="module")
def rules(tmp_path_factory: pytest.TempPathFactory) -> Record:
    """Return all rules, LIVE."""
    file = live_rules(tmp_path_factory.mktemp("rules"), *(rule.rule_id for rule in load_rules().rules if not rule.live))
    return dict(yaml.safe_load(file.read_text("utf-8")))


@pytest.fixture(scope="module")
def postings() -> list[Posting]:
    sent = pl.concat(messages_with_wins(PLAN)).filter(pl.col("verdict") == "ACCEPTED")
    return [posting for value in sent["value"] for posting in postings_of_message(read(value))]


def test_few_are_those_with_the_fewest_postings_and_never_half_of_somebody(postings: list[Posting]) -> None:
    all_of_them = few_owners(postings, 10**9)
    few = few_owners(postings, 20_000)
    assert 0 < len(few) < len(all_of_them)
    assert few < all_of_them
    counts = dict.fromkeys(all_of_them, 0)
    for posting in postings:
        for field in ("iin", "instrument_hash"):
            if (owner := record_of(posting)[field]) is not None:
                counts[owner] += 1
    assert max(counts[owner] for owner in few) <= min(counts[owner] for owner in all_of_them - few)
    assert sum(counts[owner] ** 2 for owner in few) <= 20_000


def test_alerts_of_some_are_those_of_all_that_are_about_them(postings: list[Posting], rules: Record) -> None:
    few = few_owners(postings, 60_000)
    some = set(by_looking(postings, rules, few))
    fewer = few_owners(postings, 20_000)
    assert {alert for alert in some if alert.owner in fewer} == set(by_looking(postings, rules, fewer))
    assert len({alert.rule_id for alert in some}) >= 3
    assert all(alert.evidence for alert in some)


def alerts(postings: list[Posting], rules: Record = RULES) -> set[tuple[str, str, str]]:
    return {one[:3] for one in by_looking(postings, rules, few_owners(postings, 1_000))}


def test_alerts_stand_for_what_is_in_force() -> None:
    large = payout(1, 1_000_000_00)
    parts = [payout(2, 500_000_00), payout(3, 500_000_00, AT + timedelta(hours=24, milliseconds=-1))]
    assert alerts(booked(large)) == {("WIN_THRESHOLD", IIN, f"{BIN}/desk-7/1")}
    assert alerts(booked(large, correction(4, 1, values(1_000_000_00), None))) == set()
    assert alerts(booked(*parts)) == {("WIN_STRUCTURED", IIN, "2026-11-21")}
    assert alerts(booked(parts[0], payout(3, 500_000_00, AT + timedelta(hours=24)))) == set()
    assert alerts(booked(parts[0], payout(3, 500_000_00, iin=OTHER))) == set()


def test_means_of_payment_is_shared_by_three_persons_within_30_days(rules: Record) -> None:
    """D934-1..3."""
    card = {"instrument_kind": "CARD", "instrument_hash": "ab" * 32, "instrument_key_version": 1}

    def paid(sequence: int, iin: str, days: float) -> bytes:
        numbering = {"organizer_bin": BIN, "stream_id": "desk-7", "sequence": sequence}
        return encode_one(numbering | values(100_00, AT + timedelta(days=days), iin) | card, PAYOUT)

    two = [paid(1, IIN, 0), paid(2, OTHER, 1)]
    almost = 30 - timedelta(milliseconds=1) / timedelta(days=1)
    assert alerts(booked(*two, paid(3, THIRD, almost)), rules) == {("SHARED_INSTRUMENT", "ab" * 32, "2026-12")}
    assert alerts(booked(*two, paid(3, THIRD, 30)), rules) == set()
    assert alerts(booked(*two, paid(3, IIN, 2)), rules) == set()


@pytest.mark.parametrize(
    ("iin", "bet_at", "paid_at", "payment_method", "flags"),
    [
        ("061211600012", datetime(2027, 12, 31, 18, tzinfo=UTC), None, "CARD", 1),
        ("061211600012", datetime(2027, 12, 31, 20, tzinfo=UTC), None, "CARD", 0),  # 2028 in Almaty.
        ("061211600012", datetime(2027, 12, 31, 18, tzinfo=UTC), datetime(2028, 2, 1, tzinfo=UTC), "CREDIT_CARD", 3),
        ("900101300007", datetime(2026, 11, 20, tzinfo=UTC), None, "CREDIT_CARD", 2),
    ],
)
def test_flags_tell_who_was_under_21_in_the_year_of_the_bet_and_credit(
    iin: str, bet_at: datetime, paid_at: datetime | None, payment_method: str, flags: int
) -> None:
    """R2021-3; the examples of test_enrich.py, by other code."""
    bet_ms = int(bet_at.timestamp() * 1000)
    paid_ms = bet_ms if paid_at is None else int(paid_at.timestamp() * 1000)
    about = {"wager_occurred_at": None if paid_at is None else bet_ms, "payment_method": payment_method}
    assert flags_of({"iin": iin, "occurred_at": paid_ms, **about}) == flags
