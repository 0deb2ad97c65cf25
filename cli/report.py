"""`esep report`: the Order's form, statistics by month and year, signs of cashing out; and whether one is genuine.

Reads     ClickHouse
Writes    reports as CSV, XLSX or PDF that their owner alone can read; a record of each in ClickHouse
Promises  nothing that is printed, and no file's name, has a person in it; a file is written whole or not at all; a
          report is recorded before its file is there (O9-F, O9-L1 … O9-L5, D934-7..11, O9-5.1; decision 0028)
"""

from __future__ import annotations

from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any
from zoneinfo import ZoneInfo

import typer

from esep import __version__
from esep.cli.context import DATA_DIR, AsJson, DataDir, settings_of
from esep.cli.given import officer_of
from esep.cli.output import command_group, err, library_missing, out, print_json, print_table, print_told
from esep.cli.stored import stored
from esep.clock import ALMATY, almaty_day_of, to_ms
from esep.errors import FileUnusable, UsageError
from esep.identifiers import is_bin, masked
from esep.keys import write_secret
from esep.sinks.clickhouse.lines import almaty
from esep.sinks.clickhouse.reports.forms import CASH_OUT, MONTHLY, ORDER9, YEARLY
from esep.sinks.clickhouse.reports.make import Request, make, verify_issued, verify_read
from esep.sinks.clickhouse.reports.period import Period, period_of
from esep.sinks.clickhouse.reports.record import issued, issued_one, record
from esep.sinks.clickhouse.reports.sheet import Issue, sheet_of

if TYPE_CHECKING:
    from esep.sinks.clickhouse.reports.facts import Report
    from esep.sinks.clickhouse.reports.make import Verdict
    from esep.sinks.clickhouse.reports.words import Language

KINDS = ("csv", "xlsx", "pdf")
_SHOWN_MAX = 50  # --json shows all.

report = command_group(
    name="report",
    help="""Reports over the ledger, each with a checksum and what it covers.

Example: [bold]esep report order9 --organizer 940140000385 --day 2026-11-20 --to form.xlsx --to form.pdf[/]""",
    no_args_is_help=True,
)


class Lang(StrEnum):
    """The language of a file."""

    KK = "kk"
    RU = "ru"
    EN = "en"


Files = Annotated[
    list[Path], typer.Option("--to", help="File to write: FILE.csv, FILE.xlsx or FILE.pdf; may be given several times.")
]
InLanguage = Annotated[Lang, typer.Option("--lang", help="Language of the files.")]
KnownAt = Annotated[
    str, typer.Option(help="Only what had been received by then, in Almaty: '2026-11-21 12:00:00'; without it, all.")
]
Officer = Annotated[str, typer.Option(help="Login of who makes it; by default who is logged in here.")]
OneOrganizer = Annotated[str, typer.Option("--organizer", help="BIN of one organizer; without it, all.")]


@report.command()
def order9(
    organizer: Annotated[str, typer.Option(help="BIN of the organizer.")],
    day: Annotated[str, typer.Option(help="Day in Almaty that is over, as 2026-11-20.")],
    to: Files,
    movements: Annotated[bool, typer.Option("--movements", help="List every movement with its instant, too.")] = False,
    lang: InLanguage = Lang.KK,
    known_at: KnownAt = "",
    officer: Officer = "",
    as_json: AsJson = False,
    data_dir: DataDir = DATA_DIR,
) -> None:
    """Write the Order's form: a line per person with what an organizer received and paid on a day.

    Example: [bold]esep report order9 --organizer 940140000385 --day 2026-11-20 --to form.xlsx --lang ru[/]
    """
    request = _request(ORDER9, "-" * 10, day, organizer, known_at, with_movements=movements)
    _issue(request, to, lang, officer, data_dir, as_json=as_json)


@report.command()
def monthly(
    month: Annotated[str, typer.Option(help="Month in Almaty that is over, as 2026-10.")],
    to: Files,
    organizer: OneOrganizer = "",
    lang: InLanguage = Lang.KK,
    known_at: KnownAt = "",
    officer: Officer = "",
    as_json: AsJson = False,
    data_dir: DataDir = DATA_DIR,
) -> None:
    """Write the statistics of a month: organizers, ways, sums, the twelve months before. No person is in it.

    Example: [bold]esep report monthly --month 2026-10 --to month.xlsx --to month.pdf[/]
    """
    request = _request(MONTHLY, "-" * 7, month, organizer, known_at)
    _issue(request, to, lang, officer, data_dir, as_json=as_json)


