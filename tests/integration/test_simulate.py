"""The whole line under simulated load: each verdict is the one that was intended, and damage harms no neighbour.

Short here; `make load` runs the same functions with 1,000,000 messages and 200,000 damaged ones. That intake gives each
intended verdict is in `make test` without a line (tests/producers/simulate/test_generator.py).
"""

from __future__ import annotations

from collections.abc import Iterator

import polars as pl
import pytest

from bench.load import Loaded, fuzz_and_account, loaded, plan_for, simulate_and_compare
from esep.producers.simulate.kinds import KINDS

pytestmark = [pytest.mark.stack, pytest.mark.long]
ORGANIZERS = 4


@pytest.fixture(scope="module")
def up(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Loaded]:
    with loaded(tmp_path_factory.mktemp("load"), ORGANIZERS) as started:
        yield started


def test_every_verdict_is_the_one_intended_by_receipts_and_in_clickhouse(up: Loaded) -> None:
    by_receipts, by_tables = simulate_and_compare(up, plan_for(up, 20_000, 0.1))
    for comparison in (by_receipts, by_tables):
        assert comparison.exact, f"{comparison.table.filter(pl.col('intended') != pl.col('found'))}\n{comparison.wrong}"
        assert comparison.table["found"].sum() == 20_000
        assert comparison.table["organizer_bin"].n_unique() == ORGANIZERS
    assert set(by_receipts.table["code"]) == {"ACCEPTED", "DUPLICATE", *(kind.code for kind in KINDS.values())}
    assert up.books().balanced
    assert up.ended() == []


def test_damaged_messages_are_accounted_for_and_good_ones_beside_them_unchanged(up: Loaded) -> None:
    counts = fuzz_and_account(up, plan_for(up, 10_000, 0.0, seed=11, duplicates=0.0, corrections=0.0))
    assert counts.pop("damaged") > 4_500
    assert set(counts.values()) == {0}, counts
