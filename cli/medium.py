"""`esep medium`: the key with which an organizer signs files of messages.

Reads     nothing
Writes    a private key and, beside it, its public half
Promises  never writes over a key; the private key is printed nowhere (clause O114-3)
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from esep.cli.output import command_group, err
from esep.keys import key_id, load_public_key, make_signing_key

medium = command_group(
    name="medium",
    help="Files carried by hand, where no line goes: see also `esep send --to-file` and `esep receive`.\n\n"
    "Example: [bold]esep medium key secrets/medium.key[/]",
    no_args_is_help=True,
)


@medium.callback()
def _group() -> None:
    pass


@medium.command()
def key(
    file: Annotated[Path, typer.Argument(help="Where the private key goes; its public half beside it, as .pub.")],
) -> None:
    """Make the key that signs your files, unless it is there; give the authority its public half by a way it trusts.

    Example: [bold]esep medium key secrets/medium.key[/]
    """
    make_signing_key(file)
    public = file.with_suffix(".pub")
    name = key_id(load_public_key(public.read_bytes(), str(public)))
    err.print(f"key {name}: keep {file} from everybody, hand {public} to the authority", highlight=False)
