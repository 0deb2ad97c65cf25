"""`esep alerts show`: why an alert was raised, in three languages.

Reads     ClickHouse, the working calendar
Writes    text or one JSON document on stdout
Promises  reads only; names the person only with --show-iin, and no log and no statement holds a person's number
          (DESIGN §7; clause O9-5.1; decision 0022)
"""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

import typer

from esep.calendar import load_holidays
from esep.cli.context import DATA_DIR, AsJson, DataDir, settings_of
from esep.cli.output import out, print_json
from esep.cli.stored import stored
from esep.sinks.clickhouse.alerts.due import due_at
from esep.sinks.clickhouse.alerts.facts import MANDATORY, document, instant
from esep.sinks.clickhouse.alerts.query import story_of
from esep.sinks.clickhouse.alerts.text import lines_of, plain_text

AlertId = Annotated[str, typer.Argument(metavar="ALERT_ID", help="The alert, 32 hex digits.")]


class Lang(StrEnum):
    """A language of the texts."""

    KK = "kk"
    RU = "ru"
    EN = "en"


def show(
    alert_id: AlertId,
    lang: Annotated[Lang, typer.Option(help="Language of the text.")] = Lang.EN,
    show_iin: Annotated[bool, typer.Option("--show-iin", help="Name the person.")] = False,
    as_json: AsJson = False,
    data_dir: DataDir = DATA_DIR,
) -> None:
    """Say why an alert was raised: values and thresholds, evidence in the ledger, revisions, dispositions.

    Example: [bold]esep alerts show 6d0a5b0f3c9e4d7f8a1b2c3d4e5f6071 --lang kk[/]
    """
    with stored(settings_of(data_dir)) as client:
        story = story_of(client, alert_id)
    due = due_at(story.current.occurred_at, load_holidays()) if story.severity == MANDATORY else None
    if as_json:
        print_json(document(story, show_iin=show_iin) | {"due_at": None if due is None else instant(due)})
        return
    lines = lines_of(story, lang.value, due_at=due, show_iin=show_iin)
    out.print(plain_text(lines), highlight=False, markup=False, soft_wrap=True, end="")
