"""Take a safeguard out of a copy of the tree, and see whether the tests that are named notice.

Reads     the tree: what git knows and what is new; what pytest reports
Writes    a copy in a directory of its own; the edited file there, put back afterwards
Promises  the tree itself is not touched; a test counts as having noticed only if it failed itself, by what it says, and
          not because a module could not be imported or a fixture not be made; the copy is what is tested
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from importlib.util import cache_from_source
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple
from xml.etree import ElementTree

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from docs.guarantees import Edit, Guarantee

RUN_S_MAX = 900
NO_VERDICT = re.compile(  # A program that is broken says nothing about a safeguard.
    r"^E? *(?:\w+\.)*(?:SyntaxError|IndentationError|ImportError|ModuleNotFoundError|NameError|UnboundLocalError)\b",
    re.M,
)


class Case(NamedTuple):
    """What became of one test, with one set of parameters. outcome: passed, failed, skipped or error."""

    test: str
    outcome: str
    text: str


class Trial:
    """A copy of a tree in a directory that is there and empty."""

    def __init__(self, root: Path, copy: Path) -> None:
        self.copy = copy
        for name in _names(root):
            source, target = root / name, copy / name
            target.parent.mkdir(parents=True, exist_ok=True)
            if source.is_symlink():
                target.symlink_to(source.readlink())
            elif source.is_file():
                shutil.copy2(source, target)

    def green(self, tests: Iterable[str]) -> list[str]:
        """Return what is wrong with tests on the copy as it is: each must pass."""
        wanted = sorted(set(tests))
        cases = self._run(wanted)
        return _absent(wanted, cases) + [
            f"{case.test} {case.outcome} with all safeguards in place:\n{case.text}"
            for case in cases
            if case.outcome != "passed"
        ]

    def red(self, guarantee: Guarantee) -> list[str]:
        """Return what is wrong with the tests of a guarantee without its safeguard: each must fail, as is declared."""
        before = {edit.file: (self.copy / edit.file).read_text(encoding="utf-8") for edit in guarantee.edits}
        try:
            for edit in guarantee.edits:
                self._apply(edit)
            return faults(guarantee, self._run(guarantee.tests))
        except ValueError as error:
            return [str(error)]
        finally:
            for file, text in before.items():
                self._write(file, text)

    def _apply(self, edit: Edit) -> None:
        self._write(edit.file, edit.applied((self.copy / edit.file).read_text(encoding="utf-8")))

    def _write(self, file: str, text: str) -> None:
        path = self.copy / file
        path.write_text(text, encoding="utf-8")
        if path.suffix == ".py":  # Python would take the compiled one for it: same second, perhaps the same size.
            Path(cache_from_source(str(path))).unlink(missing_ok=True)

    def _run(self, tests: Sequence[str]) -> list[Case]:
        report = self.copy / "report.xml"
        report.unlink(missing_ok=True)
        command = [
            sys.executable,
            "-m",
            "pytest",
            "-n",
            "0",
            "--no-header",
            "--hypothesis-seed=1",
            f"--junitxml={report}",
        ]
        environment = {**os.environ, "PYTHONPATH": str(self.copy), "ESEP_ANY_FAILURE": "1"}  # Its processes, too.
        try:
            answer = subprocess.run(
                [*command, *tests],
                cwd=self.copy,
                env=environment,
                capture_output=True,
                text=True,
                timeout=RUN_S_MAX,
                check=False,
            )
        except subprocess.TimeoutExpired:
            return []
        if not report.exists():
            return [Case("pytest", "error", (answer.stdout + answer.stderr)[-3_000:])]
        return cases_in(report.read_text(encoding="utf-8"))


def faults(guarantee: Guarantee, cases: Sequence[Case]) -> list[str]:
    """Return what speaks against it that these tests noticed that a safeguard is missing."""
    found = _absent(guarantee.tests, cases)
    for test in guarantee.tests:
        of_test = [case for case in cases if case.test == _dotted(test)]
        failed = [case for case in of_test if case.outcome == "failed"]
        if broken := [case for case in of_test if case.outcome in {"error", "skipped"} or NO_VERDICT.search(case.text)]:
            found.append(f"{test} could not judge:\n{broken[0].text[-3_000:]}")
        elif of_test and not failed:
            found.append(f"{test} does not notice")
    if not found and not any(_words(guarantee.says) in _words(case.text) for case in cases if case.outcome == "failed"):
        told = "\n".join(case.text[-3_000:] for case in cases)
        found.append(f"no test says {guarantee.says!r}:\n{told}")
    return found


def cases_in(report: str) -> list[Case]:
    """Return the cases of a report in JUnit's form, as pytest writes it."""
    cases = []
    for case in ElementTree.fromstring(report).iter("testcase"):
        test = f"{case.get('classname')}.{(case.get('name') or '').partition('[')[0]}"
        told = {child.tag: f"{child.get('message') or ''}\n{child.text or ''}" for child in case}
        outcome = {"failure": "failed", "error": "error", "skipped": "skipped"}
        kind = next((tag for tag in ("error", "failure", "skipped") if tag in told), None)
        cases.append(Case(test, outcome[kind] if kind else "passed", told[kind] if kind else ""))
    return cases


def _absent(tests: Iterable[str], cases: Sequence[Case]) -> list[str]:
    there = {case.test for case in cases}
    told = next((case.text for case in cases if case.test == "pytest"), "")
    return [f"{test} was not run\n{told}".rstrip() for test in tests if _dotted(test) not in there]


def _dotted(test: str) -> str:
    """Return the name of a test in a report.

    >>> _dotted("tests/sinks/test_group.py::test_place")
    'tests.sinks.test_group.test_place'
    """
    file, _, name = test.partition("::")
    return ".".join([*Path(file).with_suffix("").parts, *name.split("::")])


def _words(text: str) -> str:
    """Return a text without pytest's marks at the beginning of lines, its words one space apart."""
    return " ".join(re.sub(r"^[E>] +", "", text, flags=re.M).split())


def _names(root: Path) -> list[str]:
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"],
        cwd=root,
        capture_output=True,
        check=True,
    )
    return [name for name in listed.stdout.decode().split("\0") if name]
