"""The stage intake: every code, one answer where faults meet, and a naive intake of one message at a time beside it."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import polars as pl
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from esep.codes import BY_CODE, PRECEDENCE, REJECT_CODES
from esep.errors import InvariantBroken
from esep.instants import check_instants
from esep.lineage import Position, TopicPartition
from esep.stream_apps.intake import settlement, stage
from esep.stream_apps.intake.stage import Streams
from esep.stream_apps.stage import PartitionState
from tests.stream_apps.intake.made_up import (
    ALATAU,
    BAIGE,
    ESIL,
    IIN,
    NOW,
    Line,
    Message,
    batch,
    correction,
    deposit,
    desk,
    message,
    new_stage,
    newer_wager,
    payout,
    source_of,
    values,
    wager,
)
from tests.support.examples import examples

KINDS = {"wager": wager, "newer": newer_wager, "payout": payout, "deposit": deposit, "correction": correction}
NEWER, MOVED = ("newer",), ("newer", "deposit")


@dataclass(frozen=True)
class Fault:
    """What makes a message be refused with a code: changes of its record, of its bytes or of how it is sent."""

    code: str
    changes: dict[str, Any] = field(default_factory=dict)
    kinds: tuple[str, ...] = ("wager", "newer", "payout", "deposit")
    sent: dict[str, Any] = field(default_factory=dict)

    @property
    def touches(self) -> set[str]:
        return {*self.changes, *self.sent}


LONG_AGO, UNLICENSED = datetime(2019, 6, 1, tzinfo=UTC), datetime(2025, 1, 15, tzinfo=UTC)
ALL = ("wager", "newer", "payout", "deposit", "correction")
FAULTS = (
    Fault("EMPTY", sent={"value": lambda value: None}, kinds=ALL),
    Fault("NOT_WIRE_FORMAT", sent={"value": lambda value: b"\x01" + value[1:]}, kinds=ALL),
    Fault("SCHEMA_UNKNOWN", sent={"value": lambda value: b"\x00\x00\x00\x07\xd1" + value[5:]}, kinds=ALL),
    Fault("UNDECODABLE", sent={"value": lambda value: value[:-1]}, kinds=ALL),
    Fault("BIN_MISMATCH", {"organizer_bin": ESIL}, ALL),
    Fault("STREAM_INVALID", {"stream_id": "desk 0"}, ALL),
    Fault("SEQUENCE_INVALID", {"sequence": 0}, ALL),
    Fault("KEY_MISMATCH", sent={"key": b"desk-other"}, kinds=ALL),
    Fault("WRONG_PARTITION", sent={"partition": 1}, kinds=ALL),
    Fault("SEQUENCE_CONFLICT", sent={"after_another": True}, kinds=ALL),
    Fault("SITE_INVALID", {"site_id": ""}),
    Fault("IIN_INVALID", {"iin": "000813159890"}),
    Fault("WAGER_ID_INVALID", {"wager_id": ""}, ("wager", "newer", "payout")),
    Fault("INSTANT_INVALID", {"occurred_at": datetime(1980, 1, 1, tzinfo=UTC)}),
    Fault("AMOUNT_NOT_POSITIVE", {"amount_tiyn": 0}),
    Fault("AMOUNT_TOO_LARGE", {"amount_tiyn": 10**13 + 1}),
    Fault("PAYMENT_METHOD_UNKNOWN", {"payment_method": "BARTER"}),
    Fault("INSTRUMENT_INVALID", {"instrument_kind": "CARD"}),
    Fault("PAYMENT_ID_INVALID", {"payment_id": ""}, ("deposit",)),
    Fault("ACCOUNT_INVALID", {"account_id": ""}, MOVED),
    Fault("PAYMENT_PROVIDER_INVALID", {"payment_provider": ""}, MOVED),
    Fault("BALANCE_INVALID", {"balance_after_tiyn": -1}, MOVED),
    Fault("BONUS_INVALID", {"bonus_tiyn": -1}, NEWER),
    Fault("DEVICE_INVALID", {"device_kind": "ABACUS"}, MOVED),
    Fault("CHANNEL_UNKNOWN", {"channel": "TELEPATHY"}, ("wager",)),
    Fault("FUNDING_UNKNOWN", {"funding": "PROMISE"}, ("wager",)),
    Fault("ODDS_INVALID", {"odds_milli": 999}, ("wager",)),
    Fault(
        "SELECTION_INVALID",
        {"selections": [{"event_id": "", "market_id": "m-1", "outcome_id": "o-1", "odds_milli": 1_500}]},
        ("wager",),
    ),
    Fault("BET_KIND_UNKNOWN", {"bet_kind": "HUNCH"}, NEWER),
    Fault("MARKET_INVALID", {"market_names": ["Тотал"] * 9}, NEWER),
    Fault("KIND_UNKNOWN", {"kind": "GIFT"}, ("payout",)),
    Fault("WON_INVALID", {"won_tiyn": -1}, ("payout",)),
    Fault("WAGER_AMOUNT_INVALID", {"wager_amount_tiyn": 0}, ("payout",)),
    Fault("PAYOUT_BEFORE_WAGER", {"wager_occurred_at": NOW + timedelta(minutes=10)}, ("payout",)),
    Fault("INSTANT_AHEAD", {"occurred_at": NOW + timedelta(minutes=5, milliseconds=1)}),
    Fault("INSTANT_EXPIRED", {"occurred_at": LONG_AGO}, ("wager",)),
    Fault("INSTANT_EXPIRED", {"wager_occurred_at": LONG_AGO}, ("payout",)),
    Fault("ORGANIZER_UNKNOWN", {"organizer_bin": BAIGE}, ALL, {"topic_of": BAIGE}),
    Fault("LICENCE_NOT_IN_FORCE", {"occurred_at": UNLICENSED}, ("wager",)),
    Fault("LICENCE_NOT_IN_FORCE", {"occurred_at": UNLICENSED, "wager_occurred_at": UNLICENSED}, ("payout",)),
    Fault("SITE_UNKNOWN", {"site_id": "AST-1"}),
    *(
        Fault(code, changes, ("correction",), {"before": before} if before else {})
        for code, changes, before in (
            ("CORRECTION_TARGET_INVALID", {"target_sequence": 0}, ()),
            ("CORRECTION_REVISION_INVALID", {"replaces_revision": -1}, ()),
            ("CORRECTION_REASON_INVALID", {"reason": ""}, ()),
            ("CORRECTION_EMPTY", {"was": None, "now": None}, ()),
            ("CORRECTION_VALUES_INVALID", {"now": values(payout()) | {"channel": "ONLINE"}}, ()),
            ("IIN_INVALID", {"now": values(payout(iin="000813159890"))}, ()),
            ("INSTANT_AHEAD", {"corrected_at": NOW + timedelta(minutes=5, milliseconds=1)}, ()),
            ("CORRECTION_OF_CORRECTION", {"target_sequence": 2}, (wager(), correction())),
            ("CORRECTION_CONFLICT", {"now": values(payout())}, (wager(), correction())),
            ("CORRECTION_REVISION_UNKNOWN", {"replaces_revision": 1}, [wager(sequence=n) for n in range(1, 5)]),
            ("CORRECTION_MISMATCH", {"was": values(wager(amount_tiyn=7))}, (wager(),)),
        )
    ),
    Fault("CORRECTION_NOT_HELD", kinds=("correction",), sent={"held_max": 0}),
)
CASES = [pytest.param(fault, kind, id=f"{fault.code}-{kind}") for fault in FAULTS for kind in fault.kinds]


def refused(line: Line, faults: list[Fault], kind: str) -> str:
    """Send an event with these faults between two events without any; return its code, and where it was sent.

    The two are checked to pass: they belong to other streams, one in its partition and one in another.
    """
    changes = {name: value for fault in faults for name, value in fault.changes.items()}
    sent = {name: value for fault in faults for name, value in fault.sent.items()}
    topic_of = sent.get("topic_of", ALATAU)
    source = source_of(topic_of, sent.get("partition", 0))
    record = KINDS[kind](**{"sequence": 5, **changes})
    bad = message(record)
    value, key = bad.value or b"", sent.get("key", bad.key)
    bad = Message(sent["value"](value) if "value" in sent else value, key)
    if "before" in sent:
        line.poll(batch(source_of(), [message(one) for one in sent["before"]]))
    if "after_another" in sent:
        other = message(wager(wager_id="w-before", organizer_bin=topic_of, sequence=5))
        known = line.states.get(source_of(topic_of))
        line.poll(batch(source_of(topic_of), [other], known.position.next_offset if known else 0))
    neighbour = message(wager(organizer_bin=topic_of, stream_id=desk(source.partition, 1), sequence=900))
    elsewhere = message(wager(organizer_bin=ESIL, stream_id=desk(0), sequence=1))
    known = line.states.get(source)
    first = known.position.next_offset if known else 0
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(settlement, "HELD_MAX", sent.get("held_max", settlement.HELD_MAX))
        line.poll(batch(source, [neighbour, bad], first), batch(source_of(ESIL), [elsewhere]))
    accepted = {(posting["cause_topic"], posting["cause_offset"]) for posting in line.records("accepted")}
    assert (source_of(ESIL).topic, 0) in accepted
    assert ((source.topic, first) in accepted) == (topic_of != BAIGE)
    (code,) = [one["reject_code"] for one in line.records("rejected") if one["cause_offset"] == first + 2]
    assert isinstance(code, str)
    return code


def test_there_is_a_fault_for_every_code() -> None:
    assert {fault.code for fault in FAULTS} == set(BY_CODE) - {"INTERNAL"}  # Which no message deserves.


@pytest.mark.parametrize(("fault", "kind"), CASES)
def test_event_with_a_fault_is_refused_with_its_code_and_consumes_its_number_as_declared(
    fault: Fault, kind: str
) -> None:
    """What can be repeated under the same number has left it free."""
    line = Line()
    code = refused(line, [fault], kind)
    assert code == fault.code
    if code in {"SEQUENCE_CONFLICT", "SEQUENCE_INVALID", "STREAM_INVALID", "ORGANIZER_UNKNOWN"}:
        return  # No event without a fault can have this number, in this stream, on this topic.
    mended = message(payout(sequence=5, wager_id="w-mended"))
    refused_before = len(line.codes())
    line.take(mended)
    assert line.codes()[refused_before:] == (["SEQUENCE_CONFLICT"] if BY_CODE[code].consumes else [])


@settings(deadline=None)
@given(st.sampled_from(ALL), st.data())
def test_of_several_faults_the_one_that_stands_first_is_the_answer(kind: str, data: st.DataObject) -> None:
    possible = [fault for fault in FAULTS if kind in fault.kinds]
    faults = data.draw(st.lists(st.sampled_from(possible), min_size=2, max_size=4, unique_by=lambda fault: fault.code))
    assume(sum(len(fault.touches) for fault in faults) == len({name for fault in faults for name in fault.touches}))
    assert refused(Line(), faults, kind) == min((fault.code for fault in faults), key=PRECEDENCE.__getitem__)


# A small world for the properties: few streams, numbers and bodies, so that they meet.

SOURCES = (source_of(ALATAU, 0), source_of(ALATAU, 1), source_of(ESIL, 0))
OWN_CODES = {"amount_tiyn": {0: "AMOUNT_NOT_POSITIVE"}, "iin": {"000813159890": "IIN_INVALID"}}


@dataclass(frozen=True)
class Sent:
    """A message on a source, the code that its own content earns it, and its stream and number where it has them."""

    source: TopicPartition
    message: Message
    code: str | None
    stream_id: str | None = None
    sequence: int | None = None


@st.composite
def sent(draw: st.DrawFn) -> Sent:
    source = draw(st.sampled_from(SOURCES))
    garbage = draw(st.sampled_from([None, None, None, None, (b"", "EMPTY"), (b"{}", "NOT_WIRE_FORMAT")]))
    if garbage:
        return Sent(source, Message(garbage[0], b"desk-0"), garbage[1])
    kind = draw(st.sampled_from(["wager", "wager", "payout", "payout", "correction"]))
    stream_id = desk(source.partition, draw(st.integers(0, 1)))
    sequence = draw(st.sampled_from([*range(1, 8), 40]))
    identity = {"organizer_bin": source.topic.split(".")[1], "stream_id": stream_id, "sequence": sequence}
    code: str | None = "CORRECTION_TARGET_INVALID"
    if kind == "correction":
        identity |= {"target_sequence": 0}  # Those that may be booked: see test_settlement.
    if kind != "correction":
        amount, iin = draw(st.sampled_from([(760_00, IIN), (760_00, IIN), (0, IIN), (770_00, "000813159890")]))
        identity |= {"amount_tiyn": amount, "iin": iin}
        code = OWN_CODES["iin"].get(iin) or OWN_CODES["amount_tiyn"].get(amount)
    return Sent(source, message(KINDS[kind](**identity)), code, stream_id, sequence)


Polls = list[list[Sent]]
POLLS = st.lists(st.lists(sent(), min_size=1, max_size=10), min_size=1, max_size=4)


def run(polls: Polls) -> Line:
    """Send the polls; messages of one source keep their order, and their offsets depend on nothing else."""
    line = Line()
    for source in SOURCES:
        line.states[source] = PartitionState(Position(0), line.stage.empty(source))
    for poll in polls:
        parts = {source: [one.message for one in poll if one.source == source] for source in SOURCES}
        line.poll(
            *(
                batch(
                    source,
                    some,
                    line.states[source].position.next_offset + line.states[source].position.next_offset % 2,
                )
                for source, some in parts.items()
                if some
            )
        )
    return line


def outcome(line: Line) -> dict[TopicPartition, dict[int, str]]:
    """Per source and offset ACCEPTED or the reject code; duplicates are in neither topic."""
    found: dict[TopicPartition, dict[int, str]] = {source: {} for source in SOURCES}
    for posting in line.records("accepted"):
        found[TopicPartition(posting["cause_topic"], posting["cause_partition"])][posting["cause_offset"]] = "ACCEPTED"
    for reject in line.records("rejected"):
        source = TopicPartition(reject["cause_topic"], reject["cause_partition"])
        assert reject["cause_offset"] not in found[source]
        found[source][reject["cause_offset"]] = reject["reject_code"]
    return found


def expected(polls: Polls) -> tuple[dict[TopicPartition, dict[int, str]], Counter[str]]:
    """The same by a dict of what each stream's numbers were used for; and how many of each verdict."""
    used: dict[tuple[TopicPartition, str | None, int | None], bytes | None] = {}
    found: dict[TopicPartition, dict[int, str]] = {source: {} for source in SOURCES}
    counts: Counter[str] = Counter()
    offsets: Counter[TopicPartition] = Counter()
    for one in (one for poll in polls for one in poll):
        offset = 2 * offsets[one.source]
        offsets[one.source] += 1
        verdict = one.code or "ACCEPTED"
        if one.stream_id is not None:
            identity = (one.source, one.stream_id, one.sequence)
            if identity in used:
                verdict = "DUPLICATE" if used[identity] == one.message.value else "SEQUENCE_CONFLICT"
            used.setdefault(identity, one.message.value)
        counts[verdict] += 1
        if verdict != "DUPLICATE":
            found[one.source][offset] = verdict
    return found, counts


