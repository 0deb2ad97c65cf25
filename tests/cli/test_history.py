"""A session for rules' history: temporary tables that end with it, progress, and an end by Ctrl-C."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
import typer

from esep.cli.history import history_of
from esep.errors import EsepError
from esep.settings import Settings
from esep.sinks.clickhouse.alerts.search import Step

if TYPE_CHECKING:
    from esep.embedded.clickhouse import ClickHouseServer


@pytest.fixture
def store(clickhouse: ClickHouseServer) -> Settings:
    return Settings(clickhouse_url=clickhouse.url, clickhouse_database="default")


@pytest.mark.clickhouse
def test_temporary_tables_are_those_of_the_session(store: Settings) -> None:
    with history_of(store) as history:
        history.tell(Step("reading", 1, 2))
        history.run("CREATE TEMPORARY TABLE found (place Int32)")
        history.run("INSERT INTO found SELECT 7")
        assert history.run("SELECT place FROM found") == [(7,)]
        with history_of(store) as other, pytest.raises(Exception, match="found"):
            other.run("SELECT place FROM found")


@pytest.mark.clickhouse
def test_ctrl_c_ends_the_statement(store: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("esep.cli.history.run_in", interrupted)
    with pytest.raises(typer.Exit) as caught, history_of(store) as history:
        history.run("SELECT 1")
    assert caught.value.exit_code == 130


@pytest.mark.clickhouse
def test_error_of_the_store_is_one_of_ours(store: Settings) -> None:
    with pytest.raises(EsepError, match="refuses"), history_of(store) as history:
        history.run("SELECT no_such_column")
