"""KeyIndex against a dict."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from esep.stream_apps.key_index import KeyIndex, grown

WORDS = st.one_of(st.integers(0, 5), st.sampled_from([2**63, 2**64 - 1, 2**32]))  # Few, so that keys repeat.
CALLS = st.lists(st.lists(st.tuples(WORDS, WORDS), max_size=40), max_size=8)


def rows(keys: list[tuple[int, int]]) -> np.ndarray:
    return np.array(keys, np.uint64).reshape(-1, 2)


@settings(deadline=None)
@given(CALLS)
def test_numbers_are_dense_and_stay(calls: list[list[tuple[int, int]]]) -> None:
    index, known = KeyIndex(2), {}
    for keys in calls:
        for key, number in zip(keys, index.add(rows(keys)).tolist(), strict=True):
            assert known.setdefault(key, number) == number
        assert sorted(known.values()) == list(range(len(index)))
        assert [known[tuple(key)] for key in index.keys.tolist()] == list(range(len(index)))


@settings(deadline=None)
@given(CALLS, st.lists(st.tuples(WORDS, WORDS), max_size=40))
def test_unknown_keys_are_not_found_and_known_ones_are(
    calls: list[list[tuple[int, int]]], asked: list[tuple[int, int]]
) -> None:
    index, known = KeyIndex(2), {}
    for keys in calls:
        known.update(zip(keys, index.add(rows(keys)).tolist(), strict=True))
    assert index.find(rows(asked)).tolist() == [known.get(key, -1) for key in asked]


def test_hundred_thousand_keys_are_all_found_again_in_little_memory() -> None:
    keys = np.random.default_rng(7).integers(0, 2**63, (100_000, 2), dtype=np.uint64)
    index = KeyIndex(2)
    for start in range(0, len(keys), 9_999):
        index.add(keys[start : start + 9_999])
    assert len(index) == len(keys)
    assert (index.keys[index.find(keys)] == keys).all()
    assert index.nbytes < 40 * len(keys)


@settings(deadline=None)
@given(st.integers(1, 50), st.integers(1, 200))
def test_grown_array_keeps_its_rows_and_adds_zeros(size: int, wanted: int) -> None:
    array = np.arange(1, size + 1)
    larger = grown(array, wanted)
    assert len(larger) >= wanted
    assert larger[:size].tolist() == array.tolist()
    assert not larger[size:].any()
