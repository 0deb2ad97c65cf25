"""A stack starts what it is told to, starts again what ends, gives up where that cannot help, and leaves nothing."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from esep.access_files import AccessFiles
from esep.embedded.stack import Stack, verdict_on_end
from esep.errors import InvariantBroken, PartUnready, PlaceTaken, SettingInvalid, UsageError

REGISTER = Path(__file__).resolve().parent.parent.parent / "examples" / "register.yaml"
_READY = """
import json, os, pathlib, sys, time
path = pathlib.Path(os.environ["ESEP_STATUS_FILE"])
path.with_suffix(".draft").write_text(json.dumps({"pid": os.getpid(), "state": "ready"}))
path.with_suffix(".draft").replace(path)
time.sleep(float(sys.argv[1]))
sys.exit(int(sys.argv[2]))
"""


def app(lives_s: float, exit_code: int) -> list[str]:
    return [sys.executable, "-c", _READY, str(lives_s), str(exit_code)]


@pytest.fixture
def stack(tmp_path: Path) -> Iterator[Stack]:
    with Stack(tmp_path, REGISTER) as stack:
        stack.broker.plan  # noqa: B018 - its address is needed, it is not started
        yield stack


def wait_until(holds: Callable[[], bool], stack: Stack) -> None:
    deadline = time.monotonic() + 20
    while not holds():
        assert time.monotonic() < deadline
        stack.tend()
        time.sleep(0.02)


def test_app_that_is_killed_is_started_again(stack: Stack) -> None:
    stack.start_apps({"totals-0": app(60, 0)}, {})
    stack.wait_ready(20)
    first = stack.apps["totals-0"].process.pid
    stack.apps["totals-0"].process.kill()
    wait_until(lambda: stack.apps["totals-0"].status().get("state") == "ready", stack)
    assert stack.apps["totals-0"].process.pid != first


def test_line_of_three_brokers_names_them_all_and_keeps_three_copies(tmp_path: Path, stack: Stack) -> None:
    with Stack(tmp_path / "three", REGISTER, brokers=3) as three:
        assert len(three.settings["bootstrap_servers"].split(",")) == 3
        assert three.settings["replication_factor"] == "3"
    assert stack.settings["replication_factor"] == "1"


def test_app_whose_fault_stays_is_given_up_with_a_reason(stack: Stack) -> None:
    stack.start_apps({"totals-0": app(0.3, InvariantBroken.exit_code)}, {})
    stack.wait_ready(20)
    wait_until(lambda: bool(stack.apps["totals-0"].given_up), stack)
    assert "see its log" in stack.apps["totals-0"].given_up


def test_app_that_ends_before_it_is_ready_is_named(stack: Stack) -> None:
    stack.start_apps({"alerts-0": [sys.executable, "-c", "print('no key'); raise SystemExit(2)"]}, {})
    with pytest.raises(PartUnready, match="alerts-0 ended") as raised:
        stack.wait_ready(20)
    assert "no key" in raised.value.detail


def test_nothing_runs_after_the_end(tmp_path: Path) -> None:
    with Stack(tmp_path, REGISTER) as stack:
        stack.start_apps({"totals-0": app(60, 0), "totals-1": app(60, 0)}, {})
        stack.wait_ready(20)
        processes = [one.process for one in stack.apps.values()]
    assert not any(process.is_running() for process in processes)


def test_place_taken_is_tried_three_times_and_no_more() -> None:
    verdicts = [verdict_on_end(PlaceTaken.exit_code, ends) for ends in (1, 2, 3)]
    assert [bool(why) for why, _ in verdicts] == [False, False, True]
    assert {wait_s for _, wait_s in verdicts} == {30.0}


def test_waits_grow_to_a_bound_and_wrong_settings_are_final() -> None:
    assert [verdict_on_end(75, ends)[1] for ends in range(1, 8)] == [1, 2, 4, 8, 16, 30, 30]
    assert verdict_on_end(UsageError.exit_code, 1)[0]


def test_each_app_of_a_secured_line_acts_as_its_own_place(tmp_path: Path) -> None:
    stack = Stack(tmp_path, REGISTER, secured=True)
    for name in ("intake-0", "totals-1"):
        settings = stack.settings_as(name)
        assert settings["kafka_user"] == name
        assert settings["kafka_password_file"] == str(tmp_path / "access" / "passwords" / name)
    assert "kafka_user" not in Stack(tmp_path / "plain", REGISTER).settings_as("intake-0")


@pytest.mark.parametrize("secured", [True, False])
def test_line_is_not_started_in_another_way_than_it_was_begun(tmp_path: Path, secured: bool) -> None:
    """A broker without passwords would open what the one with them guards; the other way round nobody could log in."""
    (tmp_path / "kafka" / "log").mkdir(parents=True)
    if secured:
        AccessFiles(tmp_path / "access").init()
    Stack(tmp_path, REGISTER, secured=secured)
    with pytest.raises(SettingInvalid, match="was begun with"):
        Stack(tmp_path, REGISTER, secured=not secured)
