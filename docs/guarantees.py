"""Write the page that says, for each guarantee, what upholds it and what its test says once that is taken out.

Reads     docs/guarantees.yaml
Returns   the text of docs/guarantees.md; `guarantees`; `Edit.applied`
Promises  an edit that does not apply exactly once is an error, so that no change of the code drops one without a word;
          `make safeguards` holds what the page says of the tests to what they say
"""

from __future__ import annotations

import re
from collections import defaultdict
from functools import cache
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, model_validator

from esep.yaml_text import from_yaml

ROOT = Path(__file__).resolve().parent.parent


class Edit(BaseModel):
    """The smallest change that takes a safeguard out: `replace` stands once in `file`, and becomes `by`."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    file: str
    replace: str
    by: str

    def applied(self, text: str) -> str:
        """Return the text of the file without the safeguard; ValueError if it is no longer there, or not Python then.

        >>> Edit(file="a.py", replace="x > 0", by="True").applied("if x > 0: pass")
        'if True: pass'
        """
        if (count := text.count(self.replace)) != 1:
            raise ValueError(f"{self.file} holds {self.replace!r} {count} times")
        changed = text.replace(self.replace, self.by)
        if self.file.endswith(".py"):
            compile(changed, self.file, "exec")
        return changed


class Guarantee(BaseModel):
    """A claim in our words: what takes it out, the tests that must all fail then, and a piece of what one of them says.

    open: instead of these, why nothing of the kind can be shown, or what does not hold.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    id: str
    claim: str
    edits: tuple[Edit, ...] = ()
    tests: tuple[str, ...] = ()
    says: str = ""
    open: str = ""

    @model_validator(mode="after")
    def _is_shown_or_open(self) -> Guarantee:
        if bool(self.edits) != bool(self.tests) or bool(self.edits) != bool(self.says):
            raise ValueError(f"{self.id}: edits, tests and what they say belong together")
        if not self.edits and not self.open:
            raise ValueError(f"{self.id} is neither shown nor open")
        return self


@cache
def _declared() -> dict[str, Any]:
    content: dict[str, Any] = from_yaml((ROOT / "docs" / "guarantees.yaml").read_text(encoding="utf-8"))
    return content


@cache
def guarantees() -> dict[str, Guarantee]:
    """Return every guarantee by id, in the order of the page."""
    listed = [Guarantee.model_validate(one) for part in _declared()["parts"] for one in part["guarantees"]]
    found = {one.id: one for one in listed}
    if len(found) < len(listed):
        raise ValueError("two guarantees have one id")
    return found


def guarantees_page() -> str:
    """Return the page."""
    shown = [one for one in guarantees().values() if one.edits]
    lines = [
        "# What is guaranteed, and how one can see it",
        "",
        "Made from `docs/guarantees.yaml` by `make pages`. Why nothing is lost or counted twice, sentence by sentence.",
        "What upholds a sentence is taken out of a copy of the code by the edit shown, and the tests named must fail",
        f"then, saying what is shown: `make safeguards` does that for all {len(shown)}, `make safeguards",
        f'IDS="{shown[0].id}"` for some. A sentence marked *open* has no such edit, or does not hold as it is written;',
        "it says why.",
    ]
    for part in _declared()["parts"]:
        lines += ["", f"## {part['part']}", "", part["text"]]
        for one in part["guarantees"]:
            lines += ["", *_section(guarantees()[one["id"]])]
    return "\n".join(lines) + "\n"


def _section(one: Guarantee) -> list[str]:
    lines = [f"**{one.id}.** {one.claim}"]
    if one.open:
        lines += ["", f"*Open:* {one.open}"]
    if one.edits:
        lines += ["", *[_told(edit) for edit in one.edits], *_tests(one), f"- without it: “{_plain(one.says)}”"]
    return lines


def _told(edit: Edit) -> str:
    return (
        f"- taken out of `{edit.file}`: `{_plain(edit.replace)}` → {f'`{_plain(edit.by)}`' if edit.by else 'nothing'}"
    )


def _tests(one: Guarantee) -> list[str]:
    by_file: defaultdict[str, list[str]] = defaultdict(list)
    for test in one.tests:
        file, _, name = test.partition("::")
        by_file[file].append(name)
    return [f"- test: `{file}`: {', '.join(f'`{name}`' for name in names)}" for file, names in by_file.items()]


def _plain(text: str) -> str:
    """Return a text on one line."""
    return re.sub(r"\s+", " ", text).strip().replace("`", "'")
