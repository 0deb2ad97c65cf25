r"""The shell's own commands: `\d` and the like.

Reads     one line that begins with a backslash
Returns   `Command`; for those that look something up, a statement with its parameters
Promises  pure; a name that is typed is a parameter and never part of a statement (box: cli)
"""

from __future__ import annotations

from typing import NamedTuple

HELP = (
    (r"\?", "this list"),
    (r"\d", "tables and views of the database, with rows and bytes"),
    (r"\dt", "tables alone"),
    (r"\dv", "views alone: what analysts build on"),
    (r"\d NAME", "columns of a table or view, with their types"),
    (r"\df PART", "functions with PART in their name"),
    (r"\l", "databases"),
    (r"\f FORMAT", "show answers as table, vertical, tsv, csv, json, jsonl or markdown"),
    (r"\x", "table to vertical, and back"),
    (r"\o FILE", "the next answer into FILE.parquet, .csv, .tsv, .json or .jsonl, which you alone can read"),
    (r"\timing", "say how long each statement took, or no more"),
    (r"\pager", "show long answers page by page, or no more"),
    (r"\q", "leave; Ctrl-D too"),
)
NAMES = tuple(sorted({text.split()[0] for text, _ in HELP}))
_RELATIONS = """
SELECT name, if(endsWith(engine, 'View'), 'view', 'table') AS kind, total_rows AS rows,
    formatReadableSize(total_bytes) AS size, comment
FROM system.tables
WHERE database = currentDatabase() AND NOT startsWith(name, '.') AND ({kind:String} IN ('', kind))
ORDER BY kind, name"""
_COLUMNS = """
SELECT name, type, default_expression AS default, comment
FROM system.columns WHERE database = currentDatabase() AND table = {name:String} ORDER BY position"""
_FUNCTIONS = """
SELECT name, if(is_aggregate, 'aggregate', 'function') AS kind, syntax
FROM system.functions WHERE name ILIKE concat('%', {name:String}, '%') AND alias_to = '' ORDER BY name LIMIT 200"""
_DATABASES = "SELECT name, engine FROM system.databases ORDER BY name"


class Command(NamedTuple):
    """A command and what stands behind it."""

    name: str
    argument: str


class Lookup(NamedTuple):
    """A statement that answers a command. empty: what is said if there is no row."""

    statement: str
    parameters: dict[str, str]
    empty: str = "nothing"


def command_of(line: str) -> Command:
    r"""Return the command of a line; a `;` at its end is habit and means nothing.

    >>> command_of("\\d  ledger ;")
    Command(name='\\d', argument='ledger')
    """
    name, _, argument = line.strip().removesuffix(";").rstrip().partition(" ")
    return Command(name, argument.strip())


def lookup_of(command: Command) -> Lookup | None:
    """Return what a command looks up, None if it looks up nothing."""
    name, argument = command
    if name == r"\d" and argument:
        return Lookup(_COLUMNS, {"name": argument}, "there is no table or view of this name")
    kinds = {r"\d": "", r"\dt": "table", r"\dv": "view"}
    if name in kinds:
        return Lookup(_RELATIONS, {"kind": kinds[name]}, "the database is empty: `esep migrate` makes tables and views")
    if name == r"\df":
        return Lookup(_FUNCTIONS, {"name": argument}, "there is no such function")
    return Lookup(_DATABASES, {}) if name == r"\l" else None


def help_text() -> str:
    """Return the list of commands."""
    width = max(len(text) for text, _ in HELP)
    lines = [f"{text:<{width}}  {meaning}" for text, meaning in HELP]
    return "\n".join([*lines, "", "A statement ends with ; and may have many lines. Ctrl-C ends a query that runs."])
