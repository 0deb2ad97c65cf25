"""A proof shows what it says under the authority's root, and no bit of it can be another."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from esep.errors import FileUnusable, InvariantBroken, UsageError
from esep.producers.own_copy import OwnCopy
from esep.producers.receipt_proof import check_proof, prove_growth, prove_inclusion
from esep.producers.spool import Spool
from esep.receipt_keys import self_signed
from tests.producers.spooling import ORGANIZER, bet
from tests.support.receipt_signing import ROOT_CERTIFICATE
from tests.support.told_receipts import DESK, FAR_DESK, Organizer

OTHER_ROOT = self_signed(Ed25519PrivateKey.from_private_bytes(bytes(32)), datetime(1969, 1, 1, tzinfo=UTC))


@pytest.fixture(scope="module")
def organizer(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Organizer]:
    """Eleven messages of one stream in three polls, the second of them twice; two of another."""
    made = Organizer(tmp_path_factory.mktemp("organizer"))
    made.report(DESK, 10)
    made.report(DESK, 1, wrong=True)
    made.report(FAR_DESK, 2)
    sent = made.messages()
    for part in (sent[:3], sent[3:8], sent[3:8], sent[8:]):
        made.deliver(part)
    yield made
    made.close()


@pytest.fixture(scope="module")
def copy(organizer: Organizer) -> Iterator[OwnCopy]:
    with OwnCopy(ORGANIZER, [organizer.path]) as made:
        yield made


@pytest.fixture(scope="module")
def proofs(organizer: Organizer, copy: OwnCopy) -> list[bytes]:
    """One of each kind."""
    return [
        prove_inclusion(f"{ORGANIZER}/{DESK}/6", organizer.receipts(), copy, ROOT_CERTIFICATE),
        prove_growth(ORGANIZER, DESK, organizer.receipts(), copy, ROOT_CERTIFICATE),
    ]


def test_every_message_that_was_taken_in_can_be_proved_refused_ones_too(organizer: Organizer, copy: OwnCopy) -> None:
    """O9-5.3: what was received, and under which number."""
    for stream_id, sequence, value in organizer.messages():
        entry_id = f"{ORGANIZER}/{stream_id}/{sequence}"
        proven = check_proof(prove_inclusion(entry_id, organizer.receipts(), copy, ROOT_CERTIFICATE), ROOT_CERTIFICATE)
        assert proven.document["message_sha256"] == sha256(value).hexdigest()
        assert proven.document["entry_id"] == entry_id
        first = next(end for end in ((3, 8, 11) if stream_id == DESK else (2,)) if end >= sequence)
        assert proven.document["root_through"] == first
        assert entry_id in proven.text


def test_growth_is_proved_from_the_first_root_to_the_last(proofs: list[bytes]) -> None:
    proven = check_proof(proofs[1], ROOT_CERTIFICATE)
    assert (proven.document["earlier_root_through"], proven.document["root_through"]) == (3, 11)


@pytest.mark.filterwarnings("ignore:Parsed a serial number")
@settings(max_examples=400, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.data())
def test_no_bit_of_a_proof_can_be_changed(proofs: list[bytes], data: st.DataObject) -> None:
    """All of the file but the time of issue, which stands outside what is signed."""
    proof = data.draw(st.sampled_from(proofs))
    place = data.draw(st.integers(0, 8 * len(proof) - 1))
    changed = bytearray(proof)
    changed[place // 8] ^= 1 << place % 8
    try:
        same = _without_time(json.loads(changed)) == _without_time(json.loads(proof))
    except ValueError:
        same = False
    if not same:
        with pytest.raises((FileUnusable, InvariantBroken, UsageError)):
            check_proof(bytes(changed), ROOT_CERTIFICATE)


def _without_time(proof: dict[str, object]) -> object:
    return {name: _without_time(part) if isinstance(part, dict) else part for name, part in proof.items()
            if name != "issued_at_ms"}  # fmt: skip


@pytest.mark.filterwarnings("ignore:Parsed a serial number")  # That of a certificate with a bit changed.
@pytest.mark.parametrize("name", ["message_sha256", "path", "peaks", "nodes", "content", "signature", "certificate"])
def test_every_bit_of_every_hash_and_of_what_is_signed_counts(proofs: list[bytes], name: str) -> None:
    """Whatever else the file looks like: each bit of each part, one after the other."""
    for proof in proofs:
        for changed in _changed(json.loads(proof), name):
            with pytest.raises((FileUnusable, InvariantBroken)):
                check_proof(json.dumps(changed).encode(), ROOT_CERTIFICATE)


def _changed(document: dict[str, object], name: str) -> Iterator[dict[str, object]]:
    """Yield the proof with one bit of a member changed, for every bit of it, wherever the member is."""
    for key, part in document.items():
        if isinstance(part, dict):
            yield from ({**document, key: changed} for changed in _changed(part, name))
        elif key == name and isinstance(part, str):
            is_hash = name == "message_sha256"
            raw = bytes.fromhex(part) if is_hash else base64.b64decode(part)
            for other in _flips(raw):
                yield {**document, key: other.hex() if is_hash else base64.b64encode(other).decode()}
        elif key == name and isinstance(part, list):
            for place, one in enumerate(part):
                for other in _flips(bytes.fromhex(one)):
                    yield {**document, key: [*part[:place], other.hex(), *part[place + 1 :]]}


def _flips(raw: bytes) -> Iterator[bytes]:
    for bit in range(8 * len(raw)):
        yield bytes([*raw[: bit // 8], raw[bit // 8] ^ 1 << bit % 8, *raw[bit // 8 + 1 :]])


def test_proof_is_worth_nothing_under_another_root_or_at_another_time(proofs: list[bytes]) -> None:
    for proof in proofs:
        with pytest.raises(InvariantBroken):
            check_proof(proof, OTHER_ROOT)
        for issued_at_ms in (-(10**12), 10**17, 10**30):
            with pytest.raises((InvariantBroken, FileUnusable)):
                check_proof(proof.replace(b'"issued_at_ms": 0', b'"issued_at_ms": %d' % issued_at_ms), ROOT_CERTIFICATE)


def test_hashes_between_path_and_peaks_may_not_be_moved(proofs: list[bytes]) -> None:
    proof = json.loads(proofs[0])
    moved = {**proof, "path": proof["path"][:-1], "peaks": [proof["path"][-1], *proof["peaks"]]}
    with pytest.raises(InvariantBroken, match="does not hold"):
        check_proof(json.dumps(moved).encode(), ROOT_CERTIFICATE)


def test_what_no_receipt_reaches_cannot_be_proved(organizer: Organizer, copy: OwnCopy) -> None:
    for entry_id in (f"{ORGANIZER}/{DESK}/12", f"{ORGANIZER}/desk-unheard/1", f"950341000052/{DESK}/1"):
        with pytest.raises(UsageError, match="no receipt has a root"):
            prove_inclusion(entry_id, organizer.receipts(), copy, ROOT_CERTIFICATE)
    with pytest.raises(UsageError, match="no receipt has a root"):
        prove_growth(ORGANIZER, "desk-unheard", organizer.receipts(), copy, None)


@pytest.mark.parametrize("entry_id", ["", ORGANIZER, f"{ORGANIZER}/{DESK}", f"{ORGANIZER}/{DESK}/07", f"{DESK}/1/x"])
def test_what_is_no_entry_id_is_said_to_be_none(copy: OwnCopy, entry_id: str) -> None:
    with pytest.raises(UsageError, match="is no entry id"):
        prove_inclusion(entry_id, [], copy, None)


def test_copy_that_differs_or_lacks_messages_makes_no_proof(organizer: Organizer, tmp_path: Path) -> None:
    other = Spool(tmp_path / "other.spool", ORGANIZER)
    with other.transaction():
        other.append(DESK, [bet(f"other-{number}") for number in range(9)])
    with OwnCopy(ORGANIZER, [other.path]) as copy:
        with pytest.raises(InvariantBroken, match="different roots"):
            prove_inclusion(f"{ORGANIZER}/{DESK}/6", organizer.receipts(), copy, ROOT_CERTIFICATE)
        with pytest.raises(FileUnusable, match="lacks 2 of the messages"):
            prove_growth(ORGANIZER, DESK, organizer.receipts(), copy, ROOT_CERTIFICATE)
    other.close()


@pytest.mark.parametrize("content", [b"", b"{}", b"[]", b'{"format": "esep-day"}', b"\xff"])
def test_what_is_no_proof_is_said_to_be_none(content: bytes) -> None:
    with pytest.raises(FileUnusable, match="no proof"):
        check_proof(content, ROOT_CERTIFICATE)