def records_of(line: Line, output: TopicPartition) -> list[dict[str, Any]]:
    """What has been written to one output partition."""
    written = Line().written
    written[output] = line.written[output]
    return Line(line.stage, written=written).records(output.topic)


def data_of(line: Line) -> dict[TopicPartition, Streams]:
    return {source: state.data for source, state in line.states.items()}


@settings(deadline=None)
@given(POLLS)
def test_verdicts_are_those_of_one_message_at_a_time(polls: Polls) -> None:
    """Clause O9-4.3: every message is accepted, rejected or a repetition."""
    line = run(polls)
    found, counts = expected(polls)
    assert outcome(line) == found
    contents = [content for bin_ in (ALATAU, ESIL) for content in line.receipts(bin_)]
    assert sum(content["accepted_count"] for content in contents) == counts["ACCEPTED"]
    assert sum(content["duplicate_count"] for content in contents) == counts["DUPLICATE"]
    assert Counter(reject["reject_code"] for content in contents for reject in content["rejects"]) == {
        code: count for code, count in counts.items() if code in BY_CODE
    }


@settings(deadline=None, max_examples=examples(12))
@given(POLLS)
def test_how_messages_are_cut_into_polls_changes_nothing_but_the_receipts_cuts(polls: Polls) -> None:
    one_poll, one_by_one = (
        run([[one for poll in polls for one in poll]]),
        run([[one] for poll in polls for one in poll]),
    )
    for line in (one_poll, one_by_one):
        assert data_of(line) == data_of(run(polls))
        assert outcome(line) == outcome(run(polls))
    postings = [sorted(map(str, line.records("accepted"))) for line in (one_poll, one_by_one)]
    assert postings[0] == postings[1]


