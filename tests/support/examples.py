"""How many examples a property is tried on: a quarter of its count in `make test`, ten times it in `make properties`.

Reads     ESEP_EXAMPLES, by which all counts are multiplied
Returns   `examples`
Promises  each run draws other examples, so that many short runs see what a long one sees
"""

from __future__ import annotations

import os

_TIMES = float(os.environ.get("ESEP_EXAMPLES", "1"))


def examples(count: int) -> int:
    """Return how many examples to try where a file run by itself tries `count`."""
    return max(1, round(count * _TIMES))
