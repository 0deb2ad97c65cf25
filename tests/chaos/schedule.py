"""What goes wrong in a run, and when: drawn from a seed, before anything has started.

Reads     a seed, how long the trouble lasts, a worker's session time-out
Returns   `Fault`s in the order of time
Promises  the same for the same arguments; each sort of fault of each part comes once before any comes twice; a part has
          one fault at a time and time to come back; never two brokers at once
"""

from __future__ import annotations

import math
import random
from collections.abc import Iterator
from dataclasses import dataclass

KILL, RESTART, PAUSE, LONG_PAUSE = "KILL", "RESTART", "PAUSE", "LONG_PAUSE"
CUT, DELAY, HALF_OPEN = "CUT", "DELAY", "HALF_OPEN"
OF_PROCESSES, OF_WIRES = (KILL, RESTART, PAUSE, LONG_PAUSE), (CUT, DELAY, HALF_OPEN)
KINDS = (*OF_PROCESSES, *OF_WIRES)
BROKERS = ("broker-1", "broker-2", "broker-3")
CLICKHOUSE = "clickhouse"
WIRE = "wire"  # Between the loaders and ClickHouse.
APPS = tuple(f"{part}-{ordinal}" for part in ("intake", "totals", "alerts", "loader") for ordinal in (0, 1))
_QUIET_FIRST_S = 1.0  # Before the first fault, so that it finds everything at work.
_BETWEEN_S = (0.5, 3.0)
_BACK_S = 6.0  # From the end of a part's fault to its next one: what a loaded machine takes to start it.


@dataclass(frozen=True, slots=True, order=True)
class Fault:
    """One part in one sort of trouble: from at_s on, counted from the beginning of the run, for lasts_s.

    KILL: SIGKILL, started again at the end. RESTART: asked to end, started again. PAUSE: SIGSTOP, SIGCONT at the end,
    within a worker's session; LONG_PAUSE: beyond it. CUT: every connection is broken off and none taken; DELAY: all
    takes longer; HALF_OPEN: requests arrive and no answer comes back, so that nobody knows what became of them. Of a
    broker the last three mean its wires to the other brokers.
    """

    at_s: float
    part: str
    kind: str
    lasts_s: float

    @property
    def end_s(self) -> float:
        """When it is over, at the earliest."""
        return round(self.at_s + self.lasts_s, 1)

    def __str__(self) -> str:
        return f"{self.at_s:6.1f} s  {self.kind:<10} {self.part:<10} for {self.lasts_s:.1f} s"


def kinds_of(part: str) -> tuple[str, ...]:
    """Return the sorts of fault that a part can have."""
    return OF_WIRES if part == WIRE else (*OF_PROCESSES, *OF_WIRES) if part in BROKERS else OF_PROCESSES


def schedule(seed: int, trouble_s: float, session_s: float) -> tuple[Fault, ...]:
    """Return the faults that begin within trouble_s seconds, two strands of them: of brokers, and of all else."""
    strands = (BROKERS, True), ((CLICKHOUSE, WIRE, *APPS), False)
    drawn = [
        fault
        for number, (parts, one_by_one) in enumerate(strands)
        for fault in _strand(random.Random(f"{seed}/{number}"), parts, trouble_s, session_s, one_by_one=one_by_one)
    ]
    return tuple(sorted(drawn))


def _strand(
    draw: random.Random, parts: tuple[str, ...], trouble_s: float, session_s: float, *, one_by_one: bool
) -> Iterator[Fault]:
    """Yield faults of these parts, dealt like cards. one_by_one: the next begins when the one before is over."""
    free_s = dict.fromkeys(parts, 0.0)
    cards: list[tuple[str, str]] = []
    at_s = _QUIET_FIRST_S
    while True:
        cards = cards or _shuffled(draw, parts)
        at_s = max(at_s + draw.uniform(*_BETWEEN_S), min(free_s[part] for part, _ in cards))
        if at_s >= trouble_s:
            return
        part, kind = cards.pop(next(place for place, (part, _) in enumerate(cards) if free_s[part] <= at_s))
        fault = Fault(math.ceil(at_s * 10) / 10, part, kind, round(_length_s(draw, kind, session_s), 1))
        free_s[part] = fault.end_s + _BACK_S
        if one_by_one:
            free_s = dict.fromkeys(parts, fault.end_s)
        yield fault


def _shuffled(draw: random.Random, parts: tuple[str, ...]) -> list[tuple[str, str]]:
    cards = [(part, kind) for part in parts for kind in kinds_of(part)]
    draw.shuffle(cards)
    return cards


def _length_s(draw: random.Random, kind: str, session_s: float) -> float:
    """Return how long a fault lasts: a killed part comes back before or after its session is over, by chance."""
    lengths = {
        KILL: (0.0, session_s * 1.3),
        RESTART: (0.5, 2.0),
        PAUSE: (0.5, session_s * 0.5),
        LONG_PAUSE: (session_s + 3.0, session_s + 9.0),  # The others need a few seconds to take over and go on.
        **dict.fromkeys(OF_WIRES, (1.0, session_s * 1.5)),
    }
    return draw.uniform(*lengths[kind])
