"""The authority's secrets as files: the routing key that makes person keys, the Ed25519 key that signs receipts.

Reads     key files
Writes    new key files, readable by their owner only; never over an existing one
Promises  a key is never printed, logged or passed on a command line (DESIGN §3, §4; clause O9-5.1)
"""

from __future__ import annotations

import os
import secrets
from hashlib import sha256
from pathlib import Path

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from esep.errors import SettingInvalid

_ROUTING_KEY_BYTES = 32


def make_routing_key(path: Path) -> None:
    """Write a new routing key unless there is one: it must never change, for partitions hang on it."""
    _write_once(path, secrets.token_bytes(_ROUTING_KEY_BYTES))


def make_receipt_key(path: Path) -> None:
    """Write a new receipt key (PEM, PKCS 8) unless there is one, and its public half beside it as <name>.pub."""
    _write_once(
        path,
        Ed25519PrivateKey.generate().private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        ),
    )
    public = load_receipt_key(path.read_bytes()).public_key()
    path.with_suffix(".pub").write_bytes(
        public.public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    )


def load_receipt_key(pem: bytes) -> Ed25519PrivateKey:
    """Return the signing key in a PEM text; SettingInvalid if it is none."""
    try:
        key = serialization.load_pem_private_key(pem, password=None)
    except ValueError as error:
        raise SettingInvalid("ESEP_RECEIPT_KEY_FILE holds no PEM private key") from error
    if not isinstance(key, Ed25519PrivateKey):
        raise SettingInvalid("ESEP_RECEIPT_KEY_FILE holds a key of another kind", hint="make an Ed25519 key")
    return key


def load_receipt_public_key(pem: bytes) -> Ed25519PublicKey:
    """Return the verifying key in a PEM text; SettingInvalid if it is none."""
    try:
        key = serialization.load_pem_public_key(pem)
    except ValueError as error:
        raise SettingInvalid("the file holds no PEM public key") from error
    if not isinstance(key, Ed25519PublicKey):
        raise SettingInvalid("the file holds a key of another kind", hint="an Ed25519 key is needed")
    return key


def key_id(key: Ed25519PublicKey) -> str:
    """Return the name of a key: the first 16 hex digits of the SHA-256 of its 32 bytes."""
    return sha256(key.public_bytes_raw()).hexdigest()[:16]


def _write_once(path: Path, content: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        return
    with os.fdopen(descriptor, "wb") as file:
        file.write(content)
