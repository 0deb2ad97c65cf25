"""What goes wrong on purpose: each kind once a run, at the very step that it is about.

Reads     a seed
Returns   `Ordeal`s by strand; a strand is one stage, the loaders or the organizer's client, and has one at a time
Promises  the same for the same seed; three seeds in succession bring each kind and step to each stage
"""

from __future__ import annotations

import random
from dataclasses import dataclass
from enum import StrEnum

from tests.chaos.fates import OF_CLIENTS, OF_LOADERS, OF_STAGES, Fate, Step, What

STAGES = ("intake", "totals", "alerts")
LOADER, CLIENT = "loader", "client"
_NTH_MAX = 3


class Kind(StrEnum):
    """CRASH: the process ends itself by SIGKILL. WOKEN: it stops itself, is put out of its group, its partitions go to
    another, and it is woken. TIMED_OUT: it stops itself in a transaction until the broker has given that up. LOST: the
    broker that is to commit its transaction is killed before it has answered. ABORTABLE, FATAL: librdkafka tells it of
    such a refusal. FENCED: a second process takes its place.
    """

    CRASH = "crash"
    WOKEN = "woken after its partitions moved"
    TIMED_OUT = "transaction timed out"
    LOST = "broker lost in a commit"
    ABORTABLE = "refusal: abortable"
    FATAL = "refusal: fatal"
    FENCED = "refusal: fenced"


@dataclass(frozen=True, slots=True)
class Ordeal:
    """What befalls which process; fate: none where nothing is to happen inside it."""

    kind: Kind
    strand: str
    ordinal: int
    fate: Fate | None = None

    @property
    def part(self) -> str:
        """The process's name."""
        return f"{self.strand}-{self.ordinal}"

    @property
    def name(self) -> str:
        """What it is called in reports."""
        return name_of(self.kind, self.strand, self.fate.step if self.fate else None)


def name_of(kind: Kind, strand: str, step: Step | None) -> str:
    """Return what an ordeal is called in reports, the same for all stages.

    >>> name_of(Kind.CRASH, "totals", Step.WRITTEN)
    'stage: crash: outputs written'
    """
    whose = "stage" if strand in STAGES else strand
    return f"{whose}: {kind}" + (f": {step}" if kind is Kind.CRASH else "")


def ordeals(seed: int) -> dict[str, list[Ordeal]]:
    """Return what a run of this seed has in store, by strand, in order."""
    draw = random.Random(f"{seed}/ordeals")
    dealt: dict[str, list[Ordeal]] = {strand: [] for strand in (*STAGES, LOADER, CLIENT)}
    for place, (kind, step, what) in enumerate(_of_a_stage()):
        strand = STAGES[(seed + place) % len(STAGES)]
        fate = Fate(step, what, draw.randint(1, _NTH_MAX)) if step else None
        dealt[strand].append(Ordeal(kind, strand, draw.randint(0, 1), fate))
    for kind, step, what in ((Kind.CRASH, OF_LOADERS, What.DIE), (Kind.WOKEN, OF_LOADERS[:1], What.SLEEP)):
        fates = [Fate(one, what, draw.randint(1, _NTH_MAX)) for one in step]
        dealt[LOADER] += [Ordeal(kind, LOADER, draw.randint(0, 1), fate) for fate in fates]
    dealt[CLIENT] = [
        Ordeal(Kind.CRASH, CLIENT, 0, Fate(one, What.DIE, draw.randint(1, _NTH_MAX))) for one in OF_CLIENTS
    ]
    for strand in dealt.values():
        draw.shuffle(strand)
    return dealt


def all_names() -> list[str]:
    """Return the names of all ordeals that there are, in the order of a report."""
    stage = [name_of(kind, STAGES[0], step) for kind, step, _ in _of_a_stage()]
    loader = [name_of(Kind.CRASH, LOADER, step) for step in OF_LOADERS] + [name_of(Kind.WOKEN, LOADER, None)]
    return stage + loader + [name_of(Kind.CRASH, CLIENT, step) for step in OF_CLIENTS]


def _of_a_stage() -> list[tuple[Kind, Step | None, What]]:
    return [
        *((Kind.CRASH, step, What.DIE) for step in OF_STAGES),
        (Kind.WOKEN, Step.BEGUN, What.SLEEP),
        (Kind.TIMED_OUT, Step.WRITTEN, What.SLEEP),
        (Kind.LOST, Step.OFFERED, What.SLEEP),
        (Kind.ABORTABLE, Step.OFFERED, What.ABORTABLE),
        (Kind.FATAL, Step.OFFERED, What.FATAL),
        (Kind.FENCED, None, What.SLEEP),
    ]
