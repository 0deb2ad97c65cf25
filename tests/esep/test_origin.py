"""Whose message is it, and which one: beside a check of one message in plain Python."""

from __future__ import annotations

import re

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from esep.codes import REJECT_CODES
from esep.origin import UNKNOWN_PARTITION, check_origin
from esep.partitioner import partition_of
from esep.precedence import PASSED

ALATAU, ESIL = "940140000385", "950341000052"
STREAMS = st.sampled_from(["desk-0", "desk-1", "", "a" * 121, "касса-1", "a/b"])
CLAIM = st.fixed_dictionaries(
    {
        "organizer_bin": st.sampled_from([ALATAU, ESIL, None]),
        "stream_id": STREAMS,
        "sequence": st.sampled_from([-1, 0, 1]),
        "key": STREAMS.map(str.encode) | st.none(),
        "topic_bin": st.sampled_from([ALATAU, ESIL]),
        "at": st.integers(UNKNOWN_PARTITION, 3),
    }
)
IDENTITY = {"organizer_bin": pl.String, "stream_id": pl.String, "sequence": pl.Int64}


def codes(claims: list[dict[str, object]]) -> list[str | None]:
    verdicts = check_origin(
        pl.DataFrame([{name: claim[name] for name in IDENTITY} for claim in claims], schema=IDENTITY),
        [claim["key"] for claim in claims],
        pl.Series([claim["topic_bin"] for claim in claims], dtype=pl.String),
        np.array([claim["at"] for claim in claims]),
        partitions=4,
    )
    return [None if verdict == PASSED else REJECT_CODES[verdict].code for verdict in verdicts]


def expected(claim: dict[str, object]) -> str | None:
    stream_id, key, at = str(claim["stream_id"]), claim["key"], claim["at"]
    if claim["organizer_bin"] != claim["topic_bin"]:
        return "BIN_MISMATCH"
    if not re.fullmatch(r"[A-Za-z0-9._+-]{1,120}", stream_id):
        return "STREAM_INVALID"
    if claim["sequence"] == -1 or claim["sequence"] == 0:
        return "SEQUENCE_INVALID"
    if key != stream_id.encode():
        return "KEY_MISMATCH"
    return "WRONG_PARTITION" if at not in {UNKNOWN_PARTITION, partition_of(stream_id.encode(), 4)} else None


@given(st.lists(CLAIM, min_size=1, max_size=20))
def test_verdicts_are_those_of_one_message_at_a_time(claims: list[dict[str, object]]) -> None:
    """Clauses O9-4.2 (only the owner of a topic reports on it) and O9-4.5 (each event has one place)."""
    assert codes(claims) == [expected(claim) for claim in claims]


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({}, None),
        ({"organizer_bin": ESIL}, "BIN_MISMATCH"),
        ({"key": b"desk-8"}, "KEY_MISMATCH"),
        ({"key": None}, "KEY_MISMATCH"),
        ({"at": (partition_of(b"desk-7", 4) + 1) % 4}, "WRONG_PARTITION"),
        ({"at": UNKNOWN_PARTITION}, None),
    ],
)
def test_message_of_another_place_is_refused(change: dict[str, object], code: str | None) -> None:
    claim = {
        "organizer_bin": ALATAU,
        "stream_id": "desk-7",
        "sequence": 1,
        "key": b"desk-7",
        "topic_bin": ALATAU,
        "at": partition_of(b"desk-7", 4),
    }
    assert codes([claim | change]) == [code]


def test_no_message_gives_no_verdict() -> None:
    assert codes([]) == []
