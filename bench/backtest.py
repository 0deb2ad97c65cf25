"""`python -m bench.backtest [ROWS …]`: what it takes to find the alerts of every rule in years of history.

Reads     nothing: it makes its ClickHouse and its postings
Writes    for each number of rows, on stdout: a table of the rules, and what the whole would take over 50,000,000
Promises  persons follow a heavy-tailed law, and one of them has 100,000 postings; processor time of the server beside
          seconds waited, since others may use the machine; up to a million rows the same is asked rule by rule as
          well, by statements that each read the ledger, and both must tell the same (`make bench-backtest`)
"""

from __future__ import annotations

import sys
import tempfile
import time
import uuid
from pathlib import Path
from typing import TYPE_CHECKING

from bench.store_rows import fill
from esep.cli.output import out, print_table
from esep.embedded.clickhouse import ClickHouseServer
from esep.rules import load_rules
from esep.settings import Settings
from esep.sinks.clickhouse.alerts.rule_sql import rule_sql
from esep.sinks.clickhouse.alerts.search import Step, run_in, search
from esep.sinks.clickhouse.alerts.settled import Sought
from esep.sinks.clickhouse.client import LONG_S_MAX, connect
from esep.sinks.clickhouse.migrate import migrate

if TYPE_CHECKING:
    from collections.abc import Sequence

    from clickhouse_connect.driver.client import Client

    from esep.rules import RuleSet

ROWS = (1_000_000,)
ONE_BY_ONE_ROWS_MAX = 1_000_000
HEAVY = 100_000  # Postings of one person.
GOAL_ROWS, GOAL_S, CORES = 50_000_000, 900, 2
_FLAGGED = {"flags": "draw % 50 = 0 ? bitShiftLeft(1, intDiv(draw, 50) % 5) : 0"}  # Every fiftieth sitting.
_HEAVY = f"""INSERT INTO ledger SELECT * REPLACE (
    '850101300017' AS iin, sequence * 10 + 9 AS sequence, amount_tiyn * 20 AS amount_tiyn
) FROM ledger WHERE revision = 0 ORDER BY cityHash64(entry_id) LIMIT {HEAVY}"""


def main() -> None:
    """Measure with each number of rows that is an argument, by default with `ROWS`."""
    for rows in map(int, sys.argv[1:] or ROWS):
        with tempfile.TemporaryDirectory(prefix="esep-bench-") as folder, ClickHouseServer(Path(folder)) as server:
            _measure(Settings(clickhouse_url=server.url), rows)


def _measure(settings: Settings, rows: int) -> None:
    migrate(settings)
    rules = load_rules()
    with connect(settings, answer_s_max=LONG_S_MAX, session_id=uuid.uuid4().hex) as client:
        started = time.perf_counter()
        fill(client, rows, has_totals=False, instead=_FLAGGED)
        client.command(_HEAVY)
        filled_s = time.perf_counter() - started
        at_once, waited_s = _all_at_once(client, rules)
        one_by_one = _one_by_one(client, rules) if rows <= ONE_BY_ONE_ROWS_MAX else {}
        assert not one_by_one or one_by_one == at_once, (one_by_one, at_once)
        taken = _processor_s(client)
    rest_s = sum(spent for (way, name), spent in taken.items() if way == "at once" and name not in at_once)
    table = [
        (name, *found, round(taken["at once", name], 2), _rounded(taken.get(("one by one", name))))
        for name, found in at_once.items()
    ]
    table.append(("reading and settling", "", "", round(rest_s, 2), None))
    sums = [sum(spent for (way, _), spent in taken.items() if way == one) for one in ("at once", "one by one")]
    table.append(("all", "", "", round(sums[0], 2), _rounded(sums[1] or None)))
    title = f"{rows + HEAVY:,} postings, made in {filled_s:,.0f} s; {len(rules.rules)} rules in {waited_s:,.0f} s"
    print_table(title, ("rule", "alerts", "persons", "processor s", "one by one: processor s"), table)
    needed_s = sums[0] * GOAL_ROWS / (rows + HEAVY)
    out.print(
        f"At that rate {GOAL_ROWS:,} take {needed_s:,.0f} s of processor time: {needed_s / CORES:,.0f} s on {CORES} "
        f"cores that do nothing else (goal: {GOAL_S} s).",
        highlight=False,
    )


def _all_at_once(client: Client, rules: RuleSet) -> tuple[dict[str, tuple[int, int]], float]:
    """Return alerts and persons by rule, and the seconds waited."""
    doing = [Step("", 0, 0)]

    def run(statement: str) -> Sequence[Sequence[object]]:
        return run_in(client, statement, {"log_comment": f"at once/{doing[-1].what}"})

    started = time.perf_counter()
    search(run, [Sought(rules, rule, None, None) for rule in rules.rules], doing.append)
    waited_s = time.perf_counter() - started
    rows = run("SELECT rule_id, count(), uniqExactArray(persons) FROM found GROUP BY rule_id")
    told = {str(name): (int(str(alerts)), int(str(persons))) for name, alerts, persons in rows}
    return {rule.rule_id: told.get(rule.rule_id, (0, 0)) for rule in rules.rules}, waited_s


def _one_by_one(client: Client, rules: RuleSet) -> dict[str, tuple[int, int]]:
    found = {}
    for rule in rules.rules:
        statement = f"SELECT count(), uniqExactArray(evidence_iins) FROM ({rule_sql(rules, rule)})"
        alerts, persons = run_in(client, statement, {"log_comment": f"one by one/{rule.rule_id}"})[0]
        found[rule.rule_id] = int(str(alerts)), int(str(persons))
    return found


def _processor_s(client: Client) -> dict[tuple[str, str], float]:
    """Return the server's processor time by way and step."""
    client.command("SYSTEM FLUSH LOGS")
    rows = client.query(
        "SELECT splitByChar('/', log_comment) AS named, sum(ProfileEvents['OSCPUVirtualTimeMicroseconds']) / 1e6"
        " FROM system.query_log WHERE type = 'QueryFinish' AND position(log_comment, '/') > 0 GROUP BY named"
    ).result_rows
    return {(way, name): float(spent) for (way, name), spent in rows}


def _rounded(spent: float | None) -> float | None:
    return None if spent is None else round(spent, 2)


if __name__ == "__main__":
    main()
