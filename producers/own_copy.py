"""What an organizer itself has of its messages, as their digests by stream and sequence.

Reads     spools, and copies made by `esep spool export`
Returns   `OwnCopy`: runs of digests, and which sequences are there
Promises  every file is read once and changed never; memory is bounded (what is large lies in a file of its own that
          goes with the process); two files that tell of one event in two ways are refused (clause O9-4.5;
          box: producers)
"""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from hashlib import sha256
from typing import TYPE_CHECKING, overload

import polars as pl
import pyarrow.parquet as pq

from esep.closing import Closing
from esep.errors import FileUnusable
from esep.identifiers import masked
from esep.producers.spool_reader import SpoolReader

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

    Row = tuple[str, int, bytes]  # Stream, sequence, message.

_PAGE_ROWS = 20_000
_COLUMNS = ["organizer_bin", "stream_id", "sequence", "value"]


class OwnCopy(Closing):
    """The digests of an organizer's messages. paths: spools and exports, told apart by what is in them.

    Raises FileUnusable for a file that is neither, another organizer's, or contradicts another one.
    """

    def __init__(self, organizer_bin: str, paths: Sequence[Path]) -> None:
        self._file = sqlite3.connect("", isolation_level=None)  # A file of SQLite's own, spilled to when it grows.
        self._file.execute(
            "CREATE TABLE digests (stream_id TEXT, sequence INTEGER, digest BLOB, "
            "PRIMARY KEY (stream_id, sequence)) WITHOUT ROWID"
        )
        for path in paths:
            self._take(path, organizer_bin)

    @property
    def streams(self) -> list[str]:
        """The streams of which something is there, in order."""
        return [row[0] for row in self._file.execute("SELECT DISTINCT stream_id FROM digests ORDER BY stream_id")]

    def digests(self, stream_id: str, first: int, last: int) -> list[bytes] | None:
        """Return the digests of the sequences from first through last, None if one of them is not there."""
        query = "SELECT digest FROM digests WHERE stream_id = ? AND sequence BETWEEN ? AND ? ORDER BY sequence"
        found = [row[0] for row in self._file.execute(query, (stream_id, first, last))]
        return found if len(found) == last - first + 1 else None

    def lacking(self, stream_id: str, first: int, last: int) -> int:
        """Return how many of the sequences from first through last are not there."""
        query = "SELECT count(*) FROM digests WHERE stream_id = ? AND sequence BETWEEN ? AND ?"
        (there,) = self._file.execute(query, (stream_id, first, last)).fetchone()
        return last - first + 1 - int(there)

    def series(self, stream_id: str, first: int, last: int) -> Series:
        """Return the digests of the sequences from first through last; FileUnusable if one of them is not there."""
        if lacking := self.lacking(stream_id, first, last):
            raise FileUnusable(
                f"the copy lacks {lacking:,} of the messages {first:,} to {last:,} of stream {masked(stream_id)}",
                hint="name every file that holds some of them: --copy may be given more than once",
            )
        return Series(self, stream_id, first, last)

    def close(self) -> None:
        """Forget all of it."""
        self._file.close()

    def _take(self, path: Path, organizer_bin: str) -> None:
        pages = _export_pages(path, organizer_bin) if _is_parquet(path) else _spool_pages(path, organizer_bin)
        for page in pages:
            rows = [(stream_id, sequence, sha256(value).digest()) for stream_id, sequence, value in page]
            self._file.execute("BEGIN")
            added = self._file.executemany("INSERT OR IGNORE INTO digests VALUES (?, ?, ?)", rows).rowcount
            self._file.execute("COMMIT")
            if added < len(rows):
                self._refuse_others(path, rows)

    def _refuse_others(self, path: Path, rows: Iterable[Row]) -> None:
        query = "SELECT 1 FROM digests WHERE stream_id = ? AND sequence = ? AND digest = ?"
        for row in rows:
            if self._file.execute(query, row).fetchone() is None:
                raise FileUnusable(
                    f"{path} contradicts another file of the copy",
                    detail=f"two messages have the number {row[1]:,} in stream {masked(row[0])}",
                )


class Series(Sequence[bytes]):
    """The digests of consecutive sequences of one stream, read from the copy a run at a time."""

    def __init__(self, copy: OwnCopy, stream_id: str, first: int, last: int) -> None:
        self._copy = copy
        self._stream_id = stream_id
        self._sequences = range(first, last + 1)

    def __len__(self) -> int:
        return len(self._sequences)

    @overload
    def __getitem__(self, at: int) -> bytes: ...
    @overload
    def __getitem__(self, at: slice) -> list[bytes]: ...
    def __getitem__(self, at: int | slice) -> bytes | list[bytes]:
        """Return one digest, or those of a slice without a step, counted from 0 as of a list."""
        wanted = self._sequences[at]
        run = range(wanted, wanted + 1) if isinstance(wanted, int) else wanted
        found = self._copy.digests(self._stream_id, run.start, run.stop - 1) or []
        return found[0] if isinstance(wanted, int) else found


def _is_parquet(path: Path) -> bool:
    try:
        with path.open("rb") as file:
            return file.read(4) == b"PAR1"
    except OSError as error:
        raise FileUnusable(f"{path} cannot be read", detail=error.strerror or "", hint="name another file") from error


def _spool_pages(path: Path, organizer_bin: str) -> Iterator[list[Row]]:
    with SpoolReader(path) as reader:
        _refuse_other(path, {reader.organizer_bin}, organizer_bin)
        after = 0
        while rows := reader.page(after, _PAGE_ROWS):
            yield [(row["stream_id"], row["sequence"], row["value"]) for row in rows]
            after = rows[-1]["id"]


def _export_pages(path: Path, organizer_bin: str) -> Iterator[list[Row]]:
    try:
        with pq.ParquetFile(path) as file:
            for batch in file.iter_batches(_PAGE_ROWS, columns=_COLUMNS):
                page = pl.DataFrame(batch).select(_COLUMNS)
                _refuse_other(path, set(page["organizer_bin"]), organizer_bin)
                yield list(page.drop("organizer_bin").iter_rows())
    except (OSError, ValueError, pl.exceptions.PolarsError) as error:
        raise FileUnusable(f"{path} is no export of a spool", detail=type(error).__name__) from error


def _refuse_other(path: Path, found: set[str], organizer_bin: str) -> None:
    if found - {organizer_bin}:
        raise FileUnusable(f"{path} is another organizer's than {organizer_bin}")
