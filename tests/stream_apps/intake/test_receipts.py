"""What an organizer gets back: signed, adding up, equal for equal offsets, silent about what is not its business."""

from __future__ import annotations

from datetime import date, timedelta
from hashlib import sha256

import polars as pl
import pytest
from cryptography.exceptions import InvalidSignature
from hypothesis import given, settings
from hypothesis import strategies as st

from esep.clock import to_ms
from esep.errors import SettingInvalid
from esep.flags import FLAGS
from esep.identifiers import PersonKeys
from esep.mountains import Mountains
from esep.receipt_keys import certified_key
from esep.reference import Load, Reference
from esep.register import Register
from esep.restrictions import LISTS, Entries, entries_of
from esep.stream_apps.intake import receipts
from esep.stream_apps.intake.decode import SECTION_MAX
from esep.stream_apps.intake.receipts import RANGES_MAX, ReceiptSigner
from esep.stream_apps.intake.stage import IntakeStage
from esep.topics import INTERNAL_BYTES_MAX
from tests.stream_apps.intake.made_up import (
    ALATAU,
    IIN,
    NOW,
    PERSON_KEYS,
    REGISTER,
    YOUNG_IIN,
    Line,
    Message,
    batch,
    correction,
    desk,
    message,
    new_stage,
    payout,
    reference_of,
    source_of,
    values,
    wager,
)
from tests.support.examples import examples
from tests.support.receipt_signing import DAYS, FROM, ROOT_CERTIFICATE, SIGNING_KEY, signing_key

TOPIC = f"organizer.{ALATAU}.receipts"
SENT = st.lists(
    st.one_of(
        st.builds(
            lambda number, stream_id, tiyn: message(wager(sequence=number, stream_id=stream_id, amount_tiyn=tiyn)),
            st.integers(1, 9), st.sampled_from([desk(0), desk(0, 1)]), st.sampled_from([500_00, 700_00, 0]),
        ),
        st.binary(max_size=9).map(lambda value: Message(value, b"desk-0")),
    ),
    min_size=1, max_size=12,
)  # fmt: skip


def wager_of(sequence: int) -> Message:
    return message(wager(sequence=sequence))


def test_receipt_verifies_with_the_public_key_and_is_named_after_it() -> None:
    """Clause O9-5.3: in writing, and nobody can write it in the authority's name."""
    line = Line()
    line.take(message(wager()), Message(b"garbage", b"desk-0"))
    (receipt,) = line.records(TOPIC)
    public = certified_key(receipt["certificate"], ROOT_CERTIFICATE, receipt["issued_at"])
    digest = sha256(receipt["content"]).digest()
    assert receipt["content_sha256"] == digest.hex()
    public.verify(receipt["signature"], digest)
    assert receipt["key_id"] == sha256(public.public_bytes_raw()).hexdigest()[:16]
    with pytest.raises(InvalidSignature):
        public.verify(receipt["signature"], sha256(receipt["content"] + b"\0").digest())


def test_nothing_is_signed_with_a_key_whose_time_is_over() -> None:
    over = ReceiptSigner(SIGNING_KEY, lambda: to_ms(FROM + timedelta(days=DAYS, seconds=1)))
    line = Line(IntakeStage(reference_of(), PERSON_KEYS, over, events_partitions=2, ledger_partitions=4))
    with pytest.raises(SettingInvalid, match="not valid now"):
        line.take(message(wager()))


def test_receipt_says_where_it_stands_and_what_it_covers() -> None:
    line = Line()
    line.poll(batch(source_of(ALATAU, 1), [message(wager(stream_id=desk(1)))], first_offset=6))
    line.poll(batch(source_of(ALATAU, 1), [message(wager(stream_id=desk(1), sequence=2))] * 2, first_offset=10))
    first, second = line.records(TOPIC)
    assert [first["row"], second["row"]] == [1, 2]
    assert (second["cause_topic"], second["cause_partition"], second["cause_offset"]) == (*source_of(ALATAU, 1), 12)
    assert (second["organizer_bin"], second["received_at"], second["through_offset"]) == (ALATAU, NOW, 12)
    assert [(one["from_offset"], one["through_offset"]) for one in line.receipts()] == [(0, 6), (7, 12)]
    (keys,) = ({key for key, _ in written} for output, written in line.written.items() if output.topic == TOPIC)
    assert keys == {b"1"}


