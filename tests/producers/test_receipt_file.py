"""Receipts in a file are the bytes that lay on the topic, and a file is whole or not there."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from esep.errors import FileUnusable
from esep.producers.receipt_file import read_receipts, write_receipts


@given(st.lists(st.binary(max_size=200), max_size=5))
def test_bytes_come_back_as_they_were(tmp_path_factory: pytest.TempPathFactory, values: list[bytes]) -> None:
    path = tmp_path_factory.mktemp("receipts") / "receipts.jsonl"
    assert write_receipts(path, values) == len(values)
    assert list(read_receipts(path)) == values


def test_other_members_of_a_line_are_passed_over(tmp_path: Path) -> None:
    path = tmp_path / "receipts.jsonl"
    path.write_text(json.dumps({"name": "genuine-1", "value": "AAE=", "partition": 0}) + "\n")
    assert list(read_receipts(path)) == [b"\x00\x01"]


@pytest.mark.parametrize("line", [b"receipt", b"{}", b'{"value": 7}', b'{"value": "A"}', b'"AAE="', b"\xff"])
def test_line_that_is_none_is_named(tmp_path: Path, line: bytes) -> None:
    path = tmp_path / "receipts.jsonl"
    path.write_bytes(b'{"value": "AAE="}\n' + line)
    read = read_receipts(path)
    assert next(read) == b"\x00\x01"
    with pytest.raises(FileUnusable) as caught:
        next(read)
    assert caught.value.detail == "line 2"


def test_nothing_is_left_of_a_file_that_could_not_be_finished(tmp_path: Path) -> None:
    def broken() -> Iterator[bytes]:
        yield b"\x00"
        raise FileUnusable("the topic went away")

    with pytest.raises(FileUnusable):
        write_receipts(tmp_path / "receipts.jsonl", broken())
    assert list(tmp_path.iterdir()) == []


def test_file_that_is_there_or_cannot_be_read_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "receipts.jsonl"
    with pytest.raises(FileUnusable):
        next(read_receipts(path))
    write_receipts(path, [])
    with pytest.raises(FileUnusable):
        write_receipts(path, [])
    with pytest.raises(FileUnusable):
        write_receipts(tmp_path / "nowhere" / "receipts.jsonl", [])
