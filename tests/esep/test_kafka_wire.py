"""Logging in by hand: our SCRAM against another library's and against the broker; what was overheard is good once."""

from __future__ import annotations

import base64
import socket
import ssl
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime

import pytest
from aiokafka.conn import ScramAuthenticator
from hypothesis import given
from hypothesis import strategies as st

from esep.certificates import make_ca
from esep.errors import BrokerUnavailable, SettingInvalid
from esep.kafka_wire import Scram, call, connect, connect_any, read_text, sasl_authenticate, sasl_handshake, text
from esep.security import tls_context
from tests.support.secured import ANSWER_S, OURS, SPARE, Secured

API_VERSIONS = 18
kafka = pytest.mark.kafka
names = st.text(st.characters(codec="ascii", categories=["L", "N"]), min_size=1, max_size=20)


@given(user=names, password=names, salt=st.binary(min_size=8, max_size=32), rounds=st.integers(4096, 4100))
def test_proof_is_that_of_another_library(user: str, password: str, salt: bytes, rounds: int) -> None:
    other = ScramAuthenticator(
        loop=None, sasl_plain_password=password, sasl_plain_username=user, sasl_mechanism="SCRAM-SHA-512"
    )
    theirs = other.authenticator_scram()
    first, _ = next(theirs)
    ours = Scram(user, password, first.decode().partition(",r=")[2])
    assert ours.first() == first
    answer = f"r={first.decode().partition(',r=')[2]}SERVER,s={base64.b64encode(salt).decode()},i={rounds}"
    final, _ = theirs.send(answer.encode())
    assert ours.final(answer.encode()) == final


@given(st.text())
def test_text_is_read_as_it_was_written(value: str) -> None:
    assert read_text(b"xx" + text(value) + b"more", 2) == (value, 4 + len(value.encode()))


@pytest.mark.parametrize(
    "answer", ["r=other,s=c2FsdA==,i=4096", "r=mine1,s=c2FsdA==,i=0", "r=mine1,s=c2FsdA==,i=9999999"]
)
def test_answer_of_another_exchange_or_of_absurd_cost_is_refused(answer: str) -> None:
    with pytest.raises(SettingInvalid, match="not of this exchange"):
        Scram(OURS, "vR3p-4kQ", "mine").final(answer.encode())


def test_server_that_does_not_know_the_password_is_told_from_one_that_does() -> None:
    exchange = Scram(OURS, "vR3p-4kQ", "mine")
    assert not exchange.is_servers(b"v=")
    exchange.final(b"r=mine1,s=c2FsdA==,i=4096")
    assert not exchange.is_servers(b"v=AAAA")


def test_broker_that_hangs_up_is_an_error_and_not_an_answer() -> None:
    one, other = socket.socketpair()
    other.close()
    with one, pytest.raises(OSError, match=r"hung up|reset|[Bb]roken"):
        call(one, API_VERSIONS, 0, b"")


def test_nobody_there_is_unavailable_with_every_address() -> None:
    with pytest.raises(BrokerUnavailable) as caught:
        connect_any("127.0.0.1:1,127.0.0.1:2", {}, ANSWER_S)
    assert "127.0.0.1:1" in caught.value.detail
    assert "127.0.0.1:2" in caught.value.detail


@kafka
def test_right_password_opens_a_connection_that_works(secured: Secured) -> None:
    with closing(connect_any(f"127.0.0.1:1,{secured.servers}", secured.acting_as(OURS), ANSWER_S)) as connection:
        assert call(connection, API_VERSIONS, 0, b"")[:2] == b"\0\0"


@kafka
@pytest.mark.parametrize("wrong", ["", "vR3p-4kQ"])
def test_wrong_password_is_refused(secured: Secured, wrong: str) -> None:
    with pytest.raises(SettingInvalid, match="refused the credentials"):
        connect(secured.servers, {**secured.acting_as(OURS), "sasl.password": wrong}, ANSWER_S)


@kafka
def test_password_of_another_organizer_is_refused(secured: Secured) -> None:
    foreign = {**secured.acting_as(OURS), "sasl.password": secured.passwords[SPARE]}
    with pytest.raises(SettingInvalid, match="refused the credentials"):
        connect(secured.servers, foreign, ANSWER_S)


@kafka
def test_broker_of_another_authority_hears_no_name_and_no_password(secured: Secured) -> None:
    foreign = {**secured.acting_as(OURS), "ssl.ca.pem": make_ca(datetime.now(UTC)).certificate}
    with pytest.raises(ssl.SSLCertVerificationError):
        connect(secured.servers, foreign, ANSWER_S)


@pytest.fixture
def encrypted(secured: Secured) -> Iterator[ssl.SSLSocket]:
    """A connection on which nobody has said yet who he is."""
    with _encrypted(secured) as connection:
        yield connection


def _encrypted(secured: Secured) -> ssl.SSLSocket:
    host, _, port = secured.servers.rpartition(":")
    opened = socket.create_connection((host, int(port)), ANSWER_S)
    return tls_context(secured.acting_as(OURS)).wrap_socket(opened, server_hostname=host)


@kafka
def test_messages_overheard_are_refused_on_another_connection(secured: Secured, encrypted: ssl.SSLSocket) -> None:
    """Both client messages of a login that succeeded, sent once more as they were."""
    exchange = Scram(OURS, secured.passwords[OURS], "a-nonce-that-was-overheard")
    first = exchange.first()
    sasl_handshake(encrypted)
    final = exchange.final(sasl_authenticate(encrypted, first))
    assert exchange.is_servers(sasl_authenticate(encrypted, final))
    with _encrypted(secured) as replayed:
        sasl_handshake(replayed)
        sasl_authenticate(replayed, first)
        with pytest.raises(SettingInvalid, match="refused the credentials"):
            sasl_authenticate(replayed, final)
        with pytest.raises(OSError, match=r"hung up|reset|EOF|closed"):
            call(replayed, API_VERSIONS, 0, b"")


@kafka
def test_final_message_alone_is_refused(secured: Secured, encrypted: ssl.SSLSocket) -> None:
    exchange = Scram(OURS, secured.passwords[OURS], "another-nonce-that-was-overheard")
    sasl_handshake(encrypted)
    final = exchange.final(sasl_authenticate(encrypted, exchange.first()))
    with _encrypted(secured) as replayed:
        sasl_handshake(replayed)
        with pytest.raises((SettingInvalid, OSError)):
            sasl_authenticate(replayed, final)


@kafka
def test_request_before_the_login_is_not_answered(encrypted: ssl.SSLSocket) -> None:
    metadata_of_all = b"\xff\xff\xff\xff\0"
    with pytest.raises(OSError, match=r"hung up|reset|EOF|closed"):
        call(encrypted, 3, 4, metadata_of_all)


@kafka
def test_connection_without_encryption_is_not_answered(secured: Secured) -> None:
    with closing(connect(secured.servers, {}, ANSWER_S)) as plain, pytest.raises(OSError):  # noqa: PT011 - how it ends is TLS's own
        call(plain, API_VERSIONS, 0, b"")
