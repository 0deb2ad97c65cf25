"""`esep notices`: what could not be received on a day, why, and until when each organizer is to be told.

Reads     ClickHouse, the working calendar
Writes    the notices as text, JSON or PDF; with --issue their record in ClickHouse
Promises  reads only but for --issue; no person's data in any form; JSON is one document (clause O9-5.3)
"""

from __future__ import annotations

from datetime import UTC, date, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from clickhouse_connect.driver.exceptions import DatabaseError

from esep.calendar import load_holidays
from esep.cli.context import DATA_DIR, AsJson, DataDir, settings_of
from esep.cli.output import err, library_missing, out, print_json
from esep.errors import UsageError
from esep.identifiers import is_bin
from esep.sinks.clickhouse.client import connect, translate
from esep.sinks.clickhouse.notices.query import notices_of
from esep.sinks.clickhouse.notices.record import complete_days, hours_left, issue, open_notices
from esep.sinks.clickhouse.notices.text import plain_text

if TYPE_CHECKING:
    from collections.abc import Sequence

    from esep.settings import Settings
    from esep.sinks.clickhouse.notices.facts import Notice


def notices(
    organizer: Annotated[str, typer.Option(help="BIN of one organizer; without it, all.")] = "",
    day: Annotated[str, typer.Option(help="Day in Almaty, as 2026-11-20; without it, the last one that is over.")] = "",
    to_issue: Annotated[
        bool, typer.Option("--issue", help="Record what was not issued yet, of the last ten days or of --day.")
    ] = False,
    only_open: Annotated[
        bool, typer.Option("--open", help="Only what was not issued yet, of the last ten days or of --day.")
    ] = False,
    pdf: Annotated[Path | None, typer.Option(help="Folder to write a PDF per notice into.")] = None,
    as_json: AsJson = False,
    data_dir: DataDir = DATA_DIR,
) -> None:
    """Tell each organizer what could not be received from it, with the reason, in Kazakh and Russian.

    Example: [bold]esep notices --day 2026-11-20 --organizer 940140000385 --pdf notices[/]
    """
    now = datetime.now(UTC)
    _check_request(organizer, to_issue=to_issue, only_open=only_open)
    days = _days(day, now, many=to_issue or only_open)
    found = _found(settings_of(data_dir), days, organizer, now, to_issue=to_issue, only_open=only_open)
    if pdf is not None:
        _write_pdfs(found, pdf)
    if as_json:
        print_json(document(found, now))
        return
    for notice in found:
        out.print(plain_text(notice), highlight=False, markup=False, soft_wrap=True)
    done = "issued" if to_issue else "open" if only_open else "found"
    out.print(f"{days[0]} to {days[-1]}: {len(found)} notices {done}", highlight=False)


def document(found: Sequence[Notice], now: datetime) -> dict[str, Any]:
    """Return notices for a program to read, with the hours left until each is due and, per organizer, the fewest."""
    listed = [{**notice.to_json(), "hours_left": hours_left(notice, now)} for notice in found]
    fewest: dict[str, float] = {}
    for notice in found:
        left = hours_left(notice, now)
        fewest[notice.organizer_bin] = min(left, fewest.get(notice.organizer_bin, left))
    return {"hours_left": fewest, "notices": listed}


def _check_request(organizer: str, *, to_issue: bool, only_open: bool) -> None:
    if organizer and not is_bin(organizer):
        raise UsageError("--organizer is no BIN with a right control digit")
    if to_issue and (organizer or only_open):
        raise UsageError("--issue is for all organizers", hint="leave out --organizer and --open")


def _days(day: str, now: datetime, *, many: bool) -> list[date]:
    """Return the days that are asked for; they must be over, since a notice is of a whole day."""
    over = complete_days(now)
    if not day:
        return over if many else over[-1:]
    try:
        asked = date.fromisoformat(day)
    except ValueError as error:
        raise UsageError("--day is no day", hint="write it as 2026-11-20") from error
    if asked > over[-1]:
        raise UsageError(f"{asked} is not over yet in Almaty", hint=f"the last day that is over is {over[-1]}")
    return [asked]


def _found(
    settings: Settings, days: list[date], organizer: str, now: datetime, *, to_issue: bool, only_open: bool
) -> list[Notice]:
    holidays = load_holidays()
    try:
        with connect(settings) as client:
            if to_issue:
                return issue(client, days, holidays, now)
            if only_open:
                return open_notices(client, days, holidays, organizer)
            return [notice for day in days for notice in notices_of(client, day, holidays, organizer)]
    except DatabaseError as error:
        raise translate(error, f"ClickHouse at {settings.clickhouse_url}") from error


def _write_pdfs(found: Sequence[Notice], folder: Path) -> None:
    try:
        from esep.sinks.clickhouse.notices.pdf import pdf_of  # noqa: PLC0415 - an extra of its own
    except ModuleNotFoundError as error:
        raise library_missing("a PDF", error.name, "notices") from error
    folder.mkdir(parents=True, exist_ok=True)
    for notice in found:
        path = folder / f"{notice.notice_id}.pdf"
        path.write_bytes(pdf_of(notice))
        err.print(f"wrote {path}", highlight=False, markup=False, soft_wrap=True)
