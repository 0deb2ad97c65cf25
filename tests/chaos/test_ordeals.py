"""What goes wrong on purpose is the same for the same seed, and over a few seeds nothing is left out anywhere."""

from __future__ import annotations

from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from tests.chaos.fates import OF_CLIENTS, OF_LOADERS, OF_STAGES
from tests.chaos.ordeals import STAGES, Kind, Ordeal, all_names, ordeals

seeds = st.integers(0, 2**32)


def flat(seed: int) -> list[Ordeal]:
    return [one for strand in ordeals(seed).values() for one in strand]


@given(seeds)
def test_each_seed_has_each_ordeal_once_and_always_the_same(seed: int) -> None:
    assert ordeals(seed) == ordeals(seed)
    assert Counter(one.name for one in flat(seed)) == Counter(all_names())
    assert len(all_names()) == len(OF_STAGES) + len(OF_LOADERS) + len(OF_CLIENTS) + len(Kind)


@given(seeds)
def test_three_seeds_in_succession_bring_everything_to_every_stage(seed: int) -> None:
    met = Counter((one.name, one.strand) for next_one in range(seed, seed + 3) for one in flat(next_one))
    of_stages = {name for name in all_names() if name.startswith("stage")}
    assert all(met[name, stage] == 1 for name in of_stages for stage in STAGES)
