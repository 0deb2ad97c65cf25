"""Keys go where Kafka's own clients put them, whichever way they are computed."""

from __future__ import annotations

import pytest
from aiokafka.partitioner import murmur2 as murmur2_of_aiokafka
from hypothesis import given
from hypothesis import strategies as st

from esep.partitioner import murmur2, partition_of, partitions_of


@pytest.mark.parametrize(
    ("key", "signed"),
    [
        (b"21", -973932308),
        (b"foobar", -790332482),
        (b"a-little-bit-long-string", -985981536),
        (b"a-little-bit-longer-string", -1486304829),
        (b"lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8", -58897971),
        (b"abc", 479470107),
    ],
)
def test_hash_is_the_one_in_the_tests_of_the_java_client(key: bytes, signed: int) -> None:
    """The vectors of `testMurmur2` in Kafka's UtilsTest.java."""
    assert murmur2(key) == signed % 2**32


@given(st.binary(max_size=130))
def test_hash_equals_that_of_another_client(key: bytes) -> None:
    assert murmur2(key) == murmur2_of_aiokafka(key)


@given(st.binary(max_size=40), st.integers(1, 100))
def test_partition_is_one_that_the_topic_has(key: bytes, partitions: int) -> None:
    assert 0 <= partition_of(key, partitions) < partitions


@given(st.integers(0, 5), st.data())
def test_columnar_way_equals_one_key_at_a_time(words: int, data: st.DataObject) -> None:
    keys = data.draw(st.lists(st.binary(min_size=4 * words, max_size=4 * words), max_size=30))
    partitions = data.draw(st.integers(1, 100))
    assert partitions_of(keys, 4 * words, partitions).tolist() == [partition_of(key, partitions) for key in keys]
