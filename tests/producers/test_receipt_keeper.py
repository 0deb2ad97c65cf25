"""Receipts mark events in the spool if they are signed, and only then; reading goes on where it stopped."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import confluent_kafka as ck
import pytest

from esep.producers.answers import State
from esep.producers.group_commit import GroupCommit
from esep.producers.receipt_keeper import ReceiptKeeper
from esep.producers.spool import Ack, Spool
from esep.producers.spool_reader import SpoolReader
from esep.topics import receipts_topic
from tests.producers.bets import new_bin
from tests.producers.fake_intake import WAIT_S, content_of, make_topics, receipt_of
from tests.producers.spooling import bet, refused
from tests.support.receipt_signing import ROOT_CERTIFICATE

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from tests.support.brokers import Broker

pytestmark = pytest.mark.kafka


class Desk:
    """A spool with five events at offsets 0 … 4, and a hand that writes receipts."""

    def __init__(self, path: Path, bootstrap_servers: str) -> None:
        self.bin = new_bin()
        self._servers = bootstrap_servers
        make_topics(bootstrap_servers, self.bin)
        self._producer = ck.Producer({"bootstrap.servers": bootstrap_servers})
        self.spool = Spool(path, self.bin)
        with self.spool.transaction():
            self.spool.append("desk-7", [bet(f"t-{number}") for number in range(5)])
            self.spool.acknowledge([Ack(number, 0, number - 1) for number in range(1, 6)])
        self.writer = GroupCommit(self.spool)

    def keeper(self) -> ReceiptKeeper:
        with SpoolReader(self.spool.path) as reader:
            offset = reader.receipts_offset
        return ReceiptKeeper(self.spool, self.writer, self._servers, root=ROOT_CERTIFICATE, offset=offset, security={})

    def write(self, first: int, through: int, *, organizer_bin: str = "", rejects: Any = (), **other: Any) -> None:
        stream = {"stream_id": "desk-7", "consumed": [{"first": 1, "last": through + 1}], "missing": []}
        sums = {"accepted_count": 0, "rejected_count": 0, "duplicate_count": 0}
        content = content_of(
            organizer_bin or self.bin, 0, first, through, streams=[{**stream, **sums}], rejects=list(rejects)
        )
        self._producer.produce(receipts_topic(self.bin), receipt_of(content, **other))
        assert self._producer.flush(WAIT_S) == 0

    def offset(self) -> int:
        with SpoolReader(self.spool.path) as reader:
            return reader.receipts_offset


@pytest.fixture
def desk(broker: Broker, tmp_path: Path) -> Iterator[Desk]:
    made = Desk(tmp_path / "esep.spool", broker.bootstrap_servers)
    yield made
    made.writer.close()
    made.spool.close()


def until(holds: Callable[[], bool]) -> None:
    deadline = time.monotonic() + WAIT_S
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_signed_receipts_mark_what_they_tell_of_and_reading_goes_on_after_a_restart(desk: Desk) -> None:
    desk.write(0, 1, rejects=[refused(1, "desk-7", 2)])
    keeper = desk.keeper()
    until(lambda: desk.offset() == 1)
    keeper.stop()
    assert (desk.spool.tally[State.RECEIPTED], desk.spool.tally[State.REJECTED]) == (1, 1)
    desk.write(2, 4)
    keeper = desk.keeper()
    until(lambda: desk.offset() == 2)
    keeper.stop()
    assert desk.spool.tally == {State.SPOOLED: 0, State.SENT: 0, State.RECEIPTED: 4, State.REJECTED: 1}
    assert (keeper.refused, keeper.fault) == (0, None)


def test_receipt_that_is_forged_or_anothers_is_passed_over_and_counted(desk: Desk) -> None:
    desk.write(0, 1, signature=bytes(64))
    desk.write(0, 4, organizer_bin="950341000052")
    keeper = desk.keeper()
    until(lambda: desk.offset() == 2)
    assert desk.spool.tally[State.SENT] == 5
    assert keeper.refused == 2
    desk.write(2, 4)
    until(lambda: desk.offset() == 3)
    keeper.stop()
    assert (desk.spool.tally[State.SENT], desk.spool.tally[State.RECEIPTED]) == (2, 3)


def test_receipts_that_a_full_disk_cannot_take_are_read_again(desk: Desk) -> None:
    """The spool refuses once what the receipts say."""
    take, calls = desk.spool.take_receipts, []

    def fail_once(receipts: Any) -> None:
        calls.append(receipts)
        if len(calls) == 1:
            desk.spool._file.execute("PRAGMA max_page_count = 1")
            desk.spool._file.execute("CREATE TABLE filler AS SELECT randomblob(100000) AS filler")
        desk.spool._file.execute("PRAGMA max_page_count = 4294967294")
        take(receipts)

    desk.spool.take_receipts = fail_once  # type: ignore[method-assign]
    desk.write(0, 4)
    keeper = desk.keeper()
    until(lambda: desk.spool.tally[State.RECEIPTED] == 5)
    keeper.stop()
    assert len(calls) == 2
