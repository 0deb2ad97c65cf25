"""An own copy is the messages in its files, whichever kind of file each is in."""

from __future__ import annotations

from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path

import polars as pl
import pytest

from esep.errors import FileUnusable
from esep.producers import own_copy
from esep.producers.own_copy import OwnCopy
from esep.producers.spool import Spool
from esep.producers.spool_export import export_spool
from tests.producers.spooling import ORGANIZER, bet
from tests.support.told_receipts import DESK, FAR_DESK, Organizer


@pytest.fixture
def organizer(tmp_path: Path) -> Iterator[Organizer]:
    made = Organizer(tmp_path)
    for stream_id in (DESK, FAR_DESK, DESK):
        made.report(stream_id, 5)
    yield made
    made.close()


def test_spool_and_export_give_the_same_digests_page_by_page(
    organizer: Organizer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(own_copy, "_PAGE_ROWS", 4)
    export_spool(organizer.path, tmp_path / "copy.parquet")
    expected = [sha256(value).digest() for stream_id, _, value in organizer.messages() if stream_id == DESK]
    for paths in ([organizer.path], [tmp_path / "copy.parquet"], [organizer.path, tmp_path / "copy.parquet"]):
        with OwnCopy(ORGANIZER, paths) as copy:
            assert copy.streams == sorted([DESK, FAR_DESK])
            series = copy.series(DESK, 1, 10)
            assert series[:] == copy.digests(DESK, 1, 10) == expected
            assert (len(series), series[3], series[2:5], series[-1]) == (10, expected[3], expected[2:5], expected[-1])
            assert copy.series(DESK, 4, 6)[:] == expected[3:6]


def test_what_is_not_there_is_none_or_refused(organizer: Organizer) -> None:
    with OwnCopy(ORGANIZER, [organizer.path]) as copy:
        assert (copy.digests(DESK, 9, 11), copy.lacking(DESK, 9, 11), copy.lacking(DESK, 1, 10)) == (None, 1, 0)
        with pytest.raises(FileUnusable, match="lacks 1 of the messages 9 to 11"):
            copy.series(DESK, 9, 11)
        with pytest.raises(IndexError):
            copy.series(DESK, 1, 2)[2]


def test_other_organizer_and_other_files_are_refused(organizer: Organizer, tmp_path: Path) -> None:
    export_spool(organizer.path, tmp_path / "copy.parquet")
    for path in (organizer.path, tmp_path / "copy.parquet"):
        with pytest.raises(FileUnusable, match="another organizer's"):
            OwnCopy("950341000052", [path])
    (tmp_path / "other.parquet").write_bytes(b"PAR1 and no more")
    pl.DataFrame({"stream_id": ["desk-7"]}).write_parquet(tmp_path / "columns.parquet")
    (tmp_path / "text").write_text("neither")
    for name in ("other.parquet", "columns.parquet", "text", "missing"):
        with pytest.raises(FileUnusable):
            OwnCopy(ORGANIZER, [tmp_path / name])


def test_files_that_give_one_number_to_two_messages_are_refused(organizer: Organizer, tmp_path: Path) -> None:
    other = Spool(tmp_path / "other.spool", ORGANIZER)
    with other.transaction():
        other.append(DESK, [bet("another-ticket")])
    with pytest.raises(FileUnusable, match="contradicts"):
        OwnCopy(ORGANIZER, [organizer.path, other.path])
    other.close()
