"""The golden files are what the code gives, and intake and the offline check give each verdict in them."""

from __future__ import annotations

import base64
import json
from collections import Counter
from dataclasses import replace
from datetime import datetime
from hashlib import sha256
from typing import Any

import numpy as np
import pytest
from cryptography import x509

from conformance import golden
from conformance.cases import CASES, PARTITIONS
from conformance.intake import FOLDER, Message, take
from esep.clock import to_ms
from esep.codec import decode_body, decode_one, encode_one
from esep.codes import BY_CODE
from esep.errors import InvariantBroken
from esep.instruments import InstrumentKey
from esep.producers.check import check_messages
from esep.producers.offline import Messages, OfflineIntake
from esep.producers.receipt_proof import check_proof
from esep.producers.receipts import open_receipt
from esep.register import load_register
from esep.schemas import schema
from esep.stream_apps.intake import settlement
from esep.stream_apps.intake.settlement import HELD_MAX
from esep.topics import organizer_of
from tests.support.records import control_digit_of


def lines(name: str) -> list[dict[str, Any]]:
    """Read a golden file as any other program would."""
    return [json.loads(line) for line in (FOLDER / name).read_text(encoding="utf-8").splitlines()]


WAITING = 20  # Here as many corrections of a stream may wait: with a thousand, each is judged a thousand times.
RECORDS = {line["name"]: line for line in lines("records.jsonl")}


@pytest.fixture(autouse=True)
def _fewer_may_wait(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(settlement, "HELD_MAX", WAITING)


def message_of(line: dict[str, Any]) -> Message:
    key, value = (None if line[name] is None else base64.b64decode(line[name]) for name in ("key", "value"))
    return Message(line["topic"], line["partition"], key, value, datetime.fromisoformat(line["received_at"]))


def history(name: str) -> list[Message]:
    """The messages that come before a golden record, and it itself."""
    line = RECORDS[name]
    before = [message_of(RECORDS[other]) for other in line["after"]]
    repeated = [later(before[-1], number) for number in range(1, min(line["after_times"], WAITING))]
    return [*before, *repeated, message_of(line)]


def later(message: Message, number: int) -> Message:
    """Return a correction with its own number and its target's so much higher."""
    fields = decode_one(message.value or b"", schema("correction", 1))
    raised = {name: fields[name] + number for name in ("sequence", "target_sequence")}
    return replace(message, value=encode_one(fields | raised, schema("correction", 1)))


def test_golden_files_are_fresh() -> None:
    for name, text in golden.files().items():
        assert (FOLDER / name).read_text(encoding="utf-8") == text, f"{name} is stale: run `make golden`"


def test_there_is_a_golden_record_for_every_code_and_names_are_distinct() -> None:
    assert {line["code"] for line in RECORDS.values()} == {None, *BY_CODE} - {"INTERNAL"}
    assert {line["code"] for line in RECORDS.values() if line["after_times"] == HELD_MAX} == {"CORRECTION_NOT_HELD"}
    assert {"ACCEPTED", "DUPLICATE", "HELD", "REJECTED"} == {line["verdict"] for line in RECORDS.values()}
    assert max(Counter(case.name for case in CASES).values()) == 1


@pytest.mark.parametrize("name", RECORDS)
def test_intake_gives_the_verdict(name: str) -> None:
    """Every clause of the codes, by its code (see conformance/records.jsonl)."""
    verdicts, receipts = take(history(name))
    line = RECORDS[name]
    assert verdicts[-1] == (line["code"] or line["verdict"])
    assert len(receipts) == len(verdicts)


@pytest.mark.parametrize("name", RECORDS)
def test_offline_check_gives_the_verdict_unless_it_hangs_on_what_intake_alone_knows(name: str) -> None:
    some = history(name)
    offline = OfflineIntake(organizer_of(some[-1].topic), PARTITIONS, load_register(FOLDER / "register.yaml"))
    checked = offline.check(
        Messages(
            [one.key for one in some],
            [one.value for one in some],
            np.array([one.partition for one in some]),
            np.array([to_ms(one.received_at) for one in some]),
        )
    )
    last, line = checked.row(-1, named=True), RECORDS[name]
    known = line["needs"] != "state" or line["code"] == "SEQUENCE_CONFLICT"
    assert last["reject_code"] == (line["code"] if known else None)
    assert last["duplicate"] == (line["verdict"] == "DUPLICATE" and line["name"] != "correction-said-twice")


@pytest.mark.parametrize("name", [name for name, line in RECORDS.items() if line["fields"]])
def test_fields_of_a_golden_record_are_what_its_bytes_say(name: str) -> None:
    line = RECORDS[name]
    decoded = decode_one(base64.b64decode(line["value"]), schema(line["record"], line["version"]))
    assert plain(decoded) == line["fields"]


def plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: plain(one) for name, one in value.items()}
    return to_ms(value) if isinstance(value, datetime) else value


