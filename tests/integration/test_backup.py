"""The whole line is restored from a backup that was taken beside it: it catches up, and every book balances."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from esep.events import Wager
from esep.producers.sender import EventSender
from tests.integration.line import Line
from tests.support.command import command

pytestmark = [pytest.mark.stack, pytest.mark.long]
ORGANIZER, PERSON = "950341000052", "880615310200"
OURS = f"ledger WHERE iin = '{PERSON}'"
BETS = 20


def bet(client: EventSender) -> None:
    """Send bets of one desk."""
    at = datetime.now(UTC) - timedelta(hours=1)
    for number in range(BETS):
        wager = Wager(
            iin=PERSON,
            site_id="AST-1",
            payment_method="CASH",
            occurred_at=at,
            channel="RETAIL",
            funding="CASH",
            odds_milli=2_000,
            amount_tiyn=500_00,
            wager_id=f"b-{number}",
        )
        client.send(wager, "desk-backup")


def said(up: Line, *words: str) -> dict[str, Any]:
    answer = command(*words, "--json", "--data-dir", up.stack.data_dir)
    assert answer.exit_code == 0, (words, answer.output, answer.exception)
    return json.loads(answer.stdout)


def test_line_is_restored_from_a_backup_taken_beside_it_and_balances(
    common_line: Line, monkeypatch: pytest.MonkeyPatch
) -> None:
    """O9-4.5, O9-4.6: bets before the backup, after it, and while the loader is down; in the end each counts once."""
    up = common_line
    for name, value in up.stack.settings.items():
        monkeypatch.setenv(f"ESEP_{name.upper()}", value)
    with EventSender(ORGANIZER, up.settings.bootstrap_servers) as client:
        bet(client)
        up.wait_rows(OURS, BETS)
        taken = said(up, "backup", "take", "--full")
        bet(client)
        up.wait_rows(OURS, 2 * BETS)
        assert up.stack.apps["loader-0"].process.stop() == 0
        bet(client)
    done = said(up, "restore", "--replace")
    assert (done["name"], done["records"], done["offsets"]) == (taken["name"], taken["records"], taken["offsets"])
    assert int(up.value(f"SELECT count() FROM {OURS}")) < 2 * BETS
    up.wait_rows(OURS, 3 * BETS)
    up.assert_balanced()
    assert said(up, "reconcile")["balanced"]
    assert said(up, "totals", "verify")["equal"]
