"""A set of receipts verifies as intake gave it, beside the organizer's own copy and days, and not otherwise."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given, settings
from hypothesis import strategies as st

from esep.producers import receipt_audit
from esep.producers.day_statement import DayStatement, read_day, sign_day
from esep.producers.own_copy import OwnCopy
from esep.producers.receipt_audit import Audit
from esep.producers.spool import Spool
from esep.receipt_keys import self_signed
from esep.stream_apps.intake.receipts import ReceiptSigner
from tests.producers.fake_intake import content_of, receipt_of
from tests.producers.spooling import AT, ORGANIZER, bet
from tests.support.receipt_signing import ROOT_CERTIFICATE, signing_key
from tests.support.told_receipts import DESK, FAR_DESK, OTHER_DESK, Organizer

KEY = Ed25519PrivateKey.from_private_bytes(bytes([1] * 32))
DAY = date(2026, 11, 20)
NOW = datetime(2026, 12, 1, tzinfo=UTC)
OTHER_ROOT = self_signed(Ed25519PrivateKey.from_private_bytes(bytes(32)), datetime(1969, 1, 1, tzinfo=UTC))


@pytest.fixture
def organizer(tmp_path: Path) -> Iterator[Organizer]:
    made = Organizer(tmp_path)
    made.report(DESK, 6)
    made.report(FAR_DESK, 3)
    yield made
    made.close()


def audit(organizer: Organizer, values: list[bytes] | None = None, days: list[DayStatement] | None = None) -> Audit:
    with OwnCopy(ORGANIZER, [organizer.path]) as copy:
        return Audit(ORGANIZER, ROOT_CERTIFICATE, copy, days or []).run(
            organizer.receipts() if values is None else values
        )


def kinds(found: Audit) -> list[str]:
    assert found.exit_code == (1 if found.doubts else 0)
    return [doubt.kind for doubt in found.doubts]


def day(organizer: Organizer, of: date = DAY) -> DayStatement:
    return read_day(sign_day(organizer.path, [], of, KEY, NOW), ORGANIZER, KEY.public_key())


@settings(max_examples=20)
@given(st.data())
def test_copy_gives_every_root_that_intake_signs(tmp_path_factory: pytest.TempPathFactory, data: st.DataObject) -> None:
    """Two ways, one answer: intake's mountains, grown in any order, and the roots over the spool."""
    organizer = Organizer(tmp_path_factory.mktemp("organizer"))
    for stream_id in (DESK, OTHER_DESK, FAR_DESK):
        organizer.report(stream_id, 4)
        organizer.report(stream_id, 1, wrong=True)
    sent = organizer.messages()
    for _ in range(data.draw(st.integers(1, 5))):
        organizer.deliver(data.draw(st.lists(st.sampled_from(sent), min_size=1, max_size=6)))
    found = audit(organizer)
    organizer.close()
    assert found.doubts == []
    roots = [account for content in organizer.line.receipts() for account in content["streams"] if account["root"]]
    assert (found.roots_compared, found.roots_unknown) == (len(roots), 0)
    assert found.document()["missing_count"] == sum(
        gap.last - gap.first + 1 for account in found.chain.accounts.values() for gap in account.missing
    )


def test_receipts_of_two_keys_verify_and_are_told_apart(organizer: Organizer) -> None:
    """Rotation: each receipt carries the certificate of its key."""
    sent = organizer.messages()
    organizer.deliver(sent[:4])
    organizer.line.stage._signer = ReceiptSigner(signing_key(7), lambda: 0)
    organizer.deliver(sent[4:])
    found = audit(organizer)
    assert (kinds(found), found.document()["certificates"], found.document()["streams"]) == ([], 2, 2)


def test_receipt_that_another_root_or_nobody_signed_is_forged(organizer: Organizer) -> None:
    organizer.deliver(organizer.messages())
    values = organizer.receipts()
    spoiled = values[0][:-1] + bytes([values[0][-1] ^ 1])
    assert kinds(audit(organizer, [spoiled, *values[1:]])) == ["FORGED"]
    assert set(kinds(Audit(ORGANIZER, OTHER_ROOT).run(values))) == {"FORGED"}


def test_receipt_of_another_organizer_and_no_receipt_at_all_are_told(organizer: Organizer) -> None:
    assert kinds(audit(organizer, [receipt_of(content_of("950341000052", 0, 0, 3))])) == ["FOREIGN"]
    assert kinds(audit(organizer, [])) == ["EMPTY"]


