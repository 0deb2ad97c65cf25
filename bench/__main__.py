"""`python -m bench`: measure codec, client, look-ups, rules and each part of the line, beside their yardsticks.

Reads     nothing: it makes its events, its broker and its ClickHouse
Writes    a table on stdout
Promises  every ratio is between two things measured in this run, on this machine
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

from bench.alerts import measure_alerts
from bench.client import measure_client
from bench.codec import measure_codec
from bench.line import EVENTS, measure_line
from bench.restrictions import measure_restrictions
from esep.cli.output import print_table


def main() -> None:
    """Measure all; the first argument, if given, is how many events go through the line."""
    events = int(sys.argv[1]) if len(sys.argv) > 1 else EVENTS
    with tempfile.TemporaryDirectory(prefix="esep-bench-") as folder:
        measured = [
            *measure_codec(),
            *measure_client(Path(folder)),
            *measure_restrictions(),
            *measure_alerts(),
            *measure_line(Path(folder), events),
        ]
    rows = [
        (
            part,
            round(rate),
            yardstick,
            round(other) if other else None,
            f"{rate / other:.1f} x" if other else None,
            note,
        )
        for part, rate, yardstick, other, note in measured
    ]
    print_table(
        f"events per second, {events:,} events, one core for each part",
        ("part", "events/s", "beside", "events/s", "ratio", "note"),
        rows,
    )


if __name__ == "__main__":
    main()
