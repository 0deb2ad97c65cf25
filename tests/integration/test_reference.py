"""Reference data through the whole line: setup publishes the register, a new organizer is taken up as the line runs."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import yaml

from esep.cli.reference import load_file, published, read_file
from esep.events import Wager
from esep.producers.sender import EventSender
from esep.sinks.clickhouse.reconcile import reconcile
from tests.integration.line import REGISTER, Line

pytestmark = pytest.mark.stack
KNOWN, NEW = "950341000052", "160541000004"
PERSON = "850505301248"
BOTH = f"organizer_bin IN ('{KNOWN}', '{NEW}')"
OURS = f"{BOTH} AND iin = '{PERSON}'"
AT = datetime.now(UTC).replace(microsecond=0) - timedelta(hours=1)


def send(up: Line, organizer_bin: str, site_id: str, count: int) -> None:
    common = {"site_id": site_id, "iin": PERSON, "occurred_at": AT, "payment_method": "CASH"}
    with EventSender(organizer_bin, up.settings.bootstrap_servers) as client:
        for number in range(count):
            bet = Wager(
                **common, wager_id=f"w-{number}", amount_tiyn=500_00, channel="RETAIL", funding="CASH", odds_milli=2_000
            )
            client.send(bet, f"desk-{number % 3}")


def pids(up: Line) -> dict[str, int]:
    return {name: app.process.pid for name, app in up.stack.apps.items()}


def test_new_organizer_is_taken_up_without_stopping_the_others(common_line: Line, tmp_path: Path) -> None:
    """Clauses O9-3, O9-4.4; its first events count, however soon after its facts they come."""
    file = tmp_path / "new.yaml"
    content = yaml.safe_load(REGISTER.read_text("utf-8"))["organizers"][0] | {"bin": NEW}
    content["sites"] = [{"id": "SKO-1", "address": "Петропавл"}]
    file.write_text(yaml.safe_dump({"organizers": [content]}, allow_unicode=True))
    up = common_line
    assert set(published(up.settings).bins) == set(up.register.bins)
    before = pids(up)
    send(up, KNOWN, "AST-1", 30)
    load_file(up.settings, *read_file(file))
    send(up, NEW, "SKO-1", 60)
    up.wait_rows(f"ledger WHERE {OURS}", 90)
    versions = [load.version for load in published(up.settings).loads]
    sums = (
        "SELECT organizer_bin, count() AS n, min(reference_version) AS v"
        f" FROM ledger WHERE {OURS} GROUP BY 1 ORDER BY 1"
    )
    assert [tuple(row.values()) for row in up.query(sums)] == [(NEW, 60, versions[1]), (KNOWN, 30, versions[0])]
    assert up.value(f"SELECT count() FROM rejected WHERE {BOTH}") == 0
    receipted = f"SELECT sum(accepted_count) FROM receipts WHERE organizer_bin = '{NEW}'"
    up.wait_until("the receipts of the new one", lambda: up.value(receipted) == 60)
    up.wait_until("balanced books", lambda: reconcile(up.settings, up.register.bins).balanced)
    assert NEW in {books.organizer_bin for books in reconcile(up.settings, []).organizers}
    assert pids(up) == before, "a process was started again"
