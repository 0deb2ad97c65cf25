"""The answer sheet of the planted month: what is a scheme and what a near miss, who is in it, what is to be seen.

Reads     answers.yaml
Returns   `Answer` by name of the story
Promises  written before anybody who wrote it had read a rule; `told` says that no posting has changed since
"""

from __future__ import annotations

from datetime import date
from functools import cache
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, TypeAdapter

from esep.yaml_text import from_yaml

_FILE = Path(__file__).with_name("answers.yaml")


class Listing(BaseModel):
    """A person of a story on a list of restricted persons; days in Almaty, valid_to is the first day without."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    list: Literal["SELF_EXCLUDED", "DEBTOR", "OFFICIAL"]
    person: str
    valid_from: date
    valid_to: date | None = None


class Answer(BaseModel):
    """A story. clause: of a scheme, what it is written from. near: the scheme that a near miss is near to.

    officer: what an officer wants to see, or why there is nothing to see. wanted: the roles that an alert should name,
    or `organizer`. persons: IIN by role. told: the first digits of the SHA-256 of all its messages.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    story: str
    clause: str | None = None
    near: str | None = None
    officer: str
    wanted: tuple[str, ...] = ()
    listings: tuple[Listing, ...] = ()
    persons: dict[str, str]
    told: str

    @property
    def is_scheme(self) -> bool:
        return self.near is None

    @property
    def wanted_iins(self) -> set[str]:
        """The persons of whom one at least an alert should name."""
        return {iin for role, iin in self.persons.items() if any(_is_role(role, name) for name in self.wanted)}


@cache
def answers() -> dict[str, Answer]:
    read = TypeAdapter(tuple[Answer, ...]).validate_python(from_yaml(_FILE.read_text(encoding="utf-8")))
    return {answer.story: answer for answer in read}


def _is_role(role: str, wanted: str) -> bool:
    return role.startswith(wanted[:-1]) if wanted.endswith("*") else role == wanted
