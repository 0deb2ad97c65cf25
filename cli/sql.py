"""`esep sql`: one statement to ClickHouse and its answer; without one, and at a terminal, a shell.

Reads     ClickHouse; a statement as a word or from the standard input; at a terminal what is typed
Writes    the answer on stdout or into a file; a history of what was typed
Promises  what a format prints is ClickHouse's own, but for `table`; Ctrl-C ends the query in the engine; a person's
          number enters no history (clause O9-5.1; decision 0031)
"""

from __future__ import annotations

import shutil
import sys
import threading
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from clickhouse_connect.driver.exceptions import DatabaseError

from esep.cli.context import DATA_DIR, DataDir, settings_of
from esep.cli.output import err, library_missing, print_table
from esep.cli.shell.catalogue import Catalogue, load
from esep.cli.shell.loop import Shell
from esep.cli.shell.running import Cancelled, takes_settings, watched
from esep.cli.shell.showing import Format, pieces_of, write_file
from esep.errors import EsepError, UsageError
from esep.sinks.clickhouse.client import LONG_S_MAX, connect

if TYPE_CHECKING:
    from collections.abc import Callable

    from clickhouse_connect.driver.client import Client

    from esep.settings import Settings

HISTORY_FILE = Path("~/.local/state/esep/sql_history")


def sql(
    statement: Annotated[
        str, typer.Argument(help="One SQL statement; - reads it from the standard input; none: a shell.")
    ] = "",
    output: Annotated[Format, typer.Option("--format", help="How the answer is written.")] = Format.TABLE,
    to: Annotated[Path | None, typer.Option(help="File for the answer, which you alone can read.")] = None,
    history: Annotated[Path, typer.Option(help="The shell's history.")] = HISTORY_FILE,
    no_history: Annotated[bool, typer.Option("--no-history", help="Keep no history.")] = False,
    data_dir: DataDir = DATA_DIR,
) -> None:
    r"""Ask ClickHouse, in the database of the line. Without a statement a shell: \? there lists what it can do.

    Example: [bold]esep sql "SELECT organizer_bin, count() FROM ledger GROUP BY 1 ORDER BY 1"[/]
    """
    settings = settings_of(data_dir)
    if not statement and sys.stdin.isatty() and sys.stdout.isatty():
        _talk(settings, None if no_history else history.expanduser())
        return
    asked = statement if statement not in {"", "-"} else sys.stdin.read()
    if output is Format.PARQUET and to is None:
        raise UsageError("Parquet is no text", hint="name a file: --to answer.parquet")
    _answer(settings, asked, output, to)


def _answer(settings: Settings, statement: str, form: Format, to: Path | None) -> None:
    again = partial(connect, settings)
    try:
        with connect(settings, answer_s_max=LONG_S_MAX) as client, watched(again, _nothing) as one:
            found = one.settings if takes_settings(client) else {}
            if form is Format.TABLE and to is None:
                answer = client.query(statement, settings=found)
                print_table("", answer.column_names, answer.result_rows)
                return
            pieces = pieces_of(client, statement, form, found)
            if to is not None:
                err.print(f"wrote {write_file(to, pieces):,} bytes into {to}", highlight=False, markup=False)
                return
            for piece in pieces:
                sys.stdout.buffer.write(piece)
            sys.stdout.flush()
    except Cancelled as cancelled:
        err.print(str(cancelled), highlight=False, markup=False)
        raise typer.Exit(130) from cancelled  # As a shell says of a program that Ctrl-C has ended.
    except DatabaseError as error:
        raise UsageError("ClickHouse does not take the statement", detail=str(error).splitlines()[0]) from error


def _nothing(_: str) -> None:
    """A script is told no progress."""


def _talk(settings: Settings, history: Path | None) -> None:
    try:
        from esep.cli.shell.prompting import asker  # noqa: PLC0415 - an extra of its own
    except ModuleNotFoundError as error:
        raise library_missing("the shell", error.name, "shell") from error
    again = partial(connect, settings, answer_s_max=LONG_S_MAX)
    known = _Known(again)
    shell = Shell(again, lambda: shutil.get_terminal_size().lines - 1)
    err.print(f"ClickHouse at {settings.clickhouse_url}; \\? for help, \\q to leave", highlight=False, markup=False)
    shell.run(asker(history, known, f"{settings.clickhouse_database}> "))


class _Known:
    """What can be completed: nothing until it has been asked for, beside the first prompt."""

    def __init__(self, again: Callable[[], Client]) -> None:
        self._again = again
        self._found = Catalogue()
        threading.Thread(target=self._load, daemon=True).start()

    def __call__(self) -> Catalogue:
        return self._found

    def _load(self) -> None:
        with suppress(EsepError), self._again() as client:  # The first statement tells what is wrong.
            self._found = load(client)
