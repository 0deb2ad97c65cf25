"""ClickHouse's own BACKUP and RESTORE, and whether it reads and writes where we do.

Reads     a backup, on RESTORE
Writes    a backup's data; a database
Promises  names are relative, so that a directory of backups may be moved; that ClickHouse has another directory than we
          is seen before anything hangs on it (box: sinks/clickhouse)
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from clickhouse_connect.driver.exceptions import DatabaseError

from esep.errors import SettingInvalid, SinkUnavailable
from esep.sinks.clickhouse.backup.folder import DATA

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from clickhouse_connect.driver.client import Client

    from esep.sinks.clickhouse.backup.manifest import Base, Manifest

CONTENTS = ".backup"  # ClickHouse's own list of a backup's files, always there.
NOT_ALLOWED = {36: "BAD_ARGUMENTS", 318: "INVALID_CONFIG_PARAMETER"}
ENTRY_NOT_FOUND = 605  # The backup is there, and what was asked for is not in it.
_HINT = "make ESEP_BACKUP_DIR the first <backups><allowed_path> of its configuration; it must be allowed to write there"


def copy_to(client: Client, database: str, folder: Path, base: Manifest | None) -> None:
    """Have ClickHouse copy a database into the folder of a backup; SettingInvalid if it does not do it there."""
    _run(client, f"BACKUP DATABASE `{database}` TO {place_of(folder.name)}", base, "BACKUP_CREATED")
    if not (folder / DATA / CONTENTS).exists():
        raise SettingInvalid("ClickHouse has another directory of backups", detail=f"not {folder.parent}", hint=_HINT)


def copy_from(client: Client, database: str, manifest: Manifest) -> None:
    """Have ClickHouse fill a database that has none of the backup's tables."""
    names = f"`{manifest.database}` AS `{database}`"
    _run(client, f"RESTORE DATABASE {names} FROM {place_of(manifest.name)}", manifest.base, "RESTORED")


def refuse_unseen(client: Client, names: Iterable[str]) -> None:
    """Return if ClickHouse finds these backups; SettingInvalid names the first that it does not."""
    for name in names:
        try:
            client.command(f"RESTORE TABLE `nothing`.`nothing` FROM {place_of(name)}")
        except DatabaseError as error:
            if error.code == ENTRY_NOT_FOUND:
                continue
            raise SettingInvalid(
                f"ClickHouse does not find backup {name}",
                detail=f"error {error.code} {error.name or ''}".rstrip(),
                hint=_HINT,
            ) from error


def place_of(name: str) -> str:
    """Return where ClickHouse finds a backup, in SQL: below its first allowed path.

    >>> place_of("20261128T020000000Z")
    "File('20261128T020000000Z/data')"
    """
    return f"File('{name}/{DATA}')"


def _run(client: Client, statement: str, base: Manifest | Base | None, state: str) -> None:
    settings = f" SETTINGS base_backup = {place_of(base.name)}" if base else ""
    try:
        answer = client.command(statement + settings)  # As a query it would get a FORMAT, which BACKUP does not take.
    except DatabaseError as error:
        if error.code in NOT_ALLOWED:
            raise SettingInvalid(
                "ClickHouse may not use the directory of backups", detail=f"error {error.code}", hint=_HINT
            ) from error
        raise
    if state not in str(answer):
        raise SinkUnavailable("ClickHouse did not come to the end", detail=str(answer), hint="see its log; do it again")
