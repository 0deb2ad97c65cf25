"""What the lists of restricted persons cost: memory of a process of its own, time per event.

Reads     made-up numbers, as many as the country may have on its lists
Returns   `Measured`
Promises  the memory is what the process had at its peak beyond what it had before the first block came, so that what
          publishing needs for a moment is in it; events come as intake takes them, a poll at a time
"""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import polars as pl

from bench.codec import Measured
from esep.restrictions import Entries, Restrictions

LISTED = 4_000_000
_EVENTS = 20_000  # Of one poll.
_RUNS = 20
_BLOCK = 10_000
LISTED_SHARE = 0.1  # Of events are by persons on a list.


def measure_restrictions() -> list[Measured]:
    """Return look-ups per second, and the memory as a note."""
    answer = subprocess.run(
        [sys.executable, "-m", "bench.restrictions"], capture_output=True, text=True, check=True, timeout=120
    )
    rate, peak_mb = map(float, answer.stdout.split())
    note = f"{LISTED:,} persons: {peak_mb:.0f} MB at the peak; {1e6 / rate:.2f} µs per event"
    return [Measured("restricted persons: look up", rate, "", 0.0, note)]


def _main() -> None:
    draw = np.random.default_rng(1)
    numbers = np.sort(draw.choice(10**9, LISTED, replace=False).astype(np.uint64) * np.uint64(1000))
    asked = np.where(
        draw.random(_EVENTS) < LISTED_SHARE,
        draw.choice(numbers, _EVENTS),
        draw.integers(0, 10**12, _EVENTS).astype(np.uint64),
    )
    iins = pl.Series([f"{number:012d}" for number in asked])
    occurred_ms, counted = np.full(_EVENTS, 10**12), np.ones(_EVENTS, np.int64)
    Path("/proc/self/clear_refs").write_text("5", encoding="ascii")  # The peak begins anew here.
    before_mb = _memory_mb("VmRSS")
    restrictions = Restrictions()
    blocks = (entries(numbers[start : start + _BLOCK]) for start in range(0, LISTED, _BLOCK))
    restrictions.publish(0, Entries(blocks))
    seconds = []
    for _ in range(_RUNS):
        started = time.perf_counter()
        restrictions.flags(iins, occurred_ms, counted)
        seconds.append(time.perf_counter() - started)
    sys.stdout.write(f"{_EVENTS / float(np.median(seconds))} {_memory_mb('VmHWM') - before_mb}\n")


def entries(numbers: np.ndarray) -> pl.DataFrame:
    """Return entries of the persons with these numbers (ascending), in force for ever."""
    since, until = np.zeros(len(numbers), np.uint32), np.full(len(numbers), 2**32 - 1, np.uint32)
    return pl.DataFrame({"key": numbers << np.uint64(8), "since_s": since, "until_s": until})


def _memory_mb(name: str) -> float:
    lines = Path("/proc/self/status").read_text(encoding="ascii").splitlines()
    return float(next(line for line in lines if line.startswith(name)).split()[1]) / 1e3


if __name__ == "__main__":
    _main()
