"""Corrections through the whole line: totals, alerts and ClickHouse are as if all had been right from the start."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from esep.events import Correction, Payout, Values, Wager
from esep.producers.sender import EventSender
from tests.integration.line import Line

pytestmark = pytest.mark.stack
BIN, WRONG, RIGHT, OTHER = "940140000385", "900101300007", "830717350867", "061211600012"
AT = datetime.now(UTC).replace(microsecond=0) - timedelta(hours=1)
OURS = f"organizer_bin = '{BIN}'"
ALERTS = f"SELECT status FROM alerts_current WHERE iin IN ('{WRONG}', '{RIGHT}', '{OTHER}')"
SUMS = f"""
SELECT iin, wager_count, wager_tiyn, winning_count, winning_tiyn FROM person_totals
WHERE organizer_bin = '' AND year = 0 AND iin IN ('{WRONG}', '{RIGHT}', '{OTHER}') ORDER BY iin
"""
LAST = f"""
SELECT iin, person_ever_wager_count, person_ever_wager_tiyn, person_ever_winning_count, person_ever_winning_tiyn
FROM ledger WHERE {OURS} ORDER BY ledger_offset DESC LIMIT 1 BY iin
"""


def event(kind: type[Wager | Payout], iin: str, amount_tiyn: int, **other: Any) -> Any:
    common = {"site_id": "ALA-1", "iin": iin, "wager_id": "t-1", "occurred_at": AT, "payment_method": "CASH"}
    if kind is Wager:
        return Wager(**common, amount_tiyn=amount_tiyn, channel="RETAIL", funding="CASH", odds_milli=2_000, **other)
    won = {"kind": "WINNING", "won_tiyn": amount_tiyn, "wager_occurred_at": AT, "wager_amount_tiyn": 100}
    return Payout(**common, amount_tiyn=amount_tiyn, **won, **other)


def values(of: Wager | Payout) -> Values:
    return Values(event_type=type(of).__name__.upper(), **of.model_dump())


def correction(target: int, was: Any, now: Any, replaces: int = 0) -> Correction:
    return Correction(
        target_sequence=target,
        replaces_revision=replaces,
        corrected_at=AT,
        reason="entered wrongly at the desk",
        was=was and values(was),
        now=now and values(now),
    )


@pytest.mark.long
def test_books_totals_and_alerts_follow_corrections(common_line: Line) -> None:
    """Clauses O9-4.3, O9-4.6: another person, another amount, a void, a refused event, before its target arrives."""
    bet, win = event(Wager, WRONG, 700_00), event(Payout, WRONG, 1_500_000_00)
    refused = event(Wager, OTHER, 0)
    early = event(Wager, OTHER, 30_00)
    sent = [
        (bet, 1),
        (win, 2),
        (correction(1, bet, event(Wager, RIGHT, 700_00)), 3),
        (correction(2, win, event(Payout, RIGHT, 900_00)), 4),
        (correction(2, event(Payout, RIGHT, 900_00), None, replaces=1), 5),
        (refused, 6),
        (correction(6, None, event(Wager, OTHER, 20_00)), 7),
        (correction(8, early, event(Wager, OTHER, 31_00)), 9),
        (early, 8),
    ]
    up = common_line
    for one, sequence in sent:
        with EventSender(BIN, up.settings.bootstrap_servers, next_sequences={"desk-7": sequence}) as client:
            client.send(one, "desk-7")
    up.wait_rows(f"ledger WHERE {OURS}", 11)
    expected = [(OTHER, 2, 51_00, 0, 0), (RIGHT, 1, 700_00, 0, 0), (WRONG, 0, 0, 0, 0)]
    assert [tuple(row.values()) for row in up.query(SUMS)] == expected
    assert sorted(tuple(row.values()) for row in up.query(LAST)) == expected
    up.wait_until(
        "the alert is withdrawn",
        lambda: (
            up.query(f"SELECT status FROM alerts_current WHERE iin IN ('{WRONG}', '{RIGHT}')")
            == [{"status": "WITHDRAWN"}]
        ),
    )
    assert up.query(f"SELECT reject_code FROM rejected WHERE {OURS}") == [{"reject_code": "AMOUNT_NOT_POSITIVE"}]
    counts = (
        "SELECT sum(accepted_count), sum(rejected_count), sum(held_count), sum(released_count)"
        f" FROM receipts WHERE {OURS}"
    )
    assert tuple(up.query(counts)[0].values()) == (7, 1, 1, 1)
    up.assert_balanced()
    assert up.value("SELECT count() FROM correction_mismatches") == 0