def test_golden_file_is_one_that_the_command_reads() -> None:
    """`esep check --messages`: other members of a line are passed over."""
    at = datetime.fromisoformat("2026-03-01T12:00:00Z")
    report = check_messages(FOLDER / "records.jsonl", "940140000385", received_at=at, partitions=PARTITIONS)
    assert report.messages == len(RECORDS)
    assert report.count_by_code["EMPTY"] == 2
    assert "MESSAGE_UNREADABLE" not in report.count_by_code


def test_partitions_are_those_of_another_client() -> None:
    from aiokafka.partitioner import murmur2

    for line in lines("partitions.jsonl"):
        digest = murmur2(base64.b64decode(line["key"]))
        assert line["murmur2"] % 2**32 == digest
        for count, partition in line["partition_of"].items():
            assert partition == (digest & 0x7FFFFFFF) % int(count)


def test_identifiers_are_valid_by_the_letter_of_the_rule() -> None:
    """O9-L1: form and control digit, in plain Python."""
    for line in lines("identifiers.jsonl"):
        number, fifth = line["number"], {"IIN": "0123", "BIN": "456"}[line["kind"]]
        form = len(number) == 12 and number.isascii() and number.isdigit() and number[4] in fifth
        assert line["valid"] == (form and control_digit_of(number[:11]) == int(number[11])), line["why"]


def test_instruments_have_the_hash_of_their_normal_form() -> None:
    """D934-1..3: a hash that an organizer makes of the normal form passes the check of form."""
    found = lines("instruments.jsonl")
    assert {line["kind"] for line in found if line["instrument_hash"]} == {"CARD", "BANK_ACCOUNT", "WALLET", "PHONE"}
    assert any(line["instrument_hash"] is None for line in found)
    for line in found:
        key = InstrumentKey(line["instrument_key_version"], bytes.fromhex(line["key_hex"]))
        assert key.digest(line["kind"], line["normalised"] or line["written"]) == line["instrument_hash"]


def test_receipts_open_if_genuine_and_only_then() -> None:
    """O9-5.3: what is told in writing can be proved."""
    found = lines("receipts.jsonl")
    for line in found:
        value, root = (
            base64.b64decode(line["value"]),
            x509.load_der_x509_certificate(base64.b64decode(line["root"])),
        )
        assert sha256(base64.b64decode(line["public_key"])).hexdigest()[:16] == line["key_id"]
        if line["genuine"]:
            content = open_receipt(value, root)
            assert content.model_dump(mode="json")["rejects"] == line["content"]["rejects"]
        else:
            with pytest.raises(InvariantBroken):
                open_receipt(value, root)
    assert {line["genuine"] for line in found} == {True, False}


def test_proofs_hold_or_not_as_is_said_by_plain_hashing() -> None:
    """O9-5.3: docs/integrate.md step by step, with nothing of esep but the receipt's schema."""
    found = lines("proofs.jsonl")
    for line in found:
        root = x509.load_der_x509_certificate(base64.b64decode(line["root"]))
        content = json.dumps(line["proof"]).encode()
        if line["holds"]:
            assert check_proof(content, root).document == line["shows"]
        else:
            with pytest.raises(InvariantBroken):
                check_proof(content, root)
        if line["proof"]["format"] == "esep-inclusion" and line["name"] != "issued-too-early":
            assert leads_to_the_root(line["proof"]) == line["holds"]
    assert {(line["proof"]["format"], line["holds"]) for line in found} == {
        (kind, holds) for kind in ("esep-inclusion", "esep-extension") for holds in (True, False)
    }


def leads_to_the_root(proof: dict[str, Any]) -> bool:
    _, stream_id, sequence = proof["entry_id"].split("/")
    content = decode_body(base64.b64decode(proof["receipt"]["content"]), schema("receipt_content"))
    (account,) = (one for one in content["streams"] if one["stream_id"] == stream_id)
    number, count = int(sequence), account["root_through"]
    joined = bytes.fromhex(proof["message_sha256"])
    for level, text in enumerate(proof["path"]):
        pair = (bytes.fromhex(text), joined) if number - 1 >> level & 1 else (joined, bytes.fromhex(text))
        joined = sha256(b"\x01" + b"".join(pair)).digest()
    peaks, others, begin = [], iter(proof["peaks"]), 0
    for bit in reversed(range(count.bit_length())):
        if count >> bit & 1:
            is_own = begin < number <= begin + (1 << bit)
            if is_own and len(proof["path"]) != bit:
                return False
            peaks.append(joined if is_own else bytes.fromhex(next(others)))
            begin += 1 << bit
    whole = peaks.pop()
    while peaks:
        whole = sha256(b"\x01" + peaks.pop() + whole).digest()
    return sha256(b"\x02" + count.to_bytes(8, "big") + whole).hexdigest() == account["root"]
