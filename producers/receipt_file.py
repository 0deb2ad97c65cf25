"""Signed receipts as a file: what an organizer keeps of them for longer than the topic does.

Reads     such a file, or the messages of a receipts topic
Writes    a new file, whole or not at all
Promises  the very bytes of each message; one receipt at a time in memory; other members of a line are passed over, so
          that what `esep receive` and the gateway give is read as well (clauses O9-4.5, O9-4.7; box: producers)

JSON Lines: `{"value": …}`, the message value in Base64.
"""

from __future__ import annotations

import base64
import json
from typing import TYPE_CHECKING

from esep.errors import FileUnusable
from esep.producers.files import refuse_existing
from esep.topics import INTERNAL_BYTES_MAX

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

_LINE_BYTES_MAX = 2 * INTERNAL_BYTES_MAX  # Base64 of the largest message, and room for other members.


def write_receipts(path: Path, values: Iterable[bytes]) -> int:
    """Write message values into a new file; return how many. FileUnusable if it is there or cannot be written."""
    refuse_existing(path)
    part, count = path.with_name(f".{path.name}.part"), 0
    try:
        with part.open("wb") as file:
            for value in values:
                file.write(json.dumps({"value": base64.b64encode(value).decode()}).encode() + b"\n")
                count += 1
        part.replace(path)
    except OSError as error:
        raise FileUnusable(f"{path} cannot be written", detail=error.strerror or "", hint="name another") from error
    finally:
        part.unlink(missing_ok=True)
    return count


def read_receipts(path: Path) -> Iterator[bytes]:
    """Yield the message values of a file in its order; FileUnusable if it is none, with the line."""
    try:
        with path.open("rb") as file:
            number = 0
            while line := file.readline(_LINE_BYTES_MAX):
                number += 1
                yield _value(line, path, number)
    except OSError as error:
        raise FileUnusable(f"{path} cannot be read", detail=error.strerror or "", hint="name another file") from error


def _value(line: bytes, path: Path, number: int) -> bytes:
    try:
        return base64.b64decode(json.loads(line)["value"], validate=True)
    except (ValueError, TypeError, KeyError) as error:
        raise FileUnusable(
            f"{path} is no file of receipts", detail=f"line {number:,}", hint="`esep receipts export` writes one"
        ) from error
