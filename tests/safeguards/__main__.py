"""`python -m tests.safeguards [ID …]`: take safeguards out, one at a time, and see that their tests notice.

Reads     docs/guarantees.yaml; ids as arguments (none: all)
Writes    a line for each guarantee; a copy of the tree, gone at the end
Promises  exit code 0 only if every test is green with all safeguards in place, and red without its own
"""

from __future__ import annotations

import sys
import tempfile
import time
from pathlib import Path

from docs.guarantees import ROOT, guarantees
from esep.cli.output import out
from tests.safeguards.trial import Trial


def main(ids: list[str]) -> int:
    """Try the guarantees; return the exit code."""
    if unknown := sorted({*ids} - {*guarantees()}):
        out.print(f"no guarantee is called {', '.join(unknown)}; docs/guarantees.md lists them", highlight=False)
        return 2
    chosen = [one for one in guarantees().values() if one.edits and (not ids or one.id in ids)]
    with tempfile.TemporaryDirectory(prefix="esep-safeguards-") as folder:
        trial, began = Trial(ROOT, Path(folder)), time.monotonic()
        wrong = trial.green(test for one in chosen for test in one.tests)
        _say("as it is", wrong or "green", began)
        for one in chosen if not wrong else ():
            began = time.monotonic()
            faults = trial.red(one)
            _say(one.id, faults or "noticed", began)
            wrong += faults
    out.print(f"{len(chosen)} safeguards, {len(wrong)} faults", highlight=False)
    return 1 if wrong else 0


def _say(what: str, told: str | list[str], began: float) -> None:
    words = told if isinstance(told, str) else "; ".join(told)
    out.print(f"{what}: {words} ({time.monotonic() - began:.0f} s)", highlight=False, markup=False, soft_wrap=True)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
