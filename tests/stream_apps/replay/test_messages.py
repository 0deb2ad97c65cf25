"""Messages taken in along receipts of which nothing is right: each is told, and what they account for is compared."""

from __future__ import annotations

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from esep.codec import decode_body, encode_body
from esep.lineage import Lane
from esep.schemas import schema
from esep.stream_apps.replay import messages as module
from esep.stream_apps.replay.differences import content_of
from esep.stream_apps.replay.digests import LaneDigest
from esep.stream_apps.replay.findings import Findings
from esep.stream_apps.replay.log import Cut
from esep.stream_apps.replay.messages import Messages
from esep.stream_apps.replay.receipts import RECORD, Told, receipts_in
from esep.stream_apps.replay.report import Input
from esep.topics import ACCEPTED, REJECTED
from esep.versions import encode_record
from tests.stream_apps.intake.made_up import source_of
from tests.stream_apps.replay.memory import line, outputs
from tests.stream_apps.replay.test_intake import RECEIPTS, STAGE
from tests.support.examples import examples

CONTENT = schema("receipt_content")
SOURCE = source_of()


def receipts() -> list[Told]:
    (batch,) = line().copy(chunk=9_999).read(RECEIPTS, 0, line().end(RECEIPTS))
    return [told for told in receipts_in(batch) if isinstance(told, Told) and told.source == SOURCE]


def taken_in(told: list[Told], *, kept: bool = True) -> tuple[Input, Findings]:
    """Take the messages in along these receipts, with no lane to compare with."""
    log, end = line(), line().end(SOURCE)
    lanes = {output: (LaneDigest(), 1) for output in [*outputs(log, ACCEPTED), *outputs(log, REJECTED)]}
    one, findings = Input(SOURCE, Cut(0, end, end)), Findings()
    messages = Messages(log, STAGE, one, lanes, findings, None, receipts_kept=kept)
    for receipt in told:
        messages.follow(receipt)
    messages.finish()
    assert messages.next_offset == end
    return one, findings


def test_receipts_as_they_are_account_for_all() -> None:
    one, findings = taken_in(receipts())
    assert (one.read, one.compared) == (len(line().topics[SOURCE]), len(receipts()))
    assert findings.none


@settings(max_examples=examples(5))
@given(st.sets(st.integers(0, 4)), st.booleans())
@example(gone={0, 1}, kept=False)
@example(gone={1, 2}, kept=True)
def test_exactly_the_receipts_that_are_gone_are_missing(gone: set[int], kept: bool) -> None:
    every = receipts()
    left = [told for place, told in enumerate(every) if place not in gone]
    one, findings = taken_in(left, kept=kept)
    assert one.read == len(line().topics[SOURCE])
    assert one.compared == len(left)
    runs = [place for place in sorted(gone) if place < len(every) and place - 1 not in gone]
    if not kept:  # Kafka has deleted those before the first that is left.
        runs = [place for place in runs if left and every[place].from_offset > left[0].from_offset]
    told = [(difference.kind, difference.row) for difference in findings.differences]
    assert told == [("MISSING", every[place].entry.row) for place in runs]
    assert {difference.lane for difference in findings.differences} <= {Lane(SOURCE, RECEIPTS)}


def test_receipt_that_goes_too_far_costs_no_message() -> None:
    every = receipts()
    content = content_of(RECORD, every[1].entry.value) or {}
    far = decode_body(content["content"], CONTENT) | {"through_offset": 10**12}
    value = encode_record(content | {"content": encode_body(far, CONTENT), "through_offset": 10**12}, RECORD)
    wrong = every[1]._replace(through_offset=10**12, entry=every[1].entry._replace(value=value))
    one, findings = taken_in([every[0], wrong, *every[2:]])
    assert one.read == len(line().topics[SOURCE])
    assert [difference.kind for difference in findings.differences] == ["SURPLUS", "MISSING"]
    far |= {"through_offset": every[-2].through_offset}
    value = encode_record(content | {"content": encode_body(far, CONTENT)}, RECORD)
    wrong = every[1]._replace(through_offset=every[-2].through_offset, entry=every[1].entry._replace(value=value))
    one, findings = taken_in([every[0], wrong, *every[2:]])
    assert one.read == len(line().topics[SOURCE])
    assert [difference.row for difference in findings.differences if difference.kind == "REPEATED"] == [
        told.entry.row for told in every[2:-1]
    ]
    assert "CHANGED" in {difference.kind for difference in findings.differences}
    again, nothing = taken_in([every[0], every[0], *every[1:]])
    assert again.read == one.read
    assert [difference.kind for difference in nothing.differences] == ["REPEATED"]


def test_receipts_followed_one_by_one_say_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "RECEIPTS_MAX", 1)
    one, findings = taken_in(receipts())
    assert findings.none
    assert one.compared == len(receipts())