@report.command()
def yearly(
    year: Annotated[str, typer.Option(help="Year that is over, as 2025.")],
    to: Files,
    organizer: OneOrganizer = "",
    lang: InLanguage = Lang.KK,
    known_at: KnownAt = "",
    officer: Officer = "",
    as_json: AsJson = False,
    data_dir: DataDir = DATA_DIR,
) -> None:
    """Write the statistics of a year: organizers, ways, sums, its months, the year before. No person is in it.

    Example: [bold]esep report yearly --year 2025 --to year.pdf --lang kk[/]
    """
    request = _request(YEARLY, "-" * 4, year, organizer, known_at)
    _issue(request, to, lang, officer, data_dir, as_json=as_json)


@report.command(name="cash-out")
def cash_out(
    period: Annotated[
        str, typer.Option(help="What is over: a day, month, half or year: 2026-11-20, 2026-10, 2026-H1.")
    ],
    to: Files,
    organizer: OneOrganizer = "",
    lang: InLanguage = Lang.KK,
    known_at: KnownAt = "",
    officer: Officer = "",
    as_json: AsJson = False,
    data_dir: DataDir = DATA_DIR,
) -> None:
    """Write the signs of cashing out in a period, and the persons who bear them.

    Example: [bold]esep report cash-out --period 2026-H1 --to signs.xlsx[/]
    """
    request = _request(CASH_OUT, "", period, organizer, known_at)
    _issue(request, to, lang, officer, data_dir, as_json=as_json)


@report.command(name="list")
def listed(as_json: AsJson = False, data_dir: DataDir = DATA_DIR) -> None:
    """List the reports that were issued, the latest first.

    Example: [bold]esep report list --json[/]
    """
    with stored(settings_of(data_dir)) as client:
        found = issued(client)
    if as_json:
        print_json({"reports": [one.to_json() for one in found]})
        return
    rows = [
        (almaty(one.made_at), one.report_id, one.row_count, one.file_kind, one.language, one.officer, one.version)
        for one in found[:_SHOWN_MAX]
    ]
    columns = ("made at (Almaty)", "number", "rows", "file", "language", "by", "version")
    print_table(f"{len(found):,} reports were issued", columns, rows)
    if len(found) > _SHOWN_MAX:
        err.print(f"… and {len(found) - _SHOWN_MAX:,} more; --json shows all.")


@report.command()
def verify(
    what: Annotated[str, typer.Argument(help="A file (FILE.csv, FILE.xlsx), or the number that stands on a report.")],
    as_json: AsJson = False,
    data_dir: DataDir = DATA_DIR,
) -> None:
    """Make a report again from what it covers: is it unchanged, and does the ledger still say the same?

    Exit code 0 only if both are so. A report on paper is verified by its number.

    Example: [bold]esep report verify form.xlsx[/]
    """
    path = Path(what)
    if path.suffix == ".pdf":
        raise UsageError("a report on paper is verified by its number", hint="it stands at the foot of each page")
    read = _read(path) if path.suffix in {".csv", ".xlsx"} else None
    with stored(settings_of(data_dir)) as client:
        verdict = verify_read(client, read) if read else verify_issued(client, issued_one(client, what))
    print_told(verdict.to_json(), "\n".join(_told(verdict)), as_json=as_json)
    raise typer.Exit(0 if verdict.is_intact and verdict.is_again else 1)


def _request(
    form: str, shape: str, text: str, organizer: str, known_at: str, *, with_movements: bool = False
) -> Request:
    """Return what is asked for; shape: as long as the text must be, empty for any period."""
    if (organizer or form == ORDER9) and not is_bin(organizer):
        raise UsageError("--organizer is no BIN with a right control digit")
    period = period_of(text)
    if shape and len(text) != len(shape):
        raise UsageError(f"`esep report {form}` is of another kind of period", hint="see its --help")
    _check_over(period)
    return Request(form, period, organizer, known_at_of(known_at), with_movements)


def _check_over(period: Period) -> None:
    today = almaty_day_of(to_ms(datetime.now(UTC)))
    if period.last_day >= today:
        raise UsageError(f"{period.label} is not over yet in Almaty", hint="a report is of a whole period")


