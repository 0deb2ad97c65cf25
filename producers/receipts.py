"""Receipts: what the authority says became of an organizer's events, opened and verified.

Reads     the values of messages on organizer.<BIN>.receipts
Returns   `ReceiptContent`, the signed part; `SignedReceipt`, all that is needed to prove it
Promises  no content leaves here whose hash is wrong, nor, where the root is given, one that the authority has not
          signed (DESIGN §3, §4; box: producers)
"""

from __future__ import annotations

from dataclasses import dataclass
from hashlib import sha256
from typing import TYPE_CHECKING

from cryptography.exceptions import InvalidSignature
from pydantic import BaseModel, ConfigDict

from esep.codec import decode_body, decode_one
from esep.errors import InvariantBroken
from esep.receipt_keys import certified_key
from esep.schemas import schema

if TYPE_CHECKING:
    from datetime import datetime

    from cryptography.x509 import Certificate

_RECEIPT, _CONTENT = schema("receipt"), schema("receipt_content")


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore")  # Later versions may say more.


class SequenceRange(_Part):
    """Sequences from first to last, both included."""

    first: int
    last: int


class StreamAccount(_Part):
    """All that intake knows of one stream in one partition, from its beginning on."""

    stream_id: str
    consumed: tuple[SequenceRange, ...]
    missing: tuple[SequenceRange, ...]
    accepted_count: int
    rejected_count: int
    duplicate_count: int
    held_count: int
    root_through: int
    root: str | None


class RejectNotice(_Part):
    """One message that was refused; stream and sequence where they could be read."""

    offset: int
    stream_id: str | None
    sequence: int | None
    reject_code: str
    field: str | None


class SettledNotice(_Part):
    """A correction that had waited: its outcome is ACCEPTED, DUPLICATE or the reject code."""

    offset: int
    stream_id: str
    sequence: int
    outcome: str


class ReceiptContent(_Part):
    """What became of the messages of one partition from one offset through another."""

    organizer_bin: str
    topic: str
    partition: int
    from_offset: int
    through_offset: int
    streams: tuple[StreamAccount, ...]
    accepted_count: int
    duplicate_count: int
    held_count: int
    rejects: tuple[RejectNotice, ...]
    settled: tuple[SettledNotice, ...]

    def stream(self, stream_id: str) -> StreamAccount | None:
        """Return the account of a stream that these messages touched, or None."""
        return next((account for account in self.streams if account.stream_id == stream_id), None)


@dataclass(frozen=True, slots=True)
class SignedReceipt:
    """What of a receipt must be kept to prove it. issued_at: UTC, by the authority's clock; outside what is signed.

    content: Avro body of a ReceiptContent. signature: Ed25519 over its SHA-256. certificate: X.509 (DER) of the key.
    """

    content: bytes
    signature: bytes
    certificate: bytes
    issued_at: datetime

    def verified(self, root: Certificate | None) -> ReceiptContent:
        """Return the content; InvariantBroken if it is not what the authority signed.

        root: the authority's certificate; without it the signature is not looked at.
        """
        try:
            if root is not None:
                key = certified_key(self.certificate, root, self.issued_at)
                key.verify(self.signature, sha256(self.content).digest())
            return ReceiptContent.model_validate(decode_body(self.content, _CONTENT))
        except (ValueError, InvalidSignature) as error:
            raise _forged(str(error)) from error


def unseal(value: bytes) -> tuple[SignedReceipt, datetime]:
    """Return what a message of a receipts topic holds, unverified but for its hash, and when its last event came.

    Raises InvariantBroken if it is no receipt, or its content has another hash than it says.
    """
    try:
        receipt = decode_one(value, _RECEIPT)
    except ValueError as error:
        raise _forged(str(error)) from error
    if sha256(receipt["content"]).hexdigest() != receipt["content_sha256"]:
        raise _forged("its content has another hash than it says")
    parts = (receipt[name] for name in ("content", "signature", "certificate", "issued_at"))
    return SignedReceipt(*parts), receipt["received_at"]


def open_receipt(value: bytes, root: Certificate | None) -> ReceiptContent:
    """Return the content of a receipt; InvariantBroken if it is not what was signed.

    root: the authority's certificate; without it the hash is checked and the signature is not.
    """
    return unseal(value)[0].verified(root)


def _forged(why: str) -> InvariantBroken:
    return InvariantBroken(
        "a receipt is not as the authority signed it",
        detail=why or "its signature does not fit the key",
        hint="check --receipt-root; if it is the authority's, keep the message and tell the authority",
    )
