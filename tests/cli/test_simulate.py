"""`esep simulate` as a person and as a program call it."""

from __future__ import annotations

import json
import secrets
from contextlib import ExitStack
from typing import TYPE_CHECKING

import polars as pl
import pytest
import typer
from typer.testing import CliRunner, Result

from esep.cli.simulate import simulate
from esep.errors import FileUnusable, UsageError
from esep.producers.simulate.sender import SENT
from esep.register import load_register
from tests.producers.fake_intake import FakeIntake, make_topics

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support.brokers import Broker

NOWHERE = ("--bootstrap-servers", "127.0.0.1:1")


def _simulate(*arguments: object) -> Result:
    app = typer.Typer(rich_markup_mode="rich")
    app.command()(simulate)
    env = {"COLUMNS": "200", "TERM": "dumb"}
    return CliRunner().invoke(app, [str(argument) for argument in arguments], env=env)


@pytest.fixture
def register(tmp_path: Path) -> Path:
    """A register of two organizers that no other test uses: topics are named after them."""
    path = tmp_path / "made-up.yaml"
    assert _simulate("--write-register", path, "--organizers", 2, "--seed", secrets.randbelow(2**32)).exit_code == 0
    return path


@pytest.mark.kafka
def test_program_reads_what_came_out_and_exit_code_0_says_that_it_was_meant_so(
    broker: Broker, register: Path, tmp_path: Path
) -> None:
    bins = load_register(register).bins
    verdicts = tmp_path / "verdicts.parquet"
    servers = broker.bootstrap_servers
    for bin_ in bins:
        make_topics(servers, bin_)
    call = ("--register", register, "--events", 1_000, "--bad", 0, "--persons", 200, "--bootstrap-servers", servers)
    with ExitStack() as running:
        for bin_ in bins:
            running.enter_context(FakeIntake(servers, bin_))
        first = _simulate(*call, "--duplicates", 0.05, "--out", verdicts, "--check", "--json")
        again = _simulate(*call, "--duplicates", 0.05, "--check", "--json")
        other = _simulate(*call, "--seed", 2, "--check")
    document = json.loads(first.stdout)
    assert (first.exit_code, document["exact"], document["sent"], document["wrong"]) == (0, True, 1_000, 0)
    assert {row["code"] for row in document["verdicts"]} == {"ACCEPTED", "DUPLICATE"}
    assert pl.read_parquet(verdicts).schema == SENT
    assert pl.read_parquet(verdicts)["offset"].null_count() == 0
    assert again.exit_code == 1, "the same plan again is all repetitions"
    assert json.loads(again.stdout)["exact"] is False
    assert other.exit_code == 0


@pytest.mark.kafka
def test_first_organizers_of_a_register_can_be_chosen(broker: Broker, register: Path) -> None:
    make_topics(broker.bootstrap_servers, load_register(register).bins[0])
    call = ("--register", register, "--organizers", 1, "--events", 300, "--persons", 50, "--json")
    sent = _simulate(*call, "--kind", "CUT", "--bad", 0.2, "--bootstrap-servers", broker.bootstrap_servers)
    document = json.loads(sent.stdout)
    assert sent.exit_code == 0
    assert "exact" not in document
    assert {row["organizer_bin"] for row in document["verdicts"]} == {load_register(register).bins[0]}
    assert {row["code"] for row in document["verdicts"]} == {"ACCEPTED", "DUPLICATE", "UNDECODABLE"}


@pytest.mark.parametrize(
    ("change", "kind"),
    [
        (("--organizers", 3), UsageError),
        (("--until", "2999-01-01"), UsageError),
        (("--register", "none.yaml"), FileUnusable),
        (("--write-register", "none/made-up.yaml"), FileUnusable),
        (("--rate", 0), UsageError),
        (("--kind", "NOSUCH"), UsageError),
        (("--kind", "CUT=many"), UsageError),
        (("--bad", 2), UsageError),
    ],
)
def test_wrong_call_raises_an_error_that_exits_with_2(
    register: Path, change: tuple[object, ...], kind: type[UsageError]
) -> None:
    result = _simulate("--register", register, *NOWHERE, *change)
    assert type(result.exception) is kind
    assert result.exception.exit_code == 2


def test_verdicts_never_write_over_a_file(register: Path, tmp_path: Path) -> None:
    there = tmp_path / "verdicts.parquet"
    there.touch()
    assert isinstance(_simulate("--register", register, "--out", there, *NOWHERE).exception, FileUnusable)


def test_help_shows_examples_exit_codes_and_the_kinds() -> None:
    text = " ".join(_simulate("--help").stdout.split())
    assert "esep simulate --events 100000 --seed 2" in text
    assert "IIN_WRONG_DIGIT" in text
    for option in (
        "--organizers",
        "--events",
        "--rate",
        "--seed",
        "--bad",
        "--corrections",
        "--write-register",
        "--out",
    ):
        assert option in text
