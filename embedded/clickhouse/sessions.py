"""Give each request a connection in the state that it may expect: its user's, its session's, its own settings.

Reads     requests; the engine
Returns   prepared connections
Promises  a setting of one request is never seen by another; what a session's SET, USE and temporary tables did is there
          for its next request; the number of sessions and what each keeps are bounded (box: embedded)
"""

from __future__ import annotations

import contextlib
import threading
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from esep.embedded.clickhouse.answers import refusal
from esep.embedded.clickhouse.guard import check_request
from esep.embedded.clickhouse.statement import first_words

if TYPE_CHECKING:
    from collections.abc import Iterator

    from esep.embedded.clickhouse.engine import Connection, Engine
    from esep.embedded.clickhouse.request import Request

SESSIONS_MAX = 1_000
STATEMENTS_MAX = 100  # SET and USE that a session keeps, each 0.2 ms for each of its requests.
_TEMPORARY = ([b"CREATE", b"TEMPORARY"], [b"CREATE", b"OR"])


@dataclass
class _Session:
    lock: threading.Lock = field(default_factory=threading.Lock)
    statements: dict[bytes, None] = field(default_factory=dict)  # In the order in which they are repeated.
    connection: Connection | None = None  # Kept once it has a temporary table, which no other connection sees.
    expires_at_s: float = 0.0  # By the monotonic clock.


@dataclass
class Lease:
    """A connection for one request. `remember` what it ran, if it is part of a session."""

    connection: Connection
    _session: _Session | None = None

    def remember(self, statement: bytes) -> None:
        """Keep what this statement, which has run, means for the session's next requests."""
        if self._session is None:
            return
        words = first_words(statement, 2)
        if words[:1] in ([b"SET"], [b"USE"]):
            self._session.statements.pop(statement, None)
            self._session.statements[statement] = None
            if len(self._session.statements) > STATEMENTS_MAX:
                raise refusal(201, "QUOTA_EXCEEDED", f"A session keeps at most {STATEMENTS_MAX} different SET and USE")
        elif words in _TEMPORARY:
            self._session.connection = self.connection


class Sessions:
    """All sessions, by user and session id."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._sessions: dict[tuple[str, str], _Session] = {}
        self._lock = threading.Lock()

    @contextlib.contextmanager
    def lease(self, request: Request) -> Iterator[Lease]:
        """Give a connection for one request and take it back.

        Raises QueryError: SESSION_IS_LOCKED, SESSION_NOT_FOUND, and what the engine says to settings and database.
        """
        if not request.session_id:
            with contextlib.closing(self._engine.open()) as connection:
                _prepare(connection, request, ())
                yield Lease(connection)
            return
        session = self._take(request)
        try:
            with self._connection(session) as connection:
                _prepare(connection, request, tuple(session.statements))
                yield Lease(connection, session)
        finally:
            session.expires_at_s = time.monotonic() + request.session_timeout_s
            session.lock.release()

    def close(self) -> None:
        """Close all connections that sessions keep."""
        with self._lock:
            for session in self._sessions.values():
                _close(session)
            self._sessions.clear()

    @contextlib.contextmanager
    def _connection(self, session: _Session) -> Iterator[Connection]:
        connection = session.connection or self._engine.open()
        try:
            if session.connection is not None:
                connection.reset()
            yield connection
        finally:
            if session.connection is None:
                connection.close()

    def _take(self, request: Request) -> _Session:
        key = request.user.name, request.session_id
        with self._lock:
            self._forget_expired()
            session = self._sessions.get(key)
            if session is None:
                if request.session_must_exist:
                    raise refusal(372, "SESSION_NOT_FOUND", f"Session {request.session_id!r} not found")
                if len(self._sessions) >= SESSIONS_MAX:
                    raise refusal(201, "QUOTA_EXCEEDED", f"There are {SESSIONS_MAX} sessions already")
                session = self._sessions[key] = _Session()
            if not session.lock.acquire(blocking=False):
                raise refusal(373, "SESSION_IS_LOCKED", "Session is locked by a concurrent client")
            return session

    def _forget_expired(self) -> None:
        now = time.monotonic()
        for key, session in list(self._sessions.items()):
            if session.expires_at_s < now and session.lock.acquire(blocking=False):
                _close(self._sessions.pop(key))


def _prepare(connection: Connection, request: Request, statements: tuple[bytes, ...]) -> None:
    """Bring a connection into a request's state. The one place where a user's role and limits go: the role first, its
    limits after the request's own settings.
    """
    role = request.user.guarded_role
    if role is not None:
        check_request(role, request.settings, request.parameters, request.database)
        connection.take_role(role.role)
    for statement in statements:
        connection.command(statement, "Null")
    if request.database:
        connection.use(request.database)
    settings = {name: value for name, value in request.settings.items() if role is None or name != "readonly"}
    limits = {name: str(value) for name, value in role.limits.items()} if role is not None else {}
    connection.configure(settings | limits, request.parameters, request.tag)
    if role is not None and role.use == "views":
        connection.only_read()


def _close(session: _Session) -> None:
    if session.connection is not None:
        session.connection.close()
        session.connection = None
