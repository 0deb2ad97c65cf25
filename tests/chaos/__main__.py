"""`python -m tests.chaos 1 2 3`: a run for each seed, and a table of what came of it.

Reads     seeds as arguments (none: 1); ESEP_CHAOS_EVENTS (if not set 100,000), ESEP_CHAOS_S (60 s of trouble)
Writes    a line below a directory of its own for each seed, gone at the end unless something was not right
Promises  exit code 0 only if nothing was lost, doubled or wrong, and everything that is to go wrong on purpose did so
          in one of the runs at least
"""

from __future__ import annotations

import logging
import os
import shutil
import sys
import tempfile
import traceback
from collections import Counter
from pathlib import Path

from esep.cli.output import out, print_table
from tests.chaos.ordeals import all_names
from tests.chaos.run import Outcome, Size, run
from tests.chaos.schedule import KINDS

_COLUMNS = (
    *("seed", "events", "postings", "own", "alerts", "looked up", "rules"),
    *("by chance", "on purpose", "missed", "ends", "s"),
)
_FOUND = ("lost", "doubled", "wrong")


def main(arguments: list[str]) -> int:
    """Run the seeds one after the other; return the exit code."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    size = Size(int(os.environ.get("ESEP_CHAOS_EVENTS", "100000")), float(os.environ.get("ESEP_CHAOS_S", "60")))
    outcomes = [_try(int(seed), size) for seed in arguments or ["1"]]
    met: Counter[str] = sum((outcome.met for outcome in outcomes), Counter())
    print_table("chaos", (*_COLUMNS, *_FOUND), [_row(outcome) for outcome in outcomes])
    done: Counter[str] = sum((outcome.done for outcome in outcomes), Counter())
    kinds = [(f"by chance: {kind.lower().replace('_', ' ')}", done[kind]) for kind in KINDS]
    on_purpose = [(name, met[name]) for name in all_names()]
    print_table("faults", ("what", "survived"), [*kinds, *on_purpose, ("all", done.total() + met.total())])
    clean, whole = all(outcome.findings.clean for outcome in outcomes), all(met[name] for name in all_names())
    if clean and not whole:
        out.print("not everything that was to go wrong on purpose did: run more seeds, or on a machine with less to do")
    return 0 if clean and whole else 1


def _try(seed: int, size: Size) -> Outcome:
    data_dir = Path(tempfile.mkdtemp(prefix=f"esep-chaos-{seed}-"))
    try:
        outcome = run(seed, size, data_dir)
    except Exception as error:  # noqa: BLE001 - the other seeds are run all the same
        traceback.print_exc()
        outcome = Outcome(seed, size.events, Counter())
        outcome.findings.wrong.append(f"the run broke off: {error}")
    if outcome.findings.clean:
        shutil.rmtree(data_dir)
        out.print(f"seed {seed}: {outcome.events:,} events, nothing lost, doubled or wrong", highlight=False)
    else:
        out.print(f"seed {seed}:\n{outcome.findings}\ndata and logs are in {data_dir}", highlight=False)
        again = f"ESEP_CHAOS_EVENTS={size.events} ESEP_CHAOS_S={size.trouble_s:g}"
        out.print(f'run it again with: {again} make chaos SEEDS="{seed}"', highlight=False)
    return outcome


def _row(outcome: Outcome) -> list[object]:
    found = [len(getattr(outcome.findings, sort)) for sort in _FOUND]
    had = [outcome.events, *outcome.counts]
    ran = [outcome.met.total(), outcome.missed + len(outcome.unmet), outcome.ends, round(outcome.seconds)]
    return [outcome.seed, *had, outcome.done.total(), *ran, *found]


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
