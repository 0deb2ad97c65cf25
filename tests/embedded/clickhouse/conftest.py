"""One server for all tests of this folder (tests/conftest.py), asked through unmodified clients."""

from __future__ import annotations

import contextlib
import http.client
import time
import urllib.parse
import uuid
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import clickhouse_connect
import pytest

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from clickhouse_connect.driver.client import Client

    from esep.embedded.clickhouse import ClickHouseServer


@dataclass(frozen=True)
class Answer:
    status: int
    body: bytes
    headers: dict[str, str]

    @property
    def code(self) -> str:
        return self.headers.get("X-ClickHouse-Exception-Code", "")

    @property
    def text(self) -> str:
        return self.body.decode()


@pytest.fixture
def ask(clickhouse: ClickHouseServer) -> Callable[..., Answer]:
    """Send a plain request, as curl would: ask(query, body, headers, method, **url fields)."""

    def send(
        query: str | bytes = "",
        body: bytes | None = None,
        headers: dict[str, str] | None = None,
        method: str = "POST",
        path: str = "/",
        **fields: str,
    ) -> Answer:
        url = path + "?" + urllib.parse.urlencode({**({"query": query} if query else {}), **fields})
        connection = http.client.HTTPConnection("127.0.0.1", clickhouse.port, timeout=30)
        try:
            connection.request(method, url, body=body, headers=headers or {})
            answer = connection.getresponse()
            return Answer(answer.status, answer.read(), dict(answer.headers))
        finally:
            connection.close()

    return send


@pytest.fixture
def client(clickhouse: ClickHouseServer) -> Iterator[Client]:
    client = clickhouse_connect.get_client(dsn=clickhouse.url)
    yield client
    client.close()


@pytest.fixture
def table(client: Client) -> Iterator[str]:
    """A table of wagers with a window of deduplication tokens."""
    name = f"wagers_{uuid.uuid4().hex}"
    client.command(
        f"CREATE TABLE {name} (sequence Int64, wager_id String) ENGINE = MergeTree ORDER BY sequence "
        "SETTINGS non_replicated_deduplication_window = 100"
    )
    yield name
    client.command(f"DROP TABLE {name}")


def wait_until(condition: Callable[[], Any], timeout_s: float = 20.0) -> None:
    """Ask until it holds; fail after timeout_s."""
    deadline = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < deadline, "it did not happen"
        time.sleep(0.05)


@pytest.fixture
def until() -> Callable[..., None]:
    return wait_until


@pytest.fixture
def running(ask: Callable[..., Answer]) -> Callable[[str], int]:
    """Count the statements that run now and hold this text."""

    def count(part: str) -> int:
        these = f"query LIKE '%{part}%' AND query NOT LIKE '%processes%'"
        return int(ask(f"SELECT count() FROM system.processes WHERE {these}").body)

    return count


@pytest.fixture
def connect(clickhouse: ClickHouseServer) -> Iterator[Callable[[], http.client.HTTPConnection]]:
    """Open a connection of one's own; closed at the end."""
    with contextlib.ExitStack() as opened:

        def open_one() -> http.client.HTTPConnection:
            connection = http.client.HTTPConnection("127.0.0.1", clickhouse.port, timeout=60)
            opened.callback(connection.close)
            return connection

        yield open_one
