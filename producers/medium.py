"""A signed file of messages, carried by hand where no line goes: what an organizer would have sent, as one container.

Reads     whose messages, their keys and values, the organizer's key; or the bytes of such a file
Returns   the bytes of the file; or `MediumFile`, whole and verified
Promises  no message leaves `read_medium` unless all of them are as they were signed: a changed, missing or added byte
          anywhere is noticed (clauses O114-3, O9-4.2; box: producers)

A file is signed, not encrypted: it holds what any file of bets holds, and is to be carried as such.

    header     one line of JSON, ended by a line feed: format, version, organizer_bin, count, created_at, key_id
    message    count times: length of the key and length of the value (four bytes each, big endian), key, value, link
    signature  64 bytes: Ed25519 over "esep medium 1" and the last link; the file ends here

A link is SHA-256 over the link before and the message with its lengths; the link before the first message is SHA-256
over the header line with its line feed. So a file says where it was damaged or cut.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from hashlib import sha256
from struct import Struct
from typing import TYPE_CHECKING, NoReturn

from cryptography.exceptions import InvalidSignature
from pydantic import AwareDatetime, BaseModel, ConfigDict, ValidationError

from esep.errors import FileUnusable, UsageError
from esep.identifiers import is_bin
from esep.keys import key_id
from esep.topics import EVENT_BYTES_MAX

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

    from esep.delivery import Message

MEDIUM_BYTES_MAX = 256 * 1024 * 1024  # Held in memory as a whole, twice over at the worst.
HEADER_BYTES_MAX = 1024
_FORMAT, _VERSION = "esep-medium", 1
_SIGNED = b"esep medium 1"  # Before what is signed, so that a signature of ours is good for nothing else.
_LENGTHS = Struct(">II")
_LINK_BYTES, _SIGNATURE_BYTES = 32, 64


class Header(BaseModel):
    """What a file says of itself. key_id: of the key that signed it, `esep.keys.key_id`."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    format: str
    version: int
    organizer_bin: str
    count: int
    created_at: AwareDatetime
    key_id: str


@dataclass(frozen=True, slots=True)
class MediumFile:
    """A verified file: whose, when it was made, and its messages in order."""

    organizer_bin: str
    created_at: datetime
    messages: list[Message]


def write_medium(
    organizer_bin: str, messages: Sequence[Message], key: Ed25519PrivateKey, created_at: datetime
) -> bytes:
    """Return the bytes of a file. created_at: with its zone. UsageError if it is no BIN, or the file too large."""
    if not is_bin(organizer_bin):
        raise UsageError(f"{organizer_bin!r} is no BIN", hint="12 digits with a right control digit")
    header = Header(
        format=_FORMAT,
        version=_VERSION,
        organizer_bin=organizer_bin,
        count=len(messages),
        created_at=created_at,
        key_id=key_id(key.public_key()),
    )
    line = header.model_dump_json().encode() + b"\n"
    parts, link = [line], sha256(line).digest()
    for name, value in messages:
        framed = _LENGTHS.pack(len(name), len(value)) + name + value
        link = sha256(link + framed).digest()
        parts += [framed, link]
    content = b"".join([*parts, key.sign(_SIGNED + link)])
    if len(content) > MEDIUM_BYTES_MAX:
        raise UsageError(
            "the signed file would be too large",
            detail=f"{len(content):,} bytes, more than {MEDIUM_BYTES_MAX:,}",
            hint="cut what you report into several files",
        )
    return content


def read_medium(content: bytes, organizer_bin: str, public_key: Ed25519PublicKey) -> MediumFile:
    """Return what a file holds; FileUnusable, and nothing of it, unless this organizer's key signed all of it."""
    end = content.find(b"\n", 0, HEADER_BYTES_MAX) + 1
    header = _header(content[:end])
    if header.organizer_bin != organizer_bin:
        _refuse("it is another organizer's", f"its header names {header.organizer_bin}, not {organizer_bin}")
    if header.key_id != key_id(public_key):
        _refuse("it is signed with another key", f"key {header.key_id}, not {key_id(public_key)}")
    messages, link, end = _messages(content, end, header.count)
    if len(content) - end != _SIGNATURE_BYTES:
        _refuse("it does not end where it should", f"after {header.count:,} messages and the signature")
    try:
        public_key.verify(content[end:], _SIGNED + link)
    except InvalidSignature:
        _refuse("its signature is not that of the organizer's key", "the file was changed, or another key signed it")
    return MediumFile(header.organizer_bin, header.created_at, messages)


def _header(line: bytes) -> Header:
    try:
        header = Header.model_validate_json(line)
    except ValidationError:
        _refuse("it is no signed file of messages", "its first line is not the header of one")
    if (header.format, header.version) != (_FORMAT, _VERSION):
        _refuse("it is of another format or version", json.dumps([header.format[:40], header.version]))
    if not is_bin(header.organizer_bin):
        _refuse("it is no signed file of messages", "its header names no BIN")
    return header


def _messages(content: bytes, start: int, count: int) -> tuple[list[Message], bytes, int]:
    """Return the messages, the last link and where it ends; FileUnusable says at which message the chain breaks."""
    messages: list[Message] = []
    link = sha256(content[:start]).digest()
    for number in range(1, count + 1):
        body = start + _LENGTHS.size
        if body > len(content):
            _refuse("it was cut", f"message {number:,} of {count:,} is not whole")
        name_bytes, value_bytes = _LENGTHS.unpack_from(content, start)
        end = body + name_bytes + value_bytes
        if name_bytes + value_bytes > EVENT_BYTES_MAX or end + _LINK_BYTES > len(content):
            _refuse("it was cut or changed", f"message {number:,} of {count:,} is not whole")
        link = sha256(link + content[start:end]).digest()
        if content[end : end + _LINK_BYTES] != link:
            _refuse("it was changed", f"message {number:,} of {count:,} is not what was written, or the header is not")
        messages.append((content[body : body + name_bytes], content[body + name_bytes : end]))
        start = end + _LINK_BYTES
    return messages, link, start


def _refuse(what: str, why: str) -> NoReturn:
    raise FileUnusable(
        f"the file cannot be taken: {what}", detail=why, hint="nothing was sent; ask the organizer for the file again"
    )
