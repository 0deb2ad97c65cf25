"""`esep retention`: what is past its term and may go, what holds keep, and the removal of the rest.

Reads     ClickHouse, the holds, the log of removals; the members of the loader's group
Writes    by `run` the removals with their log; by `hold add|release` a row each
Promises  nothing is removed by any other command; an IIN that is given is written into the table of holds and nowhere
          else; what --json prints is one JSON document (clause O9-4.7)
"""

from __future__ import annotations

from contextlib import contextmanager
from datetime import UTC, date, datetime
from typing import TYPE_CHECKING, Annotated, Any
from zoneinfo import ZoneInfo

import typer
from clickhouse_connect.driver.exceptions import DatabaseError

from esep.cli.context import DATA_DIR, AsJson, DataDir, WaitForLoaders, settings_of
from esep.cli.holds import hold
from esep.cli.output import command_group, out, print_json, print_table
from esep.clock import ALMATY, retention_horizon
from esep.errors import UsageError
from esep.sinks.clickhouse.client import LONG_S_MAX, connect, translate
from esep.sinks.clickhouse.retention.away import Away
from esep.sinks.clickhouse.retention.removing import Remover
from esep.sinks.clickhouse.retention.terms import Verdict

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from clickhouse_connect.driver.client import Client

    from esep.settings import Settings
    from esep.sinks.clickhouse.retention.log import Entry
    from esep.sinks.clickhouse.retention.terms import Decision

retention = command_group(
    name="retention",
    help="""What is kept for how long, and what a legal hold keeps for longer.

Example: [bold]esep retention plan --at 2032-01-01[/]""",
    no_args_is_help=True,
)
retention.add_typer(hold)


@retention.command()
def plan(
    at: Annotated[str, typer.Option(help="As of this day in Almaty, as 2032-01-01; without it, today.")] = "",
    as_json: AsJson = False,
    data_dir: DataDir = DATA_DIR,
) -> None:
    """Show which months of which tables would go, why, and what holds keep. Removes nothing.

    Example: [bold]esep retention plan --json[/]
    """
    now = _at(at)
    with asked(settings_of(data_dir)) as client:
        decisions = Remover(client, lambda: None, now).decisions()
    horizon = retention_horizon(now)
    if as_json:
        print_json({"horizon": horizon.isoformat(), "months": [_document(one) for one in decisions]})
        return
    _print_plan(decisions, horizon)


@retention.command()
def run(
    wait_s: WaitForLoaders = 120.0,
    as_json: AsJson = False,
    data_dir: DataDir = DATA_DIR,
) -> None:
    """Remove what is past its term and not held, month by month, with closing balances. Stop the loaders first.

    Safe to repeat: what was cut short is finished, or taken back if a hold has come since.

    Example: [bold]esep retention run --json[/]
    """
    settings = settings_of(data_dir)
    with asked(settings) as client:
        away = Away(settings, client, wait_s)
        done = Remover(client, away, _now()).run()
    if as_json:
        print_json({"removals": [_told(entry) for entry in done]})
        return
    _print_done(done)


@contextmanager
def asked(settings: Settings) -> Iterator[Client]:
    """Give a client that may wait long for an answer; errors say what to do."""
    try:
        with connect(settings, answer_s_max=LONG_S_MAX) as client:
            yield client
    except DatabaseError as error:
        raise translate(error, f"ClickHouse at {settings.clickhouse_url}") from error


def _now() -> datetime:
    return datetime.now(UTC)


def _at(day: str) -> datetime:
    if not day:
        return _now()
    try:
        return datetime.combine(date.fromisoformat(day), datetime.min.time(), ZoneInfo(ALMATY)).astimezone(UTC)
    except ValueError as error:
        raise UsageError("--at is no day", hint="write it as 2032-01-01") from error


def _document(decision: Decision) -> dict[str, Any]:
    stored = decision.stored
    return {
        "table": stored.place.table,
        "month": stored.place.month,
        "rows": stored.rows,
        "verdict": decision.verdict.name,
        "free_from": decision.free_from.isoformat(),
        "holds": [one._asdict() for one in decision.holds],
    }


def _print_plan(decisions: Sequence[Decision], horizon: datetime) -> None:
    first = horizon.astimezone(ZoneInfo(ALMATY)).date()
    if decisions:
        columns = ("table", "month", "rows", "verdict", "free from", "why")
        rows = [
            (*map(str, one.stored.place), one.stored.rows, one.verdict.value, one.free_from, one.reason)
            for one in decisions
        ]
        print_table(f"bets before {first} may go", columns, rows)
    going = [one for one in decisions if one.verdict is Verdict.GOES]
    kept = sum(one.verdict is Verdict.HELD for one in decisions)
    text = (
        f"bets before {first}: {len(going)} months go, {sum(one.stored.rows for one in going):,} rows; {kept} are held"
    )
    out.print(text, highlight=False, soft_wrap=True)


def _told(entry: Entry) -> dict[str, Any]:
    return {
        "table": entry.place.table,
        "month": entry.place.month,
        "number": entry.number,
        "state": entry.state,
        "rows": entry.rows,
        "reason": entry.reason,
    }


def _print_done(done: Sequence[Entry]) -> None:
    for entry in done:
        text = f"{entry.place}: {entry.rows:,} rows removed"
        if entry.state == "REOPENED":
            text = f"{entry.place}: {entry.rows:,} rows stay, {entry.reason}"
        out.print(text, highlight=False, soft_wrap=True)
    removed = [entry for entry in done if entry.state == "REMOVED"]
    text = f"{len(removed)} months removed, {sum(entry.rows for entry in removed):,} rows"
    out.print(text, highlight=False, soft_wrap=True)
