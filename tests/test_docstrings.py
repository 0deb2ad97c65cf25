"""Every example in a docstring of the project runs and gives what it says."""

from __future__ import annotations

import doctest
import importlib
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
FOLDERS = ("schemas", "esep", "producers", "stream_apps", "sinks", "embedded", "gateway", "cli")


def modules() -> list[str]:
    """Return the import name of every module, by its file: nothing is left out because it fails to import."""
    names = []
    for folder in FOLDERS:
        for path in sorted((ROOT / folder).rglob("*.py")):
            parts = path.relative_to(ROOT).with_suffix("").parts
            below = parts[1:] if folder == "esep" else parts
            if folder != "esep" or below[0] not in FOLDERS:  # esep/cli and the like are links to the folders.
                names.append(".".join(["esep", *below]).removesuffix(".__init__"))
    return names


@pytest.mark.parametrize("name", modules())
def test_examples_in_docstrings_run(name: str) -> None:
    if name.endswith(".__main__"):  # To import it is to run the command.
        path = ROOT.joinpath(*name.split(".")[1:]).with_suffix(".py")
        assert ">>>" not in path.read_text(encoding="utf-8"), "an example that nobody runs"
        return
    assert doctest.testmod(importlib.import_module(name)).failed == 0


def test_examples_are_found() -> None:
    """The test above would pass on modules without any."""
    found = doctest.DocTestFinder().find(importlib.import_module("esep.money"))
    assert sum(len(example.examples) for example in found) >= 2
