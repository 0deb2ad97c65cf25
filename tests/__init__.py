"""Tests; xdist hands down the width of a terminal that none of them has, to which commands would fold their tables."""

import os

os.environ.pop("COLUMNS", None)
