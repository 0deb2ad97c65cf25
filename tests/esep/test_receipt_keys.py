"""Keys of receipts: certified for a time, made once, their owner's alone; what another root signed is nobody's."""

from __future__ import annotations

import stat
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from esep.errors import SettingInvalid
from esep.keys import key_id
from esep.receipt_keys import (
    ROOT_CERTIFICATE,
    ROOT_KEY,
    SIGNING_KEY,
    certified,
    certified_key,
    load_root,
    load_signing_key,
    make_receipt_keys,
    renew_signing_key,
    self_signed,
)
from tests.support import receipt_signing

NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)


def test_keys_are_made_once_and_are_their_owners_alone(tmp_path: Path) -> None:
    """Clause O9-5.1."""
    make_receipt_keys(tmp_path, NOW)
    first = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    make_receipt_keys(tmp_path, NOW)
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == first
    assert set(first) == {ROOT_KEY, ROOT_CERTIFICATE, SIGNING_KEY}
    for name in (ROOT_KEY, SIGNING_KEY):
        assert stat.S_IMODE((tmp_path / name).stat().st_mode) == 0o600


def test_renewed_key_verifies_with_the_same_root_and_the_old_one_still_does_for_its_time(tmp_path: Path) -> None:
    make_receipt_keys(tmp_path, NOW)
    root = load_root((tmp_path / ROOT_CERTIFICATE).read_bytes())
    old = load_signing_key((tmp_path / SIGNING_KEY).read_bytes())
    new = renew_signing_key(tmp_path, NOW + timedelta(days=365), days=90)
    loaded = load_signing_key((tmp_path / SIGNING_KEY).read_bytes())
    assert loaded.certificate_der == new.certificate_der != old.certificate_der
    assert old.key_id != new.key_id
    for key, at in ((old, NOW), (new, NOW + timedelta(days=400))):
        public = certified_key(key.certificate_der, root, at)
        public.verify(key.key.sign(b"digest"), b"digest")
        assert key_id(public) == key.key_id


@pytest.mark.parametrize(("days", "valid"), [(-1, False), (0, True), (90, True), (91, False)])
def test_key_signs_for_its_time_only(tmp_path: Path, days: int, valid: bool) -> None:
    make_receipt_keys(tmp_path, NOW)
    key = renew_signing_key(tmp_path, NOW, days=90)
    root, at = load_root((tmp_path / ROOT_CERTIFICATE).read_bytes()), NOW + timedelta(days=days)
    assert key.is_valid_at(at) == valid
    if valid:
        assert key_id(certified_key(key.certificate_der, root, at)) == key.key_id
    else:
        with pytest.raises(ValueError, match="not valid when it was issued"):
            certified_key(key.certificate_der, root, at)


def test_what_another_root_or_a_signing_key_certified_is_refused() -> None:
    ours, theirs, signing = (Ed25519PrivateKey.generate() for _ in range(3))
    root, other = self_signed(ours, NOW), self_signed(theirs, NOW)
    by_other = certified(signing, theirs, other, NOW)
    with pytest.raises(ValueError, match="not issued by the root"):
        certified_key(by_other.certificate_der, root, NOW)
    first = certified(signing, ours, root, NOW)
    second = certified(Ed25519PrivateKey.generate(), signing, first.certificate, NOW)
    with pytest.raises(ValueError, match="may not sign certificates"):
        certified_key(second.certificate_der, first.certificate, NOW)


@pytest.mark.filterwarnings("ignore:Parsed a serial number")  # That of a certificate with a bit changed.
def test_certificate_with_any_bit_changed_is_refused_as_such() -> None:
    whole = (
        receipt_signing.SIGNING_KEY.certificate_der
    )  # Its signature ends in bits that are zero, so that they might pass as unused.
    for bit in range(8 * len(whole)):
        changed = bytearray(whole)
        changed[bit // 8] ^= 1 << bit % 8
        with pytest.raises(ValueError):  # noqa: PT011 - whatever it says is wrong with it
            certified_key(bytes(changed), receipt_signing.ROOT_CERTIFICATE, NOW)


@pytest.mark.parametrize("load", [load_signing_key, load_root])
@pytest.mark.parametrize(
    "content", [b"", b"not a key", b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----"]
)
def test_file_that_is_none_is_refused(load: Any, content: bytes) -> None:
    with pytest.raises(SettingInvalid):
        load(content)


def test_certificate_of_another_key_is_refused(tmp_path: Path) -> None:
    make_receipt_keys(tmp_path, NOW)
    first = (tmp_path / SIGNING_KEY).read_bytes()
    renew_signing_key(tmp_path, NOW)
    second = (tmp_path / SIGNING_KEY).read_bytes()
    mark = b"-----BEGIN CERTIFICATE-----"
    with pytest.raises(SettingInvalid, match="another key"):
        load_signing_key(first.split(mark)[0] + mark + second.split(mark)[1])


def test_renewal_without_the_root_says_what_is_missing(tmp_path: Path) -> None:
    make_receipt_keys(tmp_path, NOW)
    (tmp_path / ROOT_KEY).unlink()
    with pytest.raises(SettingInvalid, match=ROOT_KEY):
        renew_signing_key(tmp_path, NOW)
