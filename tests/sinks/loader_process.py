"""The loader as a process that ends or stops itself at a step, as its first argument says (JSON).

at: name of a step; nth: at which time it is reached; signal: what the process then sends itself
"""

from __future__ import annotations

import faulthandler
import json
import logging
import os
import signal
import sys
from collections import Counter

from esep.settings import load_settings
from esep.sinks.clickhouse.loader import run_loader


def main(plan: dict[str, str]) -> int:
    faulthandler.enable()
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    reached: Counter[str] = Counter()

    def on_step(step: str) -> None:
        reached[step] += 1
        if step == plan.get("at") and reached[step] == int(plan.get("nth", 1)):
            os.kill(os.getpid(), signal.Signals[plan["signal"]])

    return run_loader(load_settings(), on_step=on_step)


if __name__ == "__main__":
    sys.exit(main(json.loads(sys.argv[1])))
