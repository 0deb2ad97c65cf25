"""The client is killed every few seconds while the broker goes away and comes back: the ledger has each event once."""

from __future__ import annotations

import os
import random
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from esep.producers.client import OrganizerClient
from esep.receipt_keys import load_root
from tests.integration.line import ROOT, Line, line
from tests.producers.spooling import ORGANIZER, kept

pytestmark = [pytest.mark.stack, pytest.mark.long, pytest.mark.timeout(600)]
CHAOS_S = float(os.environ.get("ESEP_CHAOS_S", "6"))  # `make chaos-client` takes two minutes.
_RECOVERY_S = 180.0  # Stages that ended several times in a row are started again after up to a minute.
_START_S = 60.0  # A busy machine takes its time to load a program.


def live(up: Line, path: Path, life: int, seconds: float, out: Path) -> None:
    """Run the client until it has said something and some seconds more, then kill it.

    In the middle of the first life of three the broker goes away, killed and stopped by turns, in the middle of the
    third it comes back.
    """
    call = [sys.executable, "-m", "tests.producers.client_process"]
    call += [str(path), ORGANIZER, up.settings.bootstrap_servers, str(life)]
    before = out.stat().st_size
    with out.open("a") as said, subprocess.Popen(call, cwd=ROOT, stdout=said) as process:
        try:
            wait_until(up, lambda: out.stat().st_size > before)
            wait_until(up, over(seconds / 2))
            if life % 6 == 0:
                up.stack.broker.kill()
            elif life % 6 == 3:
                up.stack.broker.stop()
            elif life % 3 == 2:
                bring_back(up)
            wait_until(up, over(seconds / 2))
            assert process.poll() is None, "the client ended by itself"
        finally:
            process.kill()


def wait_until(up: Line, holds: Callable[[], bool]) -> None:
    """Return once something holds, tending to the apps while there is a broker: without one they would only end again,
    and be given longer and longer pauses."""
    deadline = time.monotonic() + _START_S
    while not holds():
        assert time.monotonic() < deadline
        if up.stack.broker.is_running():
            up.stack.tend()
        time.sleep(0.05)


def over(seconds: float) -> Callable[[], bool]:
    """Return what becomes true after some seconds."""
    end = time.monotonic() + seconds
    return lambda: time.monotonic() >= end


def rage(up: Line, path: Path, out: Path) -> int:
    """Kill clients, without a broker now and then, until the time is over; return how many lives it took."""
    draw = random.Random(4)
    is_over, life = over(CHAOS_S), 0
    while life < 3 or not is_over():
        live(up, path, life, draw.uniform(1.0, 5.0), out)
        life += 1
    bring_back(up)
    return life


def bring_back(up: Line) -> None:
    up.stack.broker.stop()
    up.stack.broker.start()
    up.stack.broker.wait_ready()


def test_client_killed_again_and_again_while_the_broker_goes_and_comes_loses_and_doubles_nothing(
    tmp_path: Path,
) -> None:
    path, out = tmp_path / "esep.spool", tmp_path / "said"
    with line(tmp_path / "line") as up:
        out.touch()
        lives = rage(up, path, out)
        root = load_root((up.stack.data_dir / "keys" / "receipt-root.crt").read_bytes())
        with OrganizerClient(ORGANIZER, up.settings.bootstrap_servers, path, receipt_root=root) as client:
            client.flush(90)
            up.wait_until("all is receipted", lambda: client.status().sent == 0, _RECOVERY_S)
            status = client.status()
        rows = kept(path)
        told = [entry_id for entry_id in out.read_text().splitlines(keepends=True) if entry_id.endswith("\n")]
        assert lives >= 3
        assert len(rows) > 100 * lives
        assert (status.receipted, status.rejected, status.spooled, status.receipts_refused) == (len(rows), 0, 0, 0)
        spooled = {f"{ORGANIZER}/{row.stream_id}/{row.sequence}" for row in rows}
        assert {entry_id.strip() for entry_id in told} <= spooled, "what the client was told of is kept"
        assert len(told) == len(set(told)), "no number was given twice"
        count = "SELECT count() FROM ledger"
        up.wait_until("all is in the ledger", lambda: int(up.value(count)) >= len(rows), _RECOVERY_S)
        up.assert_balanced()
        ledger = up.query("SELECT entry_id, stream_id, sequence FROM ledger ORDER BY origin_partition, origin_offset")
        assert len(ledger) == len(rows)
        assert {row["entry_id"] for row in ledger} == spooled
        for stream in ("desk-0", "desk-1"):
            numbers = [row["sequence"] for row in ledger if row["stream_id"] == stream]
            assert numbers == list(range(1, len(numbers) + 1)), "in order, without a gap"
