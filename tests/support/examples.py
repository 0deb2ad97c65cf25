"""How many examples a property is tried on: few in `make test`, twenty times as many in `make properties`.

Reads     ESEP_EXAMPLES, by which all counts are multiplied
Returns   `examples`
Promises  each run draws other examples, so that many short runs see what a long one sees
"""

from __future__ import annotations

import os

_TIMES = float(os.environ.get("ESEP_EXAMPLES", "0.5"))


def examples(count: int) -> int:
    """Return how many examples to try of a property whose usual number is `count`: `make test` tries half as many."""
    return max(1, round(count * _TIMES))
