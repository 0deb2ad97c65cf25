"""The organizer's own copy holds every event, its message, and what became of it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import polars as pl
import pyarrow.parquet as pq
import pytest

from esep.errors import FileUnusable
from esep.events import Correction, Values
from esep.producers import spool_export
from esep.producers.spool import Ack, Spool
from esep.producers.spool_export import export_spool
from tests.producers.spooling import AT, ORGANIZER, bet, kept, paid, refused, told

if TYPE_CHECKING:
    from pathlib import Path


def make_spool(path: Path) -> Spool:
    was = Values(**bet("t-1").model_dump(), event_type="WAGER")
    correction = Correction(
        target_sequence=1, replaces_revision=0, corrected_at=AT, reason="typed twice", was=was, now=None
    )
    spool = Spool(path, ORGANIZER)
    with spool.transaction():
        spool.append("desk-7", [bet("t-1"), paid("t-1"), correction, bet("t-2")])
        spool.acknowledge([Ack(1, 0, 0), Ack(2, 0, 1), Ack(3, 0, 2)])
        spool.take_receipts([(5, told(1, consumed={"desk-7": [1, 2]}, rejects=[refused(1, "desk-7", 2)]))])
    return spool


def test_copy_has_fields_message_and_answer_of_each_event_in_order(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Pages of one event, so that each is of one type only."""
    monkeypatch.setattr(spool_export, "_PAGE_ROWS", 1)
    spool = make_spool(tmp_path / "esep.spool")
    out = tmp_path / "copy.parquet"
    assert export_spool(spool.path, out) == 4
    copy = pl.read_parquet(out)
    assert copy["sequence"].to_list() == [1, 2, 3, 4]
    assert copy["event_type"].to_list() == ["WAGER", "PAYOUT", "CORRECTION", "WAGER"]
    assert copy["state"].to_list() == ["RECEIPTED", "REJECTED", "SENT", "SPOOLED"]
    assert copy["reject_code"].to_list() == [None, "IIN_INVALID", None, None]
    assert copy["receipt_offset"].to_list() == [5, 5, None, None]
    assert copy["offset"].to_list() == [0, 1, 2, None]
    assert copy["amount_tiyn"].to_list() == [5_000_00, 9_250_00, None, 5_000_00]
    assert copy["won_tiyn"].to_list() == [None, 4_250_00, None, None]
    assert copy["was"].struct.field("wager_id").to_list() == [None, None, "t-1", None]
    assert copy["sent_at"].is_null().to_list() == [False, False, False, True]
    assert copy["value"].to_list() == [row.value for row in kept(spool.path)]
    assert pq.ParquetFile(out).metadata.row_group(0).column(0).compression == "ZSTD"
    assert not [path for path in tmp_path.iterdir() if path.name.endswith(".part")]
    spool.close()


def test_copy_of_an_empty_spool_has_all_columns(tmp_path: Path) -> None:
    Spool(tmp_path / "esep.spool", ORGANIZER).close()
    assert export_spool(tmp_path / "esep.spool", tmp_path / "copy.parquet") == 0
    assert {"amount_tiyn", "was", "value", "state"} < set(pl.read_parquet(tmp_path / "copy.parquet").columns)


def test_nothing_is_written_over_and_what_is_no_spool_leaves_no_file(tmp_path: Path) -> None:
    make_spool(tmp_path / "esep.spool").close()
    (tmp_path / "copy.parquet").write_text("last year's")
    with pytest.raises(FileUnusable, match="is there already"):
        export_spool(tmp_path / "esep.spool", tmp_path / "copy.parquet")
    with pytest.raises(FileUnusable, match="cannot be opened"):
        export_spool(tmp_path / "nosuch.spool", tmp_path / "new.parquet")
    with pytest.raises(FileUnusable, match="cannot be written"):
        export_spool(tmp_path / "esep.spool", tmp_path / "nosuch" / "new.parquet")
    assert not (tmp_path / "new.parquet").exists()
