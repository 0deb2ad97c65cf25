"""Keys are made once, are their owner's alone, and load as what they are."""

from __future__ import annotations

import stat
from pathlib import Path

from esep.keys import make_routing_key


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
    assert stat.S_IMODE((tmp_path / "routing.key").stat().st_mode) == 0o600