@settings(deadline=None, max_examples=examples(12))
@given(POLLS)
def test_replayed_changelog_is_the_state_after_every_poll(polls: Polls) -> None:
    for length in range(1, len(polls) + 1):
        line = run(polls[:length])
        for source, state in line.states.items():
            restored = line.stage.empty(source)
            log = line.changelogs[source]
            line.stage.restore(restored, [key for key, _ in log], [value for _, value in log])
            assert restored == state.data


@settings(deadline=None, max_examples=examples(12))
@given(POLLS, st.lists(sent(), min_size=1, max_size=10))
def test_processing_changes_nothing_and_gives_the_same_again(polls: Polls, poll: list[Sent]) -> None:
    line, same = run(polls), run(polls)
    source = poll[0].source
    batches = [batch(source, [one.message for one in poll if one.source == source], 400)]
    first = line.stage.process(batches, line.states)
    assert line.states == same.states
    assert line.stage.process(batches, line.states) == first
    assert new_stage().process(batches, same.states) == first


@settings(deadline=None, max_examples=examples(12))
@given(POLLS)
def test_rows_of_every_lane_are_dense(polls: Polls) -> None:
    line = run(polls)
    for output in line.written:
        rows: dict[TopicPartition, list[int]] = {}
        for record in records_of(line, output):
            rows.setdefault(TopicPartition(record["cause_topic"], record["cause_partition"]), []).append(record["row"])
        for source, numbers in rows.items():
            assert numbers == list(range(1, len(numbers) + 1))
            assert line.states[source].position.rows[output] == len(numbers)


