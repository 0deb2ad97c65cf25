"""A gateway in a thread of the test, and one organizer's requests to it."""

from __future__ import annotations

import asyncio
import base64
import http.client
import json
import ssl
import threading
from collections.abc import Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from aiohttp import web

from esep.gateway.body import EVENTS
from esep.gateway.http import Gateway, Limits
from esep.gateway.sessions import Sessions

WAIT_S = 60.0


@dataclass
class Answer:
    """What the gateway said."""

    status: int
    headers: dict[str, str]
    text: str

    @property
    def document(self) -> dict[str, Any]:
        read: dict[str, Any] = json.loads(self.text)
        return read

    @property
    def code(self) -> str:
        return str(self.document["error"]["code"])


@dataclass
class Served:
    """A gateway that listens. trusted: for TLS."""

    port: int
    trusted: ssl.SSLContext | None = None

    def ask(
        self, method: str, path: str, user: str = "", password: str = "", body: bytes = b"", content_type: str = EVENTS
    ) -> Answer:
        headers = {"Content-Type": content_type} if body else {}
        if user:
            headers["Authorization"] = f"Basic {base64.b64encode(f'{user}:{password}'.encode()).decode()}"
        connection = self.connection()
        try:
            connection.request(method, path, body or None, headers)
            answer = connection.getresponse()
            return Answer(answer.status, dict(answer.headers), answer.read().decode())
        finally:
            connection.close()

    def connection(self) -> http.client.HTTPConnection:
        if self.trusted is not None:
            return http.client.HTTPSConnection("127.0.0.1", self.port, timeout=WAIT_S, context=self.trusted)
        return http.client.HTTPConnection("127.0.0.1", self.port, timeout=WAIT_S)

    def post(self, user: str, body: bytes, password: str = "", content_type: str = EVENTS) -> Answer:
        return self.ask("POST", "/v1/events", user, password, body, content_type)


@contextmanager
def served(sessions: Sessions, limits: Limits = Limits(), tls: ssl.SSLContext | None = None) -> Iterator[int]:  # noqa: B008 - frozen
    """Serve on a free port of loopback, and give the port."""
    listening: Future[int] = Future()
    ended: Future[asyncio.Event] = Future()

    async def serve() -> None:
        runner = web.AppRunner(Gateway(sessions, limits).application(), access_log=None, shutdown_timeout=1.0)
        try:
            await runner.setup()
            await web.TCPSite(runner, "127.0.0.1", 0, ssl_context=tls).start()
        except BaseException as error:
            listening.set_exception(error)
            raise
        end = asyncio.Event()
        ended.set_result(end)
        loop = asyncio.get_running_loop()
        loops.append(loop)
        listening.set_result(runner.addresses[0][1])
        await end.wait()
        await runner.cleanup()

    loops: list[asyncio.AbstractEventLoop] = []
    thread = threading.Thread(target=lambda: asyncio.run(serve()), name="gateway")
    thread.start()
    try:
        yield listening.result(WAIT_S)
    finally:
        loops[0].call_soon_threadsafe(ended.result().set)
        thread.join(WAIT_S)
        assert not thread.is_alive()