def test_message_that_was_changed_in_the_copy_shows_from_its_receipt_on(organizer: Organizer, tmp_path: Path) -> None:
    sent = organizer.messages()
    for part in (sent[:2], sent[2:]):
        organizer.deliver(part)
    other = Spool(tmp_path / "other.spool", ORGANIZER)
    with other.transaction():
        other.append(DESK, [bet("t-0", AT), bet("t-1", AT), *(bet(f"other-{n}", AT) for n in range(4))])
    with OwnCopy(ORGANIZER, [other.path]) as copy:
        found = Audit(ORGANIZER, ROOT_CERTIFICATE, copy).run(organizer.receipts())
    other.close()
    (doubt,) = found.doubts
    assert (doubt.kind, doubt.stream_id, doubt.text) == (
        "COPY_DIFFERS", DESK, "the copy has another root over the messages 1 to 6",
    )  # fmt: skip
    assert (found.roots_compared, found.roots_unknown) == (1, 1)


def test_copy_that_lacks_messages_is_told_once_per_stream(organizer: Organizer, tmp_path: Path) -> None:
    for message in organizer.messages():
        organizer.deliver([message])
    short = Spool(tmp_path / "short.spool", ORGANIZER)
    with short.transaction():
        short.append(DESK, [bet("t-0", AT), bet("t-1", AT)])
    with OwnCopy(ORGANIZER, [short.path]) as copy:
        found = Audit(ORGANIZER, ROOT_CERTIFICATE, copy).run(organizer.receipts())
    short.close()
    assert kinds(found) == ["COPY_INCOMPLETE"]
    assert found.roots_compared == 2


@pytest.mark.parametrize("cut", [3, 6])
def test_day_is_compared_where_a_receipt_ends_with_it_or_by_the_copy(organizer: Organizer, cut: int) -> None:
    """The day ends with message 6 of the desk: with the second cut a receipt has a root over just as many."""
    said = day(organizer)
    organizer.now += timedelta(days=1)
    organizer.report(DESK, 2)
    sent = [one for one in organizer.messages() if one[0] == DESK]
    organizer.deliver([*sent[:cut], *(one for one in organizer.messages() if one[0] == FAR_DESK)])
    organizer.deliver(sent[cut:])
    by_copy = audit(organizer, days=[said])
    assert (kinds(by_copy), by_copy.days_met, by_copy.days_unmet) == ([], 2, 0)
    alone = Audit(ORGANIZER, ROOT_CERTIFICATE, None, [said]).run(organizer.receipts())
    assert (kinds(alone), alone.days_met, alone.days_unmet) == ([], *((1, 1) if cut == 3 else (2, 0)))


def test_day_with_another_root_or_with_more_than_was_received_is_told(organizer: Organizer) -> None:
    organizer.deliver([one for one in organizer.messages() if one[:2] != (DESK, 6)])
    assert kinds(audit(organizer, days=[day(organizer)])) == ["NOT_RECEIVED"]
    organizer.deliver([one for one in organizer.messages() if one[:2] == (DESK, 6)])
    said = day(organizer)
    assert kinds(audit(organizer, days=[said])) == []
    streams = tuple(one.model_copy(update={"root": "ab" * 32}) for one in said.streams)
    changed = DayStatement(ORGANIZER, said.day, streams)
    assert kinds(audit(organizer, days=[changed])) == ["DAY_DIFFERS", "DAY_DIFFERS"]
    alone = Audit(ORGANIZER, ROOT_CERTIFICATE, None, [changed]).run(organizer.receipts())
    assert kinds(alone) == ["DAY_DIFFERS", "DAY_DIFFERS"]


def test_doubts_are_all_counted_and_the_first_are_kept_without_a_person(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(receipt_audit, "DOUBTS_MAX", 2)
    account = {
        "stream_id": "desk-900101300007", "consumed": [], "missing": [], "accepted_count": 0, "rejected_count": 0,
        "duplicate_count": 0, "held_count": 0, "root_through": 3, "root": None,
    }  # fmt: skip
    values = [receipt_of(content_of(ORGANIZER, 0, n, n, streams=[account])) for n in range(4)]
    found = Audit(ORGANIZER, ROOT_CERTIFICATE).run(values)
    assert (found.doubt_count, len(found.doubts), found.document()["doubt_count"]) == (4, 2, 4)
    assert "900101300007" not in str(found.document())
