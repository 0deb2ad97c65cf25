"""A receipt is opened only if it is what the authority signed."""

from __future__ import annotations

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.x509 import Certificate
from hypothesis import given, settings
from hypothesis import strategies as st

from esep.errors import InvariantBroken
from esep.producers.receipts import open_receipt
from tests.producers.fake_intake import ACCOUNT, content_of, receipt_of
from tests.support.receipt_signing import ROOT_CERTIFICATE, signing_key

ORGANIZER = "940140000385"
CONTENT = content_of(
    ORGANIZER,
    1,
    10,
    14,
    streams=[ACCOUNT],
    accepted_count=4,
    rejects=[{"offset": 14, "stream_id": "desk-7", "sequence": 6, "reject_code": "SITE_UNKNOWN", "field": "site_id"}],
)


@pytest.mark.parametrize("root", [None, ROOT_CERTIFICATE])
def test_receipt_says_what_was_put_into_it(root: Certificate | None) -> None:
    content = open_receipt(receipt_of(CONTENT), root)
    assert (content.partition, content.from_offset, content.through_offset) == (1, 10, 14)
    account = content.stream("desk-7")
    assert account is not None
    assert account.model_dump(mode="json") == ACCOUNT
    assert content.stream("desk-8") is None
    assert [(notice.sequence, notice.reject_code) for notice in content.rejects] == [(6, "SITE_UNKNOWN")]


@pytest.mark.parametrize(
    "value",
    [
        receipt_of(CONTENT, Ed25519PrivateKey.from_private_bytes(bytes(32))),
        receipt_of(CONTENT, signature=bytes(64)),
        receipt_of(CONTENT, signature=b""),
        receipt_of(CONTENT, content=b"other"),
        receipt_of(CONTENT, content_sha256="0" * 64),
        receipt_of(CONTENT, certificate=b""),
        receipt_of(CONTENT, certificate=signing_key(1).certificate_der),
        receipt_of(CONTENT, issued_at=-(10**12)),
        b"",
        b"\x00\x00\x00\x07\xd4",
    ],
)
def test_receipt_that_was_not_signed_so_is_refused(value: bytes) -> None:
    with pytest.raises(InvariantBroken, match="not as the authority signed it"):
        open_receipt(value, ROOT_CERTIFICATE)


def test_without_a_key_only_the_signature_goes_unlooked_at() -> None:
    assert open_receipt(receipt_of(CONTENT, signature=b""), None).organizer_bin == ORGANIZER
    with pytest.raises(InvariantBroken):
        open_receipt(receipt_of(CONTENT, content=b"other"), None)


@settings(deadline=None)
@given(st.binary(max_size=300))
def test_garbage_is_refused_never_anything_else(value: bytes) -> None:
    with pytest.raises(InvariantBroken):
        open_receipt(value, None)
