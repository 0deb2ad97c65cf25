"""The pseudonyms under which analysts see persons and means of payment, and the bands of years of birth.

Reads     the file of keys: a line per version, `<version> <64 hex digits>`; the last one is in use
Returns   `Keys`, `Pseudonym`; `birth_years` of an IIN
Writes    a further key at the end of the file
Promises  one person has one pseudonym under one key, and nobody finds the person by it without the key; keys and
          numbers of persons enter no text, and a key enters no SQL (clause O9-5.1; decision 0029)

pseudonym = a letter, the version, a hyphen and 32 hex digits: the first 16 bytes of HMAC-SHA256(key, "person:" or
"instrument:" and the original).
"""

from __future__ import annotations

import hmac
import re
import secrets
from dataclasses import dataclass, field
from hashlib import sha256
from typing import TYPE_CHECKING, NamedTuple

from esep.errors import FileUnusable
from esep.keys import write_secret

if TYPE_CHECKING:
    from pathlib import Path

PERSON, INSTRUMENT = "PERSON", "INSTRUMENT"
BAND_YEARS = 5
_LINE = re.compile(r"([1-9][0-9]{0,5}) ([0-9a-f]{64})")
_PSEUDONYM = re.compile(r"([pi])([1-9][0-9]{0,5})-[0-9a-f]{32}")
_LETTERS = {PERSON: "p", INSTRUMENT: "i"}
_CENTURIES = {"1": 1800, "2": 1800, "3": 1900, "4": 1900, "5": 2000, "6": 2000}  # By the IIN's seventh digit.


class Pseudonym(NamedTuple):
    """A pseudonym, and the key of 128 bits under which the ids of this person's wagers and entries are hidden."""

    text: str
    token_key: tuple[int, int]


@dataclass(frozen=True, slots=True)
class Key:
    """One key of pseudonyms."""

    version: int
    secret: bytes = field(repr=False)

    def pseudonym(self, kind: str, original: str) -> Pseudonym:
        """Return the pseudonym of a person's IIN or of an instrument's hash.

        >>> Key(1, bytes(32)).pseudonym("PERSON", "900101300007").text
        'p1-4e7c23425cd612e3121695e37cdbe3d7'
        """
        text = self._digest(f"{kind.lower()}:{original}").hex()[:32]
        token = self._digest(f"token:{original}")
        halves = int.from_bytes(token[:8], "big"), int.from_bytes(token[8:16], "big")
        return Pseudonym(f"{_LETTERS[kind]}{self.version}-{text}", halves)

    @property
    def check(self) -> str:
        """What tells that another file holds the same key under this version, and says nothing of the key."""
        return self._digest("check").hex()[:32]

    def _digest(self, text: str) -> bytes:
        return hmac.digest(self.secret, text.encode(), sha256)


def read_keys(path: Path) -> list[Key]:
    """Return the keys by version, the one in use last; FileUnusable if the file is none of keys."""
    try:
        content = path.read_text(encoding="ascii")
    except (OSError, UnicodeDecodeError) as error:
        raise FileUnusable(
            f"the keys of pseudonyms in {path} cannot be read", hint="make one with `esep pseudonyms key`"
        ) from error
    found = [_LINE.fullmatch(line) for line in content.splitlines()]
    keys = [Key(int(one[1]), bytes.fromhex(one[2])) for one in found if one]
    if not keys or len(keys) != len(found) or sorted({key.version for key in keys}) != [key.version for key in keys]:
        raise FileUnusable(
            f"{path} holds no keys of pseudonyms",
            hint="a line per key, a version and 64 hex digits, versions ascending; `esep pseudonyms key` writes it",
        )
    return keys


def make_first_key(path: Path) -> None:
    """Write a file with a first key unless there is one."""
    if not path.exists():
        add_key(path)


def add_key(path: Path) -> int:
    """Write a further key into the file, or its first one; return its version."""
    keys = read_keys(path) if path.exists() else []
    version = keys[-1].version + 1 if keys else 1
    rows = [(key.version, key.secret) for key in keys] + [(version, secrets.token_bytes(32))]
    write_secret(path, "".join(f"{number} {secret.hex()}\n" for number, secret in rows))
    return version


def version_of(pseudonym: str) -> tuple[str, int]:
    """Return kind and version of a pseudonym; ValueError for a text that is none.

    >>> version_of("p12-" + "0" * 32)
    ('PERSON', 12)
    """
    found = _PSEUDONYM.fullmatch(pseudonym)
    if found is None:
        raise ValueError("no pseudonym")
    return next(kind for kind, letter in _LETTERS.items() if letter == found[1]), int(found[2])


def birth_years(iin: str) -> str:
    """Return the band of five years of birth that an IIN tells of, empty where it tells of none.

    >>> birth_years("900101300007"), birth_years("040229500001"), birth_years("900101000000")
    ('1990-1994', '2000-2004', '')
    """
    century = _CENTURIES.get(iin[6:7])
    if century is None or not iin[:2].isdecimal():
        return ""
    first = (century + int(iin[:2])) // BAND_YEARS * BAND_YEARS
    return f"{first}-{first + BAND_YEARS - 1}"
