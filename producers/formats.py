"""Which kind of file it is, by its ending: CSV, JSON Lines or Parquet.

Reads     a file's name, then the file
Returns   `FileRows`, the same for each kind
Promises  rejected rows are written in the form in which they came, so that they are mended and sent as the file was
          (box: producers)
"""

from __future__ import annotations

from enum import StrEnum, auto
from typing import TYPE_CHECKING

from esep.errors import UsageError
from esep.producers.files import FileRows, read_rows, write_lines
from esep.producers.json_lines import read_json_lines
from esep.producers.parquet import read_parquet, write_parquet

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path


class Form(StrEnum):
    """The kinds of files."""

    CSV = auto()
    JSON_LINES = auto()
    PARQUET = auto()


_BY_ENDING = {".jsonl": Form.JSON_LINES, ".ndjson": Form.JSON_LINES, ".parquet": Form.PARQUET}


def form_of(path: Path) -> Form:
    """Return the kind of a file; whatever has another ending is CSV.

    >>> from pathlib import Path
    >>> form_of(Path("desk-7.JSONL")).value, form_of(Path("desk-7.txt")).value
    ('json_lines', 'csv')
    """
    return _BY_ENDING.get(path.suffix.lower(), Form.CSV)


def read_file(path: Path, columns: Sequence[str]) -> FileRows:
    """Return the rows of a file of any kind; FileUnusable says why it cannot be used."""
    readers = {Form.CSV: read_rows, Form.JSON_LINES: read_json_lines, Form.PARQUET: read_parquet}
    return readers[form_of(path)](path, columns)


def refuse_other_form(path: Path, rejected_path: Path) -> None:
    """Raise UsageError if rejected rows of a file were to go to a file of another kind."""
    if form_of(path) is not form_of(rejected_path):
        raise UsageError(
            f"rejected rows of {path} cannot go to {rejected_path}",
            detail="they are kept as they came, so that the mended file is sent like the first one",
            hint=f"give the new file the ending {path.suffix or '.csv'}",
        )


def write_rows(path: Path, rows: FileRows, numbers: Iterable[int], form: Form) -> None:
    """Write the rows with these line or row numbers into a new file, as they came; FileUnusable if it cannot."""
    if rows.original is not None:
        write_parquet(path, rows.original, numbers)
    else:
        write_lines(path, rows.lines, [1, *numbers] if form is Form.CSV else numbers)
