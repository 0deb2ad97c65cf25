"""One card in the hands of three persons, through the whole line: an alert about the card, however workers die."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from esep.events import Correction, Values, Wager
from esep.producers.sender import EventSender
from tests.integration.line import Line

pytestmark = pytest.mark.stack
BIN, PERSONS = "950341000052", ("750101300511", "800615400502", "850312300508")
CARD = "5a" * 32
AT = datetime.now(UTC).replace(microsecond=0) - timedelta(hours=1)
STANDS = f"SELECT * FROM alerts_current WHERE instrument_hash IS NOT NULL AND has(organizer_bins, '{BIN}')"


def wager(iin: str, wager_id: str) -> Wager:
    return Wager(
        site_id="AST-1", iin=iin, wager_id=wager_id, occurred_at=AT, payment_method="CARD", amount_tiyn=500_00,
        channel="RETAIL", funding="CARD", odds_milli=2_000, instrument_kind="CARD", instrument_hash=CARD,
        instrument_key_version=1,
    )  # fmt: skip


def send(up: Line, one: Any, sequence: int) -> None:
    with EventSender(BIN, up.settings.bootstrap_servers, next_sequences={"desk-11": sequence}) as client:
        client.send(one, "desk-11")


@pytest.mark.long
def test_card_of_three_persons_is_alerted_and_a_correction_withdraws_it(common_line: Line) -> None:
    """D934-1..3; DESIGN §5, §7: each posting is passed on once, though the worker is killed meanwhile."""
    up = common_line
    for sequence, iin in enumerate(PERSONS[:2], 1):
        send(up, wager(iin, f"c-{sequence}"), sequence)
    up.wait_rows(f"ledger WHERE organizer_bin = '{BIN}' AND iin IN {PERSONS}", 2)
    up.stack.apps["alerts-0"].process.kill()
    send(up, wager(PERSONS[2], "c-3"), 3)
    up.wait_until("the alert", lambda: len(up.query(STANDS)) == 1)
    (alert,) = up.query(STANDS)
    assert (alert["rule_id"], alert["status"], alert["iin"]) == ("SHARED_INSTRUMENT", "OPEN", "")
    assert sorted(alert["evidence_iins"]) == sorted(PERSONS)
    places = {
        (row["ledger_partition"], row["ledger_offset"]): row["iin"]
        for row in up.query(f"SELECT ledger_partition, ledger_offset, iin FROM ledger WHERE organizer_bin = '{BIN}'")
    }
    told = [(one["ledger_partition"], one["ledger_offset"]) for one in alert["evidence"]]
    assert [places[place] for place in told] == alert["evidence_iins"]
    undone = Values(event_type="WAGER", **wager(PERSONS[1], "c-2").model_dump())
    correction = Correction(
        target_sequence=2, replaces_revision=0, corrected_at=AT, reason="another card", was=undone, now=None
    )
    send(up, correction, 4)
    status = f"SELECT status FROM alerts_current WHERE alert_id = '{alert['alert_id']}'"
    up.wait_until("the alert is withdrawn", lambda: up.value(status) == "WITHDRAWN")
    up.assert_balanced()
