"""`esep retention hold`: keep from removal what is past its term, release it again, and show who did so and why.

Reads     ClickHouse: the holds; an IIN from the standard input, where asked to
Writes    a row of the table of holds for each that is added or released
Promises  an IIN goes into that table and nowhere else: it is never printed; holds and releases stay for ever
          (clause O9-4.7)
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, Any

import typer

from esep.cli.context import DATA_DIR, AsJson, DataDir, settings_of
from esep.cli.given import day_of
from esep.cli.output import command_group, out, print_json, print_table, print_told
from esep.cli.person import number_from
from esep.cli.stored import stored
from esep.errors import UsageError
from esep.sinks.clickhouse.retention import holds
from esep.sinks.clickhouse.retention.holds import Noted, Scope

if TYPE_CHECKING:
    from esep.sinks.clickhouse.retention.holds import Hold

hold = command_group(
    name="hold",
    help="""Legal holds: what they hit is not removed, however old.

Example: [bold]esep retention hold list[/]""",
    no_args_is_help=True,
)

Case = Annotated[str, typer.Option("--case", help="Number of the case.")]
Reason = Annotated[str, typer.Option(help="Why, without a person's number.")]
By = Annotated[str, typer.Option("--by", help="Who decided it.")]


@hold.command()
def add(
    case: Case,
    reason: Reason,
    by: By,
    iin: Annotated[str, typer.Option(help="Where a person's IIN is: - for the standard input, or a file.")] = "",
    organizer: Annotated[str, typer.Option(help="An organizer's BIN.")] = "",
    first_day: Annotated[str, typer.Option("--from", help="First day in Almaty, as 2020-03-01.")] = "",
    last_day: Annotated[str, typer.Option("--to", help="Last day in Almaty, included.")] = "",
    everything: Annotated[bool, typer.Option("--everything", help="Hold all there is.")] = False,
    as_json: AsJson = False,
    data_dir: DataDir = DATA_DIR,
) -> None:
    """Hold back a person, an organizer, days, any of these together, or everything.

    Example: [bold]esep retention hold add --organizer 940140000385 --case 7-114/26 --reason "court" --by a.serikova[/]
    """
    first, last = (day_of(text, name) if text else None for text, name in ((first_day, "--from"), (last_day, "--to")))
    scope = Scope(number_from(iin), organizer, first, last)
    if everything == any(scope):
        raise UsageError("say what is held", hint="--iin, --organizer, --from, --to, or --everything alone")
    with stored(settings_of(data_dir)) as client:
        added = holds.add(client, scope, Noted(datetime.now(UTC), case, reason, by))
    print_told(_document(added), f"{added.hold_id}: {added.scope} is held", as_json=as_json)


@hold.command()
def release(
    hold_id: Annotated[str, typer.Argument(help="Name of the hold, as `list` shows it.")],
    case: Case,
    reason: Reason,
    by: By,
    as_json: AsJson = False,
    data_dir: DataDir = DATA_DIR,
) -> None:
    """End a hold. It stays in the list, with its release.

    Example: [bold]esep retention hold release hold-1f0c6a2b9d --case 7-114/26 --reason "case closed" --by a.serikova[/]
    """
    with stored(settings_of(data_dir)) as client:
        released = holds.release(client, hold_id, Noted(datetime.now(UTC), case, reason, by))
    print_told(_document(released), f"{hold_id}: {released.scope} is held no more", as_json=as_json)


@hold.command(name="list")
def list_(as_json: AsJson = False, data_dir: DataDir = DATA_DIR) -> None:
    """Show every hold there ever was, with its release.

    Example: [bold]esep retention hold list --json[/]
    """
    with stored(settings_of(data_dir)) as client:
        found = holds.history(client)
    if as_json:
        print_json([_document(one) for one in found])
        return
    if not found:
        out.print("nothing is held", highlight=False)
        return
    columns = ("hold", "what", "case", "reason", "by", "since", "released")
    rows = [
        (
            *(one.hold_id, one.scope, one.added.case_number, one.added.reason, one.added.officer),
            *(one.added.noted_at.date(), one.released.noted_at.date() if one.released else ""),
        )
        for one in found
    ]
    print_table("holds", columns, rows)


def _document(one: Hold) -> dict[str, Any]:
    return {
        "hold": one.hold_id,
        "what": str(one.scope),
        "added": _noted(one.added),
        "released": _noted(one.released) if one.released else None,
    }


def _noted(noted: Noted) -> dict[str, str]:
    return {
        "at": noted.noted_at.isoformat(),
        "case_number": noted.case_number,
        "reason": noted.reason,
        "officer": noted.officer,
    }
