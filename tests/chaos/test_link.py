"""A wire passes on what it is given, and fails as it is told to."""

from __future__ import annotations

import socket
import struct
import threading
import time
from collections.abc import Callable, Iterator

import pytest

from tests.chaos.link import DELAY_S, HOST, WHOLE, Link
from tests.chaos.schedule import CUT, DELAY, HALF_OPEN

_SOON_S = 10.0


class Echo:
    """A server that notes and sends back what it gets."""

    def __init__(self) -> None:
        self.heard = b""
        self._listener = socket.create_server((HOST, 0))
        self.port = self._listener.getsockname()[1]
        threading.Thread(target=self._serve, daemon=True).start()

    def close(self) -> None:
        self._listener.close()

    def _serve(self) -> None:
        try:
            while True:
                connection, _ = self._listener.accept()
                threading.Thread(target=self._answer, args=[connection], daemon=True).start()
        except OSError:
            pass

    def _answer(self, connection: socket.socket) -> None:
        with connection:
            try:
                while piece := connection.recv(1024):
                    self.heard += piece
                    connection.sendall(piece)
            except OSError:
                pass


@pytest.fixture
def echo() -> Iterator[Echo]:
    server = Echo()
    yield server
    server.close()


@pytest.fixture
def link(echo: Echo) -> Iterator[Link]:
    with Link(echo.port) as one:
        yield one


def ask(client: socket.socket, text: bytes) -> bytes:
    client.sendall(text)
    return client.recv(1024)


def called(link: Link) -> socket.socket:
    return socket.create_connection((HOST, link.port), timeout=_SOON_S)


def wait_until(holds: Callable[[], bool]) -> None:
    deadline = time.monotonic() + _SOON_S
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def gets_through(link: Link) -> bool:
    try:
        with called(link) as client:
            return ask(client, b"ping") == b"ping"
    except OSError:
        return False


def test_whole_wire_passes_on_both_ways_and_the_end(link: Link) -> None:
    with called(link) as client:
        assert ask(client, b"one") == b"one"
        client.shutdown(socket.SHUT_WR)
        assert client.recv(1024) == b""


def test_cut_wire_breaks_off_what_was_open_and_lets_nobody_through_until_it_is_whole(link: Link) -> None:
    with called(link) as client:
        assert ask(client, b"one") == b"one"
        link.set(CUT)
        with pytest.raises(ConnectionResetError):
            client.recv(1024)
    wait_until(lambda: not gets_through(link))
    link.set(WHOLE)
    wait_until(lambda: gets_through(link))


def test_wire_whose_caller_broke_off_is_cut_for_the_others(link: Link) -> None:
    with called(link) as gone, called(link) as other:
        assert ask(gone, b"one") == ask(other, b"one") == b"one"
        gone.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        gone.close()
        link.set(DELAY)  # Passes the time in which the wire hears of it.
        assert ask(other, b"two") == b"two"
        link.set(CUT)
        with pytest.raises(ConnectionResetError):
            other.recv(1024)


def test_half_open_wire_carries_requests_and_no_answers_and_breaks_off_in_the_end(link: Link, echo: Echo) -> None:
    with called(link) as client:
        assert ask(client, b"one") == b"one"
        link.set(HALF_OPEN)
        client.sendall(b"insert")
        wait_until(lambda: echo.heard.endswith(b"insert"))
        link.set(WHOLE)
        with pytest.raises(ConnectionResetError):
            client.recv(1024)
    wait_until(lambda: gets_through(link))


def test_slow_wire_answers_after_the_delay_of_both_ways(link: Link) -> None:
    with called(link) as client:
        assert ask(client, b"one") == b"one"
        link.set(DELAY)
        asked_s = time.monotonic()
        assert ask(client, b"two") == b"two"
        assert time.monotonic() - asked_s >= DELAY_S


def test_wire_that_is_cut_for_one_caller_is_whole_for_the_others(echo: Echo) -> None:
    callers: dict[int, str] = {}
    with Link(echo.port, lambda port: callers.get(port, "other")) as link:
        link.set(CUT, "broker-1")
        wait_until(lambda: gets_through(link))
        with socket.socket() as client, called(link) as other:
            client.bind((HOST, 0))
            callers[client.getsockname()[1]] = "broker-1"
            client.settimeout(_SOON_S)
            client.connect((HOST, link.port))
            with pytest.raises(ConnectionResetError):
                ask(client, b"one")
            assert ask(other, b"two") == b"two"
        link.set(CUT)
        wait_until(lambda: not gets_through(link))
        link.set(WHOLE)
        wait_until(lambda: gets_through(link))
