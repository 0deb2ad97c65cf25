"""`esep reconcile`: do Kafka and ClickHouse hold the same records, and do the sums agree?

Reads     Kafka's committed records and ClickHouse's tables
Writes    the comparison, per topic and lane; months of roll-ups, on request
Promises  exit code 0 only if every lane is whole and equal on both sides
"""

from __future__ import annotations

from typing import Annotated

import typer

from esep.cli.context import DATA_DIR, AsJson, DataDir, settings_of
from esep.cli.output import err, out, print_json
from esep.register import load_register


def reconcile(
    as_json: AsJson = False,
    rebuild_rollups: Annotated[
        bool, typer.Option("--rebuild-rollups", help="First add up anew the months of roll-ups that differ.")
    ] = False,
    data_dir: DataDir = DATA_DIR,
) -> None:
    """Compare Kafka with ClickHouse, by row numbers and sums, and the ledger with its roll-ups.

    Stop the loader before [bold]--rebuild-rollups[/].

    Example: [bold]esep reconcile --json[/]
    """
    from esep.sinks.clickhouse import reconcile as sink  # noqa: PLC0415 - the sink is an extra

    settings = settings_of(data_dir)
    if rebuild_rollups:
        for place in sink.rebuild_rollups(settings):
            err.print(f"roll-up {place.rollup}: month {place.month} was added up anew")
    report = sink.reconcile(settings, load_register(settings.register_file).bins)
    if as_json:
        print_json(report.to_json())
    else:
        out.print(report, highlight=False, soft_wrap=True)
    raise typer.Exit(0 if report.balanced else 1)
