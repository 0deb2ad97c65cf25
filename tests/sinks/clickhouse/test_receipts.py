"""What the store gives back of receipts are the messages that were loaded, in an order that can be verified."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from esep.lineage import TopicPartition
from esep.producers.own_copy import OwnCopy
from esep.producers.receipt_audit import Audit
from esep.sinks.clickhouse.client import connect
from esep.sinks.clickhouse.frames import Records, rows_of
from esep.sinks.clickhouse.receipts import stored_gaps, stored_receipts
from esep.sinks.clickhouse.store import Store
from esep.sinks.clickhouse.tables import RECEIPTS_TABLE
from esep.topics import receipts_topic
from tests.producers.spooling import ORGANIZER
from tests.support.notice_books import ALATAU, ESIL, Books
from tests.support.receipt_signing import ROOT_CERTIFICATE
from tests.support.told_receipts import DESK, FAR_DESK, RECEIVED_AT, Organizer

if TYPE_CHECKING:
    from esep.embedded.clickhouse import ClickHouseServer

pytestmark = pytest.mark.clickhouse


def test_stored_receipts_are_the_messages_that_were_loaded(clickhouse: ClickHouseServer, tmp_path: Path) -> None:
    books, organizer = Books(clickhouse), Organizer(tmp_path)
    organizer.report(DESK, 5)
    organizer.report(FAR_DESK, 3)
    sent = organizer.messages()
    for part in (sent[:2], sent[3:6], sent[6:]):
        organizer.deliver(part)
    values = organizer.receipts()
    rows = rows_of(Records(TopicPartition(receipts_topic(ORGANIZER), 0), list(range(len(values))), list(values)), None)
    store = Store(books.settings)
    for month in rows.months():
        store.insert(RECEIPTS_TABLE, f"receipts-{month}", rows.block(month))
    store.close()
    with connect(books.settings) as client, OwnCopy(ORGANIZER, [organizer.path]) as copy:
        assert sorted(stored_receipts(client, ORGANIZER)) == sorted(values)
        audit = Audit(ORGANIZER, ROOT_CERTIFICATE, copy).run(stored_receipts(client, ORGANIZER))
        assert (audit.doubts, audit.receipts) == ([], len(values))
        assert audit.document()["missing_count"] == 1
        (gap,) = stored_gaps(client, ORGANIZER, days=0).all()
        assert (gap.stream_id, gap.first, gap.last, gap.since) == (DESK, 3, 3, RECEIVED_AT)
        assert list(stored_receipts(client, ESIL)) == []
    organizer.close()


def test_gaps_of_all_organizers_are_as_old_as_the_receipts_looked_at(clickhouse: ClickHouseServer) -> None:
    books, now = Books(clickhouse), datetime.now(UTC).replace(microsecond=0)
    books.receipt(ALATAU, now - timedelta(days=9), {"desk-1": [(2, 9)], "desk-2": [(4, 4)]})
    books.receipt(ESIL, now - timedelta(days=2), {"desk-3": [(1, 2)]})
    books.receipt(ALATAU, now - timedelta(days=1), {"desk-1": [(2, 3)], "desk-4": []})
    with connect(books.settings) as client:
        everything = [(gap.stream_id, gap.first, gap.last, gap.since) for gap in stored_gaps(client, "", 0).all()]
        recent = [(gap.stream_id, gap.since) for gap in stored_gaps(client, "", 5).all()]
    nine, two, one = (now - timedelta(days=days) for days in (9, 2, 1))
    assert sorted(everything) == [("desk-1", 2, 3, nine), ("desk-2", 4, 4, nine), ("desk-3", 1, 2, two)]
    assert sorted(recent) == [("desk-1", one), ("desk-3", two)]
