"""A command of ours as somebody types it, in a terminal that does not fold what it prints."""

from __future__ import annotations

from typer.testing import CliRunner, Result

from esep.cli.main import app


def command(*words: object) -> Result:
    """Run `esep` with these words."""
    return CliRunner().invoke(app, [str(word) for word in words], env={"COLUMNS": "250", "TERM": "dumb"})
