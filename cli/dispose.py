"""`esep alerts dispose`: what an officer decided about an alert.

Reads     ClickHouse: the revision that is decided about; the topic `compliance.dispositions`
Writes    one record on that topic, or none if the decision stands already
Promises  may be told again after whatever end; a person's number is refused in every text (DESIGN §7; decision 0022)
"""

from __future__ import annotations

from datetime import UTC, datetime
from enum import StrEnum
from typing import Annotated

import typer

from esep.cli.alert_show import AlertId
from esep.cli.context import DATA_DIR, AsJson, DataDir, settings_of
from esep.cli.given import officer_of
from esep.cli.output import out, print_json
from esep.cli.stored import stored
from esep.disposition_topic import DispositionWriter
from esep.dispositions import CONFIRMED, FALSE, REPORTED, decision
from esep.security import client_security
from esep.sinks.clickhouse.alerts.query import seen
from esep.topics import COMPLIANCE


class Verdict(StrEnum):
    """What is decided."""

    CONFIRMED = CONFIRMED
    FALSE = FALSE
    REPORTED = REPORTED


def dispose(
    alert_id: AlertId,
    verdict: Annotated[Verdict, typer.Option(case_sensitive=False, help="What is decided.")],
    reason: Annotated[str, typer.Option(help="Why, in a sentence or more; without any person's number.")],
    reference: Annotated[str, typer.Option(help="Number of the report or case; needed for REPORTED.")] = "",
    officer: Annotated[str, typer.Option(help="Login of who decides; by default who is logged in here.")] = "",
    revision: Annotated[int, typer.Option(min=0, help="The revision that was seen; 0: the last one.")] = 0,
    as_json: AsJson = False,
    data_dir: DataDir = DATA_DIR,
) -> None:
    """Record what was decided about an alert; told again, it is recorded once. A later decision stands in its place.

    Example: [bold]esep alerts dispose 6d0a5b0f3c9e4d7f8a1b2c3d4e5f6071 --verdict FALSE --reason "Paid back at once."[/]
    """
    decided = decision(verdict.value, reference=reference, reason=reason, officer=officer_of(officer))
    settings = settings_of(data_dir, COMPLIANCE)
    with stored(settings) as client:
        about = seen(client, alert_id, revision)
    writer = DispositionWriter(settings.bootstrap_servers, client_security(settings))
    writer.open()
    recorded = writer.record(about, decided, datetime.now(UTC))
    if as_json:
        print_json({"alert_id": alert_id, "revision": about.revision, **decided._asdict(), "recorded": recorded})
        return
    said = "recorded" if recorded else "stands already"
    out.print(f"{said}: {decided.verdict} of alert {alert_id}, revision {about.revision}", highlight=False)
