"""Whose message is it, and which one: beside a check of one message in plain Python."""

from __future__ import annotations

import re

from hypothesis import given, settings
from hypothesis import strategies as st

from esep.codes import REJECT_CODES
from esep.partitioner import partition_of
from esep.precedence import PASSED
from esep.stream_apps.intake.decode import read_messages
from esep.stream_apps.intake.origin import check_origin
from tests.stream_apps.intake.made_up import (
    ALATAU,
    ESIL,
    EVENTS_PARTITIONS,
    Message,
    batch,
    correction,
    desk,
    message,
    payout,
    source_of,
    wager,
)

STREAMS = st.sampled_from(
    [desk(0), desk(1), desk(0, 1), "", "a" * 120, "a" * 121, "касса-1", "a/b", "a\n", "1+2_3.4-5"]
)
CLAIMS = st.tuples(
    st.sampled_from([wager, payout, correction]),
    st.sampled_from([ALATAU, ESIL, ""]),
    STREAMS,
    st.sampled_from([-(2**63), -1, 0, 1, 2**63 - 1]),
    st.one_of(st.none(), st.none(), STREAMS),  # Another key than the stream's.
    st.booleans(),  # No key at all.
)


@st.composite
def batches(draw: st.DrawFn) -> list[tuple[str, int, list[Message]]]:
    found = []
    for bin_, partition in [(ALATAU, 0), (ALATAU, 1), (ESIL, 0)]:
        messages = []
        for make, named, stream_id, sequence, key, keyless in draw(st.lists(CLAIMS, min_size=1, max_size=5)):
            one = message(make(organizer_bin=named, stream_id=stream_id, sequence=sequence))
            other_key = None if keyless else (stream_id if key is None else key).encode()
            messages.append(Message(one.value, other_key))
        if draw(st.booleans()):
            messages.append(Message(draw(st.binary(max_size=8)), b"desk-0"))
        found.append((bin_, partition, messages))
    return found


def expected(bin_: str, partition: int, identity: tuple[str, str, int, str], key: bytes | None) -> str | None:
    named, stream_id, sequence, _ = identity
    if named != bin_:
        return "BIN_MISMATCH"
    if not re.fullmatch(r"[A-Za-z0-9._+-]{1,120}", stream_id):
        return "STREAM_INVALID"
    if sequence < 1:
        return "SEQUENCE_INVALID"
    if key != stream_id.encode():
        return "KEY_MISMATCH"
    return None if partition_of(key, EVENTS_PARTITIONS) == partition else "WRONG_PARTITION"


@settings(deadline=None)
@given(batches())
def test_verdicts_are_those_of_one_message_at_a_time(given_: list[tuple[str, int, list[Message]]]) -> None:
    messages = read_messages([batch(source_of(bin_, partition), some) for bin_, partition, some in given_])
    verdicts, groups = check_origin(messages, EVENTS_PARTITIONS)
    sent = [(bin_, partition, one) for bin_, partition, some in given_ for one in some]
    for place, (bin_, partition, one) in enumerate(sent):
        found = None if verdicts[place] == PASSED else REJECT_CODES[verdicts[place]].code
        if messages.unreadable[place] != PASSED:
            assert verdicts[place] == messages.unreadable[place]
        else:
            assert found == expected(bin_, partition, messages.identity.row(place), one.key)
    grouped = sorted(place for group in groups for place in group.places.tolist())
    assert grouped == [place for place, verdict in enumerate(verdicts) if verdict == PASSED]


@settings(deadline=None)
@given(batches())
def test_groups_hold_one_stream_of_one_section_in_order(given_: list[tuple[str, int, list[Message]]]) -> None:
    messages = read_messages([batch(source_of(bin_, partition), some) for bin_, partition, some in given_])
    _, groups = check_origin(messages, EVENTS_PARTITIONS)
    assert [group.section for group in groups] == sorted(group.section for group in groups)
    assert len({group[:2] for group in groups}) == len(groups)
    for group in groups:
        at = group.places.tolist()
        assert at == sorted(at)
        assert (messages.section_of[at] == group.section).all()
        assert messages.identity["stream_id"][at].to_list() == [group.stream_id] * len(at)
        assert messages.identity["sequence"][at].to_list() == group.sequences.tolist()
