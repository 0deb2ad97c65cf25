"""What every command needs: the settings of the line it talks to.

Reads     the environment, and `stack.json` in the data directory where `esep up` runs a line
Returns   `Settings`; from then on the process uses the schema ids of the registry that they name, if they do
Promises  an environment variable always wins over the running line's address
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from esep.access import OPERATOR
from esep.access_files import AccessFiles
from esep.registry import adopt
from esep.settings import Settings, load_settings

DATA_DIR = Path(".esep")  # Of `esep up`, below the folder where it is called.
STACK_FILE = "stack.json"

DataDir = Annotated[Path, typer.Option(help="Data directory of `esep up`.", envvar="ESEP_DATA_DIR")]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON for a program to read.")]
WaitForLoaders = Annotated[
    float, typer.Option(min=0, help="How long to wait for loaders that were stopped to be gone.")
]
Servers = Annotated[
    str | None, typer.Option(help="Kafka brokers; by default as ESEP_BOOTSTRAP_SERVERS or `esep up` says.")
]
Access = Annotated[
    Path | None,
    typer.Option(help="Folder that the authority gave this organizer; by default that of `esep up`, if it has one."),
]


ACCESS_DIR = "access"  # Below the data directory: the authority's files of the line on this machine.


def settings_of(data_dir: Path, principal: str = OPERATOR, access_dir: Path | None = None) -> Settings:
    """Return the settings for the line that runs in `data_dir`, or for the one that the environment names.

    principal: as which of ours to act where that line asks, and the environment does not say. access_dir: the
    authority's files; by default those of the line in `data_dir`, if it asks and no other is named.
    """
    file, named = data_dir / STACK_FILE, load_settings()
    defaults = json.loads(file.read_text(encoding="utf-8"))["settings"] if file.exists() else {}
    access = AccessFiles((access_dir or data_dir / ACCESS_DIR).absolute())
    asked = access.exists() and (access_dir is not None or (file.exists() and not names_brokers(named)))
    settings = load_settings({**defaults, **(access.settings(named.kafka_user or principal) if asked else {})})
    adopt(settings)
    return settings


def names_brokers(settings: Settings) -> bool:
    """Return whether the environment itself says which brokers are meant, or how they are secured."""
    return bool({"bootstrap_servers", "kafka_security"} & settings.model_fields_set)
