"""`esep rules backtest`: what a file of rules would have raised, beside what was raised and decided.

Reads     a file of rules; ClickHouse
Writes    a table or JSON on stdout; progress on stderr
Promises  changes nothing; what it prints names no person (DESIGN §7; box: sinks/clickhouse)
"""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from esep.cli.context import DATA_DIR, AsJson, DataDir, settings_of
from esep.cli.history import FROM, TO, history_of, sought_rules, span_ms
from esep.cli.output import out, print_json, print_table
from esep.rules import load_rules
from esep.sinks.clickhouse.alerts.backtest import Finding, tested
from esep.sinks.clickhouse.alerts.search import search
from esep.sinks.clickhouse.alerts.settled import Sought

if TYPE_CHECKING:
    from collections.abc import Sequence


def backtest(
    file: Annotated[Path, typer.Argument(help="File of rules, LIVE and SHADOW alike.")],
    first: Annotated[datetime, FROM],
    last: Annotated[datetime, TO],
    rule: Annotated[
        list[str] | None, typer.Option("--rule", help="A rule of it; may be given again. None: all.")
    ] = None,
    data_dir: DataDir = DATA_DIR,
    as_json: AsJson = False,
) -> None:
    """Say what rules would have raised in the ledger's history: how much a day, for how many, how often rightly.

    Example: [bold]esep rules backtest rules.yaml --from 2026-01-01 --to 2026-03-31[/]
    """
    rules, (first_ms, end_ms) = load_rules(file), span_ms(first, last)
    sought = [Sought(rules, one, first_ms, end_ms) for one in sought_rules(rules, rule)]
    with history_of(settings_of(data_dir)) as history:
        taken_s = search(history.run, sought, history.tell)
        found = [
            tested(history.run, place, one, seconds)
            for place, (one, seconds) in enumerate(zip(sought, taken_s, strict=True))
        ]
    if as_json:
        print_json([one.to_json() for one in found])
    else:
        _print(found)


def _print(found: Sequence[Finding]) -> None:
    columns = ("rule", "alerts", "a day", "most", "persons", "both", "new", "gone", "s")
    rows = [
        (one.rule_id, one.alerts, one.per_day, max(one.by_day.values(), default=0), one.persons, one.both, one.only_new,
         one.only_live, one.seconds)
        for one in found
    ]  # fmt: skip
    print_table("alerts in the ledger, beside those that stand", columns, rows)
    decided = ("rule", "right", "wrong", "precision", "missed: right", "wrong", "precision so far")
    judged = [
        (one.rule_id, one.confirmed, one.judged_false, one.precision, one.missed_confirmed, one.missed_false,
         one.live_precision)
        for one in found if one.live_precision is not None
    ]  # fmt: skip
    if judged:
        print_table("what officers decided about them", decided, judged)
    else:
        out.print("Nothing has been decided about alerts of these rules in this time.", highlight=False)
