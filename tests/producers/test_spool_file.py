"""The file of a spool: locked for one writer, open to readers, and nobody else's."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from esep.errors import FileUnusable
from esep.producers.spool_file import APPLICATION_ID, VERSION, lock_spool, open_spool, read_spool
from tests.producers.bets import ROOT
from tests.producers.spooling import ORGANIZER

if TYPE_CHECKING:
    from pathlib import Path

DIES_LOCKED = """
import os, signal, sys
from pathlib import Path
from esep.producers.spool_file import lock_spool
lock = lock_spool(Path(sys.argv[1]))
os.kill(os.getpid(), signal.SIGKILL)
"""


def test_lock_ends_with_its_process_even_if_that_is_killed(tmp_path: Path) -> None:
    path = tmp_path / "esep.spool"
    died = subprocess.run([sys.executable, "-c", DIES_LOCKED, str(path)], cwd=ROOT, timeout=60, check=False)
    assert died.returncode == -9
    lock = lock_spool(path)
    with pytest.raises(FileUnusable, match="is in use"):
        lock_spool(path)
    lock.close()
    lock_spool(path).close()


def test_reader_reads_beside_the_writer_and_cannot_write(tmp_path: Path) -> None:
    path = tmp_path / "esep.spool"
    writer = open_spool(path, ORGANIZER)
    reader = read_spool(path)
    writer.execute("BEGIN IMMEDIATE")
    writer.execute("INSERT INTO streams (stream_id, next_sequence) VALUES ('desk-7', 1)")
    assert reader.execute("SELECT count(*) FROM streams").fetchone() == (0,)
    writer.execute("COMMIT")
    assert reader.execute("SELECT count(*) FROM streams").fetchone() == (1,)
    with pytest.raises(sqlite3.OperationalError, match="readonly"):
        reader.execute("DELETE FROM streams")
    reader.close()
    writer.close()


def test_spool_that_is_not_there_is_not_made_by_reading(tmp_path: Path) -> None:
    with pytest.raises(FileUnusable, match="cannot be opened"):
        read_spool(tmp_path / "nosuch.spool")
    assert list(tmp_path.iterdir()) == []


def test_spool_of_a_later_version_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "esep.spool"
    file = open_spool(path, ORGANIZER)
    assert file.execute("PRAGMA application_id").fetchone() == (APPLICATION_ID,)
    file.execute(f"PRAGMA user_version = {VERSION + 1}")
    file.close()
    with pytest.raises(FileUnusable, match="no spool of this version"):
        open_spool(path, ORGANIZER)
    with pytest.raises(FileUnusable, match="no spool of this version"):
        read_spool(path)