@settings(deadline=None, max_examples=examples(15))
@given(st.lists(SENT, min_size=1, max_size=4))
def test_every_message_is_in_exactly_one_count(polls: list[list[Message]]) -> None:
    """Clause O9-5.3: no message goes without an answer."""
    line = Line()
    for poll in polls:
        line.take(*poll)
    contents = line.receipts()
    assert len(contents) == len(polls)
    for content, poll in zip(contents, polls, strict=True):
        assert content["accepted_count"] + content["duplicate_count"] + len(content["rejects"]) == len(poll)
    assert sum(content["accepted_count"] for content in contents) == len(line.records("accepted"))
    told = [(one["offset"], one["reject_code"], one["field"]) for content in contents for one in content["rejects"]]
    kept = [(one["cause_offset"], one["reject_code"], one["field"]) for one in line.records("rejected")]
    assert told == kept
    last = {account["stream_id"]: account for content in contents for account in content["streams"]}
    nameless = sum(not one["stream_id"] for content in contents for one in content["rejects"])
    counted = sum(a["accepted_count"] + a["rejected_count"] + a["duplicate_count"] for a in last.values())
    assert counted + nameless == sum(map(len, polls))


@settings(deadline=None)
@given(SENT)
def test_ranges_say_which_numbers_are_used_and_which_are_missing(sent: list[Message]) -> None:
    """Clauses O9-4.5, O9-5.3: what could not be received is told."""
    line = Line()
    line.take(*sent)
    for account in line.receipts()[0]["streams"]:
        consumed = [n for one in account["consumed"] for n in range(one["first"], one["last"] + 1)]
        missing = [n for one in account["missing"] for n in range(one["first"], one["last"] + 1)]
        assert sorted(consumed + missing) == list(range(1, consumed[-1] + 1))
        conflicts = sum(
            one["reject_code"] == "SEQUENCE_CONFLICT" and one["stream_id"] == account["stream_id"]
            for one in line.receipts()[0]["rejects"]
        )
        assert len(consumed) == account["accepted_count"] + account["rejected_count"] - conflicts


@settings(deadline=None, max_examples=examples(15))
@given(st.permutations(range(1, 12)), st.integers(1, 11))
def test_root_is_over_the_messages_of_the_whole_prefix_in_order_of_sequence(order: list[int], count: int) -> None:
    line = Line()
    for sequence in order[:count]:
        line.take(wager_of(sequence))
    (account,) = line.receipts()[-1]["streams"]
    whole = next(number for number in range(1, 13) if number not in order[:count]) - 1
    assert account["root_through"] == whole
    tree = Mountains()
    tree.add(1, [sha256(wager_of(number).value or b"").digest() for number in range(1, whole + 1)])
    assert account["root"] == (tree.root(whole).hex() if whole else None)


@settings(deadline=None, max_examples=examples(15))
@given(st.lists(SENT, min_size=1, max_size=3))
def test_same_cuts_give_the_same_contents_whoever_signs_when(polls: list[list[Message]]) -> None:
    other = ReceiptSigner(signing_key(7), lambda: 1_767_207_600_000)
    lines = [Line(), Line(IntakeStage(reference_of(), PERSON_KEYS, other, events_partitions=2, ledger_partitions=4))]
    for line in lines:
        for poll in polls:
            line.take(*poll)
    first, second = ([one["content"] for one in line.records(TOPIC)] for line in lines)
    assert first == second
    assert lines[0].records(TOPIC)[0]["issued_at"] != lines[1].records(TOPIC)[0]["issued_at"]


def test_neither_flags_nor_the_register_change_a_receipt() -> None:
    """DESIGN §4: flags never reach an organizer. Only what it sent may decide what it reads."""
    plain = Line()
    other_facts = REGISTER.model_dump(mode="json")
    other_facts["version"] = 8
    other_facts["organizers"][0]["name_ru"] = "БК «Другая»"
    other_facts["organizers"][0]["licences"][0]["number"] = "BK-7777"
    signer = ReceiptSigner(SIGNING_KEY, lambda: 0)
    other = Line(
        IntakeStage(
            reference_of(Register.model_validate(other_facts)),
            PersonKeys(b"other"),
            signer,
            events_partitions=2,
            ledger_partitions=4,
        )
    )
    sent = [message(wager(iin=YOUNG_IIN, payment_method="CREDIT_CARD")), message(wager(sequence=2, amount_tiyn=0))]
    for line in (plain, other):
        line.take(*sent)
    assert plain.records(TOPIC) == other.records(TOPIC)
    assert plain.records("accepted")[0]["flags"] == FLAGS["UNDER_21_HINT"] | FLAGS["CREDIT_MONEY"]
    unflagged = Line()
    unflagged.take(message(wager(iin=IIN)), sent[1])
    (flagged_content,), (content,) = plain.receipts(), unflagged.receipts()
    for one in (flagged_content, content):
        del one["streams"][0]["root"]  # It is that of the messages, and they differ.
    assert content == flagged_content


