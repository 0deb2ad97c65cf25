"""Reading a poll of an internal topic."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from esep.codec import encode_one
from esep.errors import InvariantBroken
from esep.lineage import TopicPartition
from esep.schemas import schema
from esep.stream_apps.poll import person_words, read_poll
from esep.stream_apps.stage import Batch

KEY = bytes(range(16))
IIN = "900101300007"
WAGER = {
    "organizer_bin": "940140000385", "stream_id": "desk-1", "sequence": 1, "site_id": "almaty-1", "iin": IIN,
    "wager_id": "w-1", "occurred_at": 1_767_207_600_000, "amount_tiyn": 5_000, "payment_method": "CARD",
    "instrument_kind": None, "instrument_hash": None, "instrument_key_version": None, "channel": "RETAIL",
    "funding": "CARD", "odds_milli": 1_500, "selections": [],
}  # fmt: skip


def batch(partition: int, sequences: list[int], first_offset: int = 0) -> Batch:
    values: list[bytes | None] = [encode_one({**WAGER, "sequence": one}, schema("wager")) for one in sequences]
    offsets = [first_offset + 2 * place for place in range(len(values))]  # With holes, as transactions leave them.
    return Batch(TopicPartition("accepted", partition), offsets, [0] * len(values), [KEY] * len(values), values)


@settings(deadline=None)
@given(st.lists(st.lists(st.integers(1, 99), min_size=1, max_size=5), min_size=1, max_size=4))
def test_records_keep_their_order_and_origin(parts: list[list[int]]) -> None:
    batches = [batch(number, sequences, 10 * number) for number, sequences in enumerate(parts)]
    poll = read_poll(batches, "wager")
    assert poll.frame["sequence"].to_list() == [one for sequences in parts for one in sequences]
    origins = [f"{one.source} offset {offset}" for one in batches for offset in one.offsets]
    assert [poll.origin(place) for place in range(len(origins))] == origins
    named = zip(poll.partitions().tolist(), poll.offsets().tolist(), strict=True)
    assert [f"accepted/{partition} offset {offset}" for partition, offset in named] == origins


@pytest.mark.parametrize("value", [None, b"", b"\x00\x00\x00\x03\xe9" + IIN.encode(), b"garbage"])
def test_value_that_is_no_record_stops_the_stage_and_says_where_but_not_what(value: bytes | None) -> None:
    bad = batch(3, [1, 2, 3], first_offset=40)
    bad.values[1] = value
    with pytest.raises(InvariantBroken) as caught:
        read_poll([batch(0, [1, 2]), bad], "wager")
    assert "accepted/3 offset 42" in str(caught.value)
    assert IIN not in str(caught.value)


@pytest.mark.parametrize("key", [None, b"", KEY + b"x"])
def test_key_that_is_no_person_key_stops_the_stage(key: bytes | None) -> None:
    bad = batch(1, [1, 2])
    bad.keys[0] = key
    with pytest.raises(InvariantBroken, match="accepted/1 offset 0"):
        read_poll([bad], "wager")


@settings(deadline=None)
@given(st.lists(st.binary(min_size=16, max_size=16)))
def test_person_words_hold_the_whole_key(keys: list[bytes]) -> None:
    assert np.ascontiguousarray(person_words(keys)).tobytes() == b"".join(keys)
