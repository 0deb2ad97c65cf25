"""ClickHouse's HTTP interface in front of the engine.

Reads     requests of ClickHouse's clients: GET and POST /, /ping, /replicas_status, /play
Returns   an aiohttp application
Promises  bodies and results of any size pass in bounded memory; so many statements run at once and no more, the others
          wait; a client that goes away has its SELECT ended; what runs is ended at shutdown (box: embedded)
"""

from __future__ import annotations

import asyncio
import contextlib
import mmap
import secrets
import string
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

from aiohttp import web

from esep.embedded.clickhouse.answers import QueryError, content_type, late_error, refusal
from esep.embedded.clickhouse.bridge import SILENCE_S, Inbox, Outlet
from esep.embedded.clickhouse.coding import accepted_encoding, compressor
from esep.embedded.clickhouse.job import Job
from esep.embedded.clickhouse.request import claimed_user, read_request, url_field
from esep.embedded.clickhouse.sessions import Sessions

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping

    from esep.embedded.clickhouse.answers import Summary
    from esep.embedded.clickhouse.audit import Audit
    from esep.embedded.clickhouse.coding import Compressor
    from esep.embedded.clickhouse.engine import Engine
    from esep.embedded.clickhouse.request import Request
    from esep.embedded.clickhouse.users import Users

RUNNING_MAX = 16  # Statements at once: each has a thread, and the engine uses every core for each.
WAITING_MAX = 512  # Requests that wait for a place; their bodies wait in the clients.
WAITING_S_MAX = 60.0
RUNNING_OF_PERSON_MAX = 4  # Of one user who only reads: the places are the loader's too.
HELD_BYTES = 1024 * 1024  # Of a result before its status is sent, so that an error until then has a status of its own.
HELD_BYTES_MAX = 32 * 1024 * 1024  # The same with wait_end_of_query, where a server takes a file.
FINISH_S = 2.0  # What inserts are given at shutdown to be written and acknowledged.
_LOOK_S = 0.5  # How soon what a blocked user has running is ended; new requests are refused at once.
_ASK_AGAIN_S = 0.2
_ASKS_MAX = 25
_TAG_LETTERS = 16
_DISPLAY_NAME = "esep"


