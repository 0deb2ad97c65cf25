"""A JSON Lines file is read line by line, as CSV is: what can be read is read, what cannot is named by its line."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from esep.errors import FileUnusable
from esep.producers import files, json_lines
from esep.producers.files import LINE
from esep.producers.json_lines import read_json_lines
from tests.support.examples import examples

COLUMNS = ("ticket", "stake")


def _write(folder: Path, content: bytes) -> Path:
    path = folder / "desk-7.jsonl"
    path.write_bytes(content)
    return path


def test_values_are_texts_and_numbers_keep_their_digits(tmp_path: Path) -> None:
    content = (
        b'\xef\xbb\xbf{"ticket": "t-1", "stake": 1150000.10}\r\n\n{"stake": 12345678901234567890, "ticket": null}\n'
    )
    content += b'{"ticket": true, "stake": 1.15e+06}'
    rows = read_json_lines(_write(tmp_path, content), COLUMNS)
    assert rows.table.rows(named=True) == [
        {"ticket": "t-1", "stake": "1150000.10", LINE: 1},
        {"ticket": None, "stake": "12345678901234567890", LINE: 3},
        {"ticket": "true", "stake": "1.15e+06", LINE: 4},
    ]
    assert rows.rejects.is_empty()


@pytest.mark.parametrize(
    ("line", "code", "field"),
    [
        (b'{"ticket": "t-\xff", "stake": 5}', "ROW_NOT_UTF8", None),
        (b'{"ticket": "\\ud800", "stake": 5}', "ROW_NOT_UTF8", None),
        (b'{"ticket": "t-2", "stake": 5', "ROW_NOT_JSON", None),
        (b'{"ticket": "t-2", "stake": NaN}', "ROW_NOT_JSON", None),
        (b'{"ticket": "t-2"} {}', "ROW_NOT_JSON", None),
        (b'["t-2", 5]', "ROW_NOT_JSON", None),
        (b"[" * 100_000, "ROW_NOT_JSON", None),
        (b"\x00", "ROW_NOT_JSON", None),
        (b'{"ticket": "t-2", "ticket": "t-3", "stake": 5}', "ROW_KEY_TWICE", None),
        (b'{"ticket": "t-2", "stake": 5, "colour": "red"}', "ROW_KEY_UNKNOWN", None),
        (b'{"ticket": "t-2", "stake": {"tenge": 5}}', "ROW_VALUE_NESTED", "stake"),
        (b'{"ticket": ["t-2"], "stake": 5}', "ROW_VALUE_NESTED", "ticket"),
    ],
)
def test_broken_line_is_rejected_with_its_number_and_its_neighbours_pass(
    tmp_path: Path, line: bytes, code: str, field: str | None
) -> None:
    good = b'{"ticket": "t-1", "stake": 5}\n'
    rows = read_json_lines(_write(tmp_path, good + line + b"\n" + good), COLUMNS)
    assert rows.rejects.rows() == [(2, code, field)]
    assert rows.table[LINE].to_list() == [1, 3]


def test_key_that_a_row_lacks_is_a_column_without_a_value(tmp_path: Path) -> None:
    rows = read_json_lines(_write(tmp_path, b'{"ticket": "t-1"}\n{"ticket": "t-2", "stake": 5}\n'), COLUMNS)
    assert rows.table["stake"].to_list() == [None, "5"]


@pytest.mark.parametrize(
    ("content", "code"),
    [
        (b"", "FILE_EMPTY"),
        ('{"ticket": "t-1"}\n'.encode("utf-16"), "FILE_NOT_UTF8"),
        (b'{"ticket": "t-1"}\n{"ticket": "t-2"}\n', "COLUMN_MISSING"),
        (b'{"ticket": "t-1", "stake": 5, "colour": "red"}\n' * 2, "COLUMN_UNKNOWN"),
    ],
)
def test_file_whose_rows_are_others_than_the_mapping_s_is_refused_with_a_code(
    tmp_path: Path, content: bytes, code: str
) -> None:
    with pytest.raises(FileUnusable) as caught:
        read_json_lines(_write(tmp_path, content), COLUMNS)
    assert caught.value.what.endswith(f"cannot be sent: {code}")
    assert caught.value.detail
    assert caught.value.hint


def test_error_about_a_key_shows_no_iin(tmp_path: Path) -> None:
    path = _write(tmp_path, b'{"ticket": "t-1", "stake": 5, "900101300007": 1}\n')
    with pytest.raises(FileUnusable) as caught:
        read_json_lines(path, COLUMNS)
    assert "0101" not in str(caught.value)


def test_file_that_is_not_there_or_too_large_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(FileUnusable, match="cannot be read"):
        read_json_lines(tmp_path / "none.jsonl", COLUMNS)
    monkeypatch.setattr(files, "FILE_BYTES_MAX", 10)
    with pytest.raises(FileUnusable, match="too large"):
        read_json_lines(_write(tmp_path, b'{"ticket": "t-1"}\n'), COLUMNS)


_TEXTS = st.none() | st.text(st.characters(codec="utf-8"), max_size=8)


@settings(max_examples=examples(25))
@given(rows=st.lists(st.tuples(_TEXTS, _TEXTS), min_size=1, max_size=8), ascii_only=st.booleans())
def test_what_a_json_writer_writes_is_what_is_read(
    rows: list[tuple[str | None, str | None]], ascii_only: bool, tmp_path_factory: pytest.TempPathFactory
) -> None:
    lines = [json.dumps(dict(zip(COLUMNS, row, strict=True)), ensure_ascii=ascii_only) for row in rows]
    read = read_json_lines(_write(tmp_path_factory.mktemp("json"), "\n".join(lines).encode()), COLUMNS)
    assert read.rejects.is_empty()
    assert read.table.select(COLUMNS).rows() == rows


@pytest.mark.parametrize("lines", [1, 2, 3, 7])
def test_how_many_lines_are_read_at_a_time_changes_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, lines: int
) -> None:
    content = b'{"ticket": "t-1", "stake": 5}\nno\n\n\n{"ticket": "t-5"}\n[]\n'
    monkeypatch.setattr(json_lines, "_SLICE_LINES", lines)
    rows = read_json_lines(_write(tmp_path, content), COLUMNS)
    assert rows.table.rows() == [("t-1", "5", 1), ("t-5", None, 5)]
    assert rows.rejects.rows() == [(2, "ROW_NOT_JSON", None), (6, "ROW_NOT_JSON", None)]
