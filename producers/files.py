"""A CSV file as lines and columns of text: what can be read, and which lines cannot.

Reads     a file: UTF-8 (a byte order mark is passed over), comma-separated, first line the header
Returns   `FileRows`: a text column per column of the header, and the lines that are none
Promises  every line after the header is a row, a reject with its line number, or blank; one bad line costs no other;
          no text of an error holds a value of the file (box: producers)

One line is one row: a quoted field may hold commas and doubled quotes, but no line break, so that a stray quote costs
its own line only, and line numbers are those of any editor.
"""

from __future__ import annotations

import csv
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

import polars as pl

from esep.errors import FileUnusable
from esep.producers.row_codes import text_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

FILE_BYTES_MAX = 256 * 1024 * 1024  # About four million rows, which take some 4 GB of memory while they are mapped.
LINE = "_line"  # Column with the line number in the file; the header is line 1.
_SLICE_LINES = 20_000  # Turned into columns at a time: lists of a whole file would keep the collector busy.
REJECTS = pl.Schema({LINE: pl.UInt32, "code": pl.String, "field": pl.String})  # Columns of a frame of rejected rows.

_UTF8_MARK, _UTF16_MARKS = b"\xef\xbb\xbf", (b"\xff\xfe", b"\xfe\xff")


@dataclass(frozen=True, slots=True)
class FileRows:
    """Rows of a file, whatever its kind.

    table: readable rows, text columns and LINE. rejects: the others (REJECTS). lines: all of them, raw. original: the
    rows as they came, where they came in no lines.
    """

    table: pl.DataFrame
    rejects: pl.DataFrame
    lines: list[bytes]
    original: pl.DataFrame | None = None


def read_rows(path: Path, columns: Sequence[str]) -> FileRows:
    """Return the rows of a file that has exactly these columns, in any order.

    Raises FileUnusable with one of the codes of scope `file`: FILE_EMPTY, FILE_NOT_UTF8, COLUMN_MISSING,
    COLUMN_UNKNOWN, COLUMN_TWICE; or because the file cannot be opened or is larger than FILE_BYTES_MAX.
    """
    lines = read_lines(path)
    header = _header(path, lines[0], columns)
    tables, rejects = [], []
    for first in range(1, max(len(lines), 2), _SLICE_LINES):
        table, refused = _read_slice(lines[first : first + _SLICE_LINES], first + 1, header)
        tables.append(table)
        rejects.append(refused)
    return FileRows(pl.concat(tables), pl.concat(rejects), lines)


def refuse_existing(path: Path) -> None:
    """Raise FileUnusable if there is a file already: it may hold rows that somebody has mended."""
    if path.exists():
        raise FileUnusable(f"{path} exists already", hint="name a new file, or send that one first and remove it")


def write_lines(path: Path, lines: Sequence[bytes], numbers: Iterable[int]) -> None:
    """Write the lines with these numbers (from 1), byte for byte, into a new file; FileUnusable if it cannot."""
    try:
        with path.open("xb") as file:
            file.writelines(lines[number - 1] + b"\n" for number in sorted(numbers))
    except OSError as error:
        raise FileUnusable(
            f"the rejected rows cannot be written to {path}", detail=error.strerror or "", hint="name a new file"
        ) from error


def refuse_too_large(path: Path) -> None:
    """Raise FileUnusable if a file is larger than FILE_BYTES_MAX, or cannot be looked at."""
    try:
        size_bytes = path.stat().st_size
    except OSError as error:
        raise FileUnusable(f"{path} cannot be read", detail=error.strerror or "", hint="name another file") from error
    if size_bytes > FILE_BYTES_MAX:
        raise FileUnusable(
            f"{path} is too large",
            detail=f"it has {size_bytes:,} bytes, more than {FILE_BYTES_MAX:,}",
            hint="cut it into several files, by day for example; each is a stream of its own",
        )


