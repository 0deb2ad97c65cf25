"""Old and new producers, stages and records side by side, before, during and after an upgrade; ids of either source.

Clause D934-42: the list of data gets longer without stopping anybody.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import confluent_kafka as ck
import pytest

from esep.codec import HEADER_BYTES, decode_one, encode_one
from esep.errors import InvariantBroken
from esep.events import Correction, Deposit, Event, Values, Wager, Withdrawal
from esep.lineage import Position, TopicPartition
from esep.producers.sender import EventSender
from esep.registry import Registry
from esep.schema_ids import ManifestIds, RegistryIds, current, use
from esep.schemas import Schema, all_schemas, newest, schema, versions
from esep.sinks.clickhouse.ranges import read_range
from esep.stream_apps.stage import Batch, PartitionState
from esep.stream_apps.totals.stage import TotalsStage
from tests.integration.line import Line as LineUp
from tests.integration.line import line
from tests.stream_apps.intake.made_up import (
    LEDGER_PARTITIONS,
    LONGER,
    Line,
    Message,
    correction,
    deposit,
    desk,
    message,
    newer_wager,
    source_of,
    wager,
)  # fmt: skip

OLD = [one for one in all_schemas() if one.version == 1 and one.record not in {"deposit", "withdrawal"}]


@contextmanager
def before_the_upgrade() -> Iterator[None]:
    """Let this process know what a program of before knew: the first versions, and no deposits."""
    now = use(ManifestIds(OLD))
    try:
        yield
    finally:
        use(now)


def newer(sequence: int, **changes: Any) -> Message:
    record = newer_wager(sequence=sequence, wager_id=f"w-{sequence}", **changes)
    return Message(encode_one(record, schema("wager", 2)), record["stream_id"].encode())


def older(sequence: int) -> Message:
    return message(wager(sequence=sequence, wager_id=f"w-{sequence}"))


def paid_in(sequence: int) -> Message:
    return message(deposit(sequence=sequence))


def written(up: Line, topic: str) -> dict[TopicPartition, list[tuple[bytes, bytes]]]:
    return {
        output: [(key or b"", value or b"") for key, value in records]
        for output, records in up.written.items()
        if output.topic == topic
    }


def in_version(value: bytes, record: str) -> int:
    return next(one.version for one in versions(record) if value[1:HEADER_BYTES] == one.id.to_bytes(4, "big"))


def ledger_of(up: Line) -> list[tuple[int, dict[str, Any]]]:
    """Return what the newest totals makes of all that intake accepted, in one poll: version and record."""
    stage, found = TotalsStage(), written(up, "accepted")
    batches = [
        Batch(source, list(range(len(some))), [0] * len(some), [key for key, _ in some], [value for _, value in some])
        for source, some in sorted(found.items())
    ]
    states = {one.source: PartitionState(Position(0), stage.empty(one.source)) for one in batches}
    values = [value or b"" for write in stage.process(batches, states).outputs for value in write.values]
    return [(version, decode_one(value, schema("ledger", version))) for value in values
            for version in (in_version(value, "ledger"),)]  # fmt: skip


def test_line_is_upgraded_while_producers_of_both_versions_go_on() -> None:
    """What came too early is refused without using up its number, and is taken when it is sent again."""
    up, early = Line(), [newer(2), paid_in(3)]
    with before_the_upgrade():
        up.take(older(1), *early, older(4))
        assert up.codes() == ["SCHEMA_UNKNOWN", "SCHEMA_UNKNOWN"]
        assert [(part["first"], part["last"]) for part in up.receipts()[-1]["streams"][0]["missing"]] == [(2, 3)]
    assert {in_version(value, "accepted") for some in written(up, "accepted").values() for _, value in some} == {1}
    up.take(older(5))  # The upgraded intake goes on where the old one ended.
    with before_the_upgrade():
        up.take(older(6))  # An old worker has the partition for a while yet: it reads what the new one wrote.
    up.take(*early, newer(7), older(8))
    assert up.codes() == ["SCHEMA_UNKNOWN", "SCHEMA_UNKNOWN"]
    assert up.receipts()[-1]["streams"][0]["missing"] == []
    assert [(one["first"], one["last"]) for one in up.receipts()[-1]["streams"][0]["consumed"]] == [(1, 8)]
    ledger = dict.fromkeys(range(1, 9))
    for version, posting in ledger_of(up):
        ledger[posting["sequence"]] = version
        if version == 2 and posting["event_type"] == "WAGER":
            assert {name: posting[name] for name in LONGER} == LONGER
    assert ledger == {1: 1, 2: 2, 3: 2, 4: 1, 5: 1, 6: 1, 7: 2, 8: 1}


def test_totals_count_both_versions_and_deposits() -> None:
    """Clause O9-LN: money on an account and stakes are both counted, apart."""
    up = Line()
    up.take(older(1), newer(2), paid_in(3))
    _, last = ledger_of(up)[-1]
    found = {
        name: last[f"person_ever_{name}"] for name in ("wager_count", "wager_tiyn", "deposit_count", "deposit_tiyn")
    }
    assert found == {"wager_count": 2, "wager_tiyn": 1_000_00, "deposit_count": 1, "deposit_tiyn": 900_00}
    assert last["wager_id"] == ""


def test_part_that_was_not_upgraded_stops_at_what_it_cannot_read_and_says_where() -> None:
    """So readers are upgraded first: totals before intake (docs/operators.md)."""
    up = Line()
    up.take(older(1), newer(2))
    with before_the_upgrade(), pytest.raises(InvariantBroken, match="SCHEMA_UNKNOWN"):
        ledger_of(up)
    up = Line()
    up.take(older(1), older(2))
    with before_the_upgrade():
        assert len(ledger_of(up)) == 2  # Until somebody says something new, nothing new is written.


def test_same_event_in_either_version_is_a_repetition_and_with_news_a_conflict() -> None:
    """An upgraded producer may send again what the old one had sent: clause O9-4.5."""
    up = Line()
    nothing = dict.fromkeys(LONGER) | {"market_names": []}
    up.take(older(1), newer(2))
    up.take(newer(1, **nothing), newer(2), newer(1))
    assert up.receipts()[-1]["duplicate_count"] == 2
    assert up.codes() == ["SEQUENCE_CONFLICT"]


def test_correction_takes_the_news_back_with_the_rest() -> None:
    values = dict.fromkeys(("kind", "won_tiyn", "wager_occurred_at", "wager_amount_tiyn", "payment_id"))
    was = {name: value for name, value in (wager(wager_id="w-1") | LONGER).items()
           if name not in {"organizer_bin", "stream_id", "sequence"}}  # fmt: skip
    void = correction(was={"event_type": "WAGER", **values, **was})
    up = Line()
    up.take(newer(1), Message(encode_one(void, newest("correction")), desk(0).encode()))
    (_, booked), (_, back) = ledger_of(up)
    assert (booked["bonus_tiyn"], back["bonus_tiyn"]) == (100_00, -100_00)
    assert (back["amount_tiyn"], back["balance_after_tiyn"], back["market_names"]) == (-500_00, 400_00, ["Исход матча"])
    assert back["person_ever_wager_count"] == 0


def test_partitions_do_not_hang_on_the_version() -> None:
    up = Line()
    up.take(older(1), newer(2), paid_in(3))
    up.poll()
    (only,) = written(up, "accepted")
    assert only.partition < LEDGER_PARTITIONS
    assert up.states[source_of()].data[desk(0)].accepted == 3


# --- The whole line


AT = datetime.now(UTC).replace(microsecond=0) - timedelta(hours=1)
ORGANIZER, SITE, PERSON = "070941024691", "KGD-1", "640229300008"
BET = Wager(
    site_id=SITE, iin=PERSON, wager_id="t-1", occurred_at=AT, amount_tiyn=500_00, payment_method="CASH",
    channel="RETAIL", funding="CASH",
)  # fmt: skip
PAID_IN = Deposit(
    site_id=SITE, iin=PERSON, occurred_at=AT, amount_tiyn=900_00, payment_method="CARD", payment_id="P-1",
    account_id="A-17", payment_provider="Kaspi Bank", balance_before_tiyn=0, balance_after_tiyn=900_00,
)  # fmt: skip
PAID_OUT = Withdrawal(**PAID_IN.model_dump() | {"payment_id": "R-1", "amount_tiyn": 300_00})
EVENTS: list[Event] = [
    BET,
    BET.model_copy(update={"wager_id": "t-2", **LONGER, "market_names": ()}),
    PAID_IN,
    PAID_OUT,
    Correction(
        target_sequence=3,
        replaces_revision=0,
        corrected_at=AT,
        reason="Сумма введена неверно",
        was=Values(event_type="DEPOSIT", **PAID_IN.model_dump()),
        now=Values(event_type="DEPOSIT", **PAID_IN.model_dump() | {"amount_tiyn": 901_00}),
    ),
]


@pytest.fixture(params=["manifest", "registry"])
def up(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[LineUp]:
    """A line whose every process, this one included, has its ids from there."""
    if request.param == "manifest":
        assert isinstance(current(), ManifestIds)
        yield request.getfixturevalue("common_line")
        return
    before, url = current(), request.getfixturevalue("registry")
    there = Registry(url)
    for one in sorted(all_schemas(), key=lambda one: one.version):
        there.publish(one)
    monkeypatch.setenv("ESEP_SCHEMA_REGISTRY_URL", url)
    with line(tmp_path) as started:
        assert isinstance(current(), RegistryIds)
        yield started
    use(before)


@pytest.mark.stack
@pytest.mark.long
def test_whole_line_carries_both_versions_with_the_ids_of_either(up: LineUp) -> None:
    """DESIGN §3: one interface, two implementations; clauses D934-42, O9-L2 to L5."""
    with EventSender(ORGANIZER, up.settings.bootstrap_servers) as sender:
        for event in EVENTS:
            sender.send(event, "desk-7")
    ours = f"organizer_bin = '{ORGANIZER}'"
    up.wait_rows(f"ledger WHERE {ours}", 6)
    assert _ids_on(up.settings.bootstrap_servers, up.settings.ledger_partitions) == {
        current().id_of(one) for one in versions("ledger")
    }
    totals = up.query(f"SELECT * FROM person_totals WHERE organizer_bin = '' AND year = 0 AND iin = '{PERSON}'")[0]
    assert (totals["wager_tiyn"], totals["deposit_tiyn"], totals["withdrawal_tiyn"]) == (1_000_00, 901_00, 300_00)
    assert (totals["deposit_count"], totals["withdrawal_count"]) == (1, 1)
    moved = up.query(
        "SELECT payment_id, sum(amount_tiyn) AS tiyn, max(revision) AS revision FROM money_movements"
        f" WHERE payment_id IS NOT NULL AND {ours} GROUP BY payment_id ORDER BY payment_id"
    )
    assert [tuple(row.values()) for row in moved] == [("P-1", 901_00, 1), ("R-1", 300_00, 0)]
    news = up.query(f"SELECT device_kind, bonus_tiyn, market_names FROM ledger WHERE wager_id = 't-2' AND {ours}")
    assert [tuple(row.values()) for row in news] == [("PHONE", 100_00, [])]
    assert up.value(f"SELECT count() FROM correction_mismatches WHERE {ours}") == 0
    assert up.value(f"SELECT sum(rejected_count) FROM receipts WHERE {ours}") == 0
    up.assert_balanced()


def _ids_on(bootstrap_servers: str, partitions: int) -> set[int]:
    """Return the ids that the records of the ledger bear."""
    asking = ck.Consumer({"bootstrap.servers": bootstrap_servers, "group.id": "who-asks"})
    ends = [asking.get_watermark_offsets(ck.TopicPartition("ledger", at), timeout=30)[1] for at in range(partitions)]
    asking.close()
    found: set[int] = set()
    for partition, end in enumerate(ends):
        for records in read_range(bootstrap_servers, TopicPartition("ledger", partition), 0, end):
            found |= {int.from_bytes((value or b"")[1:HEADER_BYTES], "big") for value in records.values}
    return found


def test_manifest_of_before_is_a_part_of_todays() -> None:
    """Ids are never given to another schema."""
    known: list[Schema] = list(all_schemas())
    assert all(one in known for one in OLD)
    assert len(OLD) < len(known)
