"""`esep rules`: the rules of the alerts, whether a file of them is right, and what each finds in the ledger.

Reads     the file of rules; for `count` ClickHouse
Writes    tables, JSON or SQL on stdout
Promises  changes nothing, but for `activate` and `settle`; what `count` prints names no person (box: sinks/clickhouse)
"""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import Annotated
from zoneinfo import ZoneInfo

import typer

from esep.cli.activate import activate, activated
from esep.cli.backtest import backtest
from esep.cli.context import DATA_DIR, AsJson, DataDir, settings_of
from esep.cli.history import history_of, sought_rules
from esep.cli.output import command_group, print_json, print_table
from esep.cli.rule_diff import diff
from esep.cli.settle import settle
from esep.clock import ALMATY, to_ms
from esep.rules import RULES_FILE, RuleSet, load_rules
from esep.settings import load_settings
from esep.sinks.clickhouse.alerts.rule_sql import rule_sql
from esep.sinks.clickhouse.alerts.search import search
from esep.sinks.clickhouse.alerts.settled import Sought

RulesFile = Annotated[Path | None, typer.Option("--rules", help="File of rules; none: ESEP_RULES_FILE, or esep's own.")]
From = Annotated[
    datetime | None, typer.Option("--from", formats=["%Y-%m-%d"], help="First Almaty day of what fulfils a rule.")
]
Before = Annotated[
    datetime | None, typer.Option("--before", formats=["%Y-%m-%d"], help="The Almaty day after the last one.")
]

rules = command_group(
    name="rules",
    no_args_is_help=True,
    help="""The rules of the alerts.

    Example: [bold]esep rules list[/]
    """,
)
rules.command()(activate)
rules.command()(activated)
rules.command()(backtest)
rules.command()(diff)
rules.command()(settle)


@rules.command(name="list")
def list_rules(rules_file: RulesFile = None, as_json: AsJson = False) -> None:
    """Show every rule: LIVE ones are raised, by the stage or the nightly run; SHADOW ones are told by SQL alone.

    Example: [bold]esep rules list[/]
    """
    columns = ("rule", "version", "mode", "engine", "since", "severity", "bucket", "basis")
    rows = [
        (
            one.rule_id,
            one.version,
            one.mode,
            one.engine,
            one.since and str(one.since),
            one.severity,
            one.bucket,
            one.basis,
        )
        for one in _rules(rules_file).all_rules
    ]
    if as_json:
        print_json([dict(zip(columns, row, strict=True)) for row in rows])
    else:
        print_table("rules", columns[:-1], [row[:-1] for row in rows])


@rules.command()
def export() -> None:
    """Print the rules that esep comes with, as a file to make one's own of.

    Example: [bold]esep rules export > rules.yaml[/]
    """
    typer.echo(RULES_FILE.read_text(encoding="utf-8"), nl=False)


@rules.command()
def check(file: Annotated[Path, typer.Argument(help="File of rules.")], as_json: AsJson = False) -> None:
    """Say whether a file of rules can be used; if not, line and field of all that is wrong. Exit code 2: it cannot.

    Example: [bold]esep rules check rules.yaml[/]
    """
    found = load_rules(file)
    live = [one.rule_id for one in found.all_rules if one.raised]
    rules_count, features_count = len(found.all_rules), len(found.features)
    if as_json:
        print_json({"rules": rules_count, "features": features_count, "live": live})
    else:
        print_table(str(file), ("rules", "features", "live"), [(rules_count, features_count, ", ".join(live))])


@rules.command()
def sql(
    rule: Annotated[str, typer.Argument(help="Rule id.")],
    first: From = None,
    before: Before = None,
    rules_file: RulesFile = None,
) -> None:
    """Print the SQL that finds the alerts of a rule in the ledger, LIVE or not, with values and evidence.

    Example: [bold]esep sql "$(esep rules sql NIGHT_BURST)"[/]
    """
    found = _rules(rules_file)
    typer.echo(rule_sql(found, found.rule(rule), _start_ms(first), _start_ms(before)))


@rules.command()
def count(
    rule: Annotated[list[str] | None, typer.Argument(help="Rule ids; none: all.")] = None,
    first: From = None,
    before: Before = None,
    rules_file: RulesFile = None,
    data_dir: DataDir = DATA_DIR,
    as_json: AsJson = False,
) -> None:
    """Count the alerts of rules in the ledger, and the persons: what a SHADOW rule would raise if it were LIVE.

    Example: [bold]esep rules count NIGHT_BURST --from 2026-11-01[/]
    """
    found = _rules(rules_file)
    chosen = sought_rules(found, rule)
    first_ms, end_ms = _start_ms(first), _start_ms(before)
    with history_of(settings_of(data_dir)) as history:
        seconds = search(history.run, [Sought(found, one, first_ms, end_ms) for one in chosen], history.tell)
        counted = history.run(
            "SELECT place, count(), uniqExactArray(persons) FROM found"  # noqa: S608 - a number
            f" WHERE toUnixTimestamp64Milli(occurred_at) >= {-(2**62) if first_ms is None else first_ms} GROUP BY place"
        )
    told = {place: (int(alerts), int(persons)) for place, alerts, persons in counted}
    columns = ("rule", "version", "mode", "alerts", "persons", "seconds")
    rows = [
        (one.rule_id, one.version, one.mode, *told.get(place, (0, 0)), round(seconds[place], 1))
        for place, one in enumerate(chosen)
    ]
    if as_json:
        print_json([dict(zip(columns, row, strict=True)) for row in rows])
    else:
        print_table("alerts in the ledger", columns, rows)


def _rules(file: Path | None) -> RuleSet:
    return load_rules(file or load_settings().rules_file)


def _start_ms(day: datetime | None) -> int | None:
    return None if day is None else to_ms(day.replace(tzinfo=ZoneInfo(ALMATY)))
