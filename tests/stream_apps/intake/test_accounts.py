"""The accounts of streams over one poll."""

from __future__ import annotations

import numpy as np
import pytest

from esep.codes import PRECEDENCE
from esep.lineage import TopicPartition
from esep.precedence import all_passed
from esep.stream_apps.intake import decode
from esep.stream_apps.intake.accounts import Accounts, take_sequences
from esep.stream_apps.intake.corrections import Candidates
from esep.stream_apps.intake.decode import Messages, read_messages
from esep.stream_apps.intake.origin import check_origin
from esep.stream_apps.intake.sequences import Stream
from esep.stream_apps.intake.settlement import settle
from tests.stream_apps.intake.made_up import ESIL, EVENTS_PARTITIONS, Message, batch, desk, message, source_of, wager

Streams = dict[TopicPartition, dict[str, Stream]]


def take(messages: Messages, known: Streams) -> Accounts:
    _, groups = check_origin(messages, EVENTS_PARTITIONS)
    return take_sequences(messages, groups, known)


def numbered(*sequences: int, stream_id: str = desk(0), amount: int = 500_00) -> list[Message]:
    return [message(wager(stream_id=stream_id, sequence=one, amount_tiyn=amount)) for one in sequences]


def test_repetition_and_conflict_are_told_apart_from_what_is_new() -> None:
    sent = [*numbered(1, 2), *numbered(1), *numbered(2, amount=7), Message(b"garbage", b"desk-0"), *numbered(5)]
    accounts = take(read_messages([batch(source_of(), sent)]), {source_of(): {}})
    assert accounts.fresh.tolist() == [True, True, False, False, False, True]
    assert accounts.duplicate.tolist() == [False, False, True, False, False, False]
    assert accounts.conflict.tolist() == [False, False, False, True, False, False]


def test_streams_given_stay_as_they_are_and_streams_of_the_same_name_are_kept_apart() -> None:
    before, same = Stream(), Stream()
    for stream in (before, same):
        stream.take(np.array([1, 2]), bytes(32), [bytes(32)] * 2)
    known: Streams = {source_of(): {desk(0): before}, source_of(ESIL): {}}
    theirs = [message(wager(organizer_bin=ESIL, stream_id=desk(0), sequence=1))]
    messages = read_messages([batch(source_of(), numbered(3)), batch(source_of(ESIL), theirs)])
    ours, other = take(messages, known).accounts
    assert before == same
    assert known[source_of(ESIL)] == {}
    assert (ours.before, ours.after.consumed.firsts, ours.after.consumed.lasts) == (before, [1], [3])
    assert (other.before, other.after.consumed.lasts) == (Stream(), [1])


@pytest.mark.parametrize("limit", [1, 2, 3, 100])
def test_sections_of_a_batch_go_on_from_one_another(limit: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """However the batch is cut, the last account of each stream is the same; accounts in between do not change."""
    monkeypatch.setattr(decode, "SECTION_MAX", limit)
    sent = [*numbered(1, 2, 1), *numbered(1, stream_id=desk(0, 1)), *numbered(2, amount=7), *numbered(4, 3)]
    messages = read_messages([batch(source_of(), sent)])
    accounts = take(messages, {source_of(): {}})
    verdicts = all_passed(len(messages))
    verdicts[accounts.conflict] = PRECEDENCE["SEQUENCE_CONFLICT"]
    verdicts[5] = PRECEDENCE["IIN_INVALID"]
    none = Candidates({}, {}, messages.events.clear())
    settled = settle(messages, accounts, verdicts, none, {source_of(): {}})
    last = {account.stream_id: account.after for account in settled.accounts}
    first, second = last[desk(0)], last[desk(0, 1)]
    assert (first.accepted, first.rejected, first.duplicates) == (3, 2, 1)
    assert (first.consumed.firsts, first.consumed.lasts) == ([1], [4])
    assert (second.accepted, second.rejected, second.duplicates) == (1, 0, 0)
    for account in settled.accounts:
        counted = [stream.accepted + stream.rejected + stream.duplicates for stream in (account.before, account.after)]
        assert counted[1] - counted[0] == len(account.places)
