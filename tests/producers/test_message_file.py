"""Lines of raw messages: what is one, what is none, and that no line costs another."""

from __future__ import annotations

import base64
import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from esep.errors import FileUnusable
from esep.origin import UNKNOWN_PARTITION
from esep.producers import message_file
from esep.producers.message_file import read_messages

BODIES = st.none() | st.binary(max_size=20)


def text_of(body: bytes | None) -> str | None:
    return None if body is None else base64.b64encode(body).decode()


@given(messages=st.lists(st.tuples(BODIES, BODIES, st.none() | st.integers(0, 9)), max_size=8))
def test_objects_are_read_as_they_were_written(
    messages: list[tuple[bytes | None, bytes | None, int | None]], tmp_path_factory: pytest.TempPathFactory
) -> None:
    path = tmp_path_factory.mktemp("messages") / "messages.jsonl"
    objects = [
        {"key": text_of(key), "value": text_of(value)} | ({} if at is None else {"partition": at})
        for key, value, at in messages
    ]
    path.write_text("".join(json.dumps(one) + "\n" for one in objects))
    read = read_messages(path)
    partitions = [UNKNOWN_PARTITION if at is None else at for _, _, at in messages]
    assert list(zip(read.keys, read.values, read.partitions, strict=True)) == [
        (key, value, at) for (key, value, _), at in zip(messages, partitions, strict=True)
    ]
    assert read.lines == list(range(1, len(messages) + 1))
    assert read.unreadable == []


def test_key_and_value_in_base64_are_a_message_and_blank_lines_none(tmp_path: Path) -> None:
    path = tmp_path / "messages.txt"
    path.write_bytes(b"ZGVzay03 AAAD6Q==\r\n\n  \nZGVzay04\tAAAD6g==")
    read = read_messages(path)
    assert (read.lines, read.keys) == ([1, 4], [b"desk-7", b"desk-8"])
    assert read.values == [b"\0\0\x03\xe9", b"\0\0\x03\xea"]
    assert read.partitions == [UNKNOWN_PARTITION] * 2


@pytest.mark.parametrize(
    "line",
    [
        b"ZGVzay03",
        b"ZGVzay03 AAAD6Q== 0",
        b"desk-7 AAAD6Q==",
        b"\xff\xfe \xff",
        b'{"key": "ZGVzay03"}',
        b'{"key": "ZGVzay03", "value": 7}',
        b'{"key": "desk-7", "value": null}',
        b'{"key": null, "value": null, "partition": "0"}',
        b'{"key": null, "value": null, "partition": true}',
        b'{"key": null, "value": null, "partition": -2}',
        b'{"key": null',
        b"{" * 50_000,
        b"[1, 2]",
    ],
    ids=lambda line: line[:30].decode("latin-1"),
)
def test_other_line_is_named_by_its_number_and_costs_no_neighbour(line: bytes, tmp_path: Path) -> None:
    path = tmp_path / "messages.txt"
    path.write_bytes(b"ZGVzay03 AAAD6Q==\n" + line + b"\nZGVzay03 AAAD6Q==\n")
    read = read_messages(path)
    assert read.unreadable == [2]
    assert read.lines == [1, 3]


def test_file_that_cannot_be_read_or_is_too_large_is_unusable(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(FileUnusable):
        read_messages(tmp_path / "none.jsonl")
    path = tmp_path / "messages.txt"
    path.write_bytes(b"ZGVzay03 AAAD6Q==\n")
    monkeypatch.setattr(message_file, "MESSAGE_FILE_BYTES_MAX", 5)
    with pytest.raises(FileUnusable, match="too large"):
        read_messages(path)
