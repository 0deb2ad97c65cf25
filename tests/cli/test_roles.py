"""What roles there are, what a server would be told, and that it is done again without harm (O9-5.1, J127-5)."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from esep.store_roles import ROLES
from tests.support.command import command

if TYPE_CHECKING:
    from tests.support.role_books import RoleBooks


def test_roles_are_listed_with_their_rights() -> None:
    told = json.loads(command("roles", "list", "--json").output)
    assert [role["role"] for role in told] == list(ROLES)
    assert ["SELECT", "esep_analysts.person_history"] in next(one["grants"] for one in told if one["role"] == "analyst")
    assert "esep_analysts.person_history" in command("roles", "list").output


def test_statements_are_printed_and_applied(roles: RoleBooks, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ESEP_CLICKHOUSE_URL", roles.server.url)
    views = command("roles", "sql").output
    assert "CREATE OR REPLACE VIEW person_history DEFINER = esep_views SQL SECURITY DEFINER" in views
    assert "GRANT" not in views
    assert "GRANT SELECT ON esep_analysts.person_history TO analyst;" in command("roles", "sql", "--server").output
    applied = command("roles", "apply")
    assert (applied.exit_code, "as declared" in applied.output) == (0, True)
    assert roles.rows("analyst", "SELECT count() > 0 FROM person_history")
