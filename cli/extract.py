"""`esep extract`: requests of data, who approves them, the extracts made of them, and whether one is genuine.

Reads     ClickHouse; the key that signs receipts; an IIN from the standard input, a terminal or a file
Writes    a step of the register each; folders of files that their owner alone can read
Promises  nothing that is printed, and no file's name, has a person in it; what is extracted is what another officer has
          approved, by the register (O114-3, O114-C, O9-5.1; decision 0031)
"""

from __future__ import annotations

from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from esep import __version__
from esep.cli.context import DATA_DIR, AsJson, DataDir, settings_of
from esep.cli.given import day_of, officer_of
from esep.cli.output import command_group, err, library_missing, out, print_json, print_table, print_told
from esep.cli.person import number_from
from esep.cli.report import InLanguage, KnownAt, Lang, Officer, known_at_of
from esep.cli.send import key_content
from esep.cli.stored import stored
from esep.errors import UsageError
from esep.identifiers import masked
from esep.receipt_keys import load_root, load_signing_key
from esep.sinks.clickhouse.extracts import register
from esep.sinks.clickhouse.extracts.make import KINDS, Order, make_extract
from esep.sinks.clickhouse.extracts.requests import Asked, Deed, standings
from esep.sinks.clickhouse.extracts.verify import verify_again, verify_files
from esep.sinks.clickhouse.lines import almaty

if TYPE_CHECKING:
    from esep.sinks.clickhouse.extracts.requests import Standing, Step
    from esep.sinks.clickhouse.extracts.verify import Findings

_SHOWN_MAX = 50  # --json shows all.

extract = command_group(
    name="extract",
    help="""Extracts on request: data of a person or an organizer, approved by a second officer, signed.

Example: [bold]esep extract list[/]""",
    no_args_is_help=True,
)


class Kind(StrEnum):
    """A kind of file."""

    PARQUET = "parquet"
    CSV = "csv"
    XLSX = "xlsx"
    PDF = "pdf"


RequestId = Annotated[str, typer.Argument(help="Name of the request, as `list` shows it.")]


@extract.command()
def request(
    asker: Annotated[str, typer.Option(help="Who asks: the body, and its letter's number.")],
    basis: Annotated[str, typer.Option(help="The law or the decision that it rests on.")],
    case: Annotated[str, typer.Option(help="Number of the case.")],
    first_day: Annotated[str, typer.Option("--from", help="First day in Almaty, as 2026-11-01.")],
    last_day: Annotated[str, typer.Option("--to", help="Last day in Almaty, included.")],
    iin: Annotated[
        str, typer.Option(help="Where the person's IIN is read from: - for the standard input, or a file with it.")
    ] = "",
    organizer: Annotated[str, typer.Option(help="An organizer's BIN; with --iin, that person with it only.")] = "",
    known_at: KnownAt = "",
    officer: Officer = "",
    as_json: AsJson = False,
    data_dir: DataDir = DATA_DIR,
) -> None:
    """Enter who asks for whose data, on what basis. Nothing is extracted before another officer approves it.

    Example: [bold]esep extract request --asker "Prosecutor, 7-114" --basis "CPC, art. 122" --case 26-7/114 \\
    --organizer 940140000385 --from 2026-11-01 --to 2026-11-30[/]
    """
    days = day_of(first_day, "--from"), day_of(last_day, "--to")
    asked = Asked(asker, basis, case, number_from(iin), organizer, *days, known_at_of(known_at))
    with stored(settings_of(data_dir)) as client:
        entered = register.request(client, asked, officer_of(officer), _now())
    print_told(document(entered), f"{entered.request_id}: {asked.about} is asked for", as_json=as_json)


@extract.command()
def approve(
    request_id: RequestId,
    reason: Annotated[str, typer.Option(help="Why it may be given.")],
    iin: Annotated[
        str, typer.Option(help="Where the IIN of the letter is read from, to be compared: - or a file with it.")
    ] = "",
    officer: Officer = "",
    as_json: AsJson = False,
    data_dir: DataDir = DATA_DIR,
) -> None:
    """Approve a request, as another officer than the one who entered it.

    With --iin only if it is about that person: nobody is shown the number, and a slip in it is noticed.

    Example: [bold]esep extract approve extract-1f0c6a2b9d --reason "sanction of the court" --officer b.omarov[/]
    """
    _decide(request_id, Deed.APPROVED, reason, officer, data_dir, as_json=as_json, iin=number_from(iin))


@extract.command()
def refuse(
    request_id: RequestId,
    reason: Annotated[str, typer.Option(help="Why it is refused.")],
    officer: Officer = "",
    as_json: AsJson = False,
    data_dir: DataDir = DATA_DIR,
) -> None:
    """Refuse a request, for good: another one has to be entered.

    Example: [bold]esep extract refuse extract-1f0c6a2b9d --reason "no basis is named" --officer b.omarov[/]
    """
    _decide(request_id, Deed.REFUSED, reason, officer, data_dir, as_json=as_json)


