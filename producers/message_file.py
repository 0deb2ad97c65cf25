"""A file of raw messages: what another program would send, one message a line.

Reads     a file: each line is key and value in Base64 with a blank or tab between them, or a JSON object with `key`,
          `value` (Base64 or null) and, if it is known, `partition`
Returns   `MessageLines`: keys, values and partitions by line, and the lines that hold no message
Promises  a line is a message, a reject with its number, or blank; other members of an object are passed over; no text
          of an error holds a value of the file (box: producers)
"""

from __future__ import annotations

import base64
import binascii
import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from esep.errors import FileUnusable
from esep.origin import UNKNOWN_PARTITION

if TYPE_CHECKING:
    from pathlib import Path

MESSAGE_FILE_BYTES_MAX = 256 * 1024 * 1024  # Held in memory as a whole, twice over at the worst.
_PARTITION_MAX = 2**31 - 1

Message = tuple[bytes | None, bytes | None, int]  # Key, value, partition.


@dataclass(slots=True)
class MessageLines:
    """Parallel lists: the line of each message (from 1 on), its key, value, partition. `unreadable`: other lines."""

    lines: list[int] = field(default_factory=list)
    keys: list[bytes | None] = field(default_factory=list)
    values: list[bytes | None] = field(default_factory=list)
    partitions: list[int] = field(default_factory=list)
    unreadable: list[int] = field(default_factory=list)


def read_messages(path: Path) -> MessageLines:
    """Return the messages of a file; FileUnusable if it cannot be read or has more than MESSAGE_FILE_BYTES_MAX."""
    found = MessageLines()
    for number, line in enumerate(_content(path).split(b"\n"), 1):
        if not line.strip():
            continue
        message = _message(line)
        if message is None:
            found.unreadable.append(number)
            continue
        key, value, partition = message
        found.lines.append(number)
        found.keys.append(key)
        found.values.append(value)
        found.partitions.append(partition)
    return found


def _content(path: Path) -> bytes:
    try:
        size_bytes = path.stat().st_size
        content = path.read_bytes() if size_bytes <= MESSAGE_FILE_BYTES_MAX else b""
    except OSError as error:
        raise FileUnusable(f"{path} cannot be read", detail=error.strerror or "", hint="name another file") from error
    if size_bytes > MESSAGE_FILE_BYTES_MAX:
        raise FileUnusable(
            f"{path} is too large",
            detail=f"it has {size_bytes:,} bytes, more than {MESSAGE_FILE_BYTES_MAX:,}",
            hint="cut it into several files",
        )
    return content


def _message(line: bytes) -> Message | None:
    """Return the message of a line, or None if it holds none."""
    try:
        if line.lstrip().startswith(b"{"):
            return _of_object(json.loads(line))
        key, value = line.split()
        return _bytes(key.decode()), _bytes(value.decode()), UNKNOWN_PARTITION
    except (ValueError, KeyError, RecursionError):
        return None


def _of_object(content: dict[str, object]) -> Message:
    partition = content.get("partition", UNKNOWN_PARTITION)
    if type(partition) is not int or not UNKNOWN_PARTITION <= partition <= _PARTITION_MAX:
        raise ValueError("no partition")
    return _bytes(content["key"]), _bytes(content["value"]), partition


def _bytes(text: object) -> bytes | None:
    if text is None:
        return None
    if not isinstance(text, str):
        raise ValueError("no text")  # noqa: TRY004 - one class for whatever makes a line unreadable
    try:
        return base64.b64decode(text, validate=True)
    except binascii.Error as error:
        raise ValueError("not Base64") from error
