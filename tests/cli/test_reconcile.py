"""The exit code of `esep reconcile` is its answer."""

from __future__ import annotations

from pathlib import Path

import pytest
from typer.testing import CliRunner

from esep.cli.main import app
from esep.sinks.clickhouse import reconcile

ROOT = Path(__file__).resolve().parent.parent.parent


class Told:
    """A report that says what it is told to say."""

    def __init__(self, *, balanced: bool) -> None:
        self.balanced = balanced

    def to_json(self) -> dict[str, bool]:
        return {"balanced": self.balanced}


@pytest.mark.parametrize(("balanced", "code"), [(True, 0), (False, 1)])
def test_exit_code_says_whether_the_books_balance(monkeypatch: pytest.MonkeyPatch, balanced: bool, code: int) -> None:
    monkeypatch.setenv("ESEP_REGISTER_FILE", str(ROOT / "examples" / "register.yaml"))
    monkeypatch.setattr(reconcile, "reconcile", lambda _settings, _bins: Told(balanced=balanced))
    answer = CliRunner().invoke(app, ["reconcile", "--json"])
    assert answer.exit_code == code, answer.exception
    assert str(balanced).lower() in answer.output
