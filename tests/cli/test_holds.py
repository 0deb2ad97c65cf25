"""What makes no sense of a hold is refused before anybody is asked; the drill is in test_retention.py (O9-4.7)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from typer.testing import CliRunner

from esep.cli.main import app
from esep.errors import UsageError

if TYPE_CHECKING:
    from pathlib import Path

WHO = ["--case", "7-114/26", "--reason", "court order", "--by", "a.serikova"]


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["--from", "x"], "--from is no day"),
        (["--to", "2020-13-01"], "--to is no day"),
        ([], "say what is held"),
        (["--everything", "--iin", "-"], "say what is held"),
    ],
)
def test_hold_of_nothing_or_of_no_day_is_refused(words: list[str], told: str, tmp_path: Path) -> None:
    given = ["retention", "hold", "add", *words, *WHO, "--data-dir", str(tmp_path)]
    answer = CliRunner().invoke(app, given, input="900101300007\n")
    assert isinstance(answer.exception, UsageError)
    assert told in str(answer.exception)
    assert "900101300007" not in str(answer.exception) + answer.output
