"""Bring tables and views up to date: numbered SQL files, each applied once, in order.

Reads     migrations/<number>_<name>.sql beside this file; the table `migrations`
Writes    what the files create; a row per file when it is begun and one when it is done
Promises  safe to repeat, also after a stop in the middle; an applied file that has changed since is refused
          (DESIGN §6; box: sinks/clickhouse)

ClickHouse has no transactions over its tables, so a file that was begun may be half applied. Hence each statement is
one that can be repeated (`IF NOT EXISTS`, `OR REPLACE`), and a file that was begun and not done is applied again.
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from clickhouse_connect.driver.exceptions import DatabaseError

from esep.errors import FileUnusable, SettingInvalid
from esep.sinks.clickhouse.backup.state import refuse_unfinished
from esep.sinks.clickhouse.client import LONG_S_MAX, connect, translate

if TYPE_CHECKING:
    from clickhouse_connect.driver.client import Client

    from esep.settings import Settings

FOLDER = Path(__file__).resolve().parent / "migrations"
REPEATABLE = re.compile(  # Every statement must match; a test holds it for the files, `_read` for any other folder.
    r"CREATE (TABLE|MATERIALIZED VIEW|DICTIONARY) IF NOT EXISTS|CREATE OR REPLACE|DROP \w+ IF EXISTS"
    r"|ALTER TABLE \w+\s+(ADD|DROP|CLEAR) \w+ IF (NOT )?EXISTS|ALTER TABLE \w+\s+MODIFY"
)
_LEDGER = """
CREATE TABLE IF NOT EXISTS migrations
(
    name String, checksum String, state Enum8('BEGUN' = 1, 'DONE' = 2), noted_at DateTime64(3, 'UTC') DEFAULT now64(3)
)
ENGINE = MergeTree ORDER BY (name, noted_at)
"""


@dataclass(frozen=True, slots=True)
class Migration:
    """One file: its name without suffix, the SHA-256 of its statements, the statements in order."""

    name: str
    checksum: str
    statements: tuple[str, ...]


def migrate(settings: Settings, folder: Path = FOLDER) -> list[str]:
    """Make the database and apply the files that it has not had; return their names in order.

    Raises FileUnusable if an applied file has changed or is gone, SinkUnavailable if ClickHouse does not answer.
    """
    migrations = read_migrations(folder)
    try:
        with connect(settings, database="default") as client:
            client.command(f"CREATE DATABASE IF NOT EXISTS `{settings.clickhouse_database}`")
        with connect(settings, answer_s_max=LONG_S_MAX) as client:
            return apply_migrations(client, migrations)
    except DatabaseError as error:
        raise translate(error, f"ClickHouse at {settings.clickhouse_url}") from error


def refuse_undone(settings: Settings, folder: Path = FOLDER) -> None:
    """Return if the database has had every file; SettingInvalid names the first that it has not, or not whole, or a
    restore that has not come to its end.

    What a loader inserts between two statements of a file may be missing in what the file fills.
    """
    try:
        with connect(settings) as client:
            refuse_unfinished(client)
            names = client.query("SELECT name FROM migrations WHERE state = 'DONE'").result_rows
    except DatabaseError as error:
        raise translate(error, f"ClickHouse at {settings.clickhouse_url}") from error
    done = {row[0] for row in names}
    for migration in read_migrations(folder):
        if migration.name not in done:
            raise SettingInvalid(
                f"ClickHouse has not had the migration {migration.name}, or not to its end", hint="run `esep migrate`"
            )


def apply_migrations(client: Client, migrations: list[Migration]) -> list[str]:
    """Apply what the client's database has not had; return the names in order."""
    client.command(_LEDGER)
    noted = client.query("SELECT name, checksum FROM migrations WHERE state = 'DONE' ORDER BY noted_at").result_rows
    done: dict[str, str] = {row[0]: row[1] for row in noted}
    _check(done, migrations)
    due = [migration for migration in migrations if migration.name not in done]
    for migration in due:
        _note(client, migration, "BEGUN")
        for statement in migration.statements:
            client.command(statement)
        _note(client, migration, "DONE")
    return [migration.name for migration in due]


def read_migrations(folder: Path = FOLDER) -> list[Migration]:
    """Return the files of a folder in the order of their numbers; FileUnusable names one that cannot be repeated."""
    return [_read(path) for path in sorted(folder.glob("[0-9]*.sql"))]


def _read(path: Path) -> Migration:
    code = re.sub(r"--.*", "", path.read_text(encoding="utf-8"))
    statements = tuple(statement.strip() for statement in code.split(";") if statement.strip())
    for statement in statements:
        if not REPEATABLE.match(statement):
            raise FileUnusable(
                f"migration {path.name} has a statement that cannot be repeated",
                detail=statement.splitlines()[0],
                hint="use IF [NOT] EXISTS or OR REPLACE: a migration may be stopped in the middle",
            )
    checksum = hashlib.sha256(";".join(statements).encode()).hexdigest()  # A comment may still be put right.
    return Migration(path.stem, checksum, statements)


def _check(done: dict[str, str], migrations: list[Migration]) -> None:
    known = {migration.name: migration.checksum for migration in migrations}
    for name, checksum in done.items():
        if known.get(name) != checksum:
            raise FileUnusable(
                f"migration {name} was applied and has {'changed' if name in known else 'gone'} since",
                detail="the tables are as the old text made them",
                hint="put the old file back and write a new one with a higher number; or upgrade this program",
            )


def _note(client: Client, migration: Migration, state: str) -> None:
    row = [migration.name, migration.checksum, state]
    client.insert("migrations", [row], column_names=["name", "checksum", "state"])
