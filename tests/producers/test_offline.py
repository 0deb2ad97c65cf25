"""The offline check and intake agree on every message: stateless checks, sequences, instants, register."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from esep.clock import to_ms
from esep.codec import decode, wire_header
from esep.codes import BY_CODE
from esep.events import EVENT_RECORDS
from esep.flags import FLAGS
from esep.origin import UNKNOWN_PARTITION
from esep.partitioner import partition_of
from esep.producers.offline import Messages, OfflineIntake, all_at
from esep.schemas import schema
from esep.stream_apps.intake.sequences import PAGE, SLOTS
from tests.stream_apps.intake.made_up import (
    ALATAU,
    BAIGE,
    ESIL,
    EVENTS_PARTITIONS,
    IIN,
    NOW,
    REGISTER,
    Line,
    Message,
    batch,
    correction,
    desk,
    message,
    payout,
    source_of,
    values,
    wager,
)
from tests.support.examples import examples
from tests.support.records import edge_records

KINDS = {"wager": wager, "payout": payout, "correction": correction}
STREAMS = st.sampled_from([desk(0), desk(1), desk(0, 1), "", "касса-1", "a/b", "a" * 121])
INSTANTS = st.sampled_from(
    [
        NOW - timedelta(minutes=1),
        NOW + timedelta(minutes=5),
        NOW + timedelta(minutes=5, milliseconds=1),
        datetime(2025, 1, 15, tzinfo=UTC),  # Between two licences.
        datetime(2019, 6, 1, tzinfo=UTC),  # Expired.
        datetime(1980, 1, 1, tzinfo=UTC),
        datetime(9999, 12, 30, tzinfo=UTC),
    ]
)

CORRECTION = schema("correction")
CHANGES: dict[str, st.SearchStrategy[Any]] = {
    "organizer_bin": st.sampled_from([ALATAU, ESIL, ""]),
    "stream_id": STREAMS,
    "sequence": st.sampled_from([-(2**63), 0, 1, 2, 3, 2**63 - 1]),
    "site_id": st.sampled_from(["ALA-1", "AST-1", "", "Ш" * 120, "Ш" * 121]),
    "iin": st.sampled_from([IIN, "000813159890", "", "٩٠٠١٠١٣٠٠٠٠٧"]),
    "wager_id": st.sampled_from(["w-1", "", "№" * 121]),
    "occurred_at": INSTANTS,
    "amount_tiyn": st.sampled_from([1, 0, -1, 10**13, 10**13 + 1]),
    "payment_method": st.sampled_from(["CASH", "BARTER"]),
    "instrument_kind": st.sampled_from([None, "CARD", "SHELL"]),
    "instrument_hash": st.sampled_from([None, "ab" * 32, "AB" * 32]),
    "instrument_key_version": st.sampled_from([None, 1, 0]),
    "channel": st.sampled_from(["ONLINE", "TELEPATHY"]),
    "funding": st.sampled_from(["CASH", "PROMISE"]),
    "odds_milli": st.sampled_from([None, 999, 1000]),
    "kind": st.sampled_from(["WINNING", "GIFT"]),
    "won_tiyn": st.sampled_from([0, -1, 750_00, 750_01]),
    "wager_occurred_at": INSTANTS,
    "wager_amount_tiyn": st.sampled_from([1, 0, 10**13 + 1]),
    "target_sequence": st.integers(0, 3),
    "corrected_at": INSTANTS,
    "was": st.sampled_from([None, values(wager()), values(wager(iin="000813159890"))]),
    "now": st.one_of(
        st.none(),
        INSTANTS.map(lambda at: values(wager(occurred_at=at))),
        st.sampled_from([values(payout()), values(payout(won_tiyn=-1)), values(wager(site_id="AST-1"))]),
    ),
}
OF_CORRECTIONS = {"target_sequence", "corrected_at", "was", "now"}
OWN = {  # Fields that a record type has of these.
    "wager": {*CHANGES} - {"kind", "won_tiyn", "wager_occurred_at", "wager_amount_tiyn", *OF_CORRECTIONS},
    "payout": {*CHANGES} - {"channel", "funding", "odds_milli", *OF_CORRECTIONS},
    "correction": {"organizer_bin", "stream_id", "sequence", "target_sequence", "corrected_at", "was", "now"},
}


@st.composite
def records(draw: st.DrawFn) -> Message:
    """The message of a record of ours: with up to three changes, or with any values at all."""
    kind = draw(st.sampled_from([*KINDS]))
    if draw(st.integers(0, 4)) == 0:
        record = draw(edge_records(kind)) | {"organizer_bin": ALATAU, "stream_id": desk(0)}
        return message(record)
    names = draw(st.lists(st.sampled_from(sorted(OWN[kind])), max_size=3, unique=True))
    changes = {"sequence": draw(st.integers(1, 4))} | {name: draw(CHANGES[name]) for name in names}
    return message(KINDS[kind](**changes))


@st.composite
def sent(draw: st.DrawFn) -> tuple[int, Message]:
    """A message and its partition, the right one mostly; its key and its bytes are now and then others."""
    one = draw(records())
    value, key = one.value or b"", one.key
    cut = draw(st.sampled_from(["whole"] * 8 + ["short", "long", "flipped", "none", "other schema"]))
    if cut == "flipped":
        at = draw(st.integers(0, len(value) - 1))
        value = value[:at] + bytes([value[at] ^ (1 << draw(st.integers(0, 7)))]) + value[at + 1 :]
    forms = {"short": value[:-1], "long": value + b"\0", "none": None, "other schema": b"\0\0\0\x07\xd1" + value[5:]}
    key = draw(st.sampled_from([key] * 6 + [None, b"desk-other", b"\xff"]))
    partition = draw(st.sampled_from([0, 1])) if draw(st.booleans()) else partition_of(key or b"", EVENTS_PARTITIONS)
    return partition, Message(forms.get(cut, value), key)


SENT = st.lists(sent(), min_size=1, max_size=12)


def verdicts_of_intake(given_: list[tuple[int, Message]], bin_: str) -> list[str]:
    """Let intake itself take the messages, each in its partition; return ACCEPTED, DUPLICATE or the code of each."""
    line = Line()
    for partition in range(EVENTS_PARTITIONS):
        some = [one for at, one in given_ if at == partition]
        if some:
            line.poll(batch(source_of(bin_, partition), some))
    found = {(p["cause_partition"], p["cause_offset"]): "ACCEPTED" for p in line.records("accepted")}
    found |= {(r["cause_partition"], r["cause_offset"]): r["reject_code"] for r in line.records("rejected")}
    for source, state in line.states.items():
        found |= {
            (source.partition, one.offset): "HELD" for stream in state.data.values() for one in stream.held.values()
        }
    next_offsets = [0] * EVENTS_PARTITIONS
    verdicts = []
    for partition, _ in given_:
        verdicts.append(found.get((partition, next_offsets[partition]), "DUPLICATE"))
        next_offsets[partition] += 2
    return verdicts


def messages_of(given_: list[tuple[int, Message]]) -> Messages:
    return Messages(
        [one.key for _, one in given_],
        [one.value for _, one in given_],
        np.array([partition for partition, _ in given_]),
        all_at(to_ms(NOW), len(given_)),
    )


def verdicts_offline(offline: OfflineIntake, messages: Messages) -> list[str]:
    checked = offline.check(messages).select("reject_code", "duplicate")
    return ["DUPLICATE" if duplicate else code or "ACCEPTED" for code, duplicate in checked.iter_rows()]


def agree(ours: str, theirs: str, one: Message) -> bool:
    """Whether both say the same, as far as an organizer can: whether a correction fits its target it cannot say."""
    of_target = {code for code in BY_CODE if code.startswith("CORRECTION") and BY_CODE[code].needs == "state"}
    is_correction = (one.value or b"").startswith(wire_header(CORRECTION))
    return ours == theirs or (is_correction and ours == "ACCEPTED" and theirs in {*of_target, "HELD", "DUPLICATE"})


def is_far_ahead(given_: list[tuple[int, Message]]) -> bool:
    """Whether a damaged sequence is so high that intake forgets the first ones' bytes for it (decision 0014)."""
    frames = decode([one.value for _, one in given_], EVENT_RECORDS).frames.values()
    return any((frame["sequence"] >= PAGE * SLOTS).any() for frame in frames)


