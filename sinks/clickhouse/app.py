"""The loader's process.

Reads     `Settings`
Writes    what the loader writes
Promises  returns the exit code (box: sinks/clickhouse)
"""

from __future__ import annotations

import logging
import sys

from esep.settings import load_settings
from esep.sinks.clickhouse.loader import run_loader


def main() -> int:
    """Load until SIGTERM; return the exit code."""
    settings = load_settings()
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    return run_loader(settings)


if __name__ == "__main__":
    sys.exit(main())
