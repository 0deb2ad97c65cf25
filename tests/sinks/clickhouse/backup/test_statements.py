"""ClickHouse copies where we look, or it is told; a directory of backups may be moved."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from clickhouse_connect.driver.exceptions import DatabaseError

from esep.errors import SettingInvalid, SinkUnavailable
from esep.settings import Settings
from esep.sinks.clickhouse.backup.folder import Backups
from esep.sinks.clickhouse.backup.statements import NOT_ALLOWED, copy_from, copy_to, refuse_unseen
from esep.sinks.clickhouse.client import connect
from tests.sinks.clickhouse.backup.made import manifest

if TYPE_CHECKING:
    from esep.embedded.clickhouse import ClickHouseServer


@pytest.mark.clickhouse
def test_database_is_copied_and_put_back_where_both_have_the_same_directory(
    clickhouse: ClickHouseServer, tmp_path: Path
) -> None:
    """Under another name; a folder elsewhere gets nothing, and that is told."""
    with connect(Settings(clickhouse_url=clickhouse.url), database="default") as client:
        client.command("CREATE DATABASE copied")
        client.command("CREATE TABLE copied.bets (row Int64) ENGINE = MergeTree ORDER BY row AS SELECT 7 AS row")
        copy_to(client, "copied", Backups(clickhouse.backups).begin("one"), None)
        refuse_unseen(client, ["one"])
        with pytest.raises(SettingInvalid, match="ClickHouse does not find backup two"):
            refuse_unseen(client, ["one", "two"])
        copy_from(client, "copied_back", manifest("one", database="copied"))
        assert client.command("SELECT row FROM copied_back.bets") == 7
        with pytest.raises(SettingInvalid, match="ClickHouse has another directory of backups"):
            copy_to(client, "copied", Backups(tmp_path / "elsewhere").begin("three"), None)
        with pytest.raises(DatabaseError) as refused:
            client.command(f"BACKUP DATABASE copied TO File('{tmp_path}/four')")
        assert refused.value.code in NOT_ALLOWED, "no query writes anywhere else"
        for name in ("one", "three"):
            shutil.rmtree(clickhouse.backups / name)


class Client:
    """A client whose server answers a command like this."""

    def __init__(self, answer: object) -> None:
        self.answer = answer

    def command(self, _: str) -> object:
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer


@pytest.mark.parametrize(
    ("answer", "error", "text"),
    [
        (DatabaseError("not allowed", code=36), SettingInvalid, "may not use the directory"),
        (DatabaseError("not set", code=318), SettingInvalid, "may not use the directory"),
        (["id", "BACKUP_FAILED"], SinkUnavailable, "did not come to the end"),
        ("", SinkUnavailable, "did not come to the end"),
    ],
)
def test_what_a_server_refuses_or_does_not_end_is_no_backup(
    answer: object, error: type[Exception], text: str, tmp_path: Path
) -> None:
    client: Any = Client(answer)
    with pytest.raises(error, match=text):
        copy_to(client, "esep", tmp_path, None)
