"""A lane worked out anew against one that was tampered with: whatever was done to it is found and named, no more."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from esep.codec import encode_one
from esep.lineage import Lane, TopicPartition
from esep.schemas import schema
from esep.stream_apps.replay import checks, digests
from esep.stream_apps.replay.checks import NEVER, LaneCheck, first_row_of
from esep.stream_apps.replay.digests import LaneDigest
from esep.stream_apps.replay.findings import Findings
from tests.stream_apps.replay.memory import MemoryLog
from tests.support.examples import examples

if TYPE_CHECKING:
    from collections.abc import Iterator

SOURCE = TopicPartition("organizer.940140000385.events", 0)
LANE = Lane(SOURCE, TopicPartition("rejected", 0))
STRETCH, KEPT_MAX = 4, 4


@pytest.fixture(autouse=True, scope="module")
def _short() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(digests, "STRETCH_ROWS", STRETCH)
        patch.setattr(checks, "STRETCH_ROWS", STRETCH)
        patch.setattr(checks, "KEPT_MAX", KEPT_MAX)
        yield


def value(row: int, code: str = "SITE_UNKNOWN") -> bytes:
    record = {
        "row": row, "received_at": 0, "cause_topic": SOURCE.topic, "cause_partition": 0, "cause_offset": 5 * row,
        "organizer_bin": "940140000385", "reject_code": code, "stream_id": "desk-900101300007", "sequence": row,
        "field": None, "event_type": None, "schema_id": None, "message_key": None, "body": b"", "body_sha256": "",
    }  # fmt: skip
    return encode_one(record, schema("rejected"))


def compared(
    there: list[tuple[int, bytes]], anew: range, required: int, first_row: int = 1, *, ends_open: bool = False
) -> Findings:
    digest, log, findings = LaneDigest(), MemoryLog({LANE.output: []}, chunk=3), Findings()
    for offset, (row, content) in enumerate(there):
        digest.add(np.array([row]), [offset], [b"k"], [content])
        log.topics[LANE.output].append((offset, 0, b"k", content))
    check = LaneCheck(LANE, digest.close(), first_row)
    for row in anew:
        check.take(row, [b"k"], [value(row)])
        if row == required:
            check.require()
    check.finish(ends_open=ends_open)
    findings.resolve(log, "rejected", check, digest)
    return findings


def found(findings: Findings) -> set[tuple[str, int | None]]:
    return {(one.kind, one.row) for one in findings.differences}


TAMPERINGS = st.lists(st.tuples(st.sampled_from(["remove", "repeat", "change", "invent"]), st.integers(1, 14)))


@settings(max_examples=examples(40))
@given(st.integers(0, 14), TAMPERINGS, st.booleans())
def test_each_record_that_was_tampered_with_is_named_and_no_other(
    count: int, tamperings: list[tuple[str, int]], at_once: bool
) -> None:
    there = [(row, value(row)) for row in range(1, count + 1)]
    expected: set[tuple[str, int]] = set()
    for what, row in tamperings:
        if any(row == known for _, known in expected):
            continue
        places = [place for place, (known, _) in enumerate(there) if known == row]
        if what == "invent":
            if row + count > count and not any(known == row + count for known, _ in there):
                there.append((row + count, value(row + count)))
                expected.add(("SURPLUS", row + count))
        elif places and what == "remove":
            del there[places[0]]
            expected.add(("MISSING", row))
        elif places and what == "change":
            there[places[0]] = (row, value(row, "IIN_INVALID"))
            expected.add(("CHANGED", row))
        elif places:
            there.insert(places[0] if at_once else len(there), (row, value(row)))
            expected.add(("REPEATED", row))
    findings = compared(there, range(1, count + 1), count)
    if not findings.more:
        assert found(findings) == expected
    assert findings.none == (not expected)
    assert found(findings) <= expected
    assert "900101300007" not in " ".join(map(str, findings.differences))


@given(st.integers(0, 12), st.integers(0, 12), st.integers(0, 12))
def test_what_may_be_there_may_also_be_absent_and_what_must_be_there_may_not(
    required: int, more: int, there: int
) -> None:
    """What was processed after the ends of the outputs were asked for."""
    findings = compared([(row, value(row)) for row in range(1, there + 1)], range(1, required + more + 1), required)
    surplus = range(required + more + 1, there + 1)
    missing = range(there + 1, required + 1)
    assert found(findings) == {*(("SURPLUS", row) for row in surplus), *(("MISSING", row) for row in missing)}


@given(st.integers(1, 12), st.integers(0, 12))
def test_rows_behind_an_open_end_are_of_no_concern_and_those_before_it_are(anew: int, more: int) -> None:
    there = [(row, value(row)) for row in range(1, anew + more + 1)]
    assert compared(there, range(1, anew + 1), anew, ends_open=True).none
    there[anew - 1] = (anew, value(anew, "IIN_INVALID"))
    assert found(compared(there, range(1, anew + 1), anew, ends_open=True)) == {("CHANGED", anew)}


@given(st.integers(1, 12))
def test_rows_that_kafka_has_deleted_are_left_out(first: int) -> None:
    there = [(row, value(row)) for row in range(first, 13)]
    assert first_row_of(LaneDigest(), 0) == 1
    assert first_row_of(LaneDigest(), 7) == NEVER
    assert compared(there, range(1, 13), 12, first).none
    assert compared([], range(1, 13), 12, NEVER).none


def test_swapped_rows_are_out_of_order() -> None:
    there = [(row, value(row)) for row in (1, 3, 2, 4)]
    assert found(compared(there, range(1, 5), 4)) == {("OUT_OF_ORDER", 2)}
    there = [(row, value(row)) for row in (1, 2, 3, 5, 4, 6)]
    assert found(compared(there, range(1, 7), 6)) == {("OUT_OF_ORDER", 4)}


def test_what_differs_beyond_a_few_stretches_is_counted() -> None:
    findings = compared([(row, value(row, "IIN_INVALID")) for row in range(1, 41)], range(1, 41), 40)
    assert len(findings.differences) == KEPT_MAX * STRETCH
    assert findings.more == 10 - KEPT_MAX
