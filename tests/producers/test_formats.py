"""The same rows in a file of each kind are the same events, and are rejected with the same codes at the same rows."""

from __future__ import annotations

import csv
import io
import json
from datetime import date
from pathlib import Path

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from esep.errors import UsageError
from esep.producers.files import LINE
from esep.producers.formats import Form, form_of, read_file, refuse_other_form, write_rows
from esep.producers.rows import Mapped, map_rows
from tests.producers.bets import DESK, HEADER, IINS, lost, won
from tests.support.examples import examples

COLUMNS = HEADER.split(",")
ENDINGS = {Form.CSV: ".csv", Form.JSON_LINES: ".jsonl", Form.PARQUET: ".parquet"}
_ROWS = st.lists(
    st.builds(
        won, st.text("t-0123456789", max_size=5), st.sampled_from(["950.50", "0", "x", "1e3"]), st.sampled_from(IINS)
    )
    | st.builds(lost, st.text("t-0123456789", max_size=5), st.sampled_from(["500", "-5", "", "0.005"]))
    | st.builds(lost, st.just("t-1"), iin=st.sampled_from(["900101300008", ""]))
    | st.builds(lost, st.just("t-1"), at=st.sampled_from(["2026-11-20", "2026-11-20T10:00:00+05:00", ""])),
    min_size=1,
    max_size=12,
)


def _written(folder: Path, form: Form, rows: list[list[str]]) -> Path:
    path = folder / f"desk-7{ENDINGS[form]}"
    if form is Form.CSV:
        written = io.StringIO(newline="")
        csv.writer(written).writerows([COLUMNS, *rows])
        path.write_text(written.getvalue(), encoding="utf-8")
    elif form is Form.JSON_LINES:
        path.write_text(
            "".join(json.dumps(dict(zip(COLUMNS, row, strict=True))) + "\n" for row in rows), encoding="utf-8"
        )
    else:
        pl.DataFrame(rows, schema=dict.fromkeys(COLUMNS, pl.String), orient="row").write_parquet(path)
    return path


def _mapped(path: Path) -> Mapped:
    return map_rows(read_file(path, COLUMNS), DESK, "940140000385", date(2026, 11, 21))


def _by_row(mapped: Mapped, form: Form) -> tuple[list[object], list[object]]:
    before = 1 if form is Form.CSV else 0  # Line 1 of a CSV file is the header.
    number = pl.col(LINE).cast(pl.Int64) - before
    return mapped.events.with_columns(number).rows(), mapped.rejects.with_columns(number).rows()


@settings(max_examples=examples(15))
@given(lines=_ROWS)
def test_kind_of_file_changes_neither_events_nor_rejects(
    lines: list[str], tmp_path_factory: pytest.TempPathFactory
) -> None:
    rows = [line.split(",") for line in lines]
    folder = tmp_path_factory.mktemp("forms")
    found = {form: _by_row(_mapped(_written(folder, form, rows)), form) for form in Form}
    assert found[Form.CSV] == found[Form.JSON_LINES] == found[Form.PARQUET]


@pytest.mark.parametrize("form", Form)
def test_rejected_rows_are_written_as_they_came_and_read_again(tmp_path: Path, form: Form) -> None:
    rows = [line.split(",") for line in (won("t-1"), lost("t-2", stake="0"), lost("t-3"), lost("t-4", iin="1"))]
    path = _written(tmp_path, form, rows)
    read = read_file(path, COLUMNS)
    rejects = _mapped(path).rejects[LINE].to_list()
    mend = tmp_path / f"mend{ENDINGS[form]}"
    write_rows(mend, read, rejects, form)
    assert read_file(mend, COLUMNS).table["ticket"].to_list() == ["t-2", "t-4"]


@pytest.mark.parametrize(
    ("name", "form"),
    [
        ("desk-7.csv", Form.CSV),
        ("desk-7.txt", Form.CSV),
        ("desk-7", Form.CSV),
        ("desk-7.NDJSON", Form.JSON_LINES),
        ("desk-7.2026.parquet", Form.PARQUET),
    ],
)
def test_ending_says_the_kind(name: str, form: Form) -> None:
    assert form_of(Path(name)) is form


def test_rejected_rows_of_one_kind_do_not_go_to_a_file_of_another() -> None:
    refuse_other_form(Path("desk-7.jsonl"), Path("mend.ndjson"))
    with pytest.raises(UsageError, match="cannot go to"):
        refuse_other_form(Path("desk-7.jsonl"), Path("mend.csv"))
