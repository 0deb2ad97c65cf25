"""What every command needs: the settings of the line it talks to.

Reads     the environment, and `stack.json` in the data directory where `esep up` runs a line
Returns   `Settings`
Promises  an environment variable always wins over the running line's address
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from esep.settings import Settings, load_settings

DATA_DIR = Path(".esep")  # Of `esep up`, below the folder where it is called.
STACK_FILE = "stack.json"

DataDir = Annotated[Path, typer.Option(help="Data directory of `esep up`.", envvar="ESEP_DATA_DIR")]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON for a program to read.")]


def settings_of(data_dir: Path) -> Settings:
    """Return the settings for the line that runs in `data_dir`, or for the one that the environment names."""
    file = data_dir / STACK_FILE
    defaults = json.loads(file.read_text(encoding="utf-8"))["settings"] if file.exists() else {}
    return load_settings(defaults)