def listed(names: list[str]) -> Reference:
    """What was published long ago: the register, and these lists with both persons on them."""
    reference = reference_of()
    persons = [(name, iin, date(2020, 1, 1), None) for name in names for iin in (IIN, YOUNG_IIN)]
    kinds = {"list": pl.String, "iin": pl.String, "valid_from": pl.Date, "valid_to": pl.Date}
    reference.restrictions.publish(1, Entries([entries_of(pl.DataFrame(persons, schema=kinds, orient="row"))]))
    reference.publish(Load(99, 0), [])
    return reference


LISTED = st.lists(
    st.builds(
        lambda number, iin, correct: message(
            correction(sequence=number, target_sequence=number - 1, was=values(wager(iin=iin)), now=values(payout()))
            if correct
            else wager(sequence=number, iin=iin)
        ),
        st.integers(1, 9), st.sampled_from([IIN, YOUNG_IIN]), st.booleans(),
    ),
    max_size=12,
)  # fmt: skip


@settings(deadline=None, max_examples=examples(15))
@given(
    st.lists(st.tuples(SENT, LISTED).map(lambda parts: parts[0] + parts[1]), min_size=1, max_size=3),
    st.lists(st.sampled_from(sorted(LISTS)), unique=True),
    st.lists(st.sampled_from(sorted(LISTS)), unique=True),
)
def test_no_list_of_persons_changes_a_byte_of_what_an_organizer_or_a_reject_tells(
    polls: list[list[Message]], some: list[str], others: list[str]
) -> None:
    """DESIGN §4: whatever lists a person is on, all but `accepted` is the same, byte by byte; so is intake's state."""
    lines = [Line(new_stage(reference=listed(names))) for names in (some, others)]
    for line in lines:
        for poll in polls:
            line.take(*poll)
    one, other = lines
    assert {output: told for output, told in one.written.items() if output.topic != "accepted"} == {
        output: told for output, told in other.written.items() if output.topic != "accepted"
    }
    assert one.changelogs == other.changelogs
    masks = [sum(FLAGS[LISTS[name]] for name in names) for names in (some, others)]
    for line, mask in zip(lines, masks, strict=True):
        assert {posting["flags"] & ~FLAGS["UNDER_21_HINT"] for posting in line.records("accepted")} <= {mask}


@settings(deadline=None)
@given(st.sets(st.integers(1, 40), min_size=1), st.integers(0, 6))
def test_however_many_gaps_there_are_the_lists_are_bounded_and_true(sequences: set[int], ranges_max: int) -> None:
    line = Line()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(receipts, "RANGES_MAX", ranges_max)
        line.take(*map(wager_of, sequences))
    (account,) = line.receipts()[0]["streams"]
    assert len(account["consumed"]) <= ranges_max + 1
    listed = {n for one in account["consumed"] for n in range(one["first"], one["last"] + 1)}
    missing = {n for one in account["missing"] for n in range(one["first"], one["last"] + 1)}
    assert listed == {n for n in sequences if n <= max(listed)}
    assert missing == set(range(1, max(listed))) - sequences
    assert account["accepted_count"] == len(sequences)


def test_receipt_of_the_worst_section_fits_its_topic() -> None:
    """Each message of a full section is a reject with a stream of its own, a long name and a gap before it."""
    stage = IntakeStage(
        reference_of(), PERSON_KEYS, ReceiptSigner(SIGNING_KEY, lambda: 0), events_partitions=1, ledger_partitions=1
    )
    line = Line(stage)
    for sequence in (2**62, 2**62 + 2):
        template = message(wager(stream_id="a" * 120, sequence=sequence, payment_method="BARTER"))
        names = [f"{number:0120}".encode() for number in range(SECTION_MAX)]
        line.take(*(Message((template.value or b"").replace(b"a" * 120, name), name) for name in names))
    largest = max(
        len(value or b"") for output in line.written if output.topic == TOPIC for _, value in line.written[output]
    )
    assert line.codes() == ["PAYMENT_METHOD_UNKNOWN"] * 2 * SECTION_MAX
    assert 2 * 1024 * 1024 < largest < INTERNAL_BYTES_MAX - RANGES_MAX * 40  # A range and its gap: four numbers.
