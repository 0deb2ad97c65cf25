"""`esep rules activate` and `esep rules activated`: put a file of rules in force at an instant; which files there are.

Reads     a file of rules; the topic `compliance.rules`; the file that the settings name
Writes    the topic `compliance.rules`; tables, JSON or a file on stdout
Promises  a file that cannot be used, or under which the stage would lack what its rules look at, is refused as a whole,
          with all that is wrong; an instant lies a minute ahead or more (DESIGN §7; decision 0046; clauses D934-1..3)
"""

from __future__ import annotations

import time
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any
from zoneinfo import ZoneInfo

import typer

from esep.cli.context import DATA_DIR, AsJson, DataDir, settings_of
from esep.cli.output import out, print_json, print_table
from esep.clock import ALMATY, almaty_day_of, to_ms
from esep.errors import FileUnusable, UsageError
from esep.rule_diff import differences
from esep.rule_files import AHEAD_MS_MIN, faults_of_next
from esep.rule_topic import RuleFileReader, RuleFileWriter, configured
from esep.rules import load_rules
from esep.security import client_security
from esep.stream_apps.alerts.kept import begin_too_early
from esep.topics import ADMIN, ALERTS_STAGE

if TYPE_CHECKING:
    from esep.rule_files import RuleFile
    from esep.rules import RuleSet
    from esep.settings import Settings

_SHA_SHOWN = 12


def activate(
    file: Annotated[Path, typer.Argument(help="File of rules, as it is to be in force: whole, not what changes.")],
    at: Annotated[
        str,
        typer.Option("--at", metavar="INSTANT", help="Such as 2026-12-01T00:00: of Almaty, unless it says otherwise."),
    ],
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would change, and change nothing.")] = False,
    data_dir: DataDir = DATA_DIR,
) -> None:
    """Put a file of rules in force from an instant on: what is received from then on is watched by it.

    No process is started again. The instant is to be a minute ahead or more, and later than that of any other file.

    Example: [bold]esep rules activate rules.yaml --at 2026-12-01T00:00[/]
    """
    rules, from_ms = load_rules(file), instant_ms(at)
    settings = settings_of(data_dir, ADMIN)
    _require_ahead(from_ms)
    writer = RuleFileWriter(settings.bootstrap_servers, client_security(settings))
    if not dry_run:
        writer.open()  # Before anything is read, so that no other file comes in between.
    known = known_files(settings, ADMIN)
    _check(known.files.files, rules, from_ms, file)
    _tell(known.files.files[-1], rules, from_ms)
    if dry_run:
        out.print("nothing was changed", highlight=False)
        return
    _require_ahead(from_ms)
    writer.put(known, file.read_text(encoding="utf-8"), rules, from_ms)
    last = known_files(settings, ADMIN).files.files[-1]
    out.print(f"file {last.number} is in force from {_told(last.from_ms)} on", highlight=False)


def activated(
    number: Annotated[int, typer.Option("--print", metavar="NUMBER", help="Print this file as it was put there.")] = 0,
    as_json: AsJson = False,
    data_dir: DataDir = DATA_DIR,
) -> None:
    """Show which file of rules is in force, which were and which are to come.

    Example: [bold]esep rules activated[/]
    Example: [bold]esep rules activated --print 1 > rules-as-they-were.yaml[/]
    """
    known = known_files(settings_of(data_dir), ALERTS_STAGE)
    files, place = known.files.files, known.files.place_at(_now_ms())
    if number:
        if not 1 <= number <= len(files):
            raise UsageError(f"there is no file {number}", hint="`esep rules activated` shows all")
        typer.echo(files[number - 1].text, nl=False)
        return
    states = ["gone"] * place + ["in force"] + ["to come"] * (len(files) - place - 1)
    rows: list[dict[str, Any]] = [
        {
            "number": one.number,
            "state": state,
            "from": _told(one.from_ms),
            "put_there": "configured" if known.is_empty else _told(one.published_ms),
            "sha256": one.sha256,
            "live": [f"{rule.rule_id} v{rule.version}" for rule in one.rules.rules if rule.raised],
        }
        for one, state in zip(files, states, strict=True)
    ]
    if as_json:
        print_json(rows)
        return
    columns = ("number", "state", "from", "put_there", "sha256", "live")
    shown = [{**row, "sha256": str(row["sha256"])[:_SHA_SHOWN], "live": ", ".join(row["live"])} for row in rows]
    print_table("files of rules", columns, [[row[name] for name in columns] for row in shown])


def known_files(settings: Settings, group: str) -> RuleFileReader:
    """Return all files that were put in force, or the one that is configured. group: a name that may be used."""
    reader = RuleFileReader(
        configured(settings.rules_file), settings.bootstrap_servers, client_security(settings), group
    )
    try:
        reader.catch_up()
    finally:
        reader.close()
    return reader


def instant_ms(text: str) -> int:
    """Return an instant as ms UTC.

    >>> instant_ms("2026-12-01T00:00") == instant_ms("2026-11-30T19:00Z")
    True
    """
    try:
        instant = datetime.fromisoformat(text)
    except ValueError as error:
        raise UsageError("--at is no instant", hint="write it as 2026-12-01T00:00, or 2026-11-30T19:00Z") from error
    return to_ms(instant if instant.tzinfo else instant.replace(tzinfo=ZoneInfo(ALMATY)))


def _require_ahead(from_ms: int) -> None:
    if from_ms < _now_ms() + AHEAD_MS_MIN:
        raise UsageError(
            "--at is past, or less than a minute ahead",
            hint="by then every process has to know the file; take a later instant",
        )


def _check(files: list[RuleFile], rules: RuleSet, from_ms: int, file: Path) -> None:
    """Raise FileUnusable with all that keeps rules from being in force after these files."""
    faults = list(faults_of_next(files, rules, from_ms))
    faults += [
        f"{one.rule.rule_id}: the stage has not kept all that it looks at: give it `since: {one.first_day}`, or later"
        for one in begin_too_early(files, rules, from_ms)
    ]
    if faults:
        raise FileUnusable(f"{file.name} cannot be in force from {_told(from_ms)} on", detail="\n        ".join(faults))


def _tell(last: RuleFile, rules: RuleSet, from_ms: int) -> None:
    changes = differences(last.rules, rules, almaty_day_of(from_ms))
    if not changes:
        out.print(f"the file says the same as file {last.number}", highlight=False)
    for one in changes:
        out.print(f"{one.rule_id} ({one.kind}): {'; '.join(one.words)}", highlight=False, markup=False)


def _told(instant_ms: int) -> str:
    """Return an instant as Almaty's clock shows it."""
    if not instant_ms:
        return "ever"
    instant = datetime.fromtimestamp(instant_ms / 1000, UTC)
    return instant.astimezone(ZoneInfo(ALMATY)).isoformat(timespec="milliseconds")


def _now_ms() -> int:
    return time.time_ns() // 1_000_000
