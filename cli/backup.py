"""`esep backup`: what ClickHouse holds, with the offsets that belong to it, taken beside a line at work.

Reads     ClickHouse, what the loader has committed; the directory of backups
Writes    by `take` a folder there
Promises  exit code 0 of `verify` only if every byte is what was written, in the backup and in all that it is based on;
          what --json prints is one JSON document (clauses O9-4.5, O9-5.1)
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, Any

import typer

from esep.cli.context import DATA_DIR, AsJson, DataDir, settings_of
from esep.cli.output import command_group, err, out, print_json, print_table, print_told
from esep.errors import UsageError
from esep.register import load_register
from esep.sinks.clickhouse.backup.folder import Backups
from esep.sinks.clickhouse.backup.taking import directory_of, take

if TYPE_CHECKING:
    from esep.settings import Settings
    from esep.sinks.clickhouse.backup.manifest import Manifest

Name = Annotated[
    str, typer.Argument(help="A backup, by the name of its folder; without it, the newest.", show_default=False)
]

backup = command_group(
    name="backup",
    help="""Backups of ClickHouse with the loader's offsets; `esep restore` puts one back.

Example: [bold]esep backup take[/]""",
    no_args_is_help=True,
)


@backup.command(name="take")
def take_one(
    full: Annotated[bool, typer.Option("--full", help="Copy everything, not only what the last backup lacks.")] = False,
    as_json: AsJson = False,
    data_dir: DataDir = DATA_DIR,
) -> None:
    """Take a backup. The line may work on; without --full only what is new since the last one is copied.

    Example: [bold]esep backup take --full[/]
    """
    settings = settings_of(data_dir)
    _tell_unusable(settings)
    manifest = take(settings, load_register(settings.register_file).bins, datetime.now(UTC), is_full=full)
    if as_json:
        print_json(_document(manifest))
        return
    kind = f"based on {manifest.base.name}" if manifest.base else "full"
    text = f"backup {manifest.name}: {kind}, {manifest.rows:,} records, {len(manifest.files):,} files"
    out.print(text, highlight=False, soft_wrap=True)


@backup.command(name="list")
def list_all(as_json: AsJson = False, data_dir: DataDir = DATA_DIR) -> None:
    """Show the backups that are there, oldest first.

    Example: [bold]esep backup list --json[/]
    """
    settings = settings_of(data_dir)
    there = Backups(directory_of(settings)).whole()
    _tell_unusable(settings)
    if as_json:
        print_json({"backups": [_document(manifest) for manifest in there]})
        return
    rows = [
        (one.name, one.base.name if one.base else "", one.rows, len(one.files), one.size, one.program) for one in there
    ]
    print_table("backups", ("backup", "based on", "records", "files", "bytes", "program"), rows)


@backup.command()
def verify(name: Name = "", as_json: AsJson = False, data_dir: DataDir = DATA_DIR) -> None:
    """Read a backup and all that it is based on, and say whether every byte is what was written.

    Exit code 1: something was changed, is missing or was added, and the first faults are named.

    Example: [bold]esep backup verify 20261128T020000000Z[/]
    """
    settings = settings_of(data_dir)
    chosen = chosen_of(settings, name)
    faults = Backups(directory_of(settings)).faults(chosen)
    document = {"name": chosen, "whole": not faults, "faults": faults}
    print_told(document, "\n".join(faults) or f"backup {chosen} is whole", as_json=as_json)
    raise typer.Exit(1 if faults else 0)


def chosen_of(settings: Settings, name: str) -> str:
    """Return the backup's name: the one that was typed, a path's last part, or the newest."""
    if name:
        return name.rstrip("/").rpartition("/")[2]
    directory = directory_of(settings)
    if not (there := Backups(directory).whole()):
        raise UsageError(f"there is no backup in {directory}", hint="`esep backup take` takes one")
    return there[-1].name


def _tell_unusable(settings: Settings) -> None:
    for name in Backups(directory_of(settings)).unusable():
        text = f"{name} is no backup: it was cut short, or its manifest is damaged, or it is being taken"
        err.print(text, highlight=False, soft_wrap=True)


def _document(manifest: Manifest) -> dict[str, Any]:
    return {
        "name": manifest.name,
        "sha256": manifest.sha256,
        "began_at": manifest.began_at.isoformat(),
        "base": manifest.base.name if manifest.base else None,
        "records": manifest.rows,
        "files": len(manifest.files),
        "bytes": manifest.size,
        "program": manifest.program,
        "offsets": {str(source): offset for source, offset in manifest.offsets.items()},
    }
