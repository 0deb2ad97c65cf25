"""Answers as text, through a pager, into a file."""

from __future__ import annotations

import io
import json
import stat
from functools import partial
from typing import TYPE_CHECKING

import polars as pl
import pytest
from clickhouse_connect.driver.exceptions import DatabaseError

from esep.cli.shell import showing as module
from esep.cli.shell.showing import Format, pieces_of, show, write_file
from esep.settings import Settings
from esep.sinks.clickhouse.client import connect

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from clickhouse_connect.driver.client import Client

    from esep.embedded.clickhouse import ClickHouseServer

TWO = "SELECT number AS n, concat('ставка ', toString(number)) AS name FROM numbers(2)"


@pytest.fixture
def client(clickhouse: ClickHouseServer) -> Iterator[Client]:
    with connect(Settings(clickhouse_url=clickhouse.url, clickhouse_database="default")) as connected:
        yield connected


@pytest.mark.clickhouse
def test_every_format_holds_the_same_rows(client: Client, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ask = partial(pieces_of, client, TWO, settings={})
    text = {form: b"".join(ask(form=form)).decode() for form in Format if form is not Format.PARQUET}
    assert all("ставка 1" in one for one in text.values()), text
    assert [json.loads(line)["n"] for line in text[Format.JSONL].splitlines()] in ([0, 1], ["0", "1"])
    assert "Row 2:" in text[Format.VERTICAL]
    assert "2 rows" in text[Format.TABLE]
    size = write_file(tmp_path / "two.parquet", ask(form=Format.PARQUET))
    assert size == (tmp_path / "two.parquet").stat().st_size
    assert stat.S_IMODE((tmp_path / "two.parquet").stat().st_mode) == 0o600
    assert pl.read_parquet(tmp_path / "two.parquet")["name"].to_list() == ["ставка 0", "ставка 1"]
    monkeypatch.setattr(module, "ROWS_MAX", 1)
    assert "the first 1 rows" in b"".join(ask(form=Format.TABLE)).decode()


@pytest.mark.clickhouse
def test_answer_that_breaks_off_leaves_the_old_file(client: Client, tmp_path: Path) -> None:
    path = tmp_path / "answer.csv"
    path.write_text("old")
    with pytest.raises(DatabaseError):
        write_file(path, pieces_of(client, "SELECT throwIf(number = 5) FROM numbers(10)", Format.CSV, {}))
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.clickhouse
def test_statement_that_does_something_is_done(client: Client) -> None:
    assert b"".join(pieces_of(client, "CREATE TEMPORARY TABLE t (x Int8)", Format.TABLE, {}))


def test_short_answer_needs_no_pager_and_a_long_one_goes_through(tmp_path: Path) -> None:
    got = tmp_path / "got"
    pager = tmp_path / "pager"
    pager.write_text(f'#!/bin/sh\n(echo "$LESSSECURE $LESSHISTFILE"; cat) > {got}\n')
    pager.chmod(0o700)
    screen = io.BytesIO()
    show([b"1\n", b"2\n"], screen, lines_max=5, pager=str(pager))
    assert screen.getvalue() == b"1\n2\n"
    show([b"%d\n" % number for number in range(9)], screen, lines_max=5, pager=str(pager))
    assert screen.getvalue() == b"1\n2\n"
    assert got.read_text().splitlines() == ["1 -", *map(str, range(9))]


def test_pager_that_is_left_early_is_no_error(tmp_path: Path) -> None:
    pager = tmp_path / "pager"
    pager.write_text("#!/bin/sh\nhead -c 10 > /dev/null\n")
    pager.chmod(0o700)
    show((b"x" * 65_536 + b"\n" for _ in range(100)), io.BytesIO(), lines_max=1, pager=str(pager))
