"""What a server was asked is taken into the chain, once and in order (clauses J127-7, J127-16, J127-17)."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from esep.hash_chain import Chain, faults, lines
from esep.sinks.clickhouse.client import connect
from esep.sinks.clickhouse.query_log import collect

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support.role_books import RoleBooks


def test_each_query_is_taken_once_with_its_basis_text_rows_and_outcome(roles: RoleBooks, tmp_path: Path) -> None:
    """The engine's own query_log stands for a server's: it has the same columns, and one user."""
    path = tmp_path / "audit.jsonl"
    roles.ask("default", "SELECT number AS first_of_two FROM numbers(7)", log_comment="7-114/26: AML law")
    roles.ask("default", "SELECT throwIf(number = 3) AS second_of_two FROM numbers(7)", log_comment="")
    with connect(roles.settings) as client:
        client.command("SYSTEM FLUSH LOGS query_log")
        chain = Chain(path)
        now = datetime.now(UTC) + timedelta(seconds=1)
        assert collect(client, chain, path, now, settled_s=0) > 2
        taken = [line for line in lines(path) if line["kind"] == "SERVER"]
        (first,), (second,) = (
            [one for one in taken if mark in one["text"]] for mark in ("first_of_two", "second_of_two")
        )
        assert (first["user"], first["basis"], first["code"]) == ("default", "7-114/26: AML law", 0)
        assert first["read_rows"] == 7
        assert (second["basis"], second["code"]) == ("", 395)
        assert [one["at"] for one in taken] == sorted(one["at"] for one in taken)
        assert all(one["at"].endswith("+05:00") for one in taken)
        client.command("SYSTEM FLUSH LOGS query_log")
        collect(client, chain, path, now + timedelta(seconds=1), settled_s=0)
        chain.close()
    again = [one for one in lines(path) if one["kind"] == "SERVER" and one["query_id"] == first["query_id"]]
    assert len(again) == 1
    assert faults(path) == []
