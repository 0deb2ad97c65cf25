"""One request's work, in a thread of its own: read the statement, find out what it is, run it as what it is.

Reads     a request and its body
Writes    the result to a file descriptor, which it closes
Promises  one statement per request; a statement that does not parse is not run in part; data of an INSERT are never run
          as SQL; an INSERT whose body broke off is not committed; what somebody asks who has a role is noted and looked
          at before it is run (clause J127-16; box: embedded)
"""

from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING

from esep.embedded.clickhouse.answers import QueryError, Summary, refusal
from esep.embedded.clickhouse.coding import decoded
from esep.embedded.clickhouse.engine import READ_ONLY, UNKNOWN
from esep.embedded.clickhouse.guard import check_statement, without_values
from esep.embedded.clickhouse.statement import first_words, insert_head, output_of
from esep.store_roles import BASIS_SETTING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from esep.embedded.clickhouse.audit import Audit
    from esep.embedded.clickhouse.coding import Source
    from esep.embedded.clickhouse.engine import Connection, Engine
    from esep.embedded.clickhouse.request import Request
    from esep.embedded.clickhouse.sessions import Lease, Sessions

HEAD_BYTES_MAX = 256 * 1024  # Within these an INSERT's data must begin (the engine's max_query_size).
STATEMENT_BYTES_MAX = 16 * 1024 * 1024  # The engine takes 256 kB, more if the request's max_query_size says so.
_IN_PIECES = frozenset((b"SELECT", b"WITH", b"FROM", b"("))  # Statements whose result may be large.
_ALLOWED_BY_GET = frozenset((b"SET", b"USE"))


class Job:
    """One request's work. Another thread may read its attributes."""

    def __init__(self, engine: Engine, sessions: Sessions, request: Request, audit: Audit | None = None) -> None:
        self.request = request
        self.role = request.user.guarded_role
        self.output_format = request.default_format
        self.takes_data = False  # Known to be an INSERT whose data come with the request.
        self.may_be_ended = True  # Nobody misses it once its client is gone: it only reads, or has not begun.
        self._engine = engine
        self._sessions = sessions
        self._given_up = False
        self._audit = audit
        self._statement = request.query
        self._asked = 0

    def run(self, body: Source, writer: int) -> Summary:
        """Do the work, and have the audit log say so before the result's end is given out. Raises QueryError."""
        began = time.monotonic()
        summary, failed = Summary(), None
        try:
            with self._sessions.lease(self.request) as lease:
                summary = self._run(lease, decoded(body, self.request.content_encoding), writer)
        except QueryError as error:
            failed = error
            if self.role is not None:
                raise without_values(error) from None
            raise
        else:
            return summary
        finally:
            try:
                self._note(summary, failed, (time.monotonic() - began) * 1000)
            finally:
                os.close(writer)

    def give_up(self) -> None:
        """End it, now or when it is about to run its statement. An INSERT with data ends with its body."""
        self._given_up = True
        self._engine.kill(self.request.tag)

    def _note(self, summary: Summary, error: QueryError | None, ms: float) -> None:
        if self._audit is None:
            return
        if self.role is None:
            self._audit.done(self.request, self._statement, summary, error, ms)
            return
        if not self._asked:  # Refused before its statement was known whole.
            self._asked = self._audit.asked(self.request, self._statement)
        self._audit.answered(self._asked, summary, error, ms)

    def _look_at(self, statement: bytes) -> None:
        """Have what a role asks noted, then looked at, before the engine sees it."""
        self._statement = statement
        if self.role is None:
            return
        if self._audit is not None:
            self._asked = self._audit.asked(self.request, statement)
        basis = self.request.settings.get(BASIS_SETTING, "")
        check_statement(self.role, statement, self._engine.table_functions, basis)

    def _run(self, lease: Lease, body: Iterator[bytes], writer: int) -> Summary:
        text = self.request.query + b"\n" if self.request.query else b""
        insert = insert_head(text)
        if insert is None or insert.input_format == "Values":  # Else the data begin with the body: nothing to wait for.
            text = _at_least(text, body, HEAD_BYTES_MAX)
            self._statement = text
            insert = insert_head(text)
        if insert is None:
            return self._run_statement(lease, _whole(text, body), writer)
        if insert.data_at > HEAD_BYTES_MAX:  # Seen only where enough came at once; the answer must not hang on that.
            raise _head_too_long()
        self.takes_data = True
        self._look_at(insert.head)
        self._check_method(reads=False)
        if (
            insert.input_format == "Values"
            and len(text) < HEAD_BYTES_MAX
            and lease.connection.kind(text).statements > 1
        ):
            raise _several()  # The engine would pass over what follows the `;`.
        return lease.connection.insert(insert.head, insert.input_format, _followed(text[insert.data_at :], body))

    def _run_statement(self, lease: Lease, statement: bytes, writer: int) -> Summary:
        connection = lease.connection
        self._look_at(statement)
        kind = _check_single(connection, statement)
        word = (first_words(statement, 1) or [b""])[0]
        self._check_method(reads=kind == READ_ONLY or word in _ALLOWED_BY_GET)
        body, output_format, tail = output_of(statement)
        self.output_format = output_format or self.request.default_format
        self.may_be_ended = kind == READ_ONLY
        if self._given_up:
            raise refusal(394, "QUERY_WAS_CANCELLED", "Query was cancelled")
        if kind == READ_ONLY and word in _IN_PIECES:
            return connection.read(body, self.output_format, tail, writer)
        result, summary = connection.command(statement, self.output_format)
        lease.remember(statement)
        _write(writer, result)
        return summary

    def _check_method(self, *, reads: bool) -> None:
        if self.request.must_not_write and not reads:
            raise refusal(164, "READONLY", "Cannot execute query in readonly mode: over HTTP, GET only reads, use POST")