@extract.command()
def run(
    request_id: RequestId,
    to: Annotated[Path, typer.Option(help="Folder in which a new folder with the files is made.")],
    kind: Annotated[list[Kind] | None, typer.Option(help="Kind of file, several times; without it, all.")] = None,
    lang: InLanguage = Lang.KK,
    officer: Officer = "",
    as_json: AsJson = False,
    data_dir: DataDir = DATA_DIR,
) -> None:
    """Make the extract of an approved request: its files, and a manifest that the authority's key signs.

    Example: [bold]esep extract run extract-1f0c6a2b9d --to extracts --lang ru[/]
    """
    who = officer_of(officer)
    if masked(str(to.absolute())) != str(to.absolute()):
        raise UsageError("a number of a person may stand in no folder's name")
    settings = settings_of(data_dir)
    key = load_signing_key(key_content(settings.receipt_key_file))
    kinds = tuple(one.value for one in kind or [Kind(name) for name in KINDS])
    order = Order(who, _now(), f"esep {__version__}", lang.value, kinds)
    try:
        with stored(settings) as client:
            made = make_extract(client, register.standing_of(client, request_id), order, key, to)
    except ModuleNotFoundError as error:
        raise library_missing("an extract as XLSX or PDF", error.name, "reports") from error
    if as_json:
        print_json(made.model_dump(mode="json"))
        return
    err.print(f"wrote {to / request_id}", highlight=False, markup=False, soft_wrap=True)
    out.print(f"{made.row_count:,} postings\nSHA-256 {made.checksum}", highlight=False, markup=False, soft_wrap=True)


@extract.command(name="list")
def list_(as_json: AsJson = False, data_dir: DataDir = DATA_DIR) -> None:
    """Show every request with its steps, the latest first; instants are Almaty's.

    Example: [bold]esep extract list --json[/]
    """
    with stored(settings_of(data_dir)) as client:
        found = [*standings(register.steps(client)).values()][::-1]
    if as_json:
        print_json({"requests": [document(one) for one in found]})
        return
    columns = ("request", "state", "about", "from", "to", "asker", "case", "entered", "decided", "extracted")
    rows = [
        (
            *(one.request_id, one.state, one.asked.about, one.asked.first_day, one.asked.last_day),
            *(one.asked.asker, one.asked.case_number, _by(one.entered), _by(one.decided)),
            _by(one.extracted[-1] if one.extracted else None),
        )
        for one in found[:_SHOWN_MAX]
    ]
    print_table(f"{len(found):,} requests", columns, rows)
    if len(found) > _SHOWN_MAX:
        err.print(f"… and {len(found) - _SHOWN_MAX:,} more; --json shows all.")


@extract.command()
def verify(
    folder: Annotated[Path, typer.Argument(help="Folder of an extract.")],
    receipt_root: Annotated[Path, typer.Option(help="The authority's root certificate.")],
    files_only: Annotated[
        bool, typer.Option("--files-only", help="Do not ask the store: for who receives it.")
    ] = False,
    as_json: AsJson = False,
    data_dir: DataDir = DATA_DIR,
) -> None:
    """Verify an extract: signature, every file, its sums; then take it again from the ledger and compare.

    Exit code 0: nothing speaks against it. 1: something does.

    Example: [bold]esep extract verify extracts/extract-1f0c6a2b9d --receipt-root receipt-root.crt --files-only[/]
    """
    found = verify_files(folder, load_root(key_content(receipt_root)))
    if not files_only:
        with stored(settings_of(data_dir)) as client:
            found = verify_again(client, folder, found)
    print_told(found.to_json(), "\n".join(_told(found)), as_json=as_json)
    raise typer.Exit(0 if found.is_genuine and found.is_again else 1)


def _decide(
    request_id: str, deed: Deed, reason: str, officer: str, data_dir: Path, *, as_json: bool, iin: str = ""
) -> None:
    with stored(settings_of(data_dir)) as client:
        if iin and register.standing_of(client, request_id).asked.iin != iin:
            raise UsageError("the request is about somebody else than the IIN says", hint="compare it with the letter")
        decided = register.decide(client, request_id, deed, officer_of(officer), reason, _now())
    print_told(document(decided), f"{request_id}: {decided.state}", as_json=as_json)


def _now() -> datetime:
    return datetime.now(UTC)


def document(one: Standing) -> dict[str, Any]:
    """Return a request for a program to read: no person."""
    asked = one.asked._asdict()
    known_at = asked.pop("known_at")
    is_about_person = bool(asked.pop("iin"))
    return {
        "request_id": one.request_id,
        "state": one.state,
        **{name: str(value) for name, value in asked.items()},
        "is_about_person": is_about_person,
        "known_at": None if known_at is None else known_at.isoformat(),
        "steps": [_step(step) for step in (one.entered, one.decided, *one.extracted) if step is not None],
    }


def _step(step: Step) -> dict[str, Any]:
    return {
        "step": step.deed.value,
        "at": almaty(step.noted_at),
        "officer": step.officer,
        "store_user": step.store_user,
        "reason": step.reason,
        "manifest_sha256": step.manifest_sha256,
        "rows": step.row_count,
    }


def _by(step: Step | None) -> str:
    return "" if step is None else f"{step.officer} {almaty(step.noted_at)}"


def _told(found: Findings) -> list[str]:
    manifest = found.manifest
    made, approved = manifest.extracted, manifest.approved
    lines = [
        f"{manifest.request_id}, {manifest.row_count:,} postings",
        f"made by {made.officer} {almaty(made.at)}, approved by {approved.officer} {almaty(approved.at)}",
        "signed by the authority:      yes",
        f"files as they were signed:    {_yes(not (found.changed or found.missing or found.unknown or found.wrong))}",
    ]
    named = {"changed": found.changed, "missing": found.missing, "not in the manifest": found.unknown}
    lines += [f"  {what}: {', '.join(masked(name) for name in names)}" for what, names in named.items() if names]
    lines += [f"  {text}" for text in found.wrong]
    if found.again is not None:
        lines.append(f"noted in the register:        {_yes(bool(found.is_noted))}")
        lines.append(f"the ledger says the same:     {_yes(found.is_again)}")
    return lines


def _yes(is_so: bool) -> str:
    return "yes" if is_so else "NO"
