"""Looking into a spool beside its writer."""

from __future__ import annotations

from typing import TYPE_CHECKING

from esep.producers.answers import State
from esep.producers.spool import Ack, Spool
from esep.producers.spool_reader import SpoolReader
from tests.producers.spooling import ORGANIZER, bet, kept, paid

if TYPE_CHECKING:
    from pathlib import Path


def test_reader_tells_what_is_to_be_sent_what_waits_and_all_of_it(tmp_path: Path) -> None:
    spool = Spool(tmp_path / "esep.spool", ORGANIZER)
    with SpoolReader(spool.path) as reader:
        assert (reader.last_event(), reader.is_sent_through(0), reader.page(0, 10)) == (0, True, [])
        with spool.transaction():
            spool.append("desk-7", [bet("t-1"), paid("t-1")])
            spool.append("desk-8", [bet("t-2")])
        assert reader.organizer_bin == ORGANIZER
        assert [event.stream_id for event in reader.unsent(0)] == ["desk-7", "desk-7", "desk-8"]
        assert [event.value for event in reader.unsent(1)] == [row.value for row in kept(spool.path)[1:]]
        assert reader.last_event() == 3
        with spool.transaction():
            spool.acknowledge([Ack(1, 0, 40), Ack(3, 1, 7)])
        assert [event.event for event in reader.unsent(0)] == [2]
        assert (reader.is_sent_through(1), reader.is_sent_through(2)) == (True, False)
        assert reader.ends_unanswered() == {0: 40, 1: 7}
        assert reader.count_unanswered({0: 39, 1: 7}) == 1
        assert reader.tally() == {State.SPOOLED: 1, State.SENT: 2, State.RECEIPTED: 0, State.REJECTED: 0}
        assert reader.streams() == {"desk-7": 3, "desk-8": 2}
        page = reader.page(1, 10)
        assert [(row["id"], row["stream_id"], row["sequence"], row["offset"]) for row in page] == [
            (2, "desk-7", 2, None),
            (3, "desk-8", 1, 7),
        ]
        assert reader.page(0, 1)[0]["id"] == 1
    spool.close()


def test_reading_left_halfway_does_not_hold_the_log(tmp_path: Path) -> None:
    spool = Spool(tmp_path / "esep.spool", ORGANIZER)
    with spool.transaction():
        spool.append("desk-7", [bet(f"t-{number}") for number in range(10)])
    with SpoolReader(spool.path) as reader:
        events = reader.unsent(0)
        next(events)
        events.close()
        busy, _, _ = spool._file.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
        assert busy == 0
    spool.close()
