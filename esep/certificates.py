"""The certificates of a line's brokers: an authority of our own, and what it signs.

Reads     nothing
Returns   keys and certificates as PEM texts
Promises  a broker's certificate names the hosts it is good for and nothing else; the authority signs brokers only:
          people and stages authenticate by password, so no certificate but a broker's is ever issued (clause O9-4.2)
"""

from __future__ import annotations

import ipaddress
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, NamedTuple

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from esep.keys import private_pem

if TYPE_CHECKING:
    from collections.abc import Sequence

    from cryptography.hazmat.primitives.asymmetric.types import CertificatePublicKeyTypes

CA_DAYS = 3650
BROKER_DAYS = 397  # What browsers and most TLS libraries take at the most; renewed by `esep access renew`.
_EARLIER = timedelta(minutes=5)  # So that a client whose clock is a little behind takes a new certificate.
BROKER_NAME = "broker"  # The principal of brokers among themselves.


class Issued(NamedTuple):
    """A private key (PKCS 8, not encrypted) and its certificate, both PEM."""

    key: str
    certificate: str


def make_ca(now: datetime) -> Issued:
    """Return a new authority. now: UTC, when it begins to be valid."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = common_name("esep Kafka CA")
    certificate = (
        unsigned(name, name, key.public_key(), now, CA_DAYS)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(_usage(signs_certificates=True), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .sign(key, hashes.SHA256())
    )
    return Issued(private_pem(key).decode(), _pem(certificate))


def make_broker_certificate(ca: Issued, hosts: Sequence[str], now: datetime, days: int = BROKER_DAYS) -> Issued:
    """Return a key and certificate for brokers at these hosts (names or addresses), good for so many days.

    It serves for both sides of a connection, for brokers and controllers are clients of each other.
    """
    ca_key = serialization.load_pem_private_key(ca.key.encode(), password=None)
    ca_certificate = x509.load_pem_x509_certificate(ca.certificate.encode())
    assert isinstance(ca_key, ec.EllipticCurvePrivateKey)  # noqa: S101 - `make_ca` makes no other
    key = ec.generate_private_key(ec.SECP256R1())
    both = [ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH]
    certificate = (
        unsigned(common_name(BROKER_NAME), ca_certificate.subject, key.public_key(), now, days)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_usage(signs_certificates=False), critical=True)
        .add_extension(x509.ExtendedKeyUsage(both), critical=False)
        .add_extension(x509.SubjectAlternativeName([_alternative(host) for host in hosts]), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(ca_key.public_key()), critical=False)
        .sign(ca_key, hashes.SHA256())
    )
    return Issued(private_pem(key).decode(), _pem(certificate))


def unsigned(
    subject: x509.Name,
    issuer: x509.Name,
    key: CertificatePublicKeyTypes,
    now: datetime,
    days: int,
    serial: int | None = None,
) -> x509.CertificateBuilder:
    """Return what every certificate of ours begins with, valid from now (UTC) on for so many days.

    serial: random unless given.
    """
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key)
        .serial_number(serial or x509.random_serial_number())
        .not_valid_before(now - _EARLIER)
        .not_valid_after(now + timedelta(days=days))
    )


def common_name(text: str) -> x509.Name:
    """Return a name that consists of a common name alone."""
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])


def _usage(*, signs_certificates: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not signs_certificates,
        key_cert_sign=signs_certificates,
        crl_sign=signs_certificates,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )


def _alternative(host: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(host))
    except ValueError:
        return x509.DNSName(host)


def _pem(certificate: x509.Certificate) -> str:
    return certificate.public_bytes(serialization.Encoding.PEM).decode()
