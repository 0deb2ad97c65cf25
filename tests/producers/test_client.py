"""The durable client: what it has taken is there, whatever happens to broker, process, disk and clock."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from typing import TYPE_CHECKING

import pytest

from esep.errors import BrokerUnavailable, FileUnusable, SpoolUnwritable, UsageError
from esep.producers.client import OrganizerClient
from esep.producers.spool import Spool
from tests.producers.bets import ROOT
from tests.producers.fake_intake import WAIT_S, FakeIntake
from tests.producers.spooling import NOWHERE, ORGANIZER, bet, kept, paid
from tests.support.receipt_signing import ROOT_CERTIFICATE

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.support.brokers import Broker


def until(holds: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 2 * WAIT_S
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_callers_are_not_affected_by_a_broker_that_is_away(tmp_path: Path) -> None:
    path = tmp_path / "esep.spool"
    with OrganizerClient(ORGANIZER, NOWHERE, path) as client:
        assert client.send(bet("t-1"), "desk-7") == f"{ORGANIZER}/desk-7/1"
        assert len(kept(path)) == 1, "on disk when the call returns"
        entry_ids = client.send_many([paid("t-1"), bet("t-2")], "desk-7")
        assert entry_ids == [f"{ORGANIZER}/desk-7/2", f"{ORGANIZER}/desk-7/3"]
        assert client.send_many([], "desk-7") == []
        until(lambda: client.status().faults != ())
        status = client.status()
        assert (status.spooled, status.sent, status.late) == (3, 0, 0)
        assert "127.0.0.1:1" in status.faults[0].what
        with pytest.raises(BrokerUnavailable, match="3 events are not acknowledged"):
            client.flush(timeout_s=0.05)
        client.close(timeout_s=0)
    with OrganizerClient(ORGANIZER, NOWHERE, path) as client:
        assert client.send(bet("t-3"), "desk-7") == f"{ORGANIZER}/desk-7/4"
        client.close(timeout_s=0)


def test_stream_goes_on_where_another_system_left_it_and_only_once(tmp_path: Path) -> None:
    for expected in (118, 119):
        client = OrganizerClient(ORGANIZER, NOWHERE, tmp_path / "esep.spool", first_sequences={"desk-7": 118})
        assert client.send(bet("t-1"), "desk-7").endswith(f"/desk-7/{expected}")
        client.close(timeout_s=0)


def test_group_is_kept_whole_or_not_at_all(tmp_path: Path) -> None:
    client = OrganizerClient(ORGANIZER, NOWHERE, tmp_path / "esep.spool")
    with pytest.raises(UsageError, match="cannot be written"):
        client.send_many([bet("t-1"), bet("t-2").model_copy(update={"amount_tiyn": 2**70})], "desk-7")
    with pytest.raises(UsageError, match="cannot be a stream id"):
        client.send(bet("t-1"), "desk 7")
    assert client.send(bet("t-1"), "desk-7").endswith("/desk-7/1")
    assert client.check([bet("t-1"), bet("t-2").model_copy(update={"iin": "900101300008"})]) == [None, "IIN_INVALID"]
    client.close(timeout_s=0)


def test_full_disk_is_said_and_uses_up_no_number(tmp_path: Path) -> None:
    client = OrganizerClient(ORGANIZER, NOWHERE, tmp_path / "esep.spool", bytes_max=300_000)
    with pytest.raises(SpoolUnwritable, match="could not keep this"):
        client.send_many([bet("t-1")] * 10_000, "desk-7")
    assert client.send(bet("t-1"), "desk-7").endswith("/desk-7/1")
    client.close(timeout_s=0)


def test_bet_from_before_and_after_a_jump_of_the_clock_keep_the_order_of_the_calls(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The clock is set back a day between two bets, then forward a year."""
    client = OrganizerClient(ORGANIZER, NOWHERE, tmp_path / "esep.spool")
    now_ns = time.time_ns()
    for number, jump_s in enumerate((0, -86_400, 365 * 86_400), start=1):
        monkeypatch.setattr(time, "time_ns", lambda jump_s=jump_s: now_ns + jump_s * 10**9)
        assert client.send(bet(f"t-{number}"), "desk-7").endswith(f"/desk-7/{number}")
    assert [row.sequence for row in kept(tmp_path / "esep.spool")] == [1, 2, 3]
    assert client.status().late == 0
    client.close(timeout_s=0)


def test_closed_client_and_second_client_are_refused(tmp_path: Path) -> None:
    client = OrganizerClient(ORGANIZER, NOWHERE, tmp_path / "esep.spool")
    with pytest.raises(FileUnusable, match="is in use"):
        OrganizerClient(ORGANIZER, NOWHERE, tmp_path / "esep.spool")
    client.close(timeout_s=0)
    client.close()
    for call in (client.flush, client.status, lambda: client.send(bet("t-1"), "desk-7")):
        with pytest.raises(UsageError, match="is closed"):
            call()


