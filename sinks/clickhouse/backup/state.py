"""What must be at rest while a backup is taken or restored, and the mark of a restore that has not come to its end.

Reads     ClickHouse: other backups and restores, removals that are under way, the mark
Writes    the mark: a table that is there from the first step of a restore to its last
Promises  no loader starts on tables that are restored in part (DESIGN §5 "Loader"; box: sinks/clickhouse)
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from esep.errors import SettingInvalid, SinkUnavailable, UsageError

if TYPE_CHECKING:
    from clickhouse_connect.driver.client import Client

MARK = "restore_unfinished"
_AT_WORK = "SELECT count() FROM system.backups WHERE status IN ('CREATING_BACKUP', 'RESTORING')"


def refuse_at_work(client: Client) -> None:
    """Return unless ClickHouse is at work on a backup or restore, as of a command that was killed."""
    if int(client.query(_AT_WORK).result_rows[0][0]):
        raise SinkUnavailable(
            "ClickHouse is still at work on another backup or restore", hint="do it again when it is done"
        )


def removals_of(client: Client) -> int:
    """Return how many entries the log of removals has; raises UsageError if one is under way, or was cut short.

    Between two equal answers no month went.
    """
    open_ = "SELECT (SELECT count() FROM retention_log), (SELECT count() FROM retention_steps WHERE NOT is_removed)"
    entries, going = client.query(open_).result_rows[0]
    if going:
        raise UsageError(
            f"{going} months are about to be removed", hint="let `esep retention run` come to its end first"
        )
    return int(entries)


def is_unfinished(client: Client) -> bool:
    """Return whether the client's database was restored in part, or without the offsets that belong to it."""
    count = "SELECT count() FROM system.tables WHERE database = currentDatabase() AND name = {name:String}"
    return bool(client.query(count, parameters={"name": MARK}).result_rows[0][0])


def refuse_unfinished(client: Client) -> None:
    """Return unless the client's database has the mark."""
    if is_unfinished(client):
        raise SettingInvalid(
            "the tables were restored in part, or without their offsets", hint="`esep restore` once more, to its end"
        )


def mark(client: Client) -> None:
    """Mark the client's database as restored in part."""
    client.command(f"CREATE TABLE IF NOT EXISTS {MARK} (at DateTime DEFAULT now()) ENGINE = MergeTree ORDER BY at")


def unmark(client: Client) -> None:
    """Say that all of it is restored."""
    client.command(f"DROP TABLE IF EXISTS {MARK} SYNC")
