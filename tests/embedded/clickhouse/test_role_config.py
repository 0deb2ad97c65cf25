"""The engine's users file is XML with every guarded role and its grants (O9-5.1)."""

from __future__ import annotations

from xml.etree import ElementTree

import pytest

from esep.embedded.clickhouse.role_config import LINE, users_xml
from esep.store_roles import DEFINER, ROLES


@pytest.mark.parametrize("database", ["esep", "a&b"])
def test_every_role_has_the_grants_that_are_declared_and_no_others(database: str) -> None:
    root = ElementTree.fromstring(users_xml(database))
    found = {role.tag: [query.text for query in role.iter("query")] for role in root.findall("./roles/*")}
    guarded = {name: role for name, role in ROLES.items() if role.is_guarded}
    assert set(found) == {*guarded, LINE}
    for name, role in guarded.items():
        assert found[name] == [f"GRANT {privilege} ON {one}" for privilege, one in role.granted(database)]


def test_what_others_do_is_seen_by_the_line_alone_and_nobody_logs_in_as_the_definer() -> None:
    root = ElementTree.fromstring(users_xml("esep"))
    hidden = root.findall("./users/default/databases/system/*")
    assert {"query_log", "processes", "errors"} <= {table.tag for table in hidden}
    assert {table.findtext("filter") for table in hidden} == {f"has(currentRoles(), '{LINE}')"}
    assert root.findtext(f"./users/{DEFINER}/password_sha256_hex") == "0" * 64