@settings(deadline=None, max_examples=examples(80))
@given(SENT, st.sampled_from([ALATAU, ALATAU, ALATAU, BAIGE]))
def test_offline_check_and_intake_agree_on_every_message(given_: list[tuple[int, Message]], bin_: str) -> None:
    """Clauses O9-4.2, O9-4.3, O9-4.5: every code that does not hang on what intake alone knows."""
    assume(not is_far_ahead(given_))
    theirs = verdicts_of_intake(given_, bin_)
    ours = verdicts_offline(OfflineIntake(bin_, EVENTS_PARTITIONS, REGISTER), messages_of(given_))
    assert [pair for *pair, (_, one) in zip(ours, theirs, given_, strict=True) if not agree(*pair, one)] == [], (
        "offline, intake"
    )


@settings(deadline=None)
@given(SENT, st.integers(0, 12))
def test_how_messages_are_cut_into_calls_changes_no_verdict(given_: list[tuple[int, Message]], cut: int) -> None:
    at_once = verdicts_offline(OfflineIntake(ALATAU, EVENTS_PARTITIONS, REGISTER), messages_of(given_))
    offline = OfflineIntake(ALATAU, EVENTS_PARTITIONS, REGISTER)
    parts = [messages_of(part) for part in (given_[:cut], given_[cut:])]
    assert [verdict for part in parts for verdict in verdicts_offline(offline, part)] == at_once


