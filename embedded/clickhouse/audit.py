"""The audit log: who asked what, on which basis, how many rows he was given and how long it took, line by line.

Reads     requests, what became of them
Writes    `audit.jsonl` in its folder, a chain (`esep.hash_chain`); the chain's head in a file of its own
Promises  what a person asks is in it before it is run, and what became of it before the last byte is given out; where
          it cannot be written nothing is answered; times are Almaty's (clauses J127-7, J127-16, J127-17; box: embedded)

It holds texts of queries, and with them numbers of persons: its folder is its owner's alone, and it is protected as the
data are. A line is of a kind: ASKED and ANSWERED (`asked`: number of the line that it belongs to) for who has a role
that is looked at; DONE for the line's own work; REFUSED for who was not let in.
"""

from __future__ import annotations

import hashlib
from datetime import datetime
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

from esep.embedded.clickhouse.answers import QueryError, refusal
from esep.hash_chain import Chain
from esep.store_roles import BASIS_SETTING

if TYPE_CHECKING:
    from pathlib import Path

    from esep.embedded.clickhouse.answers import Summary
    from esep.embedded.clickhouse.request import Request

FILE, HEAD = "audit.jsonl", "audit.head"
TEXT_BYTES_MAX = 64 * 1024  # Of a statement; of a longer one its digest stands beside the begin.
_ALMATY = ZoneInfo("Asia/Almaty")


class Audit:
    """The log of one server. Every call raises QueryError if it cannot be written."""

    def __init__(self, folder: Path, head_file: Path | None = None) -> None:
        self._chain = Chain(folder / FILE, head_file or folder / HEAD)

    def asked(self, request: Request, statement: bytes) -> int:
        """Note that somebody asks, before his statement is looked at; return the number of the line."""
        return self._append("ASKED", **_who(request), **_what(request, statement))

    def answered(self, asked: int, summary: Summary, error: QueryError | None, ms: float) -> None:
        """Note what became of it."""
        self._append("ANSWERED", asked=asked, **_outcome(summary, error, ms))

    def done(self, request: Request, statement: bytes, summary: Summary, error: QueryError | None, ms: float) -> None:
        """Note what the line itself has done."""
        self._append("DONE", **_who(request), **_what(request, statement), **_outcome(summary, error, ms))

    def refused(self, user: str, peer: str, error: QueryError) -> None:
        """Note that somebody was not let in, or asked for what cannot be done."""
        self._append("REFUSED", user=user, peer=peer, code=error.code)

    def _append(self, kind: str, **more: Any) -> int:
        at = datetime.now(_ALMATY).isoformat(timespec="milliseconds")
        try:
            return self._chain.append({"at": at, "kind": kind, **more}).number
        except OSError as error:
            raise refusal(243, "NOT_ENOUGH_SPACE", "The audit log cannot be written") from error


def _who(request: Request) -> dict[str, Any]:
    basis = request.settings.get(BASIS_SETTING, "")
    return {"user": request.user.name, "role": request.user.role or "", "peer": request.peer, "basis": basis}


def _what(request: Request, statement: bytes) -> dict[str, Any]:
    text = statement[:TEXT_BYTES_MAX].decode(errors="backslashreplace")
    what: dict[str, Any] = {"query_id": request.query_id, "text": text}
    if len(statement) > TEXT_BYTES_MAX:
        what |= {"text_bytes": len(statement), "text_sha256": hashlib.sha256(statement).hexdigest()}
    return what | ({"parameters": dict(request.parameters)} if request.parameters else {})


def _outcome(summary: Summary, error: QueryError | None, ms: float) -> dict[str, Any]:
    return {
        "rows": summary.result_rows,
        "read_rows": summary.read_rows,
        "written_rows": summary.written_rows,
        "ms": round(ms, 1),
        "code": error.code if error else 0,
    }