def _check_single(connection: Connection, statement: bytes) -> str:
    """Return the class of a text that is one statement, else raise QueryError."""
    kind = connection.kind(statement)
    if kind.statements > 1:
        raise _several()
    if kind.name == UNKNOWN:
        raise connection.refuse(statement)
    return kind.name


def _several() -> QueryError:
    return refusal(62, "SYNTAX_ERROR", "Syntax error (Multi-statements are not allowed)")


def _at_least(start: bytes, body: Iterator[bytes], size: int) -> bytes:
    pieces, length = [start], len(start)
    while length < size and (piece := next(body, b"")):
        pieces.append(piece)
        length += len(piece)
    return b"".join(pieces)


def _whole(text: bytes, body: Iterator[bytes]) -> bytes:
    """Return a whole statement, of which text is the begin, and which is known not to be followed by data there."""
    pieces, length = [text], len(text)
    for piece in body:
        pieces.append(piece)
        length += len(piece)
        if length > STATEMENT_BYTES_MAX:
            raise refusal(229, "QUERY_IS_TOO_LARGE", f"A statement may have {STATEMENT_BYTES_MAX} bytes")
    whole = b"".join(pieces)
    if len(pieces) > 1 and insert_head(whole) is not None:
        raise _head_too_long()
    return whole


def _head_too_long() -> QueryError:
    return refusal(229, "QUERY_IS_TOO_LARGE", f"The data of an INSERT must begin within {HEAD_BYTES_MAX} bytes")


def _followed(start: bytes, body: Iterator[bytes]) -> Iterator[bytes]:
    if start:
        yield start
    yield from body


def _write(writer: int, result: bytes) -> None:
    rest = memoryview(result)
    while rest:
        try:
            rest = rest[os.write(writer, rest) :]
        except BrokenPipeError as error:
            raise QueryError("Code: 210. DB::Exception: The client went away. (NETWORK_ERROR)") from error
