"""A Parquet file is read as the texts that its columns hold, exactly; its rows are numbered from 1."""

from __future__ import annotations

from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from esep.errors import FileUnusable
from esep.producers import files, parquet
from esep.producers.converters import instants, tiyn
from esep.producers.files import LINE
from esep.producers.parquet import read_parquet, write_parquet
from tests.support.examples import examples

NOON = datetime(2026, 11, 20, 12, 0, 0, 250_000, tzinfo=UTC)


def _write(folder: Path, columns: dict[str, Any]) -> Path:
    path = folder / "desk-7.parquet"
    pq.write_table(pa.table(columns), path)
    return path


@pytest.mark.parametrize(
    ("column", "texts"),
    [
        (pa.array(["t-1", None, ""]), ["t-1", None, ""]),
        (pa.array(["a", "b", "a"]).dictionary_encode(), ["a", "b", "a"]),
        (pa.array([500, -3, None], pa.int16()), ["500", "-3", None]),
        (pa.array([Decimal("1150000.10"), Decimal("0.53"), None]), ["1150000.10", "0.53", None]),
        (pa.array([0.1, 1150000.0, None], pa.float64()), ["0.1", "1150000.0", None]),
        (pa.array([True, False, None]), ["true", "false", None]),
        (pa.array([None, None, None], pa.null()), [None, None, None]),
    ],
)
def test_column_of_a_plain_kind_is_read_as_its_texts(tmp_path: Path, column: pa.Array, texts: list[str | None]) -> None:
    rows = read_parquet(_write(tmp_path, {"stake": column}), ["stake"])
    assert rows.table.rows() == list(zip(texts, [1, 2, 3], strict=True))
    assert rows.rejects.is_empty()


@pytest.mark.parametrize("unit", ["s", "ms", "us", "ns"])
def test_instant_with_a_zone_is_one_and_without_a_zone_is_none(tmp_path: Path, unit: str) -> None:
    at = pa.array([NOON, None], pa.timestamp("us", "UTC")).cast(pa.timestamp(unit, "Asia/Almaty"), safe=False)
    naive = pa.array([NOON.replace(tzinfo=None), None], pa.timestamp("us")).cast(pa.timestamp(unit), safe=False)
    days = pa.array([date(2026, 11, 20), None])
    table = read_parquet(_write(tmp_path, {"at": at, "naive": naive, "day": days}), ["at", "naive", "day"]).table
    whole = NOON.replace(microsecond=0) if unit == "s" else NOON
    assert instants(table["at"]).to_list() == [whole, None]
    for name in ("naive", "day"):
        assert table[name][0] is not None
        assert instants(table[name]).to_list() == [None, None]


@settings(max_examples=examples(25))
@given(amounts=st.lists(st.decimals(-(10**11), 10**11, places=2) | st.none(), min_size=1, max_size=20))
def test_amounts_are_read_to_the_tiyn(amounts: list[Decimal | None], tmp_path_factory: pytest.TempPathFactory) -> None:
    path = _write(tmp_path_factory.mktemp("parquet"), {"stake": pa.array(amounts, pa.decimal128(14, 2))})
    expected = [None if amount is None else int(amount * 100) for amount in amounts]
    assert tiyn(read_parquet(path, ["stake"]).table["stake"]).to_list() == expected


@pytest.mark.parametrize(
    ("columns", "code"),
    [
        ({"ticket": ["t-1"]}, "COLUMN_MISSING"),
        ({"ticket": ["t-1"], "stake": [5], "colour": ["red"]}, "COLUMN_UNKNOWN"),
        ({"ticket": ["t-1"], "stake": [[5]]}, "COLUMN_KIND"),
        ({"ticket": ["t-1"], "stake": [b"\xff"]}, "COLUMN_KIND"),
        ({"ticket": ["t-1"], "stake": [{"tenge": 5}]}, "COLUMN_KIND"),
    ],
)
def test_file_of_other_columns_is_refused_with_a_code(tmp_path: Path, columns: dict[str, Any], code: str) -> None:
    with pytest.raises(FileUnusable) as caught:
        read_parquet(_write(tmp_path, columns), ["ticket", "stake"])
    assert caught.value.what.endswith(f"cannot be sent: {code}")
    assert caught.value.detail
    assert caught.value.hint


def test_column_that_stands_twice_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "desk-7.parquet"
    pq.write_table(pa.Table.from_arrays([pa.array(["t-1"]), pa.array(["t-2"])], names=["ticket", "ticket"]), path)
    with pytest.raises(FileUnusable, match="COLUMN_TWICE"):
        read_parquet(path, ["ticket"])


@pytest.mark.parametrize("content", [b"", b"ticket,stake\nt-1,5\n", b"PAR1" * 20])
def test_file_that_is_none_is_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "desk-7.parquet"
    path.write_bytes(content)
    with pytest.raises(FileUnusable, match="FILE_NOT_PARQUET"):
        read_parquet(path, ["ticket"])


def test_damaged_file_is_refused_wherever_it_is_damaged(tmp_path: Path) -> None:
    path = _write(tmp_path, {"ticket": [f"t-{number}" for number in range(500)]})
    whole = path.read_bytes()
    for size in range(0, len(whole), 97):
        path.write_bytes(whole[:size])
        with pytest.raises(FileUnusable):
            read_parquet(path, ["ticket"])


def test_file_that_is_not_there_or_too_large_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(FileUnusable, match="cannot be read"):
        read_parquet(tmp_path / "none.parquet", ["ticket"])
    path = _write(tmp_path, {"ticket": ["t-1", "t-2"]})
    monkeypatch.setattr(parquet, "ROWS_MAX", 1)
    with pytest.raises(FileUnusable, match="too large"):
        read_parquet(path, ["ticket"])
    monkeypatch.setattr(files, "FILE_BYTES_MAX", 10)
    with pytest.raises(FileUnusable, match="bytes"):
        read_parquet(path, ["ticket"])


def test_written_rows_are_the_file_s_own_in_its_own_types(tmp_path: Path) -> None:
    original = read_parquet(
        _write(tmp_path, {"ticket": ["t-1", "t-2", "t-3"], "stake": [5, None, 7]}), ["ticket", "stake"]
    )
    assert original.original is not None
    assert original.table[LINE].to_list() == [1, 2, 3]
    mend = tmp_path / "mend.parquet"
    write_parquet(mend, original.original, {3, 1})
    assert pl.read_parquet(mend).rows() == [("t-1", 5), ("t-3", 7)]
    with pytest.raises(FileUnusable, match="cannot be written"):
        write_parquet(mend, original.original, {1})