@settings(deadline=None)
@given(SENT)
def test_without_register_and_partition_only_their_codes_are_missing(given_: list[tuple[int, Message]]) -> None:
    messages = messages_of(given_)
    elsewhere = Messages(messages.keys, messages.values, np.full(len(given_), UNKNOWN_PARTITION), messages.received_ms)
    found = verdicts_offline(OfflineIntake(ALATAU, EVENTS_PARTITIONS), elsewhere)
    assert not {"ORGANIZER_UNKNOWN", "LICENCE_NOT_IN_FORCE", "SITE_UNKNOWN", "WRONG_PARTITION"} & set(found)


def test_row_names_the_field_the_stream_and_the_partition_where_it_belongs() -> None:
    bad = message(wager(stream_id=desk(1), sequence=3, iin="000813159890"))
    garbage = Message(b"{}", b"desk-0")
    checked = OfflineIntake(ALATAU, EVENTS_PARTITIONS).check(messages_of([(1, bad), (0, garbage)]))
    assert checked.rows(named=True) == [
        {
            "reject_code": "IIN_INVALID",
            "field": "iin",
            "duplicate": False,
            "event_type": "WAGER",
            "stream_id": desk(1),
            "sequence": 3,
            "partition": 1,
        },
        {
            "reject_code": "NOT_WIRE_FORMAT",
            "field": None,
            "duplicate": False,
            "event_type": None,
            "stream_id": None,
            "sequence": None,
            "partition": None,
        },
    ]


def test_no_flag_reaches_the_organizer() -> None:
    """Credit money and a hint of less than 21 years are the authority's to know (DESIGN §4)."""
    flagged = message(wager(iin="061211600012", payment_method="CREDIT_CARD"))
    checked = OfflineIntake(ALATAU, EVENTS_PARTITIONS, REGISTER).check(messages_of([(0, flagged)]))
    assert checked["reject_code"].to_list() == [None]
    assert not any(flag in str(checked.rows(named=True)) for flag in FLAGS)
