"""An answer as text: as a table of ours or in a format of ClickHouse's; on the screen, page by page, or in a file.

Reads     one statement's answer, piece by piece
Writes    the terminal, a pager, a file that its owner alone can read
Promises  what a format prints is ClickHouse's own, but for `table`; a file is there whole or not at all; a pager keeps
          no history and runs no commands (clause O9-5.1; box: cli)
"""

from __future__ import annotations

import io
import os
import shutil
import subprocess
from contextlib import closing, suppress
from enum import StrEnum
from itertools import islice
from typing import TYPE_CHECKING, Any

from rich.console import Console

from esep.cli.output import table_of
from esep.cli.shell.text import READING, first_word

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from pathlib import Path

    from clickhouse_connect.driver.client import Client

ROWS_MAX = 10_000  # Of a table on the screen: its columns are as wide as the widest value, so all must be there first.
_PIECE_BYTES = 1 << 16
_LESS = {"LESS": "-SRFX", "LESSHISTFILE": "-", "LESSSECURE": "1"}


class Format(StrEnum):
    """How the answer is written."""

    TABLE = "table"
    VERTICAL = "vertical"
    TSV = "tsv"
    CSV = "csv"
    JSON = "json"
    JSONL = "jsonl"
    MARKDOWN = "markdown"
    PARQUET = "parquet"


RAW = {  # The names of ClickHouse's own formats.
    Format.VERTICAL: "Vertical",
    Format.TSV: "TSVWithNames",
    Format.CSV: "CSVWithNames",
    Format.JSON: "JSON",
    Format.JSONL: "JSONEachRow",
    Format.MARKDOWN: "Markdown",
    Format.PARQUET: "Parquet",
}


def pieces_of(
    client: Client,
    statement: str,
    form: Format,
    settings: Mapping[str, Any],
    parameters: Mapping[str, Any] | None = None,
    empty: str = "",
) -> Iterator[bytes]:
    """Yield the answer of a statement; a statement that only does something is done at once and answers little.

    empty: what is said in place of a table without rows.
    """
    if first_word(statement) not in READING:
        summary = client.command(statement, parameters=dict(parameters or {}), settings=dict(settings))
        yield f"{summary}\n".encode() if isinstance(summary, str | int) else b"done\n"
    elif form is Format.TABLE:
        yield _table(client, statement, settings, parameters, empty).encode()
    else:
        stream: Any = client.raw_stream(
            statement, parameters=dict(parameters or {}), settings=dict(settings), fmt=RAW[form]
        )
        with closing(stream):
            while piece := stream.read(_PIECE_BYTES):
                yield piece


def _table(
    client: Client, statement: str, settings: Mapping[str, Any], parameters: Mapping[str, Any] | None, empty: str
) -> str:
    stream = client.query_row_block_stream(statement, parameters=dict(parameters or {}), settings=dict(settings))
    with stream as blocks:
        rows = list(islice((row for block in blocks for row in block), ROWS_MAX + 1))
    if empty and not rows:
        return f"{empty}\n"
    source: Any = stream.source
    text = io.StringIO()
    width = shutil.get_terminal_size().columns
    Console(file=text, width=width, force_terminal=False).print(table_of("", source.column_names, rows[:ROWS_MAX]))
    count = f"{len(rows):,} rows" if len(rows) <= ROWS_MAX else f"the first {ROWS_MAX:,} rows; \\f tsv shows all"
    return f"{text.getvalue()}{count}\n"


def show(pieces: Iterable[bytes], write: io.BufferedIOBase, *, lines_max: int, pager: str = "") -> None:
    """Write an answer; from more lines than lines_max on through a pager, if one is named."""
    held, pieces = bytearray(), iter(pieces)
    for piece in pieces:
        held += piece
        if pager and held.count(b"\n") > lines_max:
            _through(pager, _chained(bytes(held), pieces))
            return
        if not pager:
            write.write(held)
            held.clear()
    write.write(held)
    write.flush()


def _chained(first: bytes, rest: Iterable[bytes]) -> Iterator[bytes]:
    yield first
    yield from rest


def _through(pager: str, pieces: Iterable[bytes]) -> None:
    """Feed a pager until it has all or wants no more."""
    with subprocess.Popen([pager], stdin=subprocess.PIPE, env={**os.environ, **_LESS}) as process:  # noqa: S603 - ours
        assert process.stdin is not None  # noqa: S101 - asked for
        try:
            with suppress(BrokenPipeError):
                for piece in pieces:
                    process.stdin.write(piece)
        finally:
            with suppress(BrokenPipeError):
                process.stdin.close()
            _wait(process)


def _wait(process: subprocess.Popen[bytes]) -> None:
    """Wait for a pager, which takes Ctrl-C as its own."""
    while True:
        try:
            process.wait()
        except KeyboardInterrupt:
            continue
        return


def pager_of() -> str:
    """Return the pager that is there, empty if none is."""
    return shutil.which("less") or ""


def write_file(path: Path, pieces: Iterable[bytes]) -> int:
    """Write an answer into a file that its owner alone can read, and return its bytes; what was there is replaced."""
    part, size = path.with_name(f".{path.name}.part"), 0
    part.unlink(missing_ok=True)
    try:
        with os.fdopen(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
            for piece in pieces:
                size += file.write(piece)
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)
    return size
