"""`python -m tests.planted`: the planted month through the line, and what was found of it (`make planted`).

Reads     nothing: it makes the month and its ClickHouse
Writes    docs/planted-schemes.md; on stdout what was found
Promises  exit code 1 if the stage and the rules' SQL do not tell the same alerts
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

from esep.cli.output import out, print_table
from esep.embedded.clickhouse import ClickHouseServer
from tests.planted.line import all_live, differences, found_in_ledger, passed
from tests.planted.month import month
from tests.planted.outcomes import all_alerts, counts, outcomes
from tests.planted.page import FILE, alerts_text, page
from tests.support.services import passing


def main() -> int:
    made, rules = month(), all_live()
    through = passed(made, rules)
    with (
        tempfile.TemporaryDirectory(prefix="esep-planted-") as folder,
        passing(ClickHouseServer(Path(folder))) as server,
    ):
        in_ledger = found_in_ledger(server, through.ledger, rules)
    differing = differences(through, in_ledger)
    alerts = all_alerts(through, in_ledger)
    stories, by_rule = outcomes(through, alerts), counts(alerts)
    print_table(
        "stories",
        ("story", "near to", "result", "alerts"),
        [(one.answer.story, one.answer.near or "", one.result, alerts_text(one)) for one in stories],
    )
    rows = [(rule, one.schemes, one.near_misses, one.rest, len(one.persons)) for rule, one in by_rule.items()]
    print_table("alerts", ("rule", "on schemes", "on near misses", "on the rest", "persons of the rest"), rows)
    FILE.write_text(page(made, through, alerts, stories, by_rule), encoding="utf-8")
    for text in differing:
        out.print(text, highlight=False)
    return 1 if differing else 0


if __name__ == "__main__":
    sys.exit(main())
