"""Replays of the line as it is: `esep replay` finds all of it the same, and one changed posting by its entry."""

from __future__ import annotations

import json
import uuid
from datetime import UTC, datetime, timedelta
from typing import Any

import confluent_kafka as ck
import pytest
from confluent_kafka.admin import AdminClient, NewTopic

from esep.events import Payout, Wager
from esep.lineage import TopicPartition
from esep.producers.sender import EventSender
from esep.stream_apps.replay.differences import content_of
from esep.stream_apps.replay.hops import TOTALS_HOP, replay_hop
from esep.stream_apps.replay.log import KafkaLog
from esep.topics import LEDGER, LOADER, events_topic
from esep.versions import encode_record
from tests.integration.line import WAIT_S, Line
from tests.support.command import command
from tests.support.live_rules import live_rules

pytestmark = pytest.mark.stack
ORGANIZER = "961141000023"
OURS = f"organizer_bin = '{ORGANIZER}'"
PERSON = "771212301240"
BETS, GARBAGE = 40, (b"", b"\x00\x00\x00\x03\xe9 and no wager", b"no event")
ACCEPTED = BETS - len(range(0, BETS, 9)) + 1  # And a payout.
MESSAGES = 3 * BETS + len(GARBAGE) + 1
REJECTED = MESSAGES - ACCEPTED - BETS  # What was sent again is neither.


def feed(up: Line) -> None:
    """Send bets of four desks, some of an unknown site; again; with other amounts; a large win; then what is none."""
    at = datetime.now(UTC) - timedelta(hours=1)
    common = {"iin": PERSON, "payment_method": "CASH", "occurred_at": at}
    bet = common | {"channel": "RETAIL", "funding": "CASH", "odds_milli": 2_000}
    for amount_tiyn in (500_00, 500_00, 700_00):  # Each client numbers from 1 on, in transactions of its own.
        with EventSender(ORGANIZER, up.settings.bootstrap_servers) as client:
            for number in range(BETS):
                site_id = "NOWHERE" if number % 9 == 0 else "SHY-1"
                client.send(
                    Wager(**bet, site_id=site_id, wager_id=f"w-{number}", amount_tiyn=amount_tiyn), f"desk-{number % 4}"
                )
    won = {"kind": "WINNING", "won_tiyn": 5_000_000_00, "wager_occurred_at": at, "wager_amount_tiyn": 500_00}
    with EventSender(ORGANIZER, up.settings.bootstrap_servers) as client:
        client.send(Payout(**common, **won, site_id="SHY-1", wager_id="w-1", amount_tiyn=5_000_000_00), "desk-9")
    garbage = ck.Producer({"bootstrap.servers": up.settings.bootstrap_servers})
    for value in GARBAGE:
        garbage.produce(events_topic(ORGANIZER), value, "desk-0")
    assert garbage.flush(WAIT_S) == 0


def told(up: Line) -> int:
    """How many messages the receipts account for."""
    counts = "accepted_count + rejected_count + duplicate_count + held_count"
    return int(up.value(f"SELECT sum({counts}) FROM receipts WHERE {OURS}"))


def replay(up: Line, monkeypatch: pytest.MonkeyPatch, *options: object) -> tuple[int, dict[str, Any]]:
    for name, value in up.stack.settings.items():
        monkeypatch.setenv(f"ESEP_{name.upper()}", value)
    monkeypatch.setenv("ESEP_RULES_FILE", str(live_rules(up.stack.data_dir)))
    answer = command("replay", "--json", *options, "--data-dir", up.stack.data_dir)
    assert answer.exception is None or isinstance(answer.exception, SystemExit), answer.exception
    return answer.exit_code, json.loads(answer.stdout)


def test_line_replayed_from_its_inputs_is_the_same_to_the_byte(
    common_line: Line, monkeypatch: pytest.MonkeyPatch
) -> None:
    """DESIGN §5; clauses O9-4.5, O9-4.6, O9-5.3: verdicts, postings, receipts, totals and alerts, all that is there."""
    up = common_line
    feed(up)
    up.wait_rows(f"ledger WHERE {OURS}", ACCEPTED)
    up.wait_rows(f"rejected WHERE {OURS}", REJECTED)
    up.wait_rows(f"alerts WHERE iin = '{PERSON}'", 1)
    up.wait_until("all receipts", lambda: told(up) == MESSAGES)
    code, found = replay(up, monkeypatch)
    assert (code, found["equal"]) == (0, True), found
    intake, totals, alerts = found["stages"]
    postings = int(up.value("SELECT count() FROM ledger"))
    made = postings + sum(int(up.value(f"SELECT count() FROM {table}")) for table in ("rejected", "receipts"))
    assert sum(one["compared"] for one in intake["inputs"]) == made
    assert sum(one["read"] for one in totals["inputs"]) == sum(one["compared"] for one in totals["inputs"]) == postings
    linked = int(up.value("SELECT count() FROM ledger WHERE instrument_hash IS NOT NULL"))
    raised = int(up.value("SELECT count() FROM alerts WHERE cause_topic != 'compliance.settlements'"))
    assert sum(one["compared"] for one in alerts["inputs"]) == raised + linked
    assert intake["cells"] == int(
        up.value("SELECT uniqExact(iin, organizer_bin, toYear(occurred_at, 'Asia/Almaty')) FROM ledger")
    )
    codes = {row["reject_code"] for row in up.query(f"SELECT reject_code FROM rejected WHERE {OURS}")}
    assert {"SITE_UNKNOWN", "SEQUENCE_CONFLICT", "EMPTY"} < codes
    code, found = replay(up, monkeypatch, "--organizer", ORGANIZER, "--until", f"{events_topic(ORGANIZER)}/0=5")
    assert (code, [one["stage"] for one in found["stages"]]) == (0, ["intake"])
    assert found["stages"][0]["inputs"][0]["through_offset"] == 5


def test_changed_posting_is_named_by_its_entry_and_the_others_are_the_same(common_line: Line) -> None:
    """The ledger is copied to a topic of this test's own, with one amount changed; no person is named."""
    servers = common_line.settings.bootstrap_servers
    log = KafkaLog(servers, LOADER)
    ledger = [TopicPartition(LEDGER, number) for number in range(common_line.settings.ledger_partitions)]
    rows = {one: list(log.read(one, *span)) for one, span in log.spans(ledger).items()}
    own = f"ledger-{uuid.uuid4().hex[:8]}"
    admin = AdminClient({"bootstrap.servers": servers})
    admin.create_topics([NewTopic(own, len(ledger), 1)])[own].result()
    changed, producer = None, ck.Producer({"bootstrap.servers": servers})
    for partition, batches in rows.items():
        for key, value in ((k, v) for batch in batches for k, v in zip(batch.keys, batch.values, strict=True)):
            if changed is None and value is not None:
                changed = content_of(LEDGER, value)
                value = encode_record((changed or {}) | {"person_ever_wager_tiyn": 1}, LEDGER)  # noqa: PLW2901
            producer.produce(own, value, key, partition.partition)
    assert producer.flush(WAIT_S) == 0
    assert changed is not None
    hop = TOTALS_HOP._replace(output=own)
    replayed = replay_hop(log, hop, range(len(ledger)), until={}, tell=lambda *_: None)
    (difference,) = replayed.findings.differences
    assert not replayed.equal
    assert (difference.kind, difference.row) == ("CHANGED", changed["row"])
    assert str(changed["entry_id"]) in str(difference)
    assert "person_ever_wager_tiyn is 1, not " in str(difference)
    assert str(changed["iin"]) not in str(difference)
