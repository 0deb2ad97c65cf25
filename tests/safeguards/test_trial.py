"""A safeguard counts as watched only where a test of it fails by itself without it; one of the real ones is tried."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from docs.guarantees import ROOT, Edit, Guarantee, guarantees
from tests.safeguards.trial import Case, Trial, cases_in, faults

MODULE = '''
def fits(amount_tiyn: int) -> bool:
    """Say whether it fits."""
    if amount_tiyn < 0:
        return False
    return amount_tiyn < 2**63
'''
TESTS = """
from ledger import fits


def test_largest_amount_fits_and_the_next_does_not():
    assert fits(2**63 - 1)
    assert not fits(2**63)


def test_small_amount_fits():
    assert fits(1)
"""
LARGEST = "tests/test_ledger.py::test_largest_amount_fits_and_the_next_does_not"
SMALL = "tests/test_ledger.py::test_small_amount_fits"
UPPER = Edit(file="ledger.py", replace="return amount_tiyn < 2**63", by="return True")


def guarantee(edit: Edit, *tests: str, says: str = "assert not") -> Guarantee:
    return Guarantee(id="LARGEST", claim="A sum that does not fit is refused.", edits=(edit,), tests=tests, says=says)


@pytest.fixture(scope="module")
def trial(tmp_path_factory: pytest.TempPathFactory) -> Trial:
    root, copy = tmp_path_factory.mktemp("root"), tmp_path_factory.mktemp("copy")
    (root / "tests").mkdir()
    (root / "ledger.py").write_text(MODULE)
    (root / "tests" / "test_ledger.py").write_text(TESTS)
    subprocess.run(["git", "init", "--quiet"], cwd=root, check=True)
    return Trial(root, copy)


def test_safeguard_is_watched_where_its_test_fails_without_it_and_says_what_is_declared(trial: Trial) -> None:
    assert trial.green([LARGEST, SMALL]) == []
    assert trial.red(guarantee(UPPER, LARGEST)) == []
    assert (trial.copy / "ledger.py").read_text() == MODULE, "put back, so that the next one is tried alone"


def test_edit_that_does_not_apply_is_told_and_nothing_is_run(trial: Trial) -> None:
    gone = Edit(file="ledger.py", replace="< 2**64", by="> 0")
    assert trial.red(guarantee(gone, LARGEST)) == ["ledger.py holds '< 2**64' 0 times"]


@pytest.mark.parametrize(
    ("cases", "found"),
    [
        ([Case("tests.test_ledger.test_small_amount_fits", "passed", "")], "does not notice"),
        (
            [Case("tests.test_ledger.test_small_amount_fits", "failed", "E   assert 1 == 2")],
            "no test says 'assert not'",
        ),
        ([Case("tests.test_ledger.test_small_amount_fits", "error", "assert not True")], "could not judge"),
        ([Case("tests.test_ledger.test_small_amount_fits", "skipped", "assert not True")], "could not judge"),
        ([Case("tests.test_ledger.test_that_is_gone", "failed", "assert not True")], "was not run"),
        ([Case("pytest", "error", "collection failed")], "collection failed"),
        ([], "was not run"),
    ],
)
def test_safeguard_that_nobody_watches_is_told(cases: list[Case], found: str) -> None:
    assert found in faults(guarantee(UPPER, SMALL), cases)[0]


REPORT = """<testsuites><testsuite><testcase classname="tests.test_ledger" name="test_sum[1]"><failure message="{told}">
E   {told}</failure></testcase><testcase classname="tests.test_ledger" name="test_sum[2]"/></testsuite></testsuites>"""


@pytest.mark.parametrize(
    ("told", "found"),
    [
        ("assert not True", []),
        ("NameError: name 'fits' is not defined", ["could not judge"]),
        ("ImportError: cannot import name 'fits'", ["could not judge"]),
    ],
)
def test_test_that_fails_because_the_program_is_broken_has_not_noticed(told: str, found: list[str]) -> None:
    cases = cases_in(REPORT.format(told=told))
    assert [(case.test, case.outcome) for case in cases] == [
        ("tests.test_ledger.test_sum", "failed"),
        ("tests.test_ledger.test_sum", "passed"),
    ]
    told_of = faults(guarantee(UPPER, "tests/test_ledger.py::test_sum"), cases)
    assert [any(one in fault for fault in told_of) for one in found] == [True] * len(told_of)


def test_safeguard_of_the_real_tree_is_missed_by_its_test(tmp_path: Path) -> None:
    """The rest is for `make safeguards`; this one says that it works on the tree as it is."""
    assert Trial(ROOT, tmp_path).red(guarantees()["STAMP"]) == []
