"""The gateway's requests: events in, places and receipts out.

Reads     POST /v1/events, GET /v1/receipts, GET /health
Returns   an aiohttp application
Promises  an organizer is let in before anything of its body is read; all events of a request lie on the topic when the
          answer is 202, and a request may always be repeated; so many requests at once and no more, each bounded in
          size and time; no value of an event stands in an answer or a log (clauses O114-3, O9-4.2; box: gateway)
"""

from __future__ import annotations

import asyncio
import base64
import contextlib
import logging
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from aiohttp import BasicAuth, web
from confluent_kafka import KafkaError, KafkaException

from esep.gateway.body import messages_of
from esep.gateway.problems import Problem, language_of

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator

    from esep.gateway.sessions import Session, Sessions

_NOT_ALLOWED = {
    KafkaError.TOPIC_AUTHORIZATION_FAILED,
    KafkaError.CLUSTER_AUTHORIZATION_FAILED,
    KafkaError.GROUP_AUTHORIZATION_FAILED,
    KafkaError.SASL_AUTHENTICATION_FAILED,
    KafkaError._AUTHENTICATION,
    KafkaError.UNKNOWN_TOPIC_OR_PART,
    KafkaError._UNKNOWN_TOPIC,
}
_HEALTH_S = 2.0
_OFFSET_MAX = 2**63 - 1
_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Limits:
    """What a request may take. read_s: for its body to come."""

    body_bytes_max: int = 8 * 1024 * 1024
    events_max: int = 10_000
    requests_max: int = 32
    organizer_requests_max: int = 4
    read_s: float = 20.0


