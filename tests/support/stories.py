"""Stories of alerts without any table: for the tests of what is told of them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from hypothesis import strategies as st

from esep.sinks.clickhouse.alerts.facts import MEASURES, SPANS, Decided, Evidence, Observation, Revision, Story

PERSON = "900101300007"
AT = datetime(2026, 11, 20, 7, tzinfo=UTC)
ALERT_ID = "6d0a5b0f3c9e4d7f8a1b2c3d4e5f6071"


def evidence(number: int, amount_tiyn: int = 120_000_000) -> Evidence:
    at = AT + timedelta(minutes=number)
    return Evidence(f"940140000385/desk-{PERSON}/{number}", 0, 1, at, amount_tiyn, 0, 10 + number)


def posting(one: Evidence) -> dict[str, Any]:
    """Return the ledger's row of a posting."""
    totals = {f"person_{span}_{m}_{unit}": 0 for span in SPANS for m in MEASURES for unit in ("count", "tiyn")}
    return {
        **one._asdict(),
        **totals,
        "person_year_winning_count": one.ledger_offset,
        "person_ever_winning_count": one.ledger_offset,
        "person_year_winning_tiyn": one.amount_tiyn,
        "person_ever_winning_tiyn": 2 * one.amount_tiyn,
        "event_type": "PAYOUT",
        "kind": "WINNING",
        "won_tiyn": one.amount_tiyn - 50_000,
        "payment_method": "CARD",
        "instrument_kind": "CARD",
        "organizer_bin": "940140000385",
        "organizer_name": "ТОО «Бәс»",
        "organizer_kind": "BOOKMAKER",
        "licence_number": "24012345",
        "site_id": "almaty-1",
        "wager_id": f"W-{PERSON}",
        "wager_occurred_at": AT - timedelta(hours=2),
        "wager_amount_tiyn": 50_000,
        "received_at": one.occurred_at + timedelta(seconds=1),
        "origin_topic": "organizer.940140000385.events",
        "origin_partition": 0,
        "origin_offset": 7,
        "body_sha256": "ab" * 32,
    }


def revision(number: int, rests_on: tuple[Evidence, ...]) -> Revision:
    status = ("OPEN" if number == 1 else "UPDATED") if rests_on else "WITHDRAWN"
    total = sum(one.amount_tiyn for one in rests_on)
    return Revision(
        number=number,
        status=status,
        occurred_at=rests_on[-1].occurred_at if rests_on else AT,
        received_at=AT + timedelta(hours=number),
        organizer_bins=("940140000385",) if rests_on else (),
        reasons={"kk": "Ұтыс төленді.", "ru": "Выплачен выигрыш.", "en": "Winnings were paid."},
        observations=(Observation("winnings_sum", total, 100_000_000, "tiyn"),) if rests_on else (),
        evidence=rests_on,
        partition=0,
        offset=number,
    )


def story(
    *windows: tuple[Evidence, ...],
    decisions: tuple[Decided, ...] = (),
    severity: str = "MANDATORY",
    loaded: bool = True,
) -> Story:
    """Return the story of an alert whose revisions rest on these postings in turn."""
    known = {one: posting(one) for window in windows for one in window} if loaded else {}
    return Story(
        alert_id=ALERT_ID,
        rule_id="WIN_THRESHOLD",
        rule_version=1,
        severity=severity,
        mode="LIVE",
        basis="AML law 191-IV, Art. 4(1)(1)",
        bucket=f"940140000385/desk-{PERSON}/1",
        iin=PERSON,
        revisions=tuple(revision(number, window) for number, window in enumerate(windows, 1)),
        postings={(one.ledger_partition, one.ledger_offset): row for one, row in known.items()},
        decisions=decisions,
    )


def decided(revision: int = 1, verdict: str = "CONFIRMED") -> Decided:
    return Decided(revision, verdict, "2026/117", "Қаралды.", "a.serikova", AT + timedelta(days=1))


windows = st.lists(
    st.lists(st.integers(1, 6), unique=True, max_size=4).map(lambda numbers: tuple(map(evidence, sorted(numbers)))),
    min_size=1,
    max_size=5,
)
