"""A root and a signing key of the tests, the same each time and valid at every instant that a test takes."""

from __future__ import annotations

from datetime import UTC, datetime

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from esep.receipt_keys import SigningKey, certified, self_signed

FROM, DAYS = datetime(1969, 1, 1, tzinfo=UTC), 150 * 365
ROOT_KEY = Ed25519PrivateKey.from_private_bytes(bytes(range(1, 33)))
ROOT_CERTIFICATE = self_signed(ROOT_KEY, FROM, serial=1)


def signing_key(seed: int = 0) -> SigningKey:
    """Return one of the keys that the root has certified."""
    private = Ed25519PrivateKey.from_private_bytes(bytes([seed, *range(1, 32)]))
    return certified(private, ROOT_KEY, ROOT_CERTIFICATE, FROM, DAYS, serial=2 + seed)


SIGNING_KEY = signing_key()
