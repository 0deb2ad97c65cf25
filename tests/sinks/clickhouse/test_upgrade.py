"""A store of an older version, with rows in it, is brought to the newest one, and answers as before."""

from __future__ import annotations

import shutil
import uuid
from typing import TYPE_CHECKING, Any

import pytest

from esep.codec import encode
from esep.lineage import TopicPartition
from esep.schemas import schema
from esep.settings import Settings
from esep.sinks.clickhouse.client import connect
from esep.sinks.clickhouse.frames import Records, rows_of
from esep.sinks.clickhouse.migrate import FOLDER, migrate, refuse_undone
from esep.sinks.clickhouse.rollups import differences
from esep.sinks.clickhouse.store import Store
from esep.topics import ALERTS, LEDGER, REJECTED, receipts_topic
from tests.sinks.line import BINS, alerts, frame_of, postings, receipts, rejected
from tests.support.wide import wide_block

if TYPE_CHECKING:
    from pathlib import Path

    from clickhouse_connect.driver.client import Client

    from esep.embedded.clickhouse import ClickHouseServer

pytestmark = [pytest.mark.clickhouse, pytest.mark.long]
NARROW = 23  # From this version on the loader's blocks are the narrow ledger's.
OLDER = {
    5: "the first with views",
    13: "the last before histories had an order of their own",
    18: "the last before the narrow ledger",
    23: "the last before a roll-up by person and month",
    24: "the last before markets, with histories in wide parts",
}
ARGUMENTS = {"as_known_at": "(known_at = '2026-10-15 12:00:00')"}
TOTALS = [name for name in schema("ledger").fields if name.startswith(("person_", "organizer_year", "organizer_ever"))]
Answers = dict[str, list[dict[str, Any]]]


def _rows() -> dict[str, Any]:
    """Postings in version 1, which every store takes, some corrected; what was refused, told and raised."""
    booked = postings(300, partition=1).to_dicts()
    for place, one in enumerate(booked):
        one |= {name: place * 1_000_003 + at for at, name in enumerate(TOTALS) if place % 3}
    corrected = [
        {**one, "row": 301 + place, "revision": 1, "leg": -1, "amount_tiyn": -one["amount_tiyn"]}
        for place, one in enumerate(booked[:20])
    ]
    return {
        LEDGER: ("ledger", frame_of("ledger", [*booked, *corrected])),
        REJECTED: ("rejected", frame_of("rejected", rejected(9, bin_=BINS[0]))),
        receipts_topic(BINS[0]): ("receipt", frame_of("receipt", receipts([3, 4], bin_=BINS[0]))),
        ALERTS: ("alert", frame_of("alert", alerts(6, partition=0))),
    }


def _load(own: Settings, *, is_wide: bool) -> None:
    """Insert as a loader does: by month, each block under its token. is_wide: as loaders did before `NARROW`."""
    store = Store(own)
    for topic, (record, frame) in _rows().items():
        source = TopicPartition(topic, 0)
        rows = rows_of(Records(source, list(range(frame.height)), list(encode(frame, schema(record, 1)))), None)
        for month in rows.months():
            block = rows.block(month)
            store.insert(rows.table, f"{topic}:{month}", wide_block(block) if is_wide and topic == LEDGER else block)
    store.close()


def _answers(client: Client) -> Answers:
    """Return all rows of all views, sorted."""
    views = client.query("SELECT name FROM system.tables WHERE database = currentDatabase() AND engine = 'View'")
    found: Answers = {}
    for (view,) in views.result_rows:
        hidden = " EXCEPT (loaded_at)" if view in {"ledger_rows", "ledger_counted"} else ""
        answer = client.query(f"SELECT *{hidden} FROM {view}{ARGUMENTS.get(view, '')} ORDER BY ALL")
        found[view] = list(answer.named_results())
    return found


@pytest.fixture(scope="module")
def fresh(clickhouse: ClickHouseServer) -> Answers:
    """What a store of the newest version says that has had the same rows."""
    own = _own(clickhouse)
    migrate(own)
    _load(own, is_wide=False)
    with connect(own) as client:
        return _answers(client)


def _own(clickhouse: ClickHouseServer) -> Settings:
    return Settings(clickhouse_url=clickhouse.url, clickhouse_database=f"upgrade_{uuid.uuid4().hex[:8]}")


@pytest.mark.parametrize("older", OLDER)
def test_populated_store_of_an_older_version_answers_as_before_and_as_a_fresh_one(
    clickhouse: ClickHouseServer, tmp_path: Path, fresh: Answers, older: int
) -> None:
    folder = tmp_path / "older"
    shutil.copytree(FOLDER, folder)
    for path in folder.glob("*.sql"):
        if int(path.name[:4]) > older:
            path.unlink()
    own = _own(clickhouse)
    migrate(own, folder)
    _load(own, is_wide=older < NARROW)
    with connect(own) as client:
        before = _answers(client)
        assert migrate(own) == [path.stem for path in sorted(FOLDER.glob("*.sql")) if int(path.name[:4]) > older]
        refuse_undone(own)
        after = _answers(client)
        assert differences(client) == {}
    assert len(before["person_totals"]) > 10
    for view, rows in before.items():
        kept = [{name: row[name] for name in rows[0]} for row in after[view]] if rows else after[view]
        assert sorted(map(repr, kept)) == sorted(map(repr, rows)), view
    assert {view: list(map(repr, rows)) for view, rows in after.items()} == {
        view: list(map(repr, rows)) for view, rows in fresh.items()
    }
    assert migrate(own) == []