def test_client_whose_settings_are_refused_leaves_the_spool_free(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="does not take"):
        OrganizerClient(ORGANIZER, NOWHERE, tmp_path / "esep.spool", security={"security.protocol": "POST"})
    Spool(tmp_path / "esep.spool", ORGANIZER).close()


def test_error_of_the_caller_ends_the_client_at_once(tmp_path: Path) -> None:
    begun_s = time.monotonic()
    client = OrganizerClient(ORGANIZER, NOWHERE, tmp_path / "esep.spool")
    client.send(bet("t-1"), "desk-7")
    with pytest.raises(RuntimeError, match="the caller's own"), client:
        raise RuntimeError("the caller's own")
    assert time.monotonic() - begun_s < 8
    assert len(kept(tmp_path / "esep.spool")) == 1


def test_client_in_a_forked_process_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    client = OrganizerClient(ORGANIZER, NOWHERE, tmp_path / "esep.spool")
    monkeypatch.setattr(os, "getpid", lambda: -1)
    with pytest.raises(UsageError, match="does not survive a fork"):
        client.send(bet("t-1"), "desk-7")
    monkeypatch.undo()
    client.close(timeout_s=0)


def test_process_killed_at_any_instant_has_kept_all_that_it_was_told_of_under_one_number(tmp_path: Path) -> None:
    """Six lives on one spool, each ended by SIGKILL in the middle of its work."""
    path = tmp_path / "esep.spool"
    told: list[str] = []
    bytes_of: dict[tuple[str, int], bytes] = {}
    for life in range(6):
        call = [sys.executable, "-m", "tests.producers.client_process", str(path), ORGANIZER, NOWHERE, str(life)]
        with subprocess.Popen(call, cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
            assert process.stdout is not None
            told += [process.stdout.readline().strip() for _ in range(40 + 37 * life)]
            process.kill()
            rest = process.stdout.read().splitlines(keepends=True)
        told += [line.strip() for line in rest if line.endswith("\n")]
        for row in kept(path):
            key = row.stream_id, row.sequence
            assert bytes_of.setdefault(key, row.value) == row.value
    rows = kept(path)
    assert len(told) == len(set(told)), "no number was given twice"
    assert set(told) <= {f"{ORGANIZER}/{row.stream_id}/{row.sequence}" for row in rows}
    for stream in ("desk-0", "desk-1"):
        numbers = [row.sequence for row in rows if row.stream_id == stream]
        assert numbers == list(range(1, len(numbers) + 1))


@pytest.mark.kafka
def test_events_from_many_threads_are_receipted_or_rejected_with_their_code(
    broker: Broker, organizer: str, tmp_path: Path
) -> None:
    with (
        FakeIntake(broker.bootstrap_servers, organizer) as intake,
        OrganizerClient(
            organizer, broker.bootstrap_servers, tmp_path / "esep.spool", receipt_root=ROOT_CERTIFICATE
        ) as client,
    ):
        intake.refused["wager", "t-7"] = "IIN_INVALID"

        def send(place: int) -> None:
            for number in range(25):
                client.send(bet(f"t-{number}"), f"desk-{place}")

        threads = [threading.Thread(target=send, args=(place,)) for place in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(WAIT_S)
        client.flush(WAIT_S)
        until(lambda: client.status().sent == 0)
        status = client.status()
    assert (status.receipted, status.rejected, status.faults) == (192, 8, ())
    assert {row.reject_code for row in kept(tmp_path / "esep.spool")} == {None, "IIN_INVALID"}


@pytest.mark.kafka
def test_late_receipts_are_reported_and_sending_again_brings_them_and_counts_nothing_twice(
    broker: Broker, organizer: str, tmp_path: Path
) -> None:
    """Intake is down when the events arrive; what it says when it is back is missed, and asked for again."""
    with OrganizerClient(
        organizer, broker.bootstrap_servers, tmp_path / "esep.spool", receipt_root=ROOT_CERTIFICATE, late_s=0.5
    ) as client:
        client.send_many([bet(f"t-{number}") for number in range(10)], "desk-7")
        until(lambda: client.status().late == 10)
        assert (client.status().sent, client.send_late_again()) == (10, 10)
        client.flush(WAIT_S)
        with FakeIntake(broker.bootstrap_servers, organizer) as intake:
            until(lambda: client.status().receipted == 10)
            until(lambda: sum(intake._sums["desk-7"]) == 20)
        assert len(intake.counted) == 10
        assert client.status().late == 0
