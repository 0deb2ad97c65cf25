"""A few requests to a broker by hand, where no client library has them: coordinators, quotas, one login as it is.

Reads     one broker's answers, over TCP, or TLS with SCRAM
Returns   an authenticated socket; answers as bytes
Promises  every wait is bounded; the broker proves that it knows the password too before anything else is sent; a
          password never leaves the process (RFC 5802; kafka.apache.org/protocol)
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import secrets
import socket
import struct
from typing import TYPE_CHECKING

from esep.errors import BrokerUnavailable, SettingInvalid
from esep.security import MECHANISM, tls_context

if TYPE_CHECKING:
    from collections.abc import Mapping

SASL_HANDSHAKE, SASL_AUTHENTICATE = 17, 36
ANSWER_BYTES_MAX = 16 * 1024 * 1024
ITERATIONS_MAX = 1_000_000  # A broker that asks for more would only keep us busy.
_CLIENT_ID = "esep"
_GS2_HEADER = "n,,"  # No channel binding, no other identity to act for: Kafka knows neither.
_HASH = "sha512"


def connect(server: str, security: Mapping[str, str], timeout_s: float) -> socket.socket:
    """Return a socket on which requests can be made: connected, and authenticated where security says so.

    server: host:port. Raises OSError (ssl.SSLError with it) if there is no trusted connection, SettingInvalid if the
    broker refuses the credentials.
    """
    host, _, port = server.rpartition(":")
    host = host.strip("[]")  # Around an IPv6 address.
    opened = socket.create_connection((host, int(port)), timeout=timeout_s)
    if not security:
        return opened
    try:
        encrypted = tls_context(security).wrap_socket(opened, server_hostname=host)
    except BaseException:
        opened.close()
        raise
    try:
        authenticate(encrypted, security["sasl.username"], security["sasl.password"])
    except BaseException:
        encrypted.close()
        raise
    return encrypted


def connect_any(bootstrap_servers: str, security: Mapping[str, str], timeout_s: float) -> socket.socket:
    """Return a socket to the first of these brokers that can be reached.

    Raises SettingInvalid if it refuses the credentials, BrokerUnavailable if none can be reached and trusted.
    """
    failures = []
    for server in bootstrap_servers.split(","):
        try:
            return connect(server, security, timeout_s)
        except OSError as error:
            failures.append(f"{server}: {error}")
    raise BrokerUnavailable(
        f"no trusted connection to Kafka at {bootstrap_servers}",
        detail="; ".join(failures),
        hint="see that the brokers run, and that the CA and the host names are theirs",
    )


def authenticate(connection: socket.socket, user: str, password: str) -> None:
    """Log in by SCRAM; SettingInvalid if either side does not know the password."""
    exchange = Scram(user, password, secrets.token_urlsafe(18))
    sasl_handshake(connection)
    final = exchange.final(sasl_authenticate(connection, exchange.first()))
    if not exchange.is_servers(sasl_authenticate(connection, final)):
        raise SettingInvalid("the broker does not know the password it asks for", hint="it is not ours: do not use it")


def sasl_handshake(connection: socket.socket) -> None:
    """Choose the mechanism; SettingInvalid if the broker has it not."""
    answer = call(connection, SASL_HANDSHAKE, 1, text(MECHANISM))
    if struct.unpack_from(">h", answer)[0] != 0:
        raise SettingInvalid(f"the broker does not offer {MECHANISM}")


def sasl_authenticate(connection: socket.socket, message: bytes) -> bytes:
    """Send one message of the exchange and return the broker's; SettingInvalid if it refuses."""
    answer = call(connection, SASL_AUTHENTICATE, 0, struct.pack(">i", len(message)) + message)
    (error,) = struct.unpack_from(">h", answer)
    why, at = read_text(answer, 2)
    if error != 0:
        raise SettingInvalid("Kafka refused the credentials", detail=why, hint="they may have been replaced or revoked")
    (length,) = struct.unpack_from(">i", answer, at)
    return answer[at + 4 : at + 4 + length]


class Scram:
    """The client's side of one SCRAM-SHA-512 exchange (RFC 5802). nonce: never used before."""

    def __init__(self, user: str, password: str, nonce: str) -> None:
        self._password = password
        self._nonce = nonce
        self._bare = f"n={user.replace('=', '=3D').replace(',', '=2C')},r={nonce}"
        self._servers_signature = b""

    def first(self) -> bytes:
        """Return the first message: who, and a nonce."""
        return (_GS2_HEADER + self._bare).encode()

    def final(self, server_first: bytes) -> bytes:
        """Return the second message, a proof that is good for the server's nonce alone."""
        fields = _fields(server_first)
        iterations = int(fields["i"])
        if not fields["r"].startswith(self._nonce) or not 0 < iterations <= ITERATIONS_MAX:
            raise SettingInvalid("the broker's answer is not of this exchange")
        salted = hashlib.pbkdf2_hmac(_HASH, self._password.encode(), base64.b64decode(fields["s"]), iterations)
        without_proof = f"c={base64.b64encode(_GS2_HEADER.encode()).decode()},r={fields['r']}"
        signed = f"{self._bare},{server_first.decode()},{without_proof}".encode()
        client_key = _hmac(salted, b"Client Key")
        signature = _hmac(hashlib.new(_HASH, client_key).digest(), signed)
        proof = bytes(one ^ other for one, other in zip(client_key, signature, strict=True))
        self._servers_signature = _hmac(_hmac(salted, b"Server Key"), signed)
        return f"{without_proof},p={base64.b64encode(proof).decode()}".encode()

    def is_servers(self, server_final: bytes) -> bool:
        """Return whether the server has proved that it knows the password."""
        signature = base64.b64decode(_fields(server_final).get("v", ""))
        return bool(self._servers_signature) and hmac.compare_digest(signature, self._servers_signature)


def call(connection: socket.socket, api: int, version: int, body: bytes) -> bytes:
    """Make one request and return the body of its answer; OSError if the broker hangs up or answers nonsense."""
    request = struct.pack(">hhi", api, version, 0) + text(_CLIENT_ID) + body
    connection.sendall(struct.pack(">i", len(request)) + request)
    (size,) = struct.unpack(">i", _receive(connection, 4))
    if not 4 <= size <= ANSWER_BYTES_MAX:
        raise ConnectionError(f"an answer of {size} bytes")
    return _receive(connection, size)[4:]


def text(value: str) -> bytes:
    """Return a text as the protocol writes it."""
    content = value.encode()
    return struct.pack(">h", len(content)) + content


def read_text(answer: bytes, at: int) -> tuple[str, int]:
    """Return the text that begins there, empty for none, and where it ends."""
    (length,) = struct.unpack_from(">h", answer, at)
    end = at + 2 + max(0, length)
    return answer[at + 2 : end].decode(), end


def _receive(connection: socket.socket, size: int) -> bytes:
    received = b""
    while len(received) < size:
        part = connection.recv(size - len(received))
        if not part:
            raise ConnectionError("the broker has hung up")
        received += part
    return received


def _hmac(key: bytes, message: bytes) -> bytes:
    return hmac.digest(key, message, _HASH)


def _fields(message: bytes) -> dict[str, str]:
    return dict(part.split("=", 1) for part in message.decode().split(",") if "=" in part)
