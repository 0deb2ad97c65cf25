"""A command that could ask the store says what is missing where it cannot."""

from __future__ import annotations

import sys

import pytest
from clickhouse_connect.driver.exceptions import DatabaseError

from esep.cli.stored import stored
from esep.errors import SettingInvalid, SinkUnavailable
from esep.settings import Settings


def test_missing_library_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "clickhouse_connect.driver.exceptions", None)
    with pytest.raises(SettingInvalid, match="clickhouse_connect"), stored(Settings()):
        pass


def test_store_that_does_not_answer_is_told() -> None:
    with pytest.raises(SinkUnavailable), stored(Settings(clickhouse_url="http://127.0.0.1:1")):
        pass


def test_error_inside_is_translated_too(monkeypatch: pytest.MonkeyPatch) -> None:
    class Client:
        def __enter__(self) -> Client:
            return self

        def __exit__(self, *_: object) -> None:
            pass

    monkeypatch.setattr("esep.sinks.clickhouse.client.connect", lambda _: Client())
    with pytest.raises(SinkUnavailable, match="did not answer"), stored(Settings()):
        raise DatabaseError("the connection broke off")
