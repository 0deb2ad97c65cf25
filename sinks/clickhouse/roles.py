"""Roles in ClickHouse: the analysts' views, and for a server of one's own the GRANTs, row policies and limits.

Reads     the declaration of roles (`esep.store_roles`), analyst_views.sql and analyst_history.sql beside this file
Returns   SQL statements, in order
Writes    the views; on a server roles, rights, limits, policies and users as well
Promises  safe to repeat; a right that the declaration no longer has is taken away; a policy lets nobody look up a
          person without a stated basis where the role asks for one (clauses O9-5.1, J127-5, J127-7; box:
          sinks/clickhouse)

The embedded engine is told of roles and users when it starts, from the same declaration: there only the views are made.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

from clickhouse_connect.driver.exceptions import DatabaseError

from esep.errors import SettingInvalid
from esep.sinks.clickhouse.client import connect, translate
from esep.store_roles import BASIS_HINT, BASIS_SETTING, DEFINER, OF_PERSONS, ROLES, Role, analysts_database

if TYPE_CHECKING:
    from collections.abc import Iterable

    from esep.settings import Settings
    from esep.store_users import Account

_VIEWS = Path(__file__).with_name("analyst_views.sql").read_text(encoding="utf-8")
_HISTORY = Path(__file__).with_name("analyst_history.sql").read_text(encoding="utf-8")
_UNKNOWN_USER = 192
_NAMED = """
    SELECT pseudonym, original, birth_years, token_key_0, token_key_1 FROM {tables}.pseudonyms FINAL
    WHERE kind = '{kind}' AND key_version = (SELECT max(key_version) FROM {tables}.pseudonym_keys)
"""
_STATED = r"^[^:\\s][^:]{0,99}:\\s*\\S.{2,}"  # `esep.store_roles.case_and_basis`, as an SQL string.


def view_statements(database: str) -> list[str]:
    """Return what makes the analysts' views, to be run in their database."""
    views, history = (re.sub(r"--.*", "", text).strip() for text in (_VIEWS, _HISTORY))
    tables = f"`{database}`"
    names = {
        "tables": tables,
        "persons": _NAMED.format(tables=tables, kind="PERSON"),
        "instruments": _NAMED.format(tables=tables, kind="INSTRUMENT"),
    }
    filled = views.format(**names, definer=DEFINER, history=history.format(**names))
    return [statement.strip() for statement in filled.split(";") if statement.strip()]


def server_statements(database: str, accounts: Iterable[Account] = ()) -> list[str]:
    """Return what brings a server to the declaration; who runs it may manage access there.

    >>> server_statements("esep")[0]
    'CREATE USER IF NOT EXISTS esep_views IDENTIFIED WITH no_password HOST NONE'
    """
    made = [f"CREATE USER IF NOT EXISTS {DEFINER} IDENTIFIED WITH no_password HOST NONE"]
    made += [f"GRANT SELECT ON `{database}`.* TO {DEFINER}"]
    for role in ROLES.values():
        made += _role(role, database)
    made += _policies(database)
    for account in accounts:
        made += _account(account)
    return made


def apply(settings: Settings, accounts: Iterable[Account] | None = None) -> int:
    """Make the views, and, where accounts are given, bring a server to the declaration; return how many statements ran.

    Raises SinkUnavailable if nobody answers, SettingInvalid where the definer of the views is missing, InvariantBroken
    with ClickHouse's code if it refuses a statement.
    """
    database = settings.clickhouse_database
    before = server_statements(database, accounts) if accounts is not None else []
    try:
        with connect(settings) as client:
            client.command(f"CREATE DATABASE IF NOT EXISTS `{analysts_database(database)}`")
            for statement in before:
                client.command(statement)
        views = view_statements(database)
        with connect(settings, database=analysts_database(database)) as client:
            for statement in views:
                client.command(statement)
    except DatabaseError as error:
        if error.code == _UNKNOWN_USER:
            raise SettingInvalid(
                f"ClickHouse has no user {DEFINER}, with whose rights the views read",
                hint="`esep up` starts its server with it; on a server of your own say --server",
            ) from error
        raise translate(error, f"ClickHouse at {settings.clickhouse_url}") from error
    return len(before) + len(views)


def _role(role: Role, database: str) -> list[str]:
    name = role.role
    made = [f"CREATE ROLE IF NOT EXISTS {name}", f"REVOKE ALL ON *.* FROM {name}"]
    if role.use == "everything":
        names = (f"`{database}`.*", f"`{analysts_database(database)}`.*")
        made += [f"GRANT ALL ON {one} TO {name}" for one in names]
        made += [f"GRANT SELECT ON system.* TO {name}", f"GRANT SET DEFINER ON {DEFINER} TO {name}"]
    made += [f"GRANT {privilege} ON {one} TO {name}" for privilege, one in role.granted(database)]
    limits = [f"{setting} = {value} CONST" for setting, value in role.limits.items()]
    if role.use == "views":
        limits += ["readonly = 1", f"{BASIS_SETTING} CHANGEABLE_IN_READONLY"]
    if limits:
        made.append(f"CREATE SETTINGS PROFILE OR REPLACE {name} SETTINGS {', '.join(limits)} TO {name}")
    return made


def _policies(database: str) -> list[str]:
    """Return the policies by which a role that has to state its basis is given an error without one, and no rows."""
    asked = ", ".join(role.role for role in ROLES.values() if role.basis)
    stated = f"match(getSetting('{BASIS_SETTING}'), '{_STATED}')"
    hint = BASIS_HINT.replace("'", "")
    made = []
    for table in OF_PERSONS:
        on = f"ON `{database}`.{table}"
        made.append(
            f"CREATE ROW POLICY OR REPLACE esep_basis {on} USING throwIf(NOT {stated}, '{hint}') = 0 TO {asked}"
        )
        made.append(f"CREATE ROW POLICY OR REPLACE esep_others {on} USING 1 TO ALL EXCEPT {asked}")
    return made


def _account(account: Account) -> list[str]:
    user = f"`{account.user}`"
    if account.is_blocked:
        return [
            f"ALTER USER IF EXISTS {user} HOST NONE DEFAULT ROLE NONE",
            f"KILL QUERY WHERE user = '{account.user}' ASYNC",
        ]
    known = f"IDENTIFIED WITH sha256_hash BY '{account.password_sha256}' HOST ANY"
    return [
        f"CREATE USER IF NOT EXISTS {user} {known}",
        f"ALTER USER {user} {known}",
        f"REVOKE ALL ON *.* FROM {user}",
        *(f"REVOKE {role} FROM {user}" for role in ROLES if role != account.role),
        f"GRANT {account.role} TO {user}",
        f"ALTER USER {user} DEFAULT ROLE {account.role}",
    ]
