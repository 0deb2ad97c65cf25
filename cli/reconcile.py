"""`esep reconcile`: do Kafka and ClickHouse hold the same records, and do the sums agree?

Reads     Kafka's committed records and ClickHouse's tables
Writes    the comparison, per topic and lane; months of roll-ups, on request; with `--follow` the pages of comparisons
Promises  exit code 0 only if every lane that was compared is whole and equal on both sides
"""

from __future__ import annotations

import json
import signal
import threading
from collections.abc import Callable
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated

import typer

from esep.cli.context import DATA_DIR, AsJson, DataDir, settings_of
from esep.cli.output import err, out, print_json, print_told
from esep.errors import TransientError
from esep.register import load_register
from esep.settings import Settings

if TYPE_CHECKING:
    from esep.sinks.clickhouse.continuous import Progress


def reconcile(
    as_json: AsJson = False,
    rebuild_rollups: Annotated[
        bool, typer.Option("--rebuild-rollups", help="First add up anew the months of roll-ups that differ.")
    ] = False,
    follow: Annotated[
        float | None,
        typer.Option(
            metavar="SECONDS",
            min=0,
            help="Every so many seconds compare what has been loaded since, and keep what was found; 0: once.",
        ),
    ] = None,
    past: Annotated[
        bool, typer.Option("--past", help="Compare the tables with what --follow found in Kafka, which may be gone.")
    ] = False,
    data_dir: DataDir = DATA_DIR,
) -> None:
    """Compare Kafka with ClickHouse, by row numbers and sums, and the ledger with its roll-ups.

    Of what differs, the entries are named. Stop the loader before [bold]--rebuild-rollups[/].

    Example: [bold]esep reconcile --json[/]
    Example: [bold]esep reconcile --follow 60[/]
    """
    from esep.sinks.clickhouse import continuous  # noqa: PLC0415 - the sink is an extra
    from esep.sinks.clickhouse import reconcile as sink  # noqa: PLC0415

    settings = settings_of(data_dir)
    if follow is not None:
        raise typer.Exit(_follow(follow, lambda: continuous.compare_new(settings, _bins(settings)), as_json=as_json))
    if past:
        differences = list(map(str, continuous.compare_past(settings)))
        document = {"balanced": not differences, "differences": differences}
        print_told(document, "\n".join(differences) or "as it was", as_json=as_json)
        raise typer.Exit(1 if differences else 0)
    if rebuild_rollups:
        for place in sink.rebuild_rollups(settings):
            err.print(f"roll-up {place.rollup}: month {place.month} was added up anew")
    report = sink.reconcile(settings, _bins(settings))
    if as_json:
        print_json(report.to_json())
    else:
        out.print(report, highlight=False, soft_wrap=True)
    raise typer.Exit(0 if report.balanced else 1)


def _bins(settings: Settings) -> tuple[str, ...]:
    return load_register(settings.register_file).bins


def _follow(every_s: float, compare: Callable[[], Progress], *, as_json: bool) -> int:
    """Compare until told to stop, a line each time; return 0 if nothing ever differed, else 1."""
    is_told, is_balanced = threading.Event(), True
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: is_told.set())
    while not is_told.is_set():
        try:
            progress = compare()
        except TransientError as error:  # What was not compared now is compared next time.
            if not every_s:
                raise
            err.print(str(error), highlight=False, markup=False, soft_wrap=True)
        else:
            is_balanced &= progress.balanced
            _print(progress, as_json=as_json)
        if not every_s or is_told.wait(every_s):
            break
    return 0 if is_balanced else 1


def _print(progress: Progress, *, as_json: bool) -> None:
    at = datetime.now(UTC).isoformat(timespec="seconds")
    counts = {"compared": progress.compared, "behind": progress.behind, "balanced": progress.balanced}
    if as_json:
        typer.echo(json.dumps({"at": at, **counts, "differences": progress.differences}))
        return
    verdict = "the same on both sides" if progress.balanced else "not the same"
    text = f"{at} {progress.compared:,} records, {verdict}; {progress.behind:,} offsets to load"
    out.print(text, highlight=False, soft_wrap=True)
    for text in progress.differences:
        out.print(f"differs: {text}", highlight=False, markup=False, soft_wrap=True)
