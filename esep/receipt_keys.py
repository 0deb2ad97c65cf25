"""Who signs receipts: the authority's root, which an organizer knows, and the keys that it certifies for a time.

Reads     key files and certificates
Writes    new ones, readable by their owner only; the root's never over an existing one
Promises  a receipt verifies for ever with the root alone: it carries the certificate of the key that signed it, and
          that key had to be valid when the receipt was issued (DESIGN §4 "Receipts"; clause O9-5.3)

Root and keys are Ed25519, certificates X.509. The root signs certificates only and can lie in a safe: a new signing key
needs it for a moment, the running line never.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from pathlib import Path

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from esep.certificates import common_name, unsigned
from esep.errors import SettingInvalid
from esep.keys import key_id, load_private_key, private_pem, write_once, write_secret

ROOT_KEY, ROOT_CERTIFICATE, SIGNING_KEY = "receipt-root.key", "receipt-root.crt", "receipt.key"
ROOT_DAYS = 30 * 365
SIGNING_DAYS = 366  # A new key each year, with a day to spare.
_SIGNATURE_HEAD = b"\x03\x41\x00"  # DER: a bit string of 64 bytes, none of their bits unused.


@dataclass(frozen=True, slots=True)
class SigningKey:
    """A key that signs receipts, and its certificate."""

    key: Ed25519PrivateKey
    certificate: x509.Certificate

    @property
    def key_id(self) -> str:
        """The key's name."""
        return key_id(self.key.public_key())

    @property
    def certificate_der(self) -> bytes:
        """The certificate as it stands in each receipt."""
        return self.certificate.public_bytes(serialization.Encoding.DER)

    def is_valid_at(self, instant: datetime) -> bool:
        """Return whether the key may sign at an instant."""
        return self.certificate.not_valid_before_utc <= instant <= self.certificate.not_valid_after_utc


def self_signed(key: Ed25519PrivateKey, now: datetime, serial: int | None = None) -> x509.Certificate:
    """Return the certificate of a root. now: UTC, when it begins to be valid. serial: random unless given."""
    name = common_name("esep receipts root")
    usage = x509.BasicConstraints(ca=True, path_length=0)
    built = unsigned(name, name, key.public_key(), now, ROOT_DAYS, serial)
    return built.add_extension(usage, critical=True).sign(key, None)


def certified(
    key: Ed25519PrivateKey,
    root_key: Ed25519PrivateKey,
    root: x509.Certificate,
    now: datetime,
    days: int = SIGNING_DAYS,
    serial: int | None = None,
) -> SigningKey:
    """Return a signing key with a certificate of the root for so many days."""
    name = common_name(f"esep receipts {key_id(key.public_key())}")
    usage = x509.BasicConstraints(ca=False, path_length=None)
    built = unsigned(name, root.subject, key.public_key(), now, days, serial)
    return SigningKey(key, built.add_extension(usage, critical=True).sign(root_key, None))


def make_receipt_keys(directory: Path, now: datetime) -> None:
    """Make the root and a first signing key in a directory, unless they are there. now: UTC."""
    root = Ed25519PrivateKey.generate()
    if write_once(directory / ROOT_KEY, private_pem(root)):
        (directory / ROOT_CERTIFICATE).write_bytes(self_signed(root, now).public_bytes(serialization.Encoding.PEM))
    if not (directory / SIGNING_KEY).exists():
        renew_signing_key(directory, now)


def renew_signing_key(directory: Path, now: datetime, days: int = SIGNING_DAYS) -> SigningKey:
    """Replace the signing key by a new one that the root certifies for so many days; return it.

    Needs the root's key in the directory; SettingInvalid if it is not there. What was signed before stays valid.
    """
    root_key = load_private_key(_read(directory / ROOT_KEY), ROOT_KEY)
    root = load_root(_read(directory / ROOT_CERTIFICATE))
    made = certified(Ed25519PrivateKey.generate(), root_key, root, now, days)
    pem = private_pem(made.key) + made.certificate.public_bytes(serialization.Encoding.PEM)
    write_secret(directory / SIGNING_KEY, pem.decode())
    return made


def load_signing_key(pem: bytes) -> SigningKey:
    """Return the signing key and its certificate in a PEM text; SettingInvalid if it is none, or they do not fit."""
    key = load_private_key(pem, "ESEP_RECEIPT_KEY_FILE")
    try:
        certificate = x509.load_pem_x509_certificate(pem)
    except ValueError as error:
        raise SettingInvalid(
            "ESEP_RECEIPT_KEY_FILE holds no certificate behind its key", hint="`esep keys` makes both"
        ) from error
    if certificate.public_key() != key.public_key():
        raise SettingInvalid("ESEP_RECEIPT_KEY_FILE holds the certificate of another key")
    return SigningKey(key, certificate)


def load_root(pem: bytes) -> x509.Certificate:
    """Return the authority's root certificate in a PEM text; SettingInvalid if it is none that we could have made."""
    try:
        root = x509.load_pem_x509_certificate(pem)
        _verify_issued(root, root)
    except ValueError as error:
        raise SettingInvalid("the file holds no root certificate of receipts", detail=str(error)) from error
    return root


def certified_key(certificate_der: bytes, root: x509.Certificate, issued_at: datetime) -> Ed25519PublicKey:
    """Return the key of a certificate that the root issued and that was valid at an instant; ValueError if not."""
    certificate = _issued(certificate_der, root)
    if not certificate.not_valid_before_utc <= issued_at <= certificate.not_valid_after_utc:
        raise ValueError("its key was not valid when it was issued")
    key = certificate.public_key()
    if not isinstance(key, Ed25519PublicKey):
        raise ValueError("its key is of another kind")  # noqa: TRY004 - whatever is wrong with it, it is no certificate
    return key


@lru_cache(maxsize=64)
def _issued(certificate_der: bytes, root: x509.Certificate) -> x509.Certificate:
    """Return a certificate that the root issued; remembered, since most receipts carry the same few."""
    try:
        certificate = x509.load_der_x509_certificate(certificate_der)
    except x509.InvalidVersion as error:  # The one fault that the library does not call a ValueError.
        raise ValueError("its certificate is of another version") from error
    if not certificate_der.endswith(_SIGNATURE_HEAD + certificate.signature):  # Else a bit before it could be another.
        raise ValueError("its certificate is not encoded as it must be")
    _verify_issued(certificate, root)
    return certificate


def _verify_issued(certificate: x509.Certificate, root: x509.Certificate) -> None:
    if not root.extensions.get_extension_for_class(x509.BasicConstraints).value.ca:
        raise ValueError("the root is none: it may not sign certificates")
    try:
        certificate.verify_directly_issued_by(root)
    except (InvalidSignature, TypeError) as error:
        raise ValueError("its certificate was not issued by the root") from error


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise SettingInvalid(
            f"{path} cannot be read", detail=error.strerror or "", hint="`esep keys` makes it, where there is none"
        ) from error
