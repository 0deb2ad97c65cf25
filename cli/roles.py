"""`esep roles`: who may do what in ClickHouse, and have it be so.

Reads     the declaration of roles; the journal of applications for a server
Writes    in ClickHouse: the analysts' views; with --server roles, rights, limits, policies and users
Promises  `list` and `sql` change nothing; `apply` is safe to repeat (clauses O9-5.1, J127-5)
"""

from __future__ import annotations

from typing import Annotated

import typer

from esep.cli.context import DATA_DIR, AsJson, DataDir, settings_of
from esep.cli.output import command_group, err, print_json, print_table
from esep.sinks.clickhouse import roles as store_roles
from esep.store_roles import ROLES
from esep.store_users import StoreUsers

roles = command_group(
    name="roles",
    help="Who may do what in ClickHouse: roles, the analysts' views, rights of a server.\n\n"
    "Example: [bold]esep roles list[/]",
    no_args_is_help=True,
)

Server = Annotated[
    bool, typer.Option("--server", help="ClickHouse is a server of its own: roles, rights, limits and users as well.")
]


@roles.command(name="list")
def list_(as_json: AsJson = False, data_dir: DataDir = DATA_DIR) -> None:
    """Print every role with what it may do.

    Example: [bold]esep roles list --json[/]
    """
    database = settings_of(data_dir).clickhouse_database
    if as_json:
        print_json([role.model_dump() | {"grants": list(role.granted(database))} for role in ROLES.values()])
        return
    rows = [(role.role, role.use, "yes" if role.basis else "", role.says) for role in ROLES.values()]
    print_table("roles", ("role", "may use", "states a basis", "who"), rows)
    rights = [(role.role, *right) for role in ROLES.values() for right in role.granted(database)]
    print_table("rights", ("role", "right", "on"), rights)


@roles.command()
def sql(server: Server = False, data_dir: DataDir = DATA_DIR) -> None:
    """Print the statements that `apply` runs.

    Example: [bold]esep roles sql --server[/]
    """
    settings = settings_of(data_dir)
    accounts = StoreUsers(settings.store_users_dir).accounts().values()
    statements = store_roles.server_statements(settings.clickhouse_database, accounts) if server else []
    for statement in [*statements, *store_roles.view_statements(settings.clickhouse_database)]:
        typer.echo(f"{statement};\n")


@roles.command()
def apply(server: Server = False, data_dir: DataDir = DATA_DIR) -> None:
    """Make the analysts' views, and with --server bring a server to roles, rights and users.

    Example: [bold]esep roles apply[/]
    """
    settings = settings_of(data_dir)
    accounts = list(StoreUsers(settings.store_users_dir).accounts().values()) if server else None
    count = store_roles.apply(settings, accounts)
    err.print(f"{count} statements were run", highlight=False)
    typer.echo("views and roles are as declared")
