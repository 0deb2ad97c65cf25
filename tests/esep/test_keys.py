"""Keys are made once, are their owner's alone, and load as what they are."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest

from esep.errors import SettingInvalid
from esep.keys import key_id, load_receipt_key, load_receipt_public_key, make_receipt_key, make_routing_key


def test_second_call_keeps_the_routing_key(tmp_path: Path) -> None:
    path = tmp_path / "keys" / "routing.key"
    make_routing_key(path)
    first = path.read_bytes()
    make_routing_key(path)
    assert path.read_bytes() == first
    assert len(first) == 32


def test_keys_are_readable_by_their_owner_only(tmp_path: Path) -> None:
    """Clause O9-5.1."""
    make_routing_key(tmp_path / "routing.key")
    make_receipt_key(tmp_path / "receipt.key")
    for name in ("routing.key", "receipt.key"):
        assert stat.S_IMODE((tmp_path / name).stat().st_mode) == 0o600


def test_public_half_verifies_what_the_private_half_signs(tmp_path: Path) -> None:
    make_receipt_key(tmp_path / "receipt.key")
    private = load_receipt_key((tmp_path / "receipt.key").read_bytes())
    public = load_receipt_public_key((tmp_path / "receipt.pub").read_bytes())
    public.verify(private.sign(b"digest"), b"digest")
    assert key_id(public) == key_id(private.public_key())
    assert len(key_id(public)) == 16


@pytest.mark.parametrize("load", [load_receipt_key, load_receipt_public_key])
def test_file_that_is_no_key_is_refused_by_the_setting_s_name(load: object) -> None:
    with pytest.raises(SettingInvalid, match="key"):
        load(b"not a key")  # type: ignore[operator]
