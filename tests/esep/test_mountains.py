"""Merkle mountains against the definition, and proofs against everything that is not one."""

from __future__ import annotations

from hashlib import sha256
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from esep.mountains import (
    Mountains,
    extension_nodes,
    path_length,
    peaks,
    proof_nodes,
    prove,
    prove_extension,
    root_of,
    verify,
    verify_extension,
)


def digest(number: int) -> bytes:
    return sha256(b"\x00%d" % number).digest()


def defined(items: list[bytes]) -> bytes:
    """The root by recursion over the list, as the module's head says."""

    def node(part: list[bytes]) -> bytes:
        half = len(part) // 2
        return part[0] if not half else sha256(b"\x01" + node(part[:half]) + node(part[half:])).digest()

    def joined(part: list[bytes]) -> bytes:
        largest = 1 << (len(part).bit_length() - 1)
        if largest == len(part):
            return node(part)
        return sha256(b"\x01" + node(part[:largest]) + joined(part[largest:])).digest()

    return sha256(b"\x02" + len(items).to_bytes(8, "big") + joined(items)).digest()


@given(st.integers(1, 70), st.data())
def test_root_is_the_defined_one_in_whatever_order_items_come(count: int, data: st.DataObject) -> None:
    cuts = sorted(data.draw(st.sets(st.integers(1, count - 1), max_size=6))) if count > 1 else []
    runs = [(a + 1, b) for a, b in pairwise([0, *cuts, count])]
    mountains = Mountains()
    for first, last in data.draw(st.permutations(runs)):
        mountains.add(first, [digest(number) for number in range(first, last + 1)])
    assert mountains.root(count) == defined([digest(number) for number in range(1, count + 1)])
    assert sorted(mountains.nodes) == sorted(peaks(count))


@given(st.sets(st.integers(1, 60), min_size=1))
def test_prefix_has_a_root_once_it_is_whole_and_what_is_kept_is_small(numbers: set[int]) -> None:
    mountains = Mountains()
    for number in numbers:
        mountains.add(number, [digest(number)])
    whole = next(number for number in range(1, 62) if number not in numbers) - 1
    if whole:
        assert mountains.root(whole) == defined([digest(number) for number in range(1, whole + 1)])
    ranges = sum(number - 1 not in numbers for number in numbers)
    assert len(mountains.nodes) <= 12 * ranges
    with pytest.raises(KeyError):
        mountains.root(max(numbers) + 1)


@given(st.lists(st.integers(1, 8), min_size=1, max_size=6), st.integers(0, 5))
def test_changes_lead_from_a_copy_to_what_it_became(lengths: list[int], kept: int) -> None:
    mountains, first = Mountains(), 1
    restored = Mountains()
    for length in lengths:
        mountains = mountains.copy()
        mountains.add(first, [digest(number) for number in range(first, first + length)])
        first += length + (kept == 0)
        for node, value in mountains.changed.items():
            restored.put(node, value)
        assert restored == mountains


@given(st.integers(1, 40), st.data())
def test_proof_shows_its_item_and_no_other(count: int, data: st.DataObject) -> None:
    items = [digest(number) for number in range(1, count + 1)]
    number = data.draw(st.integers(1, count))
    root, proof = defined(items), prove(items, number)
    assert len(proof) == len(proof_nodes(count, number))
    assert path_length(count, number) == len(proof) - len(peaks(count)) + 1
    assert verify(root, count, number, items[number - 1], proof)
    assert not verify(root, count, number, digest(0), proof)
    for other in range(-1, count + 2):
        if other != number:
            assert not verify(root, count, other, items[number - 1], proof)
    assert not verify(root, count + 1, number, items[number - 1], proof)
    assert not verify(root, count, number, items[number - 1], [*proof, digest(0)])
    for place in range(len(proof)):
        assert not verify(root, count, number, items[number - 1], [*proof[:place], digest(0), *proof[place + 1 :]])


def flipped(digest_: bytes, bit: int) -> bytes:
    return bytes([*digest_[: bit // 8], digest_[bit // 8] ^ 1 << bit % 8, *digest_[bit // 8 + 1 :]])


@given(st.integers(1, 300), st.data(), st.integers(0, 255))
def test_no_bit_of_leaf_root_path_or_peak_can_be_changed(count: int, data: st.DataObject, bit: int) -> None:
    items = [digest(number) for number in range(1, count + 1)]
    number = data.draw(st.integers(1, count))
    root, leaf, proof = defined(items), items[number - 1], prove(items, number)
    assert verify(root, count, number, leaf, proof)
    assert not verify(root, count, number, flipped(leaf, bit), proof)
    assert not verify(flipped(root, bit), count, number, leaf, proof)
    for place, part in enumerate(proof):
        assert not verify(root, count, number, leaf, [*proof[:place], flipped(part, bit), *proof[place + 1 :]])


def test_long_series_is_proved_a_run_at_a_time() -> None:
    """Above one run of digests, where the nodes of the proof are put together from pieces."""
    items = [digest(number) for number in range(1, 40_001)]
    tree = Mountains()
    tree.add(1, items)
    for number in (1, 16_385, 32_768, 40_000):
        assert verify(tree.root(len(items)), len(items), number, items[number - 1], prove(items, number))
    assert root_of(items) == tree.root(len(items))
    proof = prove_extension(items, 20_001)
    assert verify_extension(root_of(items[:20_001]), 20_001, tree.root(40_000), 40_000, proof)


@given(st.integers(1, 80), st.data(), st.integers(0, 255))
def test_extension_shows_that_nothing_before_was_changed(count: int, data: st.DataObject, bit: int) -> None:
    items = [digest(number) for number in range(1, count + 1)]
    earlier = data.draw(st.integers(1, count))
    before, root, proof = defined(items[:earlier]), defined(items), prove_extension(items, earlier)
    assert verify_extension(before, earlier, root, count, proof)
    assert len(extension_nodes(earlier, count)) == len(proof) <= 2 * count.bit_length()
    assert not verify_extension(flipped(before, bit), earlier, root, count, proof)
    assert not verify_extension(before, earlier, flipped(root, bit), count, proof)
    for place, part in enumerate(proof):
        other = [*proof[:place], flipped(part, bit), *proof[place + 1 :]]
        assert not verify_extension(before, earlier, root, count, other)
    changed = [digest(0), *items[1:]]
    assert not verify_extension(before, earlier, defined(changed), count, prove_extension(changed, earlier))
    for other_count in (0, earlier - 1, earlier + 1):
        if other_count != earlier and other_count <= count:
            assert not verify_extension(before, other_count, root, count, proof)
