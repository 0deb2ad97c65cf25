"""The process `esep run totals`: the stage totals, run by the shell that all stages share.

Reads     `accepted`, and on assignment `totals.changelog`
Writes    `ledger` and `totals.changelog`, one transaction per poll
Promises  what `worker` promises; nothing of its own (box: totals)
"""

from __future__ import annotations

from esep.settings import load_settings
from esep.stream_apps.launch import launch
from esep.stream_apps.totals.stage import TotalsStage


def main() -> int:
    """Work until told to stop; return the exit code."""
    return launch(TotalsStage(), load_settings())
