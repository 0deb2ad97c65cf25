"""The file of a spool: made, opened, locked, and told apart from any other file.

Reads     a path
Returns   connections to the SQLite file behind it
Promises  one writer at a time, in this process and all others; a writer's commit waits for the disk (WAL and
          synchronous=FULL: it survives a power cut); readers wait for nobody (docs/decisions/0011; box: producers)
"""

from __future__ import annotations

import os
import sqlite3
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from esep.errors import FileUnusable
from esep.producers.answers import State

if TYPE_CHECKING:
    from collections.abc import Iterator

APPLICATION_ID = 0x65736570  # "esep", in the head of the file.
VERSION = 1
PAGE_BYTES = 4096
_SCHEMA = Path(__file__).with_name("spool.sql").read_text(encoding="utf-8")
_BUSY_S = 5.0  # The last one to leave tidies up, which may take a moment.


def lock_spool(path: Path) -> sqlite3.Connection:
    """Return what holds a spool until it is closed; FileUnusable if somebody else does.

    The lock ends with the process, on every system alike.
    """
    try:
        lock = sqlite3.connect(f"{path}.lock", timeout=0, isolation_level=None, check_same_thread=False)
        lock.execute("BEGIN EXCLUSIVE")
    except sqlite3.OperationalError as error:
        if error.sqlite_errorcode == sqlite3.SQLITE_BUSY:
            raise FileUnusable(
                f"the spool {path} is in use",
                detail="another client, here or in another process, gives its numbers",
                hint="one client per spool: let others send through it, or give them spools and streams of their own",
            ) from error
        raise _unusable(path, error) from error
    return lock


def open_spool(path: Path, organizer_bin: str) -> sqlite3.Connection:
    """Return the connection that writes, durable with each commit; makes the file if there is none.

    Raises FileUnusable for a file that is none of ours or another organizer's. The caller holds the lock.
    """
    with _looked_at(path, read_only=False) as file:
        if not file.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]:
            _create(file, path, organizer_bin)
        _refuse_other_file(file, path)
        _refuse_other_organizer(file, path, organizer_bin)
        file.execute("PRAGMA synchronous = FULL")  # With WAL: each commit waits for the disk.
        file.execute("DELETE FROM notices WHERE stream IS NULL")  # They wait for acknowledgements of one process.
    return file


def _create(file: sqlite3.Connection, path: Path, organizer_bin: str) -> None:
    file.execute(f"PRAGMA page_size = {PAGE_BYTES}")
    file.execute("PRAGMA journal_mode = WAL")
    file.execute("PRAGMA synchronous = FULL")
    file.execute("BEGIN IMMEDIATE")
    for statement in _statements(_SCHEMA):
        file.execute(statement)
    file.execute("INSERT INTO spool VALUES (?, 0)", (organizer_bin,))
    file.executemany("INSERT INTO tally VALUES (?, 0)", [(state,) for state in State])
    file.execute(f"PRAGMA application_id = {APPLICATION_ID}")
    file.execute(f"PRAGMA user_version = {VERSION}")
    file.execute("COMMIT")
    folder = os.open(path.parent, os.O_RDONLY)  # So that the names of the files survive a power cut as well.
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def read_spool(path: Path) -> sqlite3.Connection:
    """Return a connection that only reads, beside whoever writes; FileUnusable if it is no spool."""
    with _looked_at(path, read_only=True) as file:
        _refuse_other_file(file, path)
    return file


@contextmanager
def _looked_at(path: Path, *, read_only: bool) -> Iterator[sqlite3.Connection]:
    """Open a file, which stays open if nothing is wrong with it: what SQLite finds becomes FileUnusable."""
    try:
        file = sqlite3.connect(
            f"{path.resolve().as_uri()}?mode=ro" if read_only else path,
            uri=read_only,
            timeout=_BUSY_S,
            isolation_level=None,
            check_same_thread=False,
        )
        try:
            yield file
        except BaseException:
            file.close()
            raise
    except sqlite3.Error as error:
        raise _unusable(path, error) from error


def _refuse_other_file(file: sqlite3.Connection, path: Path) -> None:
    head = tuple(file.execute(f"PRAGMA {name}").fetchone()[0] for name in ("application_id", "user_version"))
    if head != (APPLICATION_ID, VERSION):
        raise FileUnusable(f"{path} is no spool of this version", hint="name another file")


def _refuse_other_organizer(file: sqlite3.Connection, path: Path, organizer_bin: str) -> None:
    (owner,) = file.execute("SELECT organizer_bin FROM spool").fetchone()
    if owner != organizer_bin:
        raise FileUnusable(f"the spool {path} is that of {owner}", hint=f"give {organizer_bin} a file of its own")


def _statements(script: str) -> Iterator[str]:
    """Yield the statements of a script, triggers whole: `executescript` would commit before it begins."""
    statement = ""
    for line in script.splitlines(keepends=True):
        statement += line
        if sqlite3.complete_statement(statement):
            yield statement
            statement = ""


def _unusable(path: Path, error: sqlite3.Error) -> FileUnusable:
    return FileUnusable(
        f"the spool {path} cannot be opened",
        detail=str(error),
        hint="its folder must exist and be writable, on a disk of this machine",
    )