class Gateway:
    """The requests of one server, and what is open for them."""

    def __init__(self, sessions: Sessions, limits: Limits) -> None:
        self._sessions = sessions
        self._limits = limits
        self._threads = ThreadPoolExecutor(limits.requests_max, thread_name_prefix="request")
        self._under_way = 0
        self._of_organizer: Counter[str] = Counter()

    def application(self) -> web.Application:
        """Return the application; when it is cleaned up, everything is closed."""
        app = web.Application(client_max_size=self._limits.body_bytes_max)
        app.router.add_post("/v1/events", self._answered(self._events))
        app.router.add_get("/v1/receipts", self._answered(self._receipts))
        app.router.add_get("/health", self._health)
        app.on_cleanup.append(self._close)
        return app

    def _answered(
        self, handler: Callable[[web.Request, Session], Awaitable[web.Response]]
    ) -> Callable[[web.Request], Awaitable[web.Response]]:
        """Return a handler that lets the organizer in first, and answers every problem in one form."""

        async def answer(http: web.Request) -> web.Response:
            try:
                with self._place():
                    session = await self._session(http)
                    with self._place_of(session.organizer_bin):
                        return await handler(http, session)
            except Problem as problem:
                return _refused(http, problem)
            except Exception as error:  # noqa: BLE001 - the process goes on; its text may hold a person's data.
                _log.error("%s %s failed: %s", http.method, http.path, type(error).__name__)
                return _refused(http, Problem("FAULT"))

        return answer

    async def _events(self, http: web.Request, session: Session) -> web.Response:
        body = await self._body(http)
        answer = await self._in_thread(self._deliver, session, body, http.content_type)
        return web.json_response(answer, status=202)

    def _deliver(self, session: Session, body: bytes, content_type: str) -> dict[str, Any]:
        messages = messages_of(body, content_type, session.organizer_bin, self._limits.events_max)
        placed = session.delivery.deliver(messages)
        _log.info("%s: %d events", session.organizer_bin, len(placed))
        events = [{"partition": partition, "offset": offset} for partition, offset in placed]
        return {"organizer_bin": session.organizer_bin, "topic": session.delivery.topic, "events": events}

    async def _receipts(self, http: web.Request, session: Session) -> web.Response:
        partition, from_offset = _number(http, "partition", 2**31 - 1), _number(http, "from_offset", _OFFSET_MAX)
        try:
            read = await self._in_thread(lambda session: session.receipts.read(partition, from_offset), session)
        except IndexError:
            raise Problem("PARAMETER_INVALID", field="partition") from None
        receipts = [
            {"partition": partition, "offset": offset, "value": base64.b64encode(value).decode()}
            for offset, value in read.receipts
        ]
        answer = {"topic": session.receipts.topic, "receipts": receipts, "next_offset": read.next_offset}
        return web.json_response(answer)

    async def _health(self, _http: web.Request) -> web.Response:
        """Answer 200 while a broker can be reached, else 503; says nothing of any organizer."""
        for server in self._sessions.bootstrap_servers.split(","):
            host, _, port = server.rpartition(":")
            with contextlib.suppress(OSError, TimeoutError):
                async with asyncio.timeout(_HEALTH_S):
                    _, writer = await asyncio.open_connection(host.strip("[]"), int(port))
                writer.close()
                return web.json_response({"status": "ok"})
        return web.json_response({"status": "no broker"}, status=503)

    async def _session(self, http: web.Request) -> Session:
        try:
            given = BasicAuth.decode(http.headers.get("Authorization", ""), encoding="utf-8")
        except ValueError:
            raise Problem("CREDENTIALS_REFUSED") from None
        return await asyncio.get_running_loop().run_in_executor(
            self._threads, self._sessions.open, given.login, given.password
        )

    async def _body(self, http: web.Request) -> bytes:
        try:
            async with asyncio.timeout(self._limits.read_s):
                return await http.read()
        except TimeoutError:
            raise Problem("REQUEST_TOO_SLOW") from None
        except web.HTTPRequestEntityTooLarge:
            raise Problem("BODY_TOO_LARGE") from None
        except (web.RequestPayloadError, ConnectionError, ValueError):
            raise Problem("BODY_UNREADABLE") from None

    async def _in_thread(self, work: Callable[..., Any], session: Session, *more: Any) -> Any:
        """Return what work gives, run in a thread; an error of Kafka as a problem, and the session is at its end."""
        loop = asyncio.get_running_loop()
        try:
            return await loop.run_in_executor(self._threads, work, session, *more)
        except KafkaException as error:
            await loop.run_in_executor(self._threads, self._sessions.drop, session)
            reason: KafkaError = error.args[0]
            _log.warning("%s: %s", session.organizer_bin, reason.name())
            raise _problem_of(reason) from error

    @contextlib.contextmanager
    def _place(self) -> Iterator[None]:
        if self._under_way >= self._limits.requests_max:
            raise Problem("BUSY")
        self._under_way += 1
        try:
            yield
        finally:
            self._under_way -= 1

    @contextlib.contextmanager
    def _place_of(self, organizer_bin: str) -> Iterator[None]:
        if self._of_organizer[organizer_bin] >= self._limits.organizer_requests_max:
            raise Problem("BUSY")
        self._of_organizer[organizer_bin] += 1
        try:
            yield
        finally:
            self._of_organizer[organizer_bin] -= 1

    async def _close(self, _app: web.Application) -> None:
        self._sessions.close()
        self._threads.shutdown(wait=False)


def _refused(http: web.Request, problem: Problem) -> web.Response:
    document = {"error": problem.document(language_of(http.query.get("lang")))}
    return web.json_response(document, status=problem.status, headers=problem.headers)


def _problem_of(error: KafkaError) -> Problem:
    if error.code() in _NOT_ALLOWED:
        return Problem("ACCESS_REFUSED")
    return Problem("EVENT_TOO_LARGE" if error.code() == KafkaError.MSG_SIZE_TOO_LARGE else "BROKER_UNAVAILABLE")


def _number(http: web.Request, name: str, most: int) -> int:
    text = http.query.get(name, "0")
    if not (text.isascii() and text.isdigit()) or len(text) > len(str(most)) or int(text) > most:
        raise Problem("PARAMETER_INVALID", field=name)
    return int(text)