def known_at_of(text: str) -> datetime | None:
    """Return the instant (UTC, whole seconds) that --known-at names, None for all; UsageError if it is yet to come."""
    if not text:
        return None
    try:
        at = datetime.fromisoformat(text)
    except ValueError as error:
        raise UsageError("--known-at is no instant", hint="write it as '2026-11-21 12:00:00', in Almaty") from error
    known_at = (at if at.tzinfo else at.replace(tzinfo=ZoneInfo(ALMATY))).astimezone(UTC).replace(microsecond=0)
    if known_at > datetime.now(UTC):
        raise UsageError(
            "nobody knows yet what will be known at --known-at", hint="leave it out for all that is loaded"
        )
    return known_at


def _issue(request: Request, to: list[Path], lang: Lang, officer: str, data_dir: Path, *, as_json: bool) -> None:
    """Make a report once, and write it into each file."""
    wrong = [path for path in to if path.suffix.lstrip(".") not in KINDS]
    if wrong:
        raise UsageError(f"{wrong[0].name} says no kind of file", hint="name it FILE.csv, FILE.xlsx or FILE.pdf")
    who = officer_of(officer)
    if any(masked(path.name) != path.name for path in to):
        raise UsageError("a number of a person may stand in no file's name")
    with stored(settings_of(data_dir)) as client:
        made = make(client, request)
        issue = Issue(datetime.now(UTC), __version__, who)
        contents = {path: _content(made, issue, lang.value, path.suffix.lstrip(".")) for path in to}
        for path, content in contents.items():
            record(client, made, issue, lang.value, path.suffix.lstrip("."))
            write_secret(path, content)
    if as_json:
        print_json(document(made, to))
        return
    for path in to:
        err.print(f"wrote {path}", highlight=False, markup=False, soft_wrap=True)
    out.print(f"{made.report_id}\nSHA-256 {made.checksum}", highlight=False, markup=False, soft_wrap=True)


def document(made: Report, to: list[Path]) -> dict[str, Any]:
    """Return what a program may want to know of a report: no person, no sum."""
    return {
        "report_id": made.report_id,
        "checksum": made.checksum,
        "period": made.period.label,
        "rows": {table.name: len(table.rows) for table in made.tables},
        "postings_covered": sum(lane.postings for lane in made.lanes),
        "files": [str(path) for path in to],
    }


def _content(made: Report, issue: Issue, language: Language, kind: str) -> bytes:
    sheet = sheet_of(made, issue, language)
    try:
        if kind == "csv":
            from esep.sinks.clickhouse.reports.csv_file import csv_of  # noqa: PLC0415 - as the others

            return csv_of(sheet)
        if kind == "xlsx":
            from esep.sinks.clickhouse.reports.xlsx_file import xlsx_of  # noqa: PLC0415 - an extra of its own

            return xlsx_of(sheet)
        from esep.sinks.clickhouse.reports.pdf import pdf_of  # noqa: PLC0415 - likewise

        return pdf_of(sheet)
    except ModuleNotFoundError as error:
        raise library_missing(f"a report as {kind.upper()}", error.name, "reports") from error


def _read(path: Path) -> Any:
    try:
        from esep.sinks.clickhouse.reports.read import read_csv, read_xlsx  # noqa: PLC0415 - an extra of its own
    except ModuleNotFoundError as error:
        raise library_missing("to verify a file", error.name, "reports") from error
    try:
        content = path.read_bytes()
    except OSError as error:
        raise FileUnusable(f"{path} cannot be read", detail=error.strerror or "") from error
    return read_csv(content) if path.suffix == ".csv" else read_xlsx(content)


def _told(verdict: Verdict) -> list[str]:
    lines = [
        f"{verdict.report_id}",
        f"says what its checksum stands for: {'yes' if verdict.is_intact else 'NO, it was changed'}",
        f"the ledger says the same:          {'yes' if verdict.is_again else 'NO'}",
    ]
    if not verdict.is_again:
        lines.append(f"  SHA-256 as issued: {verdict.checksum}")
        lines.append(f"  SHA-256 made anew: {verdict.made_again}")
    if verdict.lost or verdict.late:
        lines.append(f"  of what it covers, {verdict.lost:,} postings are gone and {verdict.late:,} came late")
    return lines
