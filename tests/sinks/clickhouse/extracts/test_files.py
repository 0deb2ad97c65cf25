"""Files of an extract, without any engine: the same postings, the same bytes; what is summed is what stands there."""

from __future__ import annotations

import csv
import io
import stat
from datetime import UTC, datetime
from hashlib import sha256
from typing import TYPE_CHECKING, Any

import polars as pl
from hypothesis import given
from hypothesis import strategies as st

from esep.sinks.clickhouse.extracts.files import hash_of, places_in, sums_csv, sums_in, write_postings_csv
from esep.sinks.clickhouse.extracts.layout import POSTING_COLUMNS

if TYPE_CHECKING:
    from pathlib import Path

    import pytest

_ZERO: dict[str, Any] = {"text": None, "code": None, "count": 0, "tiyn": None, "share": 0}


def posting(**facts: Any) -> dict[str, Any]:
    at = datetime(2026, 10, 31, 19, 0, 0, 5000, tzinfo=UTC)
    base = {column.name: at if column.kind == "instant" else _ZERO[column.kind] for column in POSTING_COLUMNS}
    named = {"iin": "900101300007", "organizer_bin": "940140000385", "event_type": "WAGER", "amount_tiyn": 1, "leg": 1}
    return {**base, **named, **facts}


def parquet(folder: Path, rows: list[dict[str, Any]]) -> Path:
    schema = {
        column.name: pl.Datetime("ms", "UTC")
        if column.kind == "instant"
        else pl.Int64
        if column.kind in {"count", "tiyn"}
        else pl.String
        for column in POSTING_COLUMNS
    }
    path = folder / "postings.parquet"
    pl.DataFrame(rows, schema=schema, orient="row").write_parquet(path)
    return path


def test_csv_has_every_digit_and_almaty_s_instants(tmp_path: Path) -> None:
    rows = [posting(amount_tiyn=-(2**62), organizer_name='ЖШС "Бәс";\r\n=1+1', ledger_offset=7)]
    digest = write_postings_csv(parquet(tmp_path, rows), tmp_path / "postings.csv")
    content = (tmp_path / "postings.csv").read_bytes()
    assert sha256(content).hexdigest() == digest == hash_of(tmp_path / "postings.csv")
    (read,) = csv.DictReader(io.StringIO(content.decode(), newline=""))
    assert read["amount_tiyn"] == str(-(2**62))
    assert read["organizer_name"] == 'ЖШС "Бәс";\r\n=1+1'
    assert read["occurred_at"] == "2026-11-01T00:00:00.005+05:00"
    assert read["wager_id"] == ""
    assert list(read) == [column.name for column in POSTING_COLUMNS]
    assert stat.S_IMODE((tmp_path / "postings.csv").stat().st_mode) == 0o600


@given(
    drawn=st.lists(
        st.tuples(
            st.sampled_from(["WAGER", "PAYOUT"]),
            st.sampled_from([None, "REFUND"]),
            st.sampled_from([1, -1]),
            st.integers(-(10**15), 10**15),
            st.integers(0, 3),
        ),
        max_size=20,
    )
)
def test_sums_and_places_are_those_of_the_rows(
    tmp_path_factory: pytest.TempPathFactory, drawn: list[tuple[str, str | None, int, int, int]]
) -> None:
    rows = [
        posting(event_type=event, kind=kind, leg=leg, amount_tiyn=tiyn, ledger_partition=part, ledger_offset=i, row=i)
        for i, (event, kind, leg, tiyn, part) in enumerate(drawn)
    ]
    path = parquet(tmp_path_factory.mktemp("files"), rows)
    found = {(row[3], row[4]): row[5:] for row in sums_in(path)}
    for event in ("WAGER", "PAYOUT"):
        for kind in (None, "REFUND"):
            own = [row for row in drawn if row[:2] == (event, kind)]
            expected = (len(own), sum(row[2] for row in own), sum(row[3] for row in own))
            assert found.get((event, kind or ""), (0, 0, 0)) == expected
    assert {row[2] for row in sums_in(path)} <= {"2026-11"}
    for place in places_in(path):
        offsets = [i for i, row in enumerate(drawn) if row[4] == place["partition"]]
        assert (place["postings"], place["first_offset"], place["last_row"]) == (
            len(offsets),
            min(offsets),
            max(offsets),
        )


def test_sums_as_csv_are_whole_tiyn() -> None:
    text = sums_csv(
        (("900101300007", "940140000385", "2026-11", "PAYOUT", "REFUND", 3, 1, 123456789012345678),)
    ).decode()
    (row,) = csv.DictReader(io.StringIO(text))
    assert (row["month"], row["tiyn"], row["entries"]) == ("2026-11", "123456789012345678", "1")
    assert list(csv.DictReader(io.StringIO(sums_csv(()).decode()))) == []
