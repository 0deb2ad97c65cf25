"""`esep users`: applications for access to ClickHouse, what is decided about them, and blocks.

Reads     the journal of applications
Writes    the journal; the users file that the embedded server follows
Promises  a password is printed once, when access is granted, and kept nowhere; a block counts at once on the embedded
          server, and on another with the next `esep roles apply --server` (clauses J127-3..6, J127-9)
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated

import typer

from esep.cli.context import DATA_DIR, AsJson, DataDir, settings_of
from esep.cli.output import command_group, err, out, print_json, print_table
from esep.store_users import Application, StoreUsers

users = command_group(
    name="users",
    help="People's access to ClickHouse: applications, decisions, blocks. (`esep access` is about Kafka.)\n\n"
    "Example: [bold]esep users list[/]",
    no_args_is_help=True,
)

User = Annotated[str, typer.Argument(help="The user's name.")]
By = Annotated[str, typer.Option("--by", help="Who decided it.")]
Reason = Annotated[str, typer.Option(help="Why, without a person's number.")]


@users.command()
def apply(
    user: User,
    role: Annotated[str, typer.Option(help="Role, as `esep roles list` shows it.")],
    person: Annotated[str, typer.Option(help="Name and post of who is to have it, without an IIN.")],
    unit: Annotated[str, typer.Option(help="Body and unit.")],
    reason: Annotated[str, typer.Option(help="What it is needed for.")],
    agreement: Annotated[str, typer.Option(help="Number of the agreement that the person has signed.")],
    data_dir: DataDir = DATA_DIR,
) -> None:
    """Note an application for access; it is to be decided within one day.

    Example: [bold]esep users apply a.serikova --role analyst --person "A. Serikova" --unit "4th" --reason "trends" \
    --agreement 26-117[/]
    """
    account = _journal(data_dir).apply(Application(user, role, person, unit, reason, agreement), datetime.now(UTC))
    out.print(f"noted; to be decided by {account.due_at}", highlight=False)


@users.command()
def grant(user: User, by: By, reason: Reason, data_dir: DataDir = DATA_DIR) -> None:
    """Grant an application, and print the password, once.

    Example: [bold]esep users grant a.serikova --by d.omarov --reason "order 12"[/]
    """
    _, password = _journal(data_dir).decide(user, granted=True, by=by, reason=reason, at=datetime.now(UTC))
    err.print(f"{user} may log in with the password that follows; it is shown this once", highlight=False)
    typer.echo(password)


@users.command()
def refuse(user: User, by: By, reason: Reason, data_dir: DataDir = DATA_DIR) -> None:
    """Refuse an application, with the reason.

    Example: [bold]esep users refuse a.serikova --by d.omarov --reason "no agreement was signed"[/]
    """
    _journal(data_dir).decide(user, granted=False, by=by, reason=reason, at=datetime.now(UTC))
    out.print(f"{user} is refused", highlight=False)


@users.command()
def block(user: User, by: By, reason: Reason, data_dir: DataDir = DATA_DIR) -> None:
    """Shut a user out at once; what the user has running is ended.

    Example: [bold]esep users block a.serikova --by d.omarov --reason "left the unit"[/]
    """
    _journal(data_dir).block(user, by=by, reason=reason, at=datetime.now(UTC))
    out.print(f"{user} is shut out", highlight=False)


@users.command(name="list")
def list_(as_json: AsJson = False, data_dir: DataDir = DATA_DIR) -> None:
    """Show every user with state, role and what was decided.

    Example: [bold]esep users list --json[/]
    """
    columns = ("user", "role", "state", "person", "unit", "agreement", "due_at", "decided_by", "decision")
    rows = [tuple(getattr(one, name) for name in columns) for one in _journal(data_dir).accounts().values()]
    if as_json:
        print_json([dict(zip(columns, row, strict=True)) for row in rows])
        return
    print_table("users of ClickHouse", columns, rows)


def _journal(data_dir: DataDir) -> StoreUsers:
    return StoreUsers(settings_of(data_dir).store_users_dir)
