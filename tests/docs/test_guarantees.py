"""What upholds each guarantee is still there to be taken out, and the tests that must notice exist."""

from __future__ import annotations

import ast
import doctest
from functools import cache

import pytest
from pydantic import ValidationError

from docs import guarantees as module
from docs.guarantees import ROOT, Edit, Guarantee, guarantees


def test_every_safeguard_can_still_be_taken_out() -> None:
    """A change of the code that moves one has to move its edit as well; `make safeguards` says whether it holds."""
    gone = {}
    for name, one in guarantees().items():
        for edit in one.edits:
            try:
                edit.applied((ROOT / edit.file).read_text(encoding="utf-8"))
            except (OSError, ValueError, SyntaxError) as error:
                gone[name] = str(error)
    assert gone == {}


@cache
def names_in(file: str) -> set[str]:
    """Return the names of tests and of the state machines that are tests, as pytest names them."""
    body = ast.parse((ROOT / file).read_text(encoding="utf-8")).body
    functions = {node.name for node in body if isinstance(node, ast.FunctionDef)}
    assigned = [node.targets[0] for node in body if isinstance(node, ast.Assign)]
    machines = {target.id for target in assigned if isinstance(target, ast.Name)}
    return functions | {f"{name}::runTest" for name in machines}


def test_tests_that_must_notice_exist() -> None:
    named = [test.partition("::") for one in guarantees().values() for test in one.tests]
    assert [(file, name) for file, _, name in named if name not in names_in(file)] == []


def test_claims_are_sentences_and_what_is_open_says_why() -> None:
    for one in guarantees().values():
        assert one.claim.endswith("."), one.id
        assert not one.open or len(one.open.split()) >= 8, one.id


def test_edit_that_no_longer_applies_or_breaks_the_module_is_an_error() -> None:
    edit = Edit(file="stage.py", replace="if fenced:", by="if False:")
    with pytest.raises(ValueError, match="0 times"):
        edit.applied("if not fenced:\n    pass\n")
    with pytest.raises(ValueError, match="2 times"):
        edit.applied("if fenced:\n    pass\nif fenced:\n    pass\n")
    with pytest.raises(SyntaxError):
        Edit(file="stage.py", replace="fenced:", by="").applied("if fenced:\n    pass\n")


@pytest.mark.parametrize(
    "missing", [{"edits": ()}, {"tests": ()}, {"says": ""}, {"edits": (), "tests": (), "says": "", "open": ""}]
)
def test_guarantee_is_shown_whole_or_says_that_it_is_open(missing: dict[str, object]) -> None:
    edit = Edit(file="stage.py", replace="if fenced:", by="if False:")
    whole = {"id": "FENCED", "claim": "It stops.", "edits": (edit,), "tests": ("tests/a.py::b",), "says": "DID NOT"}
    Guarantee.model_validate(whole)
    with pytest.raises(ValidationError):
        Guarantee.model_validate(whole | missing)


def test_example_of_an_edit_runs() -> None:
    assert doctest.testmod(module).failed == 0
