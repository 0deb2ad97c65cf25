"""How a command is told a person's number: never as a word of its command line.

Reads     the standard input, a terminal without showing what is typed, or a file
Returns   the number as it was given, without blanks around it
Promises  a number that is typed as a word is refused, for it would stay in the shell's history and in the list of
          processes; no text has the number in it (clause O9-5.1)
"""

from __future__ import annotations

import getpass
import sys
from pathlib import Path

from esep.errors import FileUnusable, UsageError
from esep.identifiers import masked

_BYTES_MAX = 1024  # A file with one number in it.


def number_from(source: str) -> str:
    """Return the number that - (standard input, or typed unseen in a terminal) or a file holds; empty for nothing."""
    if not source:
        return ""
    if masked(source) != source:
        raise UsageError(
            "a person's number may not be a word of a command", hint="give --iin - and type it, or name a file with it"
        )
    if source == "-":
        return (getpass.getpass("IIN: ") if sys.stdin.isatty() else sys.stdin.readline()).strip()
    try:
        with Path(source).open(encoding="utf-8") as file:
            return file.read(_BYTES_MAX).strip()
    except (OSError, UnicodeDecodeError) as error:
        raise FileUnusable(f"{source} cannot be read as a file with an IIN", hint="or give --iin -") from error
