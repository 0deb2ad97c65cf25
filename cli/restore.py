"""`esep restore`: a backup put back, so that the loader catches up from Kafka.

Reads     a backup; what Kafka holds
Writes    ClickHouse's database; the offsets of the loader's group
Promises  nothing is removed before the backup was read whole and found right; data that are there stay unless told;
          what --json prints is one JSON document (clause O9-4.5)
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from esep.cli.backup import Name, chosen_of
from esep.cli.context import DATA_DIR, AsJson, DataDir, WaitForLoaders, settings_of
from esep.cli.output import out, print_json
from esep.register import load_register
from esep.sinks.clickhouse.backup import restoring
from esep.topics import LOADER

if TYPE_CHECKING:
    from esep.sinks.clickhouse.backup.restoring import Restored


def restore(
    name: Name = "",
    replace: Annotated[
        bool,
        typer.Option("--replace", help="Remove what the database holds now. Without it, only an empty one is filled."),
    ] = False,
    tables_only: Annotated[
        bool, typer.Option("--tables-only", help="To be looked at: no offsets are set, and no loader starts on it.")
    ] = False,
    wait_s: WaitForLoaders = 120.0,
    as_json: AsJson = False,
    data_dir: DataDir = DATA_DIR,
) -> None:
    """Put a backup back, and the loader's offsets with it. Stop the loaders first; all else may work on.

    Safe to repeat after it was cut short. Start the loaders afterwards, and see `esep reconcile`.

    Example: [bold]esep restore 20261128T020000000Z[/]
    """
    settings = settings_of(data_dir)
    done = restoring.restore(
        settings,
        settings_of(data_dir, f"{LOADER}-0"),
        chosen_of(settings, name),
        load_register(settings.register_file).bins,
        is_replacing=replace,
        is_tables_only=tables_only,
        wait_s=wait_s,
    )
    if as_json:
        print_json(
            {
                "name": done.manifest.name,
                "records": done.manifest.rows,
                "cut_off": done.removed,
                "rolled_up": done.months,
                "offsets": {str(source): offset for source, offset in done.offsets.items()},
            }
        )
        return
    _print(done)


def _print(done: Restored) -> None:
    manifest = done.manifest
    text = f"backup {manifest.name} of {manifest.began_at:%Y-%m-%d %H:%M:%S} UTC is restored: {manifest.rows:,} records"
    out.print(text, highlight=False, soft_wrap=True)
    if done.removed:
        text = f"{done.removed:,} records that came while it was taken were left to the loader"
        out.print(text, highlight=False, soft_wrap=True)
    text = (
        "start the loaders: they go on where it ends" if done.offsets else "no offsets were set: no loader starts on it"
    )
    out.print(text, highlight=False, soft_wrap=True)
