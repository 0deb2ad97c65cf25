"""A file of lines that is only added to, each line bound to the one before by its hash.

Reads     such a file; heads that were kept elsewhere
Writes    lines at its end, and the head in a file beside or far from it
Promises  a line that was changed, removed, inserted or moved shows, and so does a file that ends before a head that was
          kept; a line is in the file, whole, before `append` returns, and outlives the process (not a failure of power)
          (clause J127-16)

A line is `<hash> <JSON>`; hash = SHA-256 over the hash before (of no line: 64 zeros), a blank and the JSON. Who can
write to the file can also make a whole new chain; that is what heads are for: `<number> <hash>`, kept where he cannot
write.
"""

from __future__ import annotations

import fcntl
import json
import os
import threading
from hashlib import sha256
from typing import TYPE_CHECKING, Any, NamedTuple

from esep.errors import FileUnusable

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from pathlib import Path

_NONE = "0" * 64
_BROKEN = "does not follow from the line before it: changed, inserted, moved, or one is gone"
_TAIL_BYTES = 32 * 1024 * 1024  # The last line is within these: a statement may have 16 MiB.


class Head(NamedTuple):
    """Where a chain stands: how many lines it has, and the hash of the last."""

    number: int
    digest: str

    def __str__(self) -> str:
        return f"{self.number} {self.digest}"


class Fault(NamedTuple):
    """What is wrong with a chain. line: from 1 on, 0 for the file as a whole."""

    line: int
    what: str


class Chain:
    """A chain that this process adds to. Thread-safe; FileUnusable if another one adds to it already.

    head_file: where the head is written after each line, as far from the file as the operator likes.
    """

    def __init__(self, path: Path, head_file: Path | None = None) -> None:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._lock = threading.Lock()
        self._lines = os.open(path, os.O_RDWR | os.O_APPEND | os.O_CREAT, 0o600)
        try:
            fcntl.flock(self._lines, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            os.close(self._lines)
            raise FileUnusable(
                f"another process writes to the log {path}",
                hint="try again when it is done; two cannot go on one chain",
            ) from error
        self._head = _last_head(path)
        if not _ends_whole(path):
            os.write(self._lines, b"\n")  # What a failure of power has torn stays, and `faults` tells of it.
        self._kept = os.open(head_file, os.O_WRONLY | os.O_CREAT, 0o600) if head_file else None

    @property
    def head(self) -> Head:
        """Where the chain stands."""
        return self._head

    def append(self, document: Mapping[str, Any]) -> Head:
        """Add a line; it is given its number as `n`. Raises OSError if it cannot be written."""
        with self._lock:
            number = self._head.number + 1
            body = json.dumps({"n": number, **document}, ensure_ascii=False, separators=(",", ":")).encode(
                errors="backslashreplace"
            )
            digest = _digest(self._head.digest, body)
            line = b"%b %b\n" % (digest.encode(), body)
            if os.write(self._lines, line) != len(line):
                raise OSError("the line could not be written whole")
            self._head = Head(number, digest)
            if self._kept is not None:
                os.pwrite(self._kept, f"{number:>20} {digest}\n".encode(), 0)
            return self._head

    def close(self) -> None:
        """Close its files."""
        os.close(self._lines)
        if self._kept is not None:
            os.close(self._kept)


def lines(path: Path) -> Iterator[dict[str, Any]]:
    """Yield the documents of a chain in order, whatever `faults` says of it; FileUnusable if there is no file."""
    for _, body in _parts(path):
        try:
            document = json.loads(body)
        except ValueError:
            continue
        if isinstance(document, dict):
            yield document


def faults(path: Path, heads: Iterable[Head] = ()) -> list[Fault]:
    """Return what is wrong with a chain, in order; nothing if nothing is. heads: that were kept elsewhere.

    After a line that does not fit, the chain is followed from that line on, so that each fault is told once.
    """
    found: list[Fault] = []
    known = {0: _NONE}
    wanted = {head.number: head.digest for head in heads}
    before, number = _NONE, 0
    for place, (digest, body) in enumerate(_parts(path), start=1):
        number += 1
        stated = _number_of(body)
        if stated is None:
            found.append(Fault(place, "is no line of a chain"))
        elif stated != number:
            found.append(Fault(place, f"has the number {stated} in place of {number}"))
            number = stated
        if stated is not None and digest != _digest(before, body):
            found.append(Fault(place, _BROKEN))
        before = known[number] = digest
    for head, digest in sorted(wanted.items()):
        if head not in known:
            found.append(Fault(0, f"ends after line {number}, and line {head} has been there"))
        elif known[head] != digest:
            found.append(Fault(0, f"line {head} is another one than the head says that was kept"))
    return found


def head_of(path: Path) -> Head:
    """Return where a chain stands; FileUnusable if there is no file."""
    for _ in _parts(path):
        break
    return _last_head(path)


def read_heads(path: Path) -> list[Head]:
    """Return the heads in a file, one a line; FileUnusable if it holds anything else, or cannot be read."""
    try:
        rows = [line.split() for line in path.read_text(encoding="utf-8").splitlines() if line.strip()]
        return [Head(int(number), digest) for number, digest, *_ in rows]
    except (OSError, ValueError) as error:
        raise FileUnusable(f"{path} holds no heads of a log", hint="a head is a number and 64 hex digits") from error


def _digest(before: str, body: bytes) -> str:
    return sha256(before.encode() + b" " + body).hexdigest()


def _parts(path: Path) -> Iterator[tuple[str, bytes]]:
    try:
        with path.open("rb") as file:
            for line in file:
                digest, _, body = line.rstrip(b"\n").partition(b" ")
                yield digest.decode(errors="replace"), body
    except OSError as error:
        raise FileUnusable(f"the log {path} cannot be read", detail=str(error.strerror)) from error


def _number_of(body: bytes) -> int | None:
    try:
        document = json.loads(body)
    except ValueError:
        return None
    number = document.get("n") if isinstance(document, dict) else None
    return number if isinstance(number, int) else None


def _tail(path: Path) -> bytes:
    with path.open("rb") as file:
        size = file.seek(0, os.SEEK_END)
        file.seek(max(0, size - _TAIL_BYTES))
        return file.read()


def _ends_whole(path: Path) -> bool:
    return path.stat().st_size == 0 or _tail(path).endswith(b"\n")


def _last_head(path: Path) -> Head:
    """Return the head by the last whole line."""
    for line in reversed(_tail(path).split(b"\n")[:-1]):
        digest, _, body = line.partition(b" ")
        number = _number_of(body)
        if number is not None:
            return Head(number, digest.decode(errors="replace"))
    return Head(0, _NONE)
