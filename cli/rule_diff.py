"""`esep rules diff`: what one file of rules changes against another, in words and in alerts.

Reads     two files of rules; with a span of days ClickHouse, too
Writes    text or JSON on stdout; progress on stderr
Promises  changes nothing; what it prints names no person (DESIGN §7; box: sinks/clickhouse)
"""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from esep.cli.context import DATA_DIR, AsJson, DataDir, settings_of
from esep.cli.history import FROM, TO, history_of, span_ms
from esep.cli.output import out, print_json, print_table
from esep.clock import almaty_day_of, to_ms
from esep.errors import UsageError
from esep.rule_diff import differences
from esep.rules import load_rules
from esep.sinks.clickhouse.alerts.backtest import Changed, changed
from esep.sinks.clickhouse.alerts.search import search
from esep.sinks.clickhouse.alerts.settled import Sought

if TYPE_CHECKING:
    from collections.abc import Iterable

    from esep.rule_diff import Difference
    from esep.rules import RuleSet

_NOWHERE = 2**32 - 1  # No rule has this place in a search.


def diff(
    old: Annotated[Path, typer.Argument(help="File of rules as they were.")],
    new: Annotated[Path, typer.Argument(help="File of rules as they are to be.")],
    first: Annotated[datetime | None, FROM] = None,
    last: Annotated[datetime | None, TO] = None,
    data_dir: DataDir = DATA_DIR,
    as_json: AsJson = False,
) -> None:
    """Say what a new file of rules changes; with --from and --to also which alerts come, go and change in history.

    Example: [bold]esep rules diff rules.yaml new-rules.yaml --from 2026-01-01 --to 2026-03-31[/]
    """
    if (first is None) != (last is None):
        raise UsageError("history needs a first and a last day", hint="give --from and --to, or neither")
    before, after = load_rules(old), load_rules(new)
    found = differences(before, after, almaty_day_of(to_ms(datetime.now(UTC))))
    alerts: dict[str, Changed] = {}
    if first is not None and last is not None:
        with_others = [one.rule_id for one in found if one.is_other]
        alerts = _in_history(before, after, with_others, span_ms(first, last), data_dir)
    if as_json:
        print_json(
            [
                {"rule": one.rule_id, "kind": one.kind, "words": list(one.words), "other_alerts": one.is_other}
                | ({"alerts": alerts[one.rule_id]._asdict()} if one.rule_id in alerts else {})
                for one in found
            ]
        )
    else:
        _print(found, alerts)


def _in_history(
    before: RuleSet, after: RuleSet, names: Iterable[str], span: tuple[int, int], data_dir: Path
) -> dict[str, Changed]:
    """Return how the alerts of rules differ in a span of the ledger's history."""
    sought: list[Sought] = []
    places: dict[str, dict[str, int]] = {}
    for name in names:
        for side, rules in (("old", before), ("new", after)):
            for rule in rules.rules:
                if rule.rule_id == name:
                    places.setdefault(name, {})[side] = len(sought)
                    sought.append(Sought(rules, rule, *span))
    if not sought:
        return {}
    with history_of(settings_of(data_dir)) as history:
        search(history.run, sought, history.tell)
        return {
            name: changed(history.run, own.get("old", _NOWHERE), own.get("new", _NOWHERE), sought[max(own.values())])
            for name, own in places.items()
        }


def _print(found: Iterable[Difference], alerts: dict[str, Changed]) -> None:
    told = False
    for one in found:
        told = True
        out.print(f"{one.rule_id}: {one.kind}", style="bold", highlight=False)
        for sentence in one.words:
            out.print(f"  {sentence}", highlight=False, markup=False, soft_wrap=True)
    if not told:
        out.print("The two files say the same.", highlight=False)
    if alerts:
        rows = [(name, *counts) for name, counts in alerts.items()]
        print_table("alerts in the ledger", ("rule", *Changed._fields), rows)
