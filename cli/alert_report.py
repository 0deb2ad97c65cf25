"""`esep alerts due` and `report`: which mandatory reports are due when, and one of them as a file.

Reads     ClickHouse, the working calendar
Writes    a table or JSON on stdout; a file that its owner alone can read
Promises  the list names no person; the report does, and goes to the file only (AML law 191-IV, Art. 4(1)(1), Art. 10;
          decision 0022)
"""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from esep.calendar import load_holidays
from esep.cli.alert_show import AlertId
from esep.cli.context import DATA_DIR, AsJson, DataDir, settings_of
from esep.cli.output import err, library_missing, print_json, print_table
from esep.cli.stored import stored
from esep.errors import UsageError
from esep.keys import write_secret
from esep.sinks.clickhouse.alerts.due import due_at, due_of
from esep.sinks.clickhouse.alerts.query import standing_mandatory, story_of
from esep.sinks.clickhouse.alerts.report import check_reportable, report_document, report_lines
from esep.sinks.clickhouse.alerts.words import LANGUAGES
from esep.sinks.clickhouse.lines import almaty

if TYPE_CHECKING:
    from esep.sinks.clickhouse.alerts.facts import Story

_SHOWN_MAX = 50  # --json shows all.


def due(as_json: AsJson = False, data_dir: DataDir = DATA_DIR) -> None:
    """List the mandatory alerts that nobody has reported or refuted as they are now, those with the least time first.

    Example: [bold]esep alerts due --json[/]
    """
    with stored(settings_of(data_dir)) as client:
        standing = standing_mandatory(client)
    found = due_of(standing, load_holidays(), datetime.now(UTC))
    if as_json:
        fewest = found[0].hours_left if found else None
        print_json({"due": len(found), "hours_left": fewest, "alerts": [one.to_json() for one in found]})
        return
    columns = ("hours left", "due (Almaty)", "alert", "revision", "rule", "organizers", "decided")
    rows = [
        (one.hours_left, almaty(one.due_at), one.alert_id, one.revision, one.rule_id, bins, one.verdict)
        for one in found[:_SHOWN_MAX]
        for bins in [", ".join(one.organizer_bins)]
    ]
    overdue = sum(one.hours_left < 0 for one in found)
    print_table(f"{len(found):,} mandatory alerts are to be reported, {overdue:,} of them overdue", columns, rows)
    if len(found) > _SHOWN_MAX:
        err.print(f"… and {len(found) - _SHOWN_MAX:,} more; --json shows all.")


def report(
    alert_id: AlertId,
    to: Annotated[Path, typer.Option(help="File to write: FILE.json for a program, FILE.pdf for paper.")],
    data_dir: DataDir = DATA_DIR,
) -> None:
    """Write the mandatory report of an alert, which names the person, into a file that its owner alone can read.

    Example: [bold]esep alerts report 6d0a5b0f3c9e4d7f8a1b2c3d4e5f6071 --to report.pdf[/]
    """
    if to.suffix not in {".json", ".pdf"}:
        raise UsageError(f"{to} says no form of the report", hint="name it FILE.json or FILE.pdf")
    with stored(settings_of(data_dir)) as client:
        story = story_of(client, alert_id)
    check_reportable(story)
    due_until = due_at(story.current.occurred_at, load_holidays())
    write_secret(to, _json(story, due_until) if to.suffix == ".json" else _pdf(story, due_until))
    err.print(f"wrote {to}, due {almaty(due_until)} (Almaty)", highlight=False, markup=False, soft_wrap=True)


def _json(story: Story, due_until: datetime) -> bytes:
    return (json.dumps(report_document(story, due_until), ensure_ascii=False, indent=2) + "\n").encode()


def _pdf(story: Story, due_until: datetime) -> bytes:
    try:
        from esep.sinks.clickhouse.paper import paper  # noqa: PLC0415 - an extra of its own
    except ModuleNotFoundError as error:
        raise library_missing("a PDF", error.name, "notices") from error
    pages = [report_lines(story, due_until, language) for language in LANGUAGES]
    return paper(f"{story.alert_id}/{story.current.number}", due_until, pages)
