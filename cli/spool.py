"""`esep spool`: how an organizer's spool stands, its own copy of it, and what the law no longer wants kept.

Reads     a spool; also while a client uses it (`prune` alone needs it for itself)
Writes    tables or JSON on stdout; a Parquet file; a signed statement; `prune` removes events from the spool
Promises  nothing is removed but what a person names, the authority has taken, and clause O9-4.7 sets free; needs
          neither broker nor network
"""

from __future__ import annotations

from datetime import UTC, date, datetime
from pathlib import Path
from typing import Annotated
from zoneinfo import ZoneInfo

import typer

from esep.cli.context import AsJson
from esep.cli.output import command_group, out, print_json, print_table
from esep.cli.send import key_content
from esep.clock import ALMATY, to_ms
from esep.errors import UsageError
from esep.keys import load_private_key
from esep.producers.day_statement import sign_day as statement_of
from esep.producers.spool import Spool
from esep.producers.spool_export import export_spool
from esep.producers.spool_reader import SpoolReader
from esep.producers.to_medium import write_new

SpoolFile = Annotated[Path, typer.Argument(help="The spool of an OrganizerClient.", show_default=False)]

spool = command_group(
    help="""Look into an organizer's spool, copy it, prune it.

    Example: [bold]esep spool status esep.spool[/]""",
    no_args_is_help=True,
)


@spool.command()
def status(file: SpoolFile, as_json: AsJson = False) -> None:
    """Say how many events are in which state, and where each stream stands.

    Example: [bold]esep spool status esep.spool[/]
    """
    with SpoolReader(file) as reader:
        organizer_bin, tally, streams = reader.organizer_bin, reader.tally(), reader.streams()
    if as_json:
        states = {state.name: count for state, count in tally.items()}
        print_json({"organizer_bin": organizer_bin, "events": states, "next_sequences": streams})
        return
    print_table(f"{file} of {organizer_bin}", ["state", "events"], [[state.name, n] for state, n in tally.items()])
    print_table("Streams", ["stream", "next sequence"], list(streams.items()))


@spool.command()
def export(file: SpoolFile, to: Annotated[Path, typer.Argument(help="New Parquet file.", show_default=False)]) -> None:
    """Write the organizer's own copy: every event, its message, and what a receipt said of it.

    Example: [bold]esep spool export esep.spool copy-2026.parquet[/]
    """
    count = export_spool(file, to)
    out.print(f"{count:,} events are in {to}", highlight=False, markup=False)


@spool.command()
def sign_day(
    file: SpoolFile,
    day: Annotated[str, typer.Option(help="Day in Almaty that is over, as 2026-11-20.")],
    key: Annotated[Path, typer.Option(help="Your private key (PEM); `esep medium key` makes one.")],
    to: Annotated[Path, typer.Option(help="New file for the statement.")],
    copy: Annotated[
        list[Path] | None, typer.Option(help="Export with what was pruned from the spool; may be given more than once.")
    ] = None,
) -> None:
    """Sign what you sent on a day: per stream its sequences, their number, and a root over the messages.

    The day goes by the clock that stamped the spool. `esep receipts verify --daily` compares it with receipts.

    Example: [bold]esep spool sign-day esep.spool --day 2026-11-20 --key medium.key --to 2026-11-20.esep-day[/]
    """
    try:
        asked = date.fromisoformat(day)
    except ValueError as error:
        raise UsageError("--day is no day", hint="write it as 2026-11-20") from error
    private_key = load_private_key(key_content(key), str(key))
    write_new(to, statement_of(file, copy or [], asked, private_key, datetime.now(UTC)))
    out.print(f"the statement of {asked} is in {to}", highlight=False, markup=False)


@spool.command()
def prune(
    file: SpoolFile,
    through_year: Annotated[int, typer.Option(help="Last year, in Almaty, whose bets go.")],
    yes: Annotated[bool, typer.Option("--yes", help="Remove them; without it they are only counted.")] = False,
) -> None:
    """Remove events that the authority has taken and that need not be kept any longer, of bets through a year.

    Events of bets are kept for five years, counted from 1 January of the year after the bet (clause O9-4.7).
    What was rejected or has no receipt stays. Copy the spool first.

    Example: [bold]esep spool prune esep.spool --through-year 2020 --yes[/]
    """
    before = datetime(through_year + 1, 1, 1, tzinfo=ZoneInfo(ALMATY)).astimezone(UTC)
    with SpoolReader(file) as reader:
        organizer_bin, count = reader.organizer_bin, reader.count_receipted_before(to_ms(before))
    if not yes:
        out.print(f"{count:,} receipted events are of bets through {through_year}; --yes removes them", highlight=False)
        return
    held = Spool(file, organizer_bin)
    try:
        removed = held.prune(before, datetime.now(UTC))
    finally:
        held.close()
    out.print(f"{removed:,} events of bets through {through_year} are removed", highlight=False)
