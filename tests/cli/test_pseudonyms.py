"""Keys, pseudonyms and a person named for a case, on the command line (clauses O9-5.1, J127-7)."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from esep.pseudonyms import read_keys
from tests.support.command import command

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support.role_books import RoleBooks

WHY = ["--case", "7-114/26", "--basis", "AML law 191-IV, Art. 4", "--reason", "report", "--by", "a.serikova"]


@pytest.fixture
def _keeper(roles: RoleBooks, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The command acts as the keeper, with his password and rights."""
    (tmp_path / "password").write_text(roles.passwords["keeper"])
    monkeypatch.setenv("ESEP_CLICKHOUSE_URL", roles.server.url)
    monkeypatch.setenv("ESEP_CLICKHOUSE_USER", "keeper.one")
    monkeypatch.setenv("ESEP_CLICKHOUSE_PASSWORD_FILE", str(tmp_path / "password"))
    monkeypatch.setenv("ESEP_PSEUDONYM_KEY_FILE", str(roles.key_file))


@pytest.mark.usefixtures("_keeper")
def test_keeper_updates_and_names_with_his_own_rights(roles: RoleBooks) -> None:
    made = json.loads(command("pseudonyms", "update", "--json").output)
    assert (made["version"], made["persons"], made["is_new"]) == (1, 0, False)
    assert "under key 1" in command("pseudonyms", "update").output
    iin = roles.booked[0]["iin"]
    pseudonym = roles.key.pseudonym("PERSON", iin).text
    named = command("pseudonyms", "name", pseudonym, *WHY)
    assert named.stdout == f"{iin}\n"
    assert json.loads(command("pseudonyms", "name", pseudonym, *WHY, "--json").stdout)["iin"] == iin
    assert command("pseudonyms", "name", f"p1-{'0' * 32}", *WHY).exit_code != 0
    asked = [line for line in roles.audited() if line["kind"] == "ASKED" and "FROM pseudonyms" in line["text"]][-1]
    assert asked["basis"] == "7-114/26: AML law 191-IV, Art. 4"


def test_key_is_added_and_not_printed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ESEP_PSEUDONYM_KEY_FILE", str(tmp_path / "keys"))
    told = command("pseudonyms", "key").output + command("pseudonyms", "key").output
    first, second = read_keys(tmp_path / "keys")
    assert (first.version, second.version) == (1, 2)
    assert "key 2 is in" in told
    assert second.secret.hex() not in told
