"""Rules change while the line works: no process is started again, none that dies forgets it, a replay finds it all."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from esep.events import Payout
from esep.producers.sender import EventSender
from esep.rule_files import AHEAD_MS_MIN
from esep.rules import RULES_FILE
from tests.integration.line import ROOT, WAIT_S, Line, line
from tests.support.command import command

pytestmark = [pytest.mark.stack, pytest.mark.long, pytest.mark.timeout(600)]
ORGANIZER = "961141000023"
PERSONS = ("771212301240", "900101300007", "900101300811", "061211600012")
EVENT = "event: {kinds: [WINNING], amount_tiyn: {from: 100_000_000}}"
LIMIT = "large_winning, at_least: 100_000_000"
WON_TIYN = 90_000_000  # Below the limit of the first file, and above that of the second.


def pay(up: Line, desk: str, amount_tiyn: int = WON_TIYN) -> None:
    """Pay each person a win."""
    at = datetime.now(UTC) - timedelta(seconds=30)
    won = {"kind": "WINNING", "won_tiyn": amount_tiyn, "wager_occurred_at": at, "wager_amount_tiyn": 500_00}
    with EventSender(ORGANIZER, up.settings.bootstrap_servers) as client:
        for number, iin in enumerate(PERSONS):
            one = Payout(
                **won, iin=iin, payment_method="CASH", occurred_at=at, site_id="SHY-1", wager_id=f"{desk}-{number}",
                amount_tiyn=amount_tiyn,
            )  # fmt: skip
            client.send(one, desk)


def told(up: Line) -> list[tuple[Any, ...]]:
    """Return the version of the rule of each alert, and the desk of the payout that it is about."""
    rows = up.query(
        "SELECT rule_version, splitByChar('/', bucket)[2] AS desk FROM alerts WHERE rule_id = 'WIN_THRESHOLD'"
    )
    return sorted((row["rule_version"], row["desk"]) for row in rows)


def wait_for(up: Line, *desks: tuple[int, str]) -> None:
    """Return once there is an alert about each person's payout of these desks; fail if there is any other."""
    expected = sorted(desk for desk in desks for _ in PERSONS)
    up.wait_until(f"alerts {desks}", lambda: len(told(up)) >= len(expected))
    assert told(up) == expected


def test_rules_change_at_an_instant_for_two_workers_of_which_one_is_killed_and_a_replay_is_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """DESIGN §7; D934-1..3; clauses O9-4.4, O9-4.6."""
    changed = tmp_path / "changed.yaml"
    head = "rule: WIN_THRESHOLD\n    version: 1\n"
    text = RULES_FILE.read_text("utf-8")
    for was, now in ((head, head.replace("1", "2")), *((one, one.replace("100_", "80_")) for one in (EVENT, LIMIT))):
        assert text.count(was) == 1, was
        text = text.replace(was, now)
    changed.write_text(text, "utf-8")
    with line(tmp_path / "line") as up:
        for name, value in up.stack.settings.items():
            monkeypatch.setenv(f"ESEP_{name.upper()}", str(value))
        second = {**os.environ, "ESEP_ORDINAL": "1", "ESEP_STATUS_FILE": str(tmp_path / "second.json")}
        with subprocess.Popen([sys.executable, "-m", "esep.cli", "run", "alerts"], env=second, cwd=ROOT) as other:
            try:
                _change(up, changed, other)
            finally:
                other.kill()
        answer = command("replay", "--stage", "alerts", "--json", "--data-dir", up.stack.data_dir)
        assert answer.exit_code == 0, answer.stdout
        assert json.loads(answer.stdout)["equal"]


def _change(up: Line, changed: Path, other: subprocess.Popen[bytes]) -> None:
    first = up.stack.apps["alerts-0"].process.pid
    pay(up, "before-large", 100_000_000)
    pay(up, "before")
    wait_for(up, (1, "before-large"))
    at = datetime.now(UTC) + timedelta(milliseconds=AHEAD_MS_MIN + 20_000)
    put = command("rules", "activate", changed, "--at", at.isoformat(), "--data-dir", up.stack.data_dir)
    assert put.exit_code == 0, put.exception
    pay(up, "waiting")
    files = json.loads(command("rules", "activated", "--json", "--data-dir", up.stack.data_dir).stdout)
    assert [(one["number"], one["state"]) for one in files] == [(1, "in force"), (2, "to come")]
    while datetime.now(UTC) < datetime.fromisoformat(files[1]["from"]) + timedelta(seconds=1):
        time.sleep(0.1)
    pay(up, "after")
    wait_for(up, (1, "before-large"), (2, "after"))
    assert (up.stack.apps["alerts-0"].process.pid, other.poll()) == (first, None), "nobody was started again"
    other.kill()
    other.wait(WAIT_S)
    pay(up, "handed-over")
    wait_for(up, (1, "before-large"), (2, "after"), (2, "handed-over"))
