"""The manifest is signed as receipts are, and any change of it shows."""

from __future__ import annotations

import base64
import json
from datetime import UTC, date, datetime
from typing import TYPE_CHECKING, Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given
from hypothesis import strategies as st

from esep.errors import FileUnusable, SettingInvalid
from esep.receipt_keys import certified, self_signed
from esep.sinks.clickhouse.extracts.layout import VIEW, columns_sha256
from esep.sinks.clickhouse.extracts.manifest import Done, FileOf, Manifest, SumOf, opened, sealed
from tests.support.receipt_signing import FROM, ROOT_CERTIFICATE, ROOT_KEY, SIGNING_KEY

if TYPE_CHECKING:
    from esep.receipt_keys import SigningKey

AT = datetime(2026, 11, 28, 12, tzinfo=UTC)


def manifest(key: SigningKey = SIGNING_KEY, **facts: Any) -> Manifest:
    base: dict[str, Any] = {
        "request_id": "extract-1",
        "asker": "Сот",
        "basis": "ҚПК 122",
        "case_number": "7/114",
        "is_about_person": True,
        "organizer_bin": "",
        "first_day": date(2026, 11, 1),
        "last_day": date(2026, 11, 30),
        "known_at": None,
        "view": VIEW,
        "columns_version": 1,
        "columns_sha256": columns_sha256(),
        "entered": Done(officer="a.serikova", at=AT),
        "approved": Done(officer="b.omarov", at=AT),
        "extracted": Done(officer="a.serikova", at=AT),
        "program": "esep 1",
        "language": "kk",
        "checksum": "ab" * 32,
        "row_count": 1,
        "sums": {"WAGER": SumOf(postings=1, entries=1, tiyn=2**62)},
        "held": (),
        "coverage": (),
        "removed_months": (),
        "files": (FileOf(name="postings.csv", sha256="ab" * 32, size_bytes=3),),
        "key_id": key.key_id,
        "certificate": base64.b64encode(key.certificate_der).decode(),
    }
    return Manifest(**{**base, **facts})


def test_manifest_is_read_as_it_was_signed() -> None:
    assert opened(sealed(manifest(), SIGNING_KEY), ROOT_CERTIFICATE) == manifest()


@given(place=st.integers(0, 10**6), bit=st.integers(0, 7))
def test_manifest_with_a_changed_bit_is_refused(place: int, bit: int) -> None:
    content = bytearray(sealed(manifest(), SIGNING_KEY))
    line = content.index(b"\n")
    content[place % line] ^= 1 << bit
    with pytest.raises(FileUnusable):
        opened(bytes(content), ROOT_CERTIFICATE)


@pytest.mark.parametrize("content", [b"", b"{}\n{}\n", b"\xff\n", b"[]"])
def test_what_is_no_manifest_is_refused(content: bytes) -> None:
    with pytest.raises(FileUnusable, match="no manifest"):
        opened(content, ROOT_CERTIFICATE)


def test_key_of_another_root_or_of_another_time_is_refused() -> None:
    own_root = Ed25519PrivateKey.generate()
    strange = certified(Ed25519PrivateKey.generate(), own_root, self_signed(own_root, FROM), FROM, 150 * 365)
    with pytest.raises(FileUnusable, match="not issued by the root"):
        opened(sealed(manifest(strange), strange), ROOT_CERTIFICATE)
    old = certified(Ed25519PrivateKey.generate(), ROOT_KEY, ROOT_CERTIFICATE, FROM, 10)
    with pytest.raises(SettingInvalid, match="not valid now"):
        sealed(manifest(old), old)


def test_signature_of_another_kind_of_file_is_worth_nothing() -> None:
    """What is signed begins with what it is: one over the bare line does not fit."""
    line = sealed(manifest(), SIGNING_KEY).partition(b"\n")[0] + b"\n"
    signature = base64.b64encode(SIGNING_KEY.key.sign(line)).decode()
    with pytest.raises(FileUnusable, match="signature does not fit"):
        opened(line + json.dumps({"signature": signature}).encode(), ROOT_CERTIFICATE)
