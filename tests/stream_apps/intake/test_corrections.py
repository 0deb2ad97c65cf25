"""What a correction is compared with, and by which clock it is judged."""

from __future__ import annotations

from datetime import timedelta

import pytest

from esep.codec import encode_one
from esep.schemas import schema
from esep.stream_apps.intake.sequences import PAGE, SLOTS
from tests.stream_apps.intake.made_up import NOW, Line, Message, correction, message, payout, values, wager


def test_event_written_by_another_avro_library_can_be_corrected() -> None:
    """Arrays may be cut into blocks in many ways; the Go library writes a negative count and the size of the block."""
    original = wager()
    ours = encode_one(original, schema("wager"))
    plain = encode_one(original | {"selections": []}, schema("wager"))
    block = ours[len(plain) - 1 : -1]  # Count 1 as a zigzag 2, then one selection.
    assert block[0] == 2
    theirs = ours[: len(plain) - 1] + bytes([1, 2 * len(block[1:])]) + block[1:] + b"\x00"
    line = Line()
    line.take(Message(theirs, b"desk-0"), message(original), message(correction()))
    assert line.codes() == []
    assert [posting["leg"] for posting in line.records("accepted")] == [1, -1]
    assert line.receipts()[0]["duplicate_count"] == 1


def test_values_of_an_event_older_than_what_is_remembered_are_taken_as_they_are_told() -> None:
    """The limit that is documented: they are compared with the ledger afterwards."""
    line = Line()
    count = (SLOTS + 1) * PAGE + 1
    line.take(*(message(wager(sequence=number)) for number in range(1, count + 1)))
    line.take(
        message(correction(sequence=count + 1, was=values(wager(amount_tiyn=7)))),
        message(correction(sequence=count + 2, target_sequence=count, was=values(wager(amount_tiyn=7)))),
    )
    assert line.codes() == ["CORRECTION_MISMATCH"]


@pytest.mark.parametrize("waits", [False, True])
def test_correction_is_judged_by_its_own_time_of_receipt_also_when_it_had_waited(waits: bool) -> None:
    """Its right values lie an hour ahead of its receipt; when its target comes that hour has passed."""
    soon = NOW + timedelta(hours=1)
    ahead = message(correction(now=values(wager(occurred_at=soon))))
    target = message(wager(), received_at=soon)
    line = Line()
    for one in (ahead, target) if waits else (target, ahead):
        line.take(one)
    assert line.codes() == ["INSTANT_AHEAD"]


def test_both_sides_carry_the_facts_of_their_own_instant_and_the_time_of_the_correction() -> None:
    """Clause O9-3: a bet that is moved to a time under another licence is taken back under the old one."""
    later = NOW + timedelta(minutes=2)
    before = NOW.replace(year=2024)
    line = Line()
    line.take(
        message(wager()),
        message(correction(now=values(wager(occurred_at=before))), received_at=later),
    )
    original, back, now = sorted(line.records("accepted"), key=lambda one: (one["revision"], one["leg"]))
    assert [one["licence_number"] for one in (original, back, now)] == ["BK-0009", "BK-0009", "TT-0001"]
    assert [one["received_at"] for one in (original, back, now)] == [NOW, later, later]
    assert [one["cause_offset"] for one in (original, back, now)] == [0, 2, 2]


def test_type_may_be_corrected_too() -> None:
    line = Line()
    line.take(message(wager()), message(correction(now=values(payout()))))
    postings = [(one["event_type"], one["leg"]) for one in line.records("accepted")]
    assert postings == [("WAGER", 1), ("WAGER", -1), ("PAYOUT", 1)]