@settings(deadline=None, max_examples=examples(12))
@given(POLLS)
def test_number_of_the_person_stands_in_no_key_and_in_no_receipt(polls: Polls) -> None:
    """Clause O9-5.1."""
    line = run(polls)
    for output, written in line.written.items():
        for key, value in written:
            assert IIN.encode() not in (key or b"")
            if output.topic.endswith(".receipts"):
                assert IIN.encode() not in (value or b"")
    for log in line.changelogs.values():
        assert IIN not in str(log)


@settings(deadline=None)
@given(st.lists(st.binary(max_size=120), min_size=1, max_size=20))
def test_garbage_alone_is_refused_and_leaves_no_state(values: list[bytes]) -> None:
    line = Line()
    line.take(*(Message(value, value[:9]) for value in values))
    assert len(line.codes()) == len(values)
    assert set(line.codes()) <= {code.code for code in REJECT_CODES if code.needs == "bytes"}
    assert data_of(line) == {source_of(): {}}
    assert not line.changelogs


MARKED = "w-0"


@pytest.fixture
def faulty_check(monkeypatch: pytest.MonkeyPatch) -> None:
    """Intake's check of instants fails wherever it sees the marked wager."""

    def check(events: pl.DataFrame) -> pl.Series:
        if MARKED in events["wager_id"]:
            raise ArithmeticError(events["iin"][0])
        return check_instants(events)

    monkeypatch.setattr(stage, "check_instants", check)


