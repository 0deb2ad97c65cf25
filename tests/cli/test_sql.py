"""One statement, four formats."""

from __future__ import annotations

import csv
import io
import json

import pytest
from typer.testing import CliRunner

from esep.cli.main import app
from esep.embedded.clickhouse import ClickHouseServer
from esep.errors import UsageError

pytestmark = pytest.mark.clickhouse


@pytest.fixture(autouse=True)
def _here(clickhouse: ClickHouseServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ESEP_CLICKHOUSE_URL", clickhouse.url)
    monkeypatch.setenv("ESEP_CLICKHOUSE_DATABASE", "default")


def ask(output_format: str) -> str:
    statement = "SELECT number AS n, concat('ставка ', toString(number)) AS name FROM numbers(2)"
    answer = CliRunner().invoke(app, ["sql", statement, "--format", output_format])
    assert answer.exit_code == 0, answer.exception
    return answer.output


def test_every_format_holds_the_same_rows() -> None:
    rows = [{"n": "0", "name": "ставка 0"}, {"n": "1", "name": "ставка 1"}]
    assert list(csv.DictReader(io.StringIO(ask("csv")))) == rows
    assert list(csv.DictReader(io.StringIO(ask("tsv")), delimiter="\t")) == rows
    assert [{key: str(value) for key, value in row.items()} for row in json.loads(ask("json"))["data"]] == rows
    assert all(row["name"] in ask("table") for row in rows)


def test_wrong_statement_is_told_in_clickhouse_s_words() -> None:
    answer = CliRunner().invoke(app, ["sql", "SELECT nosuch"])
    assert isinstance(answer.exception, UsageError)
    assert "UNKNOWN_IDENTIFIER" in answer.exception.detail
