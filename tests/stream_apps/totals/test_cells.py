"""The cells of a partition against a dict of them."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from esep.errors import InvariantBroken
from esep.stream_apps.totals.cells import CELL_KEY, WIDTH, Cells, changelog_records

PERSONS = [(0, 0), (1, 0), (0, 1), (2**64 - 1, 5)]
BINS = [940140000385, 950341000052, 70941024691]
YEARS = [2024, 2025, 2026]
CELL = st.tuples(st.sampled_from(PERSONS), st.sampled_from(BINS), st.sampled_from(YEARS))
PUTS = st.lists(st.lists(st.tuples(CELL, st.integers(-(10**18), 10**18)), max_size=30), max_size=6)
Known = dict[tuple[tuple[int, int], int, int], int]
Puts = list[list[tuple[tuple[tuple[int, int], int, int], int]]]


def as_arrays(put: list[tuple[tuple[tuple[int, int], int, int], int]]) -> tuple[np.ndarray, np.ndarray]:
    keys = np.array([key for key, _ in put], CELL_KEY)
    return keys, np.array([value for _, value in put], np.int64)[:, None] * np.ones(WIDTH, np.int64)


def seen(cells: Cells) -> list[list[int]]:
    """The first measure of all four scopes, for every person, organizer and year there may be."""
    asked = [(p, b, y) for p in range(len(PERSONS)) for b in BINS for y in YEARS]
    owner, bins, years = (np.array(column) for column in zip(*asked, strict=True))
    bases = cells.bases(np.array(PERSONS, np.uint64), owner, bins, years)
    assert (bases == bases[:, :, :1]).all()
    return bases[:, :, 0].T.tolist()


def expected(known: Known) -> list[list[int]]:
    return [totals_of(known, person, b, y) for person in PERSONS for b in BINS for y in YEARS]


def totals_of(known: Known, person: tuple[int, int], organizer: int, year: int) -> list[int]:
    own = {(b, y): value for (p, b, y), value in known.items() if p == person}
    return [
        sum(value for (_, y), value in own.items() if y == year),
        sum(own.values()),
        own.get((organizer, year), 0),
        sum(value for (b, _), value in own.items() if b == organizer),
    ]


def filled(puts: Puts) -> tuple[Cells, Known]:
    """Return cells into which all of it was put, and the same as a dict."""
    cells, known = Cells(), {}
    for put in puts:
        if put:
            cells.put(*as_arrays(put))
        known.update(put)
    return cells, known


@settings(deadline=None)
@given(PUTS)
def test_bases_are_the_sums_over_the_cells_put_last(puts: Puts) -> None:
    cells, known = filled(puts)
    assert seen(cells) == expected(known)
    assert len(cells) == len(known)


@settings(deadline=None)
@given(PUTS)
def test_changelog_of_the_puts_restores_the_same_cells(
    puts: list[list[tuple[tuple[tuple[int, int], int, int], int]]],
) -> None:
    live, again = Cells(), Cells()
    for put in filter(None, puts):
        arrays = as_arrays(put)
        live.put(*arrays)
        keys, values = changelog_records(*arrays)
        again.restore(keys, values)
    assert seen(live) == seen(again)


@pytest.mark.parametrize(("key", "value"), [(b"short", bytes(96)), (bytes(26), bytes(95)), (bytes(26), None)])
def test_changelog_record_that_is_no_cell_stops_the_stage(key: bytes, value: bytes | None) -> None:
    with pytest.raises(InvariantBroken, match="no cell"):
        Cells().restore([key], [value])


def test_cell_takes_at_most_200_bytes_with_its_person_and_room_to_grow() -> None:
    count = 100_000
    keys = np.zeros(count, CELL_KEY)
    keys["person"] = np.random.default_rng(3).integers(0, 2**63, (count, 2), dtype=np.uint64)
    cells = Cells()
    for start in range(0, count, 10_000):
        cells.put(keys[start : start + 10_000], np.ones((10_000, WIDTH), np.int64))
    assert cells.nbytes / len(cells) <= 200


@settings(deadline=None)
@given(PUTS)
def test_table_holds_every_cell_once_with_the_value_put_last(puts: Puts) -> None:
    cells, known = filled(puts)
    keys, values = cells.table()
    cells_told = [(tuple(person.tolist()), int(bin_), int(year)) for person, bin_, year in keys]
    told = list(zip(cells_told, values[:, 0].tolist(), strict=True))
    assert len(told) == len(known)
    assert dict(told) == known
    assert (values == values[:, :1]).all()
