"""A client, or an error of ours that says what to do."""

from __future__ import annotations

import socket
from typing import TYPE_CHECKING

import pytest
from clickhouse_connect.driver.exceptions import DatabaseError, OperationalError

from esep.errors import EsepError, InvariantBroken, SettingInvalid, SinkUnavailable
from esep.settings import Settings
from esep.sinks.clickhouse.client import connect, translate

if TYPE_CHECKING:
    from esep.embedded.clickhouse import ClickHouseServer


@pytest.mark.clickhouse
def test_client_inserts_at_once_and_keeps_no_session(clickhouse: ClickHouseServer) -> None:
    with connect(Settings(clickhouse_url=clickhouse.url, clickhouse_database="default")) as client:
        assert client.command("SELECT getSetting('async_insert')") in {0, "0", "false"}
        assert "session_id" not in client.params


@pytest.mark.clickhouse
def test_missing_database_says_to_migrate(clickhouse: ClickHouseServer) -> None:
    with pytest.raises(SettingInvalid, match="esep migrate"):
        connect(Settings(clickhouse_url=clickhouse.url, clickhouse_database="nobody_made_it"))


def test_nobody_listening_is_unavailable() -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        free = probe.getsockname()[1]
    with pytest.raises(SinkUnavailable):
        connect(Settings(clickhouse_url=f"http://127.0.0.1:{free}"))


@pytest.mark.parametrize(
    ("error", "ours"),
    [
        (OperationalError("connection reset"), SinkUnavailable),
        (DatabaseError("too many parts", code=252, name="TOO_MANY_PARTS"), SinkUnavailable),
        (DatabaseError("no table", code=60, name="UNKNOWN_TABLE"), SettingInvalid),
        (DatabaseError("no", code=516, name="AUTHENTICATION_FAILED"), SettingInvalid),
        (DatabaseError("cannot parse 900101300007", code=27, name="CANNOT_PARSE_INPUT"), InvariantBroken),
    ],
)
def test_error_of_the_server_becomes_ours_without_its_text(error: DatabaseError, ours: type[EsepError]) -> None:
    translated = translate(error, "ClickHouse")
    assert type(translated) is ours
    assert "900101300007" not in str(translated)
