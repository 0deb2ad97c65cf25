"""Tests; xdist hands down the width of a terminal that none of them has, to which commands would fold their tables."""

import os
import sys

if "pytest" in sys.modules:  # Chaos, roles and the planted month print tables of their own, as wide as one wants them.
    os.environ.pop("COLUMNS", None)
