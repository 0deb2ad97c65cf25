"""A carried file is taken in once however often it comes, and its receipts can be carried back (clause O114-3)."""

from __future__ import annotations

from datetime import UTC, datetime
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from esep.delivery import Delivery, Placed
from esep.errors import BrokerUnavailable
from esep.producers.from_medium import Received, account, receive_medium
from esep.producers.medium import MediumFile, read_medium
from esep.producers.receipt_reader import ReceiptReader
from esep.producers.receipts import ReceiptContent, open_receipt
from esep.producers.to_medium import file_to_medium
from tests.producers.bets import DESK, lost, new_bin, won, write_file
from tests.producers.fake_intake import WAIT_S, FakeIntake, content_of, make_topics
from tests.support.receipt_signing import ROOT_CERTIFICATE, ROOT_KEY

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support.brokers import Broker

ORGANIZER = "940140000385"
NOW = datetime(2026, 11, 21, 6, 0, tzinfo=UTC)


@pytest.mark.kafka
def test_file_taken_in_twice_is_counted_once_and_its_receipts_verify(broker: Broker, tmp_path: Path) -> None:
    organizer_bin, servers = new_bin(), broker.bootstrap_servers
    make_topics(servers, organizer_bin)
    path = write_file(tmp_path / "desk-7.csv", won("t-1"), lost("t-2"), lost("t-3"))
    file_to_medium(path, DESK, organizer_bin, ROOT_KEY, tmp_path / "desk-7.esep", now=NOW)
    medium = read_medium((tmp_path / "desk-7.esep").read_bytes(), organizer_bin, ROOT_KEY.public_key())

    def receive() -> Received:
        with ReceiptReader(organizer_bin, servers, root=ROOT_CERTIFICATE) as receipts:
            return receive_medium(medium, Delivery(organizer_bin, servers), receipts, servers, receipt_wait_s=WAIT_S)

    with FakeIntake(servers, organizer_bin) as intake:
        intake.refused["wager", "t-3"] = "SITE_UNKNOWN"
        first, second = receive(), receive()
        counted = len(intake.counted)
    assert (first.messages, first.accepted, first.duplicate, first.held) == (4, 3, 0, 0)
    assert [notice.reject_code for notice in first.rejects] == ["SITE_UNKNOWN"]
    assert first.exit_code == 1
    assert (second.messages, second.accepted, second.duplicate, second.rejects) == (4, 0, 4, [])
    assert second.exit_code == 0
    assert counted == 3
    assert first.receipts
    for value in first.receipts:
        assert open_receipt(value, ROOT_CERTIFICATE).organizer_bin == organizer_bin
    document = first.document("kk")
    assert (document["rejected"], document["receipts"]) == (1, len(first.receipts))
    assert document["rejects"][0]["text"]


@pytest.mark.kafka
def test_receipts_that_stay_away_are_said_and_the_file_may_come_again(broker: Broker) -> None:
    organizer_bin, servers = new_bin(), broker.bootstrap_servers
    make_topics(servers, organizer_bin)
    medium = MediumFile(organizer_bin, NOW, [(b"desk-7", b"x")])
    with ReceiptReader(organizer_bin, servers) as receipts:
        told = receive_medium(medium, Delivery(organizer_bin, servers), receipts, servers, receipt_wait_s=0.1)
    assert (told.exit_code, told.receipts, told.accepted) == (75, [], None)
    unwaited = receive_medium(medium, Delivery(organizer_bin, servers), None, servers)
    assert (unwaited.exit_code, unwaited.messages, unwaited.receipts) == (0, 1, None)
    assert unwaited.document()["receipts"] is None


def test_broker_that_is_away_is_said_with_what_to_do() -> None:
    medium = MediumFile(ORGANIZER, NOW, [(b"desk-7", b"x")])
    with pytest.raises(BrokerUnavailable, match=ORGANIZER):
        receive_medium(medium, Delivery(ORGANIZER, "127.0.0.1:1", timeout_s=0.2), None, "127.0.0.1:1")


def content(partition: int, first: int, last: int, **said: Any) -> ReceiptContent:
    return ReceiptContent.model_validate(content_of(ORGANIZER, partition, first, last, **said))


@given(
    st.lists(st.sampled_from(["ours, accepted", "ours, duplicate", "ours, rejected", "other"]), max_size=30), st.data()
)
def test_receipts_are_counted_exactly_or_not_at_all(kinds: list[str], data: st.DataObject) -> None:
    """Whatever lies beside the messages of the file, and wherever the receipts begin and end."""
    ends = sorted(
        {*data.draw(st.sets(st.integers(1, max(1, len(kinds) - 1)))), 0, len(kinds)} & {*range(len(kinds) + 1)}
    )
    signed = []
    for first, end in pairwise(ends):
        part = kinds[first:end]
        refused = [
            {"offset": offset, "stream_id": "desk-7", "sequence": 1, "reject_code": "SITE_UNKNOWN", "field": None}
            for offset in range(first, end)
            if kinds[offset] == "ours, rejected"
        ]
        counts = {"accepted_count": part.count("ours, accepted") + part.count("other")}
        counts["duplicate_count"] = part.count("ours, duplicate")
        signed.append((b"%d" % first, content(0, first, end - 1, rejects=refused, **counts)))
    placed = [Placed(0, offset) for offset, kind in enumerate(kinds) if kind != "other"]
    told = account(ORGANIZER, placed, [*signed, (b"elsewhere", content(1, 0, 99))], has_all_receipts=True)
    assert len(told.rejects) == kinds.count("ours, rejected")
    assert told.receipts is not None
    assert b"elsewhere" not in told.receipts
    if told.accepted is not None:
        assert (told.accepted, told.duplicate) == (kinds.count("ours, accepted"), kinds.count("ours, duplicate"))
    elif "other" not in kinds:
        pytest.fail("nobody else's message is there, and yet the counts are not told")
