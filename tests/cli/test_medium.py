"""The key for signed files is made once."""

from __future__ import annotations

from typing import TYPE_CHECKING

from typer.testing import CliRunner

from esep.cli.main import app
from esep.keys import key_id, load_private_key, load_public_key

if TYPE_CHECKING:
    from pathlib import Path


def test_key_is_made_once_and_its_public_half_fits(tmp_path: Path) -> None:
    private, public = tmp_path / "secrets" / "medium.key", tmp_path / "secrets" / "medium.pub"
    first = CliRunner().invoke(app, ["medium", "key", str(private)])
    assert first.exit_code == 0, first.output
    made = private.read_bytes()
    assert private.stat().st_mode & 0o077 == 0
    assert CliRunner().invoke(app, ["medium", "key", str(private)]).exit_code == 0
    assert private.read_bytes() == made
    assert key_id(load_private_key(made, "it").public_key()) == key_id(load_public_key(public.read_bytes(), "it"))
