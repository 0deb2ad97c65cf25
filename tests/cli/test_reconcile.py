"""The exit code of `esep reconcile` is its answer."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from esep.cli.main import app
from esep.errors import SinkUnavailable
from esep.lineage import Lane, TopicPartition
from esep.sinks.clickhouse import continuous, reconcile
from esep.sinks.clickhouse.books import LaneBooks, Side
from esep.sinks.clickhouse.continuous import Progress

ROOT = Path(__file__).resolve().parent.parent.parent


class Told:
    """A report that says what it is told to say."""

    def __init__(self, *, balanced: bool) -> None:
        self.balanced = balanced

    def to_json(self) -> dict[str, bool]:
        return {"balanced": self.balanced}


@pytest.mark.parametrize(("balanced", "code"), [(True, 0), (False, 1)])
def test_exit_code_says_whether_the_books_balance(monkeypatch: pytest.MonkeyPatch, balanced: bool, code: int) -> None:
    monkeypatch.setenv("ESEP_REGISTER_FILE", str(ROOT / "examples" / "register.yaml"))
    monkeypatch.setattr(reconcile, "reconcile", lambda _settings, _bins: Told(balanced=balanced))
    answer = CliRunner().invoke(app, ["reconcile", "--json"])
    assert answer.exit_code == code, answer.exception
    assert str(balanced).lower() in answer.output


SHORT = LaneBooks(
    Lane(TopicPartition("accepted", 0), TopicPartition("ledger", 0)),
    Side(2, 2, 1, 2),
    Side(1, 1, 1, 1),
    ("row 2 is gone",),
)


@pytest.fixture
def rounds(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[Progress | SinkUnavailable]]:
    """Give a list; each comparison takes its next, and with the last one the command is told to stop."""
    monkeypatch.setenv("ESEP_REGISTER_FILE", str(ROOT / "examples" / "register.yaml"))
    before = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)}
    to_come: list[Progress | SinkUnavailable] = []

    def compare(*_: object) -> Progress:
        now = to_come.pop(0)
        if not to_come:
            os.kill(os.getpid(), signal.SIGTERM)
        if isinstance(now, SinkUnavailable):
            raise now
        return now

    monkeypatch.setattr(continuous, "compare_new", compare)
    yield to_come
    for number, handler in before.items():
        signal.signal(number, handler)


@pytest.mark.parametrize(
    ("found", "code"), [([Progress(7, 3)], 0), ([Progress(7), Progress(2, 0, [SHORT]), Progress(1)], 1)]
)
def test_following_ends_as_told_and_its_exit_code_says_whether_anything_ever_differed(
    rounds: list[Any], found: list[Progress], code: int
) -> None:
    rounds += found
    answer = CliRunner().invoke(app, ["reconcile", "--follow", "0.01", "--json"])
    assert answer.exit_code == code, answer.output
    told = [json.loads(line) for line in answer.output.splitlines()]
    assert [line["compared"] for line in told] == [progress.compared for progress in found]
    assert [line["balanced"] for line in told] == [progress.balanced for progress in found]
    assert [line["differences"] for line in told] == [list(progress.differences) for progress in found]


def test_following_goes_on_when_a_side_does_not_answer_and_a_single_comparison_says_so(rounds: list[Any]) -> None:
    rounds += [SinkUnavailable("ClickHouse did not answer"), Progress(5)]
    answer = CliRunner().invoke(app, ["reconcile", "--follow", "0.01"])
    assert answer.exit_code == 0
    assert "ClickHouse did not answer" in answer.output
    assert "5 records, the same on both sides" in answer.output
    rounds += [SinkUnavailable("ClickHouse did not answer")]
    assert isinstance(CliRunner().invoke(app, ["reconcile", "--follow", "0"]).exception, SinkUnavailable)


@pytest.mark.parametrize(("differing", "code"), [([], 0), ([SHORT], 1)])
def test_past_names_what_the_tables_say_otherwise(
    monkeypatch: pytest.MonkeyPatch, differing: list[LaneBooks], code: int
) -> None:
    monkeypatch.setattr(continuous, "compare_past", lambda _: differing)
    answer = CliRunner().invoke(app, ["reconcile", "--past"])
    assert answer.exit_code == code
    assert ("accepted/0 to ledger/0" in answer.output) == bool(differing)
    as_json = json.loads(CliRunner().invoke(app, ["reconcile", "--past", "--json"]).output)
    assert as_json == {"balanced": not differing, "differences": list(map(str, differing))}
