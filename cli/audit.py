"""`esep audit`: prove that the audit log is whole, keep its head elsewhere, and see which look-ups wait for a reason.

Reads     the audit log, heads that were kept, the numbers of the cases that there are; a server's query_log
Writes    a head at the end of a file; what a server was asked at the end of the log
Promises  exit code 1 if the log is not what it was; no text of a statement is printed (clauses J127-16, J127-19)
"""

from __future__ import annotations

from datetime import UTC, date, datetime
from pathlib import Path
from typing import Annotated

import typer

from esep.audit_report import lookups, per_user
from esep.calendar import load_holidays
from esep.cli.context import DATA_DIR, AsJson, DataDir, settings_of
from esep.cli.given import day_of
from esep.cli.output import command_group, err, out, print_json, print_table
from esep.cli.stored import stored
from esep.errors import UsageError
from esep.hash_chain import Chain, faults, head_of, lines, read_heads
from esep.store_users import StoreUsers

audit = command_group(
    name="audit",
    help="The log of every query: whether it is whole, and who asked what on which basis.\n\n"
    "Example: [bold]esep audit verify[/]",
    no_args_is_help=True,
)

Folder = Annotated[Path | None, typer.Option("--log", help="Folder of the log; by default that of the line.")]
_FILE, _HEAD = "audit.jsonl", "audit.head"


@audit.command()
def verify(
    head: Annotated[list[Path] | None, typer.Option("--head", help="File of heads that was kept elsewhere.")] = None,
    log: Folder = None,
    as_json: AsJson = False,
    data_dir: DataDir = DATA_DIR,
) -> None:
    """Follow the chain from the first line; exit code 1 if a line was changed, removed, inserted, moved or cut off.

    Example: [bold]esep audit verify --head heads.txt[/]
    """
    folder = _folder(log, data_dir)
    beside = [folder / _HEAD] if (folder / _HEAD).exists() else []
    kept = [one for path in [*(head or []), *beside] for one in read_heads(path)]
    found = faults(folder / _FILE, kept)
    stands = head_of(folder / _FILE)
    if as_json:
        print_json({"lines": stands.number, "head": stands.digest, "faults": [fault._asdict() for fault in found]})
    else:
        for fault in found:
            out.print(f"{f'line {fault.line}' if fault.line else 'the log'} {fault.what}", highlight=False)
        out.print(f"{stands.number} lines, {len(kept)} heads: {'NOT whole' if found else 'whole'}", highlight=False)
    raise typer.Exit(1 if found else 0)


@audit.command()
def anchor(
    to: Annotated[Path, typer.Option(help="File to add the head to, out of reach of those who run the line.")],
    log: Folder = None,
    data_dir: DataDir = DATA_DIR,
) -> None:
    """Add the log's head to a file: `verify --head` shows later whether anything before it has changed.

    Example: [bold]esep audit anchor --to heads.txt[/]
    """
    stands = head_of(_folder(log, data_dir) / _FILE)
    with to.open("a", encoding="utf-8") as file:
        file.write(f"{stands}\n")
    out.print(str(stands), highlight=False)


@audit.command()
def collect(log: Folder = None, data_dir: DataDir = DATA_DIR) -> None:
    """Take what a ClickHouse server of its own was asked into the log; by cron, as often as you like.

    The embedded server keeps the log by itself, and this refuses to write beside it.

    Example: [bold]esep audit collect --log /var/lib/esep-audit[/]
    """
    from esep.sinks.clickhouse.query_log import collect as take  # noqa: PLC0415 - an extra

    settings = settings_of(data_dir)
    folder = log or settings.audit_dir
    chain = Chain(folder / _FILE, folder / _HEAD)
    try:
        with stored(settings) as client:
            count = take(client, chain, folder / _FILE, datetime.now(UTC))
    finally:
        chain.close()
    out.print(f"{count} queries were taken", highlight=False)


@audit.command()
def report(
    first_day: Annotated[str, typer.Option("--from", help="First day in Almaty, as 2026-11-01.")] = "",
    last_day: Annotated[str, typer.Option("--to", help="Last day in Almaty, included.")] = "",
    cases: Annotated[Path | None, typer.Option(help="File with the numbers of all cases, one a line.")] = None,
    log: Folder = None,
    as_json: AsJson = False,
    data_dir: DataDir = DATA_DIR,
) -> None:
    """Print who looked up how much, and the look-ups that somebody has to justify.

    Example: [bold]esep audit report --from 2026-11-01 --cases cases.txt[/]
    """
    known = {line.strip() for line in _text(cases).splitlines() if line.strip()} if cases else None
    accounts = StoreUsers(settings_of(data_dir).store_users_dir).accounts()
    found = lookups(
        lines(_folder(log, data_dir) / _FILE),
        load_holidays(),
        roles={name: account.role for name, account in accounts.items()},
        cases=known,
        first=day_of(first_day, "--from") if first_day else date.min,
        last=day_of(last_day, "--to") if last_day else date.max,
    )
    open_ = [one for one in found if one.faults]
    if as_json:
        users = [one._asdict() for one in per_user(found)]
        print_json({"users": users, "unjustified": [one._asdict() for one in open_]})
        return
    print_table("who", ("user", "role", "look-ups", "cases", "rows", "refused", "to justify"), per_user(found))
    columns = ("line", "at", "user", "case", "basis", "rows", "to justify")
    print_table(
        "to justify",
        columns,
        [(f"{one.line}", one.at, one.user, one.case, one.basis, one.rows, " ".join(one.faults)) for one in open_],
    )
    err.print(f"{len(open_)} of {len(found)} look-ups are to be justified", highlight=False)


def _folder(log: Path | None, data_dir: Path) -> Path:
    return log or settings_of(data_dir).audit_dir


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except OSError as error:
        raise UsageError(f"{path} cannot be read", detail=str(error.strerror)) from error
