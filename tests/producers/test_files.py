"""A file is read line by line: what can be read is read, what cannot is named by its line."""

from __future__ import annotations

import csv
import io
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from esep.errors import FileUnusable
from esep.producers import files
from esep.producers.files import LINE, read_rows, refuse_existing, write_lines
from tests.support.examples import examples

COLUMNS = ("ticket", "stake")


def _write(folder: Path, content: bytes) -> Path:
    path = folder / "desk-7.csv"
    path.write_bytes(content)
    return path


def test_rows_are_texts_with_their_line_numbers(tmp_path: Path) -> None:
    rows = read_rows(_write(tmp_path, b"stake,ticket\r\n500,t-1\r\n\r\n 007 ,t-2"), COLUMNS)
    assert rows.table.rows(named=True) == [
        {"stake": "500", "ticket": "t-1", LINE: 2},
        {"stake": " 007 ", "ticket": "t-2", LINE: 4},
    ]
    assert rows.rejects.is_empty()


def test_byte_order_mark_is_passed_over(tmp_path: Path) -> None:
    assert read_rows(_write(tmp_path, b"\xef\xbb\xbfticket,stake\nt-1,5\n"), COLUMNS).table["ticket"].to_list() == [
        "t-1"
    ]


def test_header_without_rows_is_a_file_of_no_rows(tmp_path: Path) -> None:
    rows = read_rows(_write(tmp_path, b"ticket,stake\n"), COLUMNS)
    assert rows.table.columns == ["ticket", "stake", LINE]
    assert rows.table.is_empty()


@pytest.mark.parametrize(
    ("line", "code"),
    [
        (b"t-\xff,5", "ROW_NOT_UTF8"),
        (b"t-2", "ROW_FIELD_COUNT"),
        (b"t-2,5,6", "ROW_FIELD_COUNT"),
        (b'"t-2,5', "ROW_QUOTE_OPEN"),
        (b'"t"-2,5', "ROW_QUOTE_OPEN"),
    ],
)
def test_broken_line_is_rejected_with_its_number_and_its_neighbours_pass(
    tmp_path: Path, line: bytes, code: str
) -> None:
    rows = read_rows(_write(tmp_path, b"ticket,stake\nt-1,5\n" + line + b"\nt-3,5\n"), COLUMNS)
    assert rows.rejects.rows() == [(3, code, None)]
    assert rows.table.select(LINE, "ticket").rows() == [(2, "t-1"), (4, "t-3")]


@pytest.mark.parametrize(
    ("content", "code"),
    [
        (b"", "FILE_EMPTY"),
        (b"\xef\xbb\xbf\r\n \n", "FILE_EMPTY"),
        ("ticket,stake\nt-1,5\n".encode("utf-16"), "FILE_NOT_UTF8"),
        ("билет,ставка\n".encode("cp1251"), "FILE_NOT_UTF8"),
        (b"ticket\nt-1\n", "COLUMN_MISSING"),
        (b"ticket,stake,colour\nt-1,5,red\n", "COLUMN_UNKNOWN"),
        (b"ticket,stake,stake\nt-1,5,6\n", "COLUMN_TWICE"),
    ],
)
def test_file_without_usable_header_is_refused_with_a_code(tmp_path: Path, content: bytes, code: str) -> None:
    path = _write(tmp_path, content)
    with pytest.raises(FileUnusable) as caught:
        read_rows(path, COLUMNS)
    assert caught.value.what.endswith(f"line 1 cannot be sent: {code}")
    assert (caught.value.code, caught.value.line) == (code, 1)
    assert caught.value.detail
    assert caught.value.hint


def test_error_about_a_file_without_header_shows_no_iin(tmp_path: Path) -> None:
    path = _write(tmp_path, b"900101300007,t-1,ticket,stake\n")
    with pytest.raises(FileUnusable) as caught:
        read_rows(path, COLUMNS)
    assert "0101" not in str(caught.value)


def test_file_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(FileUnusable, match="cannot be read"):
        read_rows(tmp_path / "none.csv", COLUMNS)


def test_file_that_is_too_large_is_refused_unread(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(files, "FILE_BYTES_MAX", 10)
    with pytest.raises(FileUnusable, match="too large"):
        read_rows(_write(tmp_path, b"ticket,stake\nt-1,5\n"), COLUMNS)


_FIELDS = st.text(st.characters(codec="utf-8", exclude_characters="\r\n\0"), max_size=8)


@settings(deadline=None, max_examples=examples(25))
@given(rows=st.lists(st.tuples(_FIELDS, _FIELDS), max_size=8), quote_all=st.booleans())
def test_what_a_csv_writer_writes_is_what_is_read(
    rows: list[tuple[str, str]], quote_all: bool, tmp_path_factory: pytest.TempPathFactory
) -> None:
    written = io.StringIO(newline="")
    writer = csv.writer(written, quoting=csv.QUOTE_ALL if quote_all else csv.QUOTE_MINIMAL)
    writer.writerows([COLUMNS, *rows])
    read = read_rows(_write(tmp_path_factory.mktemp("csv"), written.getvalue().encode()), COLUMNS)
    assert read.rejects.is_empty()
    assert read.table.select(COLUMNS).rows() == rows


@pytest.mark.parametrize("lines", [1, 2, 3, 7])
def test_how_many_lines_are_read_at_a_time_changes_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, lines: int
) -> None:
    path = _write(tmp_path, b"ticket,stake\nt-1,5\nt-2\n\n\nt-5,5\nt-\xff,5\n")
    whole = read_rows(path, COLUMNS)
    monkeypatch.setattr(files, "_SLICE_LINES", lines)
    sliced = read_rows(path, COLUMNS)
    assert sliced.table.rows() == whole.table.rows() == [("t-1", "5", 2), ("t-5", "5", 6)]
    assert sliced.rejects.rows() == whole.rejects.rows() == [(3, "ROW_FIELD_COUNT", None), (7, "ROW_NOT_UTF8", None)]


def test_written_lines_are_the_file_s_own_bytes_under_its_header(tmp_path: Path) -> None:
    rows = read_rows(_write(tmp_path, b"ticket,stake\nt-1,5\nt-\xff,5\nt-3,x\n"), COLUMNS)
    write_lines(tmp_path / "mend.csv", rows.lines, {4, 3, 1})
    assert (tmp_path / "mend.csv").read_bytes() == b"ticket,stake\nt-\xff,5\nt-3,x\n"


def test_existing_file_is_never_written_over(tmp_path: Path) -> None:
    path = _write(tmp_path, b"mended rows")
    with pytest.raises(FileUnusable, match="exists already"):
        refuse_existing(path)
    with pytest.raises(FileUnusable, match="cannot be written"):
        write_lines(path, [b"ticket,stake"], [])
    assert path.read_bytes() == b"mended rows"
