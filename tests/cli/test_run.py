"""What a container runs: keys once, parts by name, clear words where a library is missing."""

from __future__ import annotations

from pathlib import Path

import pytest
from typer.testing import CliRunner

from esep.cli import run
from esep.cli.main import app
from esep.errors import SettingInvalid


def test_keys_are_made_once_and_kept(tmp_path: Path) -> None:
    assert CliRunner().invoke(app, ["keys", "--directory", str(tmp_path)]).exit_code == 0
    made = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    assert set(made) == {
        "routing.key",
        "receipt.key",
        "receipt-root.key",
        "receipt-root.crt",
        "clickhouse.password",
        "pseudonym.key",
    }
    assert CliRunner().invoke(app, ["keys", "--directory", str(tmp_path)]).exit_code == 0
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == made


def test_unknown_part_is_refused_with_the_known_ones() -> None:
    answer = CliRunner().invoke(app, ["run", "payments"])
    assert answer.exit_code == 2
    assert "loader" in answer.output


@pytest.mark.parametrize(
    ("part", "extra"), [(run.Part.TOTALS, "apps"), (run.Part.LOADER, "sink"), (run.Part.GATEWAY, "gateway")]
)
def test_part_without_its_library_names_the_extra(monkeypatch: pytest.MonkeyPatch, part: run.Part, extra: str) -> None:
    def absent(name: str) -> None:
        raise ModuleNotFoundError(name="faust")

    monkeypatch.setattr(run, "import_module", absent)
    with pytest.raises(SettingInvalid) as raised:
        run.run(part)
    assert extra in raised.value.hint


def test_missing_key_ends_with_the_code_for_asked_wrongly(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """No key at the path that is set: asked wrongly, before anything is connected."""
    monkeypatch.setenv("ESEP_ROUTING_KEY_FILE", str(tmp_path / "nosuch.key"))
    answer = CliRunner().invoke(app, ["run", "intake"])
    assert "nosuch.key" in str(answer.exception)
    assert getattr(answer.exception, "exit_code", None) == 2