class Interface:
    """The requests of one server, and what runs for them. audit: where each is noted; by default nowhere."""

    def __init__(self, engine: Engine, users: Users, audit: Audit | None = None) -> None:
        self._engine = engine
        self._users = users
        self._audit = audit
        self._watch: asyncio.Task[None] | None = None
        self._sessions = Sessions(engine)
        self._threads = ThreadPoolExecutor(RUNNING_MAX, thread_name_prefix="statement")
        self._helpers = ThreadPoolExecutor(2, thread_name_prefix="helper")
        self._places = asyncio.Semaphore(RUNNING_MAX)
        self._waiting = 0
        self._running: dict[str, tuple[Job, Inbox, asyncio.Future[Summary]]] = {}
        self._endings: set[asyncio.Task[None]] = set()
        self._page = b""
        self._is_closing = False

    @property
    def is_idle(self) -> bool:
        """Whether no thread works for a request any more."""
        return not self._running

    def application(self) -> web.Application:
        """Return the application; when it is cleaned up, what runs is ended."""
        app = web.Application()
        app.router.add_get("/ping", _alive)
        app.router.add_get("/replicas_status", _alive)
        app.router.add_get("/play", self._play)
        app.router.add_get("/", self._answer)
        app.router.add_post("/", self._answer)
        app.on_startup.append(self._begin)
        app.on_shutdown.append(self._end_all)
        app.on_cleanup.append(self._close)
        return app

    async def _answer(self, http: web.Request) -> web.StreamResponse:
        if http.method != "POST" and not url_field(http, "query"):
            return await _alive(http)
        headers = {"X-ClickHouse-Server-Display-Name": _DISPLAY_NAME}
        try:
            request = await self._let_in(http)
            headers |= {"X-ClickHouse-Query-Id": request.query_id, "X-ClickHouse-Timezone": self._engine.timezone}
            await self._place()
            return await self._run(http, request, headers)
        except QueryError as error:
            return _failure(error, headers)

    async def _let_in(self, http: web.Request) -> Request:
        try:
            return await read_request(http, self._users())
        except QueryError as error:
            if self._audit is not None:
                self._audit.refused(claimed_user(http), http.remote or "", error)
            raise

    async def _begin(self, _: web.Application) -> None:
        self._watch = asyncio.create_task(self._end_of_blocked())

    async def _end_of_blocked(self) -> None:
        """End what runs for users who have been blocked or have lost their role, for as long as the server runs."""
        while True:
            await asyncio.sleep(_LOOK_S)
            users = self._users()
            for job, _, done in list(self._running.values()):
                now = users.get(job.request.user.name)
                if job.may_be_ended and (now is None or now.blocked or now.role != job.request.user.role):
                    self._end(job, done)

    async def _place(self) -> None:
        """Wait until one more statement may run."""
        if self._waiting >= WAITING_MAX:
            raise refusal(202, "TOO_MANY_SIMULTANEOUS_QUERIES", f"{WAITING_MAX} requests wait already")
        self._waiting += 1
        try:
            async with asyncio.timeout(WAITING_S_MAX):
                await self._places.acquire()
        except TimeoutError as error:
            text = f"No place among {RUNNING_MAX} statements within {WAITING_S_MAX:.0f} s"
            raise refusal(202, "TOO_MANY_SIMULTANEOUS_QUERIES", text) from error
        finally:
            self._waiting -= 1

    async def _run(self, http: web.Request, request: Request, headers: dict[str, str]) -> web.StreamResponse:
        """Run a statement, in the place that has been taken for it, and send its result."""
        try:
            self._check_startable(request)
            job = Job(self._engine, self._sessions, request, self._audit)
            inbox, outlet = Inbox(), Outlet()
        except QueryError:
            self._places.release()
            raise
        done = asyncio.get_running_loop().run_in_executor(self._threads, job.run, inbox, outlet.writer)
        self._running[request.tag] = job, inbox, done
        done.add_done_callback(lambda _: self._leave(request.tag, done))
        feeding = asyncio.create_task(inbox.feed(http.content))
        try:
            return await self._send(http, job, done, outlet, headers)
        except QueryError:
            raise
        except BaseException:  # As a rule the client has gone away: CancelledError, ConnectionError, TimeoutError.
            if job.may_be_ended and not job.takes_data:  # Other statements run on, as on a server.
                self._end(job, done)
            raise
        finally:
            outlet.close()
            feeding.cancel()
            with contextlib.suppress(asyncio.CancelledError, Exception):
                await feeding

    def _check_startable(self, request: Request) -> None:
        if self._is_closing:
            raise refusal(209, "SOCKET_TIMEOUT", "The server is being stopped")
        role = request.user.guarded_role
        if role is not None and role.use == "views":
            theirs = sum(job.request.user.name == request.user.name for job, _, _ in self._running.values())
            if theirs >= RUNNING_OF_PERSON_MAX:
                text = f"{RUNNING_OF_PERSON_MAX} statements of this user run already"
                raise refusal(202, "TOO_MANY_SIMULTANEOUS_QUERIES", text)
        if request.tag in self._running:
            text = f"Query {request.query_id!r} is running already"
            raise refusal(216, "QUERY_WITH_SAME_ID_IS_ALREADY_RUNNING", text)

    def _leave(self, tag: str, done: asyncio.Future[Summary]) -> None:
        del self._running[tag]
        self._places.release()
        if not done.cancelled():
            done.exception()  # Looked at, also if the client is gone and nobody else does.

    async def _send(
        self, http: web.Request, job: Job, done: asyncio.Future[Summary], outlet: Outlet, headers: dict[str, str]
    ) -> web.StreamResponse:
        """Send a result: in one go if it is small or held back to its end, else as it comes."""
        pieces = outlet.pieces()
        held, is_whole = await _held(pieces, HELD_BYTES_MAX if job.request.wait_for_end else HELD_BYTES)
        if is_whole:
            headers = headers | {
                "X-ClickHouse-Summary": (await done).header()
            }  # Raises before a header of a result is set.
        encoding = accepted_encoding(http.headers.get("Accept-Encoding", "")) if held and _may_compress(job) else ""
        headers = headers | {"X-ClickHouse-Format": job.output_format, "Content-Type": content_type(job.output_format)}
        headers = headers | ({"Content-Encoding": encoding} if encoding else {})
        packer = _Packer(compressor(encoding) if encoding else None, self._helpers)
        if is_whole:
            return web.Response(body=await packer.packed(held) + await packer.rest(), headers=headers)
        tag = "".join(secrets.choice(string.ascii_lowercase) for _ in range(_TAG_LETTERS))
        response = web.StreamResponse(headers=headers | {"X-ClickHouse-Exception-Tag": tag})
        await response.prepare(http)
        await _write(response, await packer.packed(held))
        async for piece in pieces:
            await _write(response, await packer.packed(piece))
        try:
            await done
        except QueryError as error:
            await _write(response, await packer.packed(late_error(error, tag)) + await packer.rest())
            if http.transport is not None:  # A body without its end: no client takes it for the whole result.
                http.transport.close()
            return response
        await _write(response, await packer.rest())
        await response.write_eof()
        return response

    def _end(self, job: Job, done: asyncio.Future[Summary]) -> None:
        ending = asyncio.create_task(self._ask_to_end(job, done))
        self._endings.add(ending)
        ending.add_done_callback(self._endings.discard)

    async def _ask_to_end(self, job: Job, done: asyncio.Future[Summary]) -> None:
        for _ in range(_ASKS_MAX):  # The engine may not know the statement yet, or be where it does not look.
            await asyncio.get_running_loop().run_in_executor(self._helpers, job.give_up)
            if (await asyncio.wait([done], timeout=_ASK_AGAIN_S))[0]:
                return

    async def _end_all(self, _: web.Application) -> None:
        """At shutdown: take nothing new; end what runs, but for inserts that have all their data."""
        self._is_closing = True
        running = list(self._running.values())
        for job, inbox, done in running:
            if not inbox.is_complete:
                inbox.break_off()
            if not job.takes_data:
                self._end(job, done)
        if running:
            await asyncio.wait([done for _, _, done in running], timeout=FINISH_S)

    async def _close(self, _: web.Application) -> None:
        if self._watch is not None:
            self._watch.cancel()
        for ending in list(self._endings):
            ending.cancel()
        if not self._running:  # Else the process ends under them, as it does when it is killed.
            await asyncio.get_running_loop().run_in_executor(self._helpers, self._sessions.close)
        self._threads.shutdown(wait=False, cancel_futures=True)
        self._helpers.shutdown(wait=False, cancel_futures=True)

    async def _play(self, _: web.Request) -> web.Response:
        self._page = self._page or await asyncio.get_running_loop().run_in_executor(self._helpers, _page_of_engine)
        return web.Response(body=self._page, content_type="text/html", charset="utf-8")


