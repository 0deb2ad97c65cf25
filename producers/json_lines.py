"""A JSON Lines file as columns of text: one object a line, its keys are the columns.

Reads     a file: UTF-8 (a byte order mark is passed over), one JSON object per line
Returns   `FileRows`, as for CSV: a text column per column of the mapping, and the lines that are none
Promises  every line is a row, a reject with its line number, or blank; a number is taken by its digits as they stand,
          never rounded; no text of an error holds a value of the file (box: producers)

A key that is absent in a row is a column without a value there, as null is. A key that no mapping knows is an error:
of the file where every row has it, else of the row. A column that no row has is one that the file lacks.
"""

from __future__ import annotations

import json
from collections import Counter
from typing import TYPE_CHECKING, Any, NoReturn

import polars as pl

from esep.producers.files import LINE, REJECTS, FileRows, read_lines, refuse_columns

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

_SLICE_LINES = 20_000  # Turned into columns at a time: lists of a whole file would keep the collector busy.
_TRUTH = {True: "true", False: "false"}


def read_json_lines(path: Path, columns: Sequence[str]) -> FileRows:
    """Return the rows of a file whose objects have these keys.

    Raises FileUnusable with one of the codes of scope `file`: FILE_EMPTY, FILE_NOT_UTF8, COLUMN_MISSING,
    COLUMN_UNKNOWN; or because the file cannot be opened or is too large.
    """
    lines = read_lines(path)
    known, seen = frozenset(columns), Counter[str]()
    tables, rejects = [], []
    objects = 0
    for first in range(0, len(lines), _SLICE_LINES):
        rows: list[list[str | None]] = []
        numbers: list[int] = []
        refused: list[tuple[int, str, str | None]] = []
        for number, line in enumerate(lines[first : first + _SLICE_LINES], start=first + 1):
            read = _object(line)
            if isinstance(read, str):
                refused.append((number, read, None))
            elif read is not None:
                objects += 1
                seen.update(read.keys())
                fault = _fault(read, known)
                if fault:
                    refused.append((number, *fault))
                else:
                    rows.append([_text(read.get(name)) for name in columns])
                    numbers.append(number)
        tables.append(_table(rows, numbers, columns))
        rejects.append(pl.DataFrame(refused, schema=REJECTS, orient="row"))
    everywhere = [name for name, count in seen.items() if count == objects and name not in known]
    if objects:
        refuse_columns(path, [name for name in columns if name not in seen], everywhere)
    return FileRows(pl.concat(tables), pl.concat(rejects), lines)


def _object(line: bytes) -> dict[str, Any] | str | None:
    """Return the object of a line, None for a blank one, or the code that says why it is none."""
    try:
        text = line.decode("utf-8")
    except UnicodeDecodeError:
        return "ROW_NOT_UTF8"
    if not text.strip():
        return None
    try:
        read = json.loads(
            text, object_pairs_hook=_pairs, parse_int=str, parse_float=str, parse_constant=_refuse_constant
        )
    except _TwiceError:
        return "ROW_KEY_TWICE"
    except (ValueError, RecursionError):
        return "ROW_NOT_JSON"
    if not isinstance(read, dict):
        return "ROW_NOT_JSON"
    return read if "\\u" not in text or _is_unicode(read) else "ROW_NOT_UTF8"


class _TwiceError(Exception):
    """An object names a key twice."""


def _pairs(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise _TwiceError
    return found


def _refuse_constant(_name: str) -> NoReturn:
    """Refuse NaN and the infinities, which JSON does not know."""
    raise ValueError("no JSON")


def _is_unicode(read: dict[str, Any]) -> bool:
    """Return whether an object holds no half of a pair of surrogates, which an escape may name."""
    try:
        json.dumps(read, ensure_ascii=False).encode("utf-8")
    except UnicodeEncodeError:
        return False
    return True


def _fault(read: dict[str, Any], known: frozenset[str]) -> tuple[str, str | None] | None:
    if not known.issuperset(read):
        return "ROW_KEY_UNKNOWN", None  # The key is not repeated: it may be a value gone astray.
    nested = [name for name, value in read.items() if isinstance(value, dict | list)]
    return ("ROW_VALUE_NESTED", nested[0]) if nested else None


def _text(value: Any) -> str | None:
    return _TRUTH[value] if isinstance(value, bool) else value


def _table(rows: list[list[str | None]], numbers: list[int], columns: Sequence[str]) -> pl.DataFrame:
    by_column = zip(*rows, strict=True) if rows else ((),) * len(columns)
    table = {
        name: pl.Series(name, list(texts), dtype=pl.String) for name, texts in zip(columns, by_column, strict=True)
    }
    return pl.DataFrame(table).with_columns(pl.Series(LINE, numbers, dtype=pl.UInt32))
