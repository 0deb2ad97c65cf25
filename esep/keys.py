"""Secrets as files: how they are written, the routing key that makes person keys, and how a signing key is named.

Reads     key files
Writes    new files, readable by their owner only
Promises  a key is never printed, logged or passed on a command line (DESIGN §3, §4; clause O9-5.1)
"""

from __future__ import annotations

import os
import secrets
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from esep.errors import SettingInvalid

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.types import PrivateKeyTypes

_ROUTING_KEY_BYTES = 32


def make_routing_key(path: Path) -> None:
    """Write a new routing key unless there is one: it must never change, for partitions hang on it."""
    write_once(path, secrets.token_bytes(_ROUTING_KEY_BYTES))


def make_signing_key(path: Path) -> None:
    """Write a new Ed25519 key (PEM, PKCS 8) unless there is one, and its public half beside it as <name>.pub."""
    write_once(path, private_pem(Ed25519PrivateKey.generate()))
    public = load_private_key(path.read_bytes(), str(path)).public_key()
    info = (serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    path.with_suffix(".pub").write_bytes(public.public_bytes(*info))


def private_pem(key: PrivateKeyTypes) -> bytes:
    """Return a private key as a PEM text (PKCS 8, not encrypted)."""
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )


def load_private_key(pem: bytes, what: str) -> Ed25519PrivateKey:
    """Return the Ed25519 key in a PEM text; SettingInvalid if it is none. what: where it is from."""
    try:
        key = serialization.load_pem_private_key(pem, password=None)
    except ValueError as error:
        raise SettingInvalid(f"{what} holds no PEM private key") from error
    if not isinstance(key, Ed25519PrivateKey):
        raise SettingInvalid(f"{what} holds a key of another kind", hint="make an Ed25519 key")
    return key


def load_public_key(pem: bytes, what: str) -> Ed25519PublicKey:
    """Return the public half of an Ed25519 key in a PEM text; SettingInvalid if it is none. what: where it is from."""
    try:
        key = serialization.load_pem_public_key(pem)
    except ValueError as error:
        raise SettingInvalid(f"{what} holds no PEM public key") from error
    if not isinstance(key, Ed25519PublicKey):
        raise SettingInvalid(f"{what} holds a key of another kind", hint="an Ed25519 key is needed")
    return key


def key_id(key: Ed25519PublicKey) -> str:
    """Return the name of a key: the first 16 hex digits of the SHA-256 of its 32 bytes."""
    return sha256(key.public_bytes_raw()).hexdigest()[:16]


def write_once(path: Path, content: bytes) -> bool:
    """Write a file that its owner alone can read, unless there is one; return whether it was written."""
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        return False
    with os.fdopen(descriptor, "wb") as file:
        file.write(content)
    return True


def write_secret(path: Path, content: str | bytes) -> None:
    """Write a file that its owner alone can read, whole or not at all; what was there is replaced."""
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    part = path.with_name(f".{path.name}.part")
    part.unlink(missing_ok=True)
    descriptor = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(content.encode() if isinstance(content, str) else content)
    part.replace(path)
