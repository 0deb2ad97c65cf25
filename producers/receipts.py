"""Receipts: what the authority says became of an organizer's events, opened and verified.

Reads     the values of messages on organizer.<BIN>.receipts
Returns   `ReceiptContent`, the signed part
Promises  no content leaves here whose hash is wrong, nor, where the root is given, one that the authority has not
          signed (DESIGN §3, §4; box: producers)
"""

from __future__ import annotations

from hashlib import sha256
from typing import TYPE_CHECKING, Any

from cryptography.exceptions import InvalidSignature
from pydantic import BaseModel, ConfigDict

from esep.codec import decode_body, decode_one
from esep.errors import InvariantBroken
from esep.receipt_keys import certified_key
from esep.schemas import schema

if TYPE_CHECKING:
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


def open_receipt(value: bytes, root: Certificate | None) -> ReceiptContent:
    """Return the content of a receipt; InvariantBroken if it is not what was signed.

    root: the authority's certificate; without it the hash is checked and the signature is not.
    """
    try:
        receipt = decode_one(value, _RECEIPT)
        _verify(receipt, root)
        return ReceiptContent.model_validate(decode_body(receipt["content"], _CONTENT))
    except (ValueError, InvalidSignature) as error:
        raise InvariantBroken(
            "a receipt is not as the authority signed it",
            detail=str(error) or "its signature does not fit the key",
            hint="check --receipt-root; if it is the authority's, keep the message and tell the authority",
        ) from error


def _verify(receipt: dict[str, Any], root: Certificate | None) -> None:
    digest = sha256(receipt["content"])
    if digest.hexdigest() != receipt["content_sha256"]:
        raise ValueError("its content has another hash than it says")
    if root is not None:
        key = certified_key(receipt["certificate"], root, receipt["issued_at"])
        key.verify(receipt["signature"], digest.digest())
