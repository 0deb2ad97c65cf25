"""How commands look: their help, tables for people, JSON for programs, errors on stderr.

Reads     rows and errors
Writes    stdout (results) and stderr (all else)
Promises  one look for all commands; what --json prints is one JSON document and nothing else
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from typing import Any

import typer
from rich.console import Console
from rich.table import Table

from esep.errors import EsepError, SettingInvalid

out = Console()
err = Console(stderr=True)


def command_group(**options: Any) -> typer.Typer:
    """Return a place for commands, with what all of ours have in common beside these options."""
    # Locals may hold personal data.
    return typer.Typer(add_completion=False, rich_markup_mode="rich", pretty_exceptions_show_locals=False, **options)


def print_table(title: str, columns: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """Print a table; numbers stand to the right."""
    out.print(table_of(title, columns, rows))


def table_of(title: str, columns: Sequence[str], rows: Iterable[Sequence[object]]) -> Table:
    """Return a table; numbers stand to the right."""
    table = Table(title=title, title_justify="left", title_style="bold", header_style="bold")
    cells = [[_cell(value) for value in row] for row in rows]
    for place, column in enumerate(columns):
        numeric = bool(cells) and all(row[place][1] for row in cells)
        table.add_column(column, justify="right" if numeric else "left", overflow="fold")
    for row in cells:
        table.add_row(*(text for text, _ in row))
    return table


def print_json(document: Any) -> None:
    """Print one JSON document."""
    typer.echo(json.dumps(document, ensure_ascii=False, default=str, indent=2))


def print_told(document: Any, text: str, *, as_json: bool) -> None:
    """Print a document for a program, or a text as it is for a person."""
    if as_json:
        print_json(document)
    else:
        out.print(text, highlight=False, markup=False, soft_wrap=True)


def print_error(error: EsepError, *, as_json: bool = False) -> None:
    """Print what happened, why, and what to do, on stderr; as_json: for a program too, on stdout."""
    if as_json:
        print_json(error.document())
    err.print(f"[bold red]error:[/] {error.what}", highlight=False)
    if error.detail:
        err.print(f"  why: {error.detail}", highlight=False, markup=False)
    if error.hint:
        err.print(f"  do:  {error.hint}", highlight=False, markup=False)


def library_missing(what: str, library: str | None, extra: str) -> SettingInvalid:
    """Return the error of what needs a library that comes with an extra of ours."""
    return SettingInvalid(
        f"{what} needs the library {library}, which is not installed",
        hint=f"install it with: pip install 'esep[{extra}]'",
    )


def _cell(value: object) -> tuple[str, bool]:
    """Return the text of a value and whether it is a number."""
    if isinstance(value, bool) or value is None:
        return ("" if value is None else str(value).lower()), False
    if isinstance(value, int):
        return f"{value:,}", True
    return str(value), isinstance(value, float)
