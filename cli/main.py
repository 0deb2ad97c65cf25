"""The `esep` command: puts the commands together and turns errors into texts and exit codes.

Reads     the command line
Writes    what its commands write; errors on stderr
Promises  a command is imported when it is asked for, so each works where its own libraries are installed and no others;
          exit code 0: done; 1: done, and the answer is no; 2: asked wrongly; others: the class of the error
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from importlib import import_module
from typing import Any, NamedTuple

import typer
from typer.core import TyperGroup

from esep import __version__
from esep.cli.output import command_group, library_missing, out, print_error
from esep.errors import EsepError


class Entry(NamedTuple):
    """Where a command or a group of commands is, and the extra whose libraries it needs (empty: none)."""

    module: str
    function: str
    extra: str = ""


COMMANDS = {
    "demo": Entry("esep.cli.demo", "demo", "all"),
    "up": Entry("esep.cli.operate", "up", "all"),
    "down": Entry("esep.cli.operate", "down", "all"),
    "status": Entry("esep.cli.operate", "status", "all"),
    "send": Entry("esep.cli.send", "send"),
    "receive": Entry("esep.cli.receive", "receive"),
    "medium": Entry("esep.cli.medium", "medium"),
    "simulate": Entry("esep.cli.simulate", "simulate"),
    "check": Entry("esep.cli.check", "check"),
    "receipts": Entry("esep.cli.receipts", "receipts"),
    "gaps": Entry("esep.cli.gaps", "gaps"),
    "spool": Entry("esep.cli.spool", "spool"),
    "sql": Entry("esep.cli.sql", "sql", "sink"),
    "alerts": Entry("esep.cli.alerts", "alerts"),
    "rules": Entry("esep.cli.rules", "rules", "sink"),
    "notices": Entry("esep.cli.notices", "notices", "sink"),
    "report": Entry("esep.cli.report", "report", "sink"),
    "extract": Entry("esep.cli.extract", "extract", "sink"),
    "reconcile": Entry("esep.cli.reconcile", "reconcile", "sink"),
    "replay": Entry("esep.cli.replay", "replay", "all"),
    "retention": Entry("esep.cli.retention", "retention", "sink"),
    "backup": Entry("esep.cli.backup", "backup", "sink"),
    "restore": Entry("esep.cli.restore", "restore", "sink"),
    "totals": Entry("esep.cli.totals", "totals", "all"),
    "run": Entry("esep.cli.run", "run"),
    "setup": Entry("esep.cli.run", "setup", "sink"),
    "schemas": Entry("esep.cli.schemas", "schemas"),
    "access": Entry("esep.cli.access", "access"),
    "users": Entry("esep.cli.users", "users"),
    "roles": Entry("esep.cli.roles", "roles", "sink"),
    "pseudonyms": Entry("esep.cli.pseudonyms", "pseudonyms"),
    "audit": Entry("esep.cli.audit", "audit"),
    "migrate": Entry("esep.cli.run", "migrate", "sink"),
    "keys": Entry("esep.cli.run", "keys"),
    "reference": Entry("esep.cli.reference", "reference"),
}


class _OnDemand(TyperGroup):
    """A group whose commands are imported when they are asked for."""

    def list_commands(self, ctx: Any) -> list[str]:  # noqa: ARG002 - typer keeps its types to itself
        return list(COMMANDS)

    def get_command(self, ctx: Any, cmd_name: str) -> Any:  # noqa: ARG002 - typer keeps its types to itself
        entry = COMMANDS.get(cmd_name)
        return _command(cmd_name, entry) if entry else None


app = command_group(
    name="esep",
    cls=_OnDemand,
    help="Every bet and payout of a country: reported once, counted once, answered in under a second.",
    no_args_is_help=True,
)


def _command(name: str, entry: Entry) -> Any:
    """Return a command, or, where its libraries are missing, one in its place that says so."""
    try:
        function = getattr(import_module(entry.module), entry.function)
    except ModuleNotFoundError as error:
        if error.name is None or error.name.startswith("esep"):
            raise
        return _missing(name, entry, error.name)
    if isinstance(function, typer.Typer):  # A command with subcommands of its own.
        group = typer.main.get_command(function)
        group.name = name
        return group
    return _single(name, function)


def _missing(name: str, entry: Entry, library: str) -> Any:
    def refuse() -> None:
        raise library_missing(f"`esep {name}`", library, entry.extra)

    return _single(name, refuse, f"Needs: pip install 'esep\\[{entry.extra}]'")


def _single(name: str, function: Callable[..., None], text: str | None = None) -> Any:
    """Return a function as a command of the group."""
    single = command_group()
    single.command(name, help=text)(function)
    return typer.main.get_command(single)


def _print_version(value: bool) -> None:
    if value:
        out.print(f"esep {__version__}", highlight=False)
        raise typer.Exit


@app.callback()
def _root(
    _version: bool = typer.Option(
        False, "--version", callback=_print_version, is_eager=True, help="Print the version and end."
    ),
) -> None:
    pass


def main() -> None:
    """Run the command line and end the process with its exit code."""
    try:
        app()
    except EsepError as error:
        print_error(error, as_json="--json" in sys.argv)
        sys.exit(error.exit_code)
