"""A signed file holds what was put in, and nothing else passes: clause O114-3, the way by a medium."""

from __future__ import annotations

import json
from datetime import UTC, datetime

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given
from hypothesis import strategies as st

from esep.errors import FileUnusable, UsageError
from esep.producers import medium
from esep.producers.medium import MediumFile, read_medium, write_medium

OURS, OTHER = "940140000385", "950341000052"
KEY = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
FOREIGN_KEY = Ed25519PrivateKey.from_private_bytes(bytes(range(1, 33)))
AT = datetime(2026, 11, 21, 12, tzinfo=UTC)
MESSAGES = [(b"desk-7", b"\x00\x00\x00\x03\xe9body"), (b"desk-8", b""), (b"", b"\x00")]
FILE = write_medium(OURS, MESSAGES, KEY, AT)

messages = st.lists(st.tuples(st.binary(max_size=130), st.binary(max_size=300)), max_size=20)


def refused(content: bytes, organizer_bin: str = OURS, key: Ed25519PrivateKey = KEY) -> str:
    with pytest.raises(FileUnusable) as raised:
        read_medium(content, organizer_bin, key.public_key())
    assert "nothing was sent" in raised.value.hint
    return f"{raised.value.what}; {raised.value.detail}"


@given(messages)
def test_what_was_written_is_read(written: list[tuple[bytes, bytes]]) -> None:
    content = write_medium(OURS, written, KEY, AT)
    assert read_medium(content, OURS, KEY.public_key()) == MediumFile(OURS, AT, written)
    assert write_medium(OURS, written, KEY, AT) == content


@pytest.mark.parametrize("bits", [0x01, 0x20, 0x80, 0xFF])
def test_every_changed_byte_is_noticed_wherever_it_stands(bits: int) -> None:
    for place, byte in enumerate(FILE):
        refused(FILE[:place] + bytes([byte ^ bits]) + FILE[place + 1 :])


@given(messages, st.data())
def test_every_cut_addition_and_exchange_is_noticed(written: list[tuple[bytes, bytes]], data: st.DataObject) -> None:
    content = write_medium(OURS, written, KEY, AT)
    place = data.draw(st.integers(0, len(content) - 1))
    refused(content[:place])
    refused(content[:place] + content[place + 1 :])
    added = data.draw(st.binary(min_size=1, max_size=5))
    if content[:place] + added + content[place:] != content:
        refused(content[:place] + added + content[place:])


def test_parts_of_two_files_do_not_join() -> None:
    """Header of the one, messages of the other, by the same key: the chain begins with the header."""
    other = write_medium(OURS, [*MESSAGES[:2], (b"desk-9", b"x")], KEY, AT.replace(hour=13))
    head, other_head = FILE.index(b"\n") + 1, other.index(b"\n") + 1
    assert "message 1 of 3" in refused(FILE[:head] + other[other_head:])
    assert "signature" in refused(FILE[:-64] + other[-64:])


def test_file_of_another_key_or_for_another_organizer_is_refused() -> None:
    assert "another key" in refused(FILE, key=FOREIGN_KEY)
    assert f"names {OURS}" in refused(FILE, organizer_bin=OTHER)


def test_foreign_signature_under_the_right_key_id_is_refused() -> None:
    forged = FILE[:-64] + FOREIGN_KEY.sign(b"esep medium 1" + FILE[-96:-64])
    assert "signature" in refused(forged)


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"format": "zip"}, "another format"),
        ({"version": 2}, "another format or version"),
        ({"count": 2}, "message 1"),
        ({"count": 2**62}, "message 1"),
        ({"count": -1}, "end"),
        ({"organizer_bin": "940140000386"}, "no BIN"),
        ({"more": 1}, "first line"),
        ({"count": "3"}, "first line"),
        ({"created_at": "2026-11-21T12:00:00"}, "first line"),
    ],
)
def test_header_that_was_written_anew_is_refused(changes: dict[str, object], told: str) -> None:
    head = FILE.index(b"\n")
    header = json.loads(FILE[:head]) | changes
    assert told in refused(json.dumps(header).encode() + FILE[head:])


def test_lengths_that_reach_beyond_the_file_are_refused() -> None:
    head = FILE.index(b"\n") + 1
    assert "not whole" in refused(FILE[:head] + b"\xff" * 8 + FILE[head + 8 :])


@pytest.mark.parametrize("content", [b"", b"\n", b"ticket,person\n", b"x" * 5000, b"{}\n" + bytes(64)])
def test_any_other_file_is_refused(content: bytes) -> None:
    assert "no signed file" in refused(content)


def test_what_cannot_be_carried_is_not_written(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(UsageError, match="no BIN"):
        write_medium("940140000386", MESSAGES, KEY, AT)
    monkeypatch.setattr(medium, "MEDIUM_BYTES_MAX", len(FILE) - 1)
    with pytest.raises(UsageError, match="too large"):
        write_medium(OURS, MESSAGES, KEY, AT)
