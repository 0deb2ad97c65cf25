"""A statement that runs long is told of, and ends in the engine when it is cancelled."""

from __future__ import annotations

import os
import signal
import threading
import time
from functools import partial
from typing import TYPE_CHECKING

import pytest

from esep.cli.shell import running as module
from esep.cli.shell.running import Cancelled, takes_settings, watched
from esep.cli.shell.showing import Format, pieces_of
from esep.errors import SinkUnavailable
from esep.settings import Settings
from esep.sinks.clickhouse.client import connect

if TYPE_CHECKING:
    from esep.embedded.clickhouse import ClickHouseServer

LONG = "SELECT count() FROM numbers(1000000000000) WHERE NOT ignore(sipHash64(number))"


@pytest.mark.clickhouse
def test_cancelled_query_is_gone_from_the_engine(clickhouse: ClickHouseServer, monkeypatch: pytest.MonkeyPatch) -> None:
    """Ctrl-C while the engine works: progress was told, and system.processes shows it no more."""
    monkeypatch.setattr(module, "_QUIET_S", 0.1)
    monkeypatch.setattr(module, "_LOOK_S", 0.1)
    settings = Settings(clickhouse_url=clickhouse.url, clickhouse_database="default")
    told: list[str] = []
    again = partial(connect, settings)

    def interrupt() -> None:
        until = time.monotonic() + 30
        while not any("rows" in text for text in told) and time.monotonic() < until:
            time.sleep(0.05)
        os.kill(os.getpid(), signal.SIGINT)

    threading.Thread(target=interrupt, daemon=True).start()
    tags: list[str] = []

    def run() -> None:
        with connect(settings) as client, watched(again, told.append) as one:
            tags.append(one.tag)
            list(pieces_of(client, LONG, Format.TSV, one.settings))

    with pytest.raises(Cancelled) as cancelled:
        run()
    assert any("million rows" in text for text in told)
    assert told[-1] == ""
    assert cancelled.value.is_gone is True
    assert "ended in the engine" in str(cancelled.value)
    with connect(settings) as client:
        running = client.query("SELECT Settings['log_comment'] FROM system.processes").result_rows
    assert (tags[0],) not in [tuple(row) for row in running]


@pytest.mark.clickhouse
def test_user_who_may_set_nothing_is_noticed(clickhouse: ClickHouseServer, monkeypatch: pytest.MonkeyPatch) -> None:
    with connect(Settings(clickhouse_url=clickhouse.url, clickhouse_database="default")) as client:
        assert takes_settings(client)
        monkeypatch.setattr(module.Watched, "settings", {"max_memory_usage": "as much as there is"})
        assert not takes_settings(client)
        assert list(pieces_of(client, "SELECT 1", Format.TSV, {}))


def test_nothing_is_told_any_more_once_the_answer_is_there(monkeypatch: pytest.MonkeyPatch) -> None:
    """Or it would be written over what the pager shows."""
    monkeypatch.setattr(module, "_QUIET_S", 0.05)
    asked: list[None] = []

    def count() -> None:
        asked.append(None)
        raise SinkUnavailable("nobody answers")

    with watched(count, lambda _: None) as one:  # type: ignore[arg-type]
        one.answered()
        time.sleep(0.2)
    assert asked == []


def test_who_may_not_look_is_told_that_the_engine_was_asked() -> None:
    def refuse() -> None:
        raise SinkUnavailable("nobody answers")

    with pytest.raises(Cancelled) as cancelled, watched(refuse, lambda _: None):  # type: ignore[arg-type]
        raise KeyboardInterrupt
    assert cancelled.value.is_gone is None
    assert "was asked to end it" in str(cancelled.value)
