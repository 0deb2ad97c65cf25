"""What OpenSSL itself says of our certificates, by a handshake in memory."""

from __future__ import annotations

import ssl
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from esep.certificates import BROKER_DAYS, Issued, make_broker_certificate, make_ca

NOW = datetime.now(UTC)
CA = make_ca(NOW)
HOSTS = ["kafka-1.example", "127.0.0.1"]


def handshake(ca_pem: str, broker: Issued, host: str, folder: Path) -> str:
    """Return the name of the broker as a client sees it; ssl.SSLError if the client refuses it."""
    chain = folder / "broker.pem"
    chain.write_text(broker.key + broker.certificate)
    server_side = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server_side.load_cert_chain(chain)
    to_server, to_client = ssl.MemoryBIO(), ssl.MemoryBIO()
    client = ssl.create_default_context(cadata=ca_pem).wrap_bio(to_client, to_server, server_hostname=host)
    server = server_side.wrap_bio(to_server, to_client, server_side=True)
    for _ in range(4):
        for side in (client, server):
            try:
                side.do_handshake()
            except ssl.SSLWantReadError:
                continue
    found = client.getpeercert() or {}
    return str(found["subject"][0][0][1])  # type: ignore[index, misc]


@pytest.mark.parametrize("host", HOSTS)
def test_broker_is_trusted_at_each_of_its_hosts(host: str, tmp_path: Path) -> None:
    assert handshake(CA.certificate, make_broker_certificate(CA, HOSTS, NOW), host, tmp_path) == "broker"


@pytest.mark.parametrize("host", ["kafka-2.example", "127.0.0.2"])
def test_broker_is_not_trusted_at_another_host(host: str, tmp_path: Path) -> None:
    with pytest.raises(ssl.SSLCertVerificationError, match=r"mismatch|not valid for"):
        handshake(CA.certificate, make_broker_certificate(CA, HOSTS, NOW), host, tmp_path)


def test_broker_of_another_authority_is_not_trusted(tmp_path: Path) -> None:
    with pytest.raises(ssl.SSLCertVerificationError):
        handshake(make_ca(NOW).certificate, make_broker_certificate(CA, HOSTS, NOW), HOSTS[0], tmp_path)


def test_certificate_ends_and_is_not_trusted_after_that(tmp_path: Path) -> None:
    ended = make_broker_certificate(CA, HOSTS, NOW - timedelta(days=BROKER_DAYS, hours=1))
    with pytest.raises(ssl.SSLCertVerificationError, match="expired"):
        handshake(CA.certificate, ended, HOSTS[0], tmp_path)


def test_broker_cannot_make_certificates_that_are_trusted(tmp_path: Path) -> None:
    """Who takes a broker's key has a broker, not an authority."""
    broker = make_broker_certificate(CA, HOSTS, NOW)
    forged = make_broker_certificate(broker, HOSTS, NOW)
    with pytest.raises(ssl.SSLCertVerificationError):
        handshake(CA.certificate, Issued(forged.key, forged.certificate + broker.certificate), HOSTS[0], tmp_path)


@given(st.integers(1, 5))
def test_no_two_authorities_are_the_same(count: int) -> None:
    assert len({make_ca(NOW) for _ in range(count)}) == count
