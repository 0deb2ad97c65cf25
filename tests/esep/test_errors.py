"""The tree in the docstring is the tree of the classes, and an error says what happened, why and what to do."""

from __future__ import annotations

import re

import pytest

from esep import errors
from esep.errors import EsepError, InvariantBroken, TransientError, UsageError

CLASSES = [kind for kind in vars(errors).values() if isinstance(kind, type) and issubclass(kind, EsepError)]


def drawn_tree() -> dict[str, str]:
    """Return child → parent as the docstring draws them."""
    parents: dict[str, str] = {}
    above = ["EsepError"]
    for line in (errors.__doc__ or "").splitlines():
        drawn = re.match(r"([│ ]*)[├└]── (\w+)", line)
        if drawn:
            depth = len(drawn[1]) // 4 + 1
            above[depth:] = [drawn[2]]
            parents[drawn[2]] = above[depth - 1]
    return parents


def test_tree_in_the_docstring_is_the_tree_of_the_classes() -> None:
    assert drawn_tree() == {kind.__name__: kind.__base__.__name__ for kind in CLASSES if kind is not EsepError}


@pytest.mark.parametrize(
    ("kind", "exit_code"), [(EsepError, 1), (UsageError, 2), (TransientError, 75), (InvariantBroken, 70)]
)
def test_exit_code_says_what_the_catcher_is_to_do(kind: type[EsepError], exit_code: int) -> None:
    family = [one for one in CLASSES if one is kind or (issubclass(one, kind) and kind is not EsepError)]
    assert {one.exit_code for one in family} == {exit_code}


def test_families_have_exit_codes_of_their_own() -> None:
    codes = [kind.exit_code for kind in CLASSES if kind.__base__ is EsepError]
    assert len(set(codes)) == len(codes)


def test_error_reads_as_what_why_and_do() -> None:
    error = UsageError("the file is empty", detail="0 bytes", hint="send one with rows")
    assert str(error) == "the file is empty\n  why:  0 bytes\n  do:   send one with rows"
    assert (error.what, error.detail, error.hint) == ("the file is empty", "0 bytes", "send one with rows")


def test_error_without_detail_or_hint_has_no_empty_lines() -> None:
    assert str(UsageError("the file is empty")) == "the file is empty"
    assert str(UsageError("the file is empty", hint="send one")) == "the file is empty\n  do:   send one"