@pytest.mark.usefixtures("faulty_check")
def test_message_that_our_code_fails_on_costs_itself_alone_and_leaves_its_number_free() -> None:
    """DESIGN §4, "The same ladder"; clause O9-5.3: the organizer is told, and the bytes are kept."""
    line, without = Line(), Line()
    marked = message(wager(sequence=40, wager_id=MARKED))
    others = [message(wager(sequence=number)) for number in range(1, 40)]
    elsewhere = batch(source_of(ESIL), [message(wager(organizer_bin=ESIL))])
    line.poll(batch(source_of(), [*others, marked, message(wager(sequence=41))]), elsewhere)
    without.poll(batch(source_of(), [*others, Message(b"", marked.key), message(wager(sequence=41))]), elsewhere)
    (reject,) = line.records("rejected")
    assert (reject["reject_code"], reject["body"], reject["message_key"]) == ("INTERNAL", marked.value, marked.key)
    assert line.records("accepted") == without.records("accepted")
    assert data_of(line) == data_of(without)
    (receipt,) = line.receipts()
    assert [told["reject_code"] for told in receipt["rejects"]] == ["INTERNAL"]
    assert receipt["streams"][0]["missing"] == [{"first": 40, "last": 40}]


@pytest.mark.usefixtures("faulty_check")
def test_stage_stops_where_our_code_fails_on_every_message() -> None:
    line = Line()
    line.take(message(wager(wager_id="w-good")))
    before = data_of(line)
    with pytest.raises(InvariantBroken, match="our fault") as raised:
        line.take(*(message(wager(sequence=number, wager_id=MARKED)) for number in range(2, 60)))
    assert IIN not in str(raised.value)
    assert data_of(line) == before
    assert len(line.records("accepted")) == 1


def test_file_sent_again_adds_duplicates_to_the_receipts_and_nothing_else() -> None:
    line = Line()
    sent_ = [message(wager(sequence=number)) for number in range(1, 200)]
    line.take(*sent_)
    accepted = line.records("accepted")
    line.take(*sent_)
    assert line.records("accepted") == accepted
    assert not line.codes()
    first, second = line.receipts()
    assert (first["accepted_count"], first["duplicate_count"]) == (199, 0)
    assert (second["accepted_count"], second["duplicate_count"]) == (0, 199)
    assert second["streams"][0]["consumed"] == first["streams"][0]["consumed"] == [{"first": 1, "last": 199}]


def test_message_as_large_as_the_broker_takes_is_kept_whole() -> None:
    line = Line()
    large = Message(bytes(1_048_000), b"desk-0")
    line.take(message(wager()), large, message(wager(sequence=2)))
    assert len(line.records("accepted")) == 2
    assert line.records("rejected")[0]["body"] == large.value