def read_lines(path: Path) -> list[bytes]:
    """Return the lines of a text file; FileUnusable with FILE_EMPTY or FILE_NOT_UTF8, or because it cannot be read."""
    refuse_too_large(path)
    try:
        data = path.read_bytes()
    except OSError as error:
        raise FileUnusable(f"{path} cannot be read", detail=error.strerror or "", hint="name another file") from error
    if data.startswith(_UTF16_MARKS):
        raise unusable(path, "FILE_NOT_UTF8", "It begins with the mark of UTF-16.", "save it as UTF-8", 1)
    data = data.removeprefix(_UTF8_MARK)
    if not data.strip():
        raise unusable(path, "FILE_EMPTY", "It has no line.", "name another file", 1)
    lines = [line.removesuffix(b"\r") for line in data.split(b"\n")]
    return lines if lines[-1] else lines[:-1]


def refuse_columns(path: Path, missing: Sequence[str], unknown: Sequence[str], line: int | None = None) -> None:
    """Raise FileUnusable with COLUMN_MISSING or COLUMN_UNKNOWN if there are such columns; line: where they stand."""
    if missing:
        do = "add the columns, or use a mapping for this kind of file; the first line of a CSV file is its header"
        raise unusable(path, "COLUMN_MISSING", f"It is {', '.join(missing)}.", do, line)
    if unknown:
        do = "remove the columns, or name them under columns in the mapping"
        raise unusable(path, "COLUMN_UNKNOWN", f"It is {', '.join(map(_without_numbers, unknown))}.", do, line)


def _header(path: Path, line: bytes, columns: Sequence[str]) -> list[str]:
    try:
        names = next(csv.reader([line.decode("utf-8")]), [])
    except UnicodeDecodeError as error:
        raise unusable(path, "FILE_NOT_UTF8", "Its header is not.", "save it as UTF-8", 1) from error
    missing = [name for name in columns if name not in names]
    unknown = [f"{name} (column {place})" for place, name in enumerate(names, 1) if name not in columns]
    refuse_columns(path, missing, unknown, 1)
    if len(set(names)) != len(names):
        raise unusable(path, "COLUMN_TWICE", "", "rename or remove one of them", 1)
    return names


def _read_slice(lines: list[bytes], first_number: int, header: list[str]) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Return the rows and the rejects of some lines, the first of which has this number."""
    fields: list[list[str]] = []
    numbers: list[int] = []
    rejects: list[tuple[int, str, None]] = []
    for number, line in enumerate(lines, start=first_number):
        read = _fields(line, len(header))
        if isinstance(read, str):
            rejects.append((number, read, None))
        elif read:
            fields.append(read)
            numbers.append(number)
    by_column = zip(*fields, strict=True) if fields else ((),) * len(header)
    table = {name: pl.Series(name, list(texts), dtype=pl.String) for name, texts in zip(header, by_column, strict=True)}
    lined = pl.DataFrame(table).with_columns(pl.Series(LINE, numbers, dtype=pl.UInt32))
    return lined, pl.DataFrame(rejects, schema=REJECTS, orient="row")


def _fields(line: bytes, count: int) -> list[str] | str:
    """Return the fields of a line, none for a blank one, or the code that says why it is not a row."""
    try:
        text = line.decode("utf-8")
    except UnicodeDecodeError:
        return "ROW_NOT_UTF8"
    if '"' in text:
        try:
            fields = next(csv.reader([text], strict=True))
        except csv.Error:
            return "ROW_QUOTE_OPEN"
    else:
        fields = text.split(",") if text.strip() else []
    return fields if len(fields) in {0, count} else "ROW_FIELD_COUNT"


def _without_numbers(name: str) -> str:
    """Return a name for an error text: where the header is missing, the first line holds data, even an IIN."""
    return re.sub(r"\d{4,}", "…", name)


def unusable(path: Path, code: str, detail: str, hint: str, line: int | None = None) -> FileUnusable:
    """Return the error for a file that is refused as a whole, with a code of scope `file`."""
    where = f", line {line}" if line else ""
    why = f"{text_of(code)} {detail}".rstrip()
    return FileUnusable(f"{path}{where} cannot be sent: {code}", detail=why, hint=hint, code=code, line=line)