class _Packer:
    """Compresses an answer, large pieces in a thread; without a compressor passes them on."""

    def __init__(self, compress: Compressor | None, threads: ThreadPoolExecutor) -> None:
        self._compressor = compress
        self._threads = threads

    async def packed(self, piece: bytes) -> bytes:
        if self._compressor is None:
            return piece
        if len(piece) < 65_536:  # Quicker than the way to a thread.
            return self._compressor.compress(piece)
        return await asyncio.get_running_loop().run_in_executor(self._threads, self._compressor.compress, piece)

    async def rest(self) -> bytes:
        return b"" if self._compressor is None else self._compressor.flush()


async def _alive(_: web.Request) -> web.Response:
    return web.Response(text="Ok.\n")


async def _held(pieces: AsyncIterator[bytes], count: int) -> tuple[bytes, bool]:
    """Return the begin of a result, and whether that is all of it."""
    held = bytearray()
    async for piece in pieces:
        held += piece
        if len(held) > count:
            return bytes(held), False
    return bytes(held), True


async def _write(response: web.StreamResponse, data: bytes) -> None:
    if data:
        async with asyncio.timeout(SILENCE_S):
            await response.write(data)


def _may_compress(job: Job) -> bool:
    return job.request.settings.get("enable_http_compression", "1") not in {"0", "false"}


def _failure(error: QueryError, headers: Mapping[str, str]) -> web.Response:
    extra = {"X-ClickHouse-Exception-Code": str(error.code)}
    if error.status == 401:
        extra["WWW-Authenticate"] = 'Basic realm="ClickHouse server HTTP API"'
    return web.Response(status=error.status, text=f"{error}\n", headers={**headers, **extra})


def _page_of_engine() -> bytes:
    """Return ClickHouse's own query page, which is inside the engine's library."""
    import chdb._chdb  # noqa: PLC0415 - loaded already, by the engine

    with open(chdb._chdb.__file__, "rb") as library, mmap.mmap(library.fileno(), 0, prot=mmap.PROT_READ) as content:  # noqa: PTH123
        title = content.find(b"<title>ClickHouse Query</title>")
        begin, end = content.rfind(b"<html", 0, title), content.find(b"</html>", title)
        return b"<!DOCTYPE html>\n" + content[begin : end + len(b"</html>")] if title > 0 else b"no page in this engine"
