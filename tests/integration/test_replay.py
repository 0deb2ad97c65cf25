"""A replay of an organizer's topic decides as the line did, and its receipts say the same, byte for byte."""

from __future__ import annotations

import time
from collections import defaultdict
from datetime import UTC, datetime, timedelta
from itertools import pairwise

import confluent_kafka as ck
import pytest

from esep.cli.reference import published
from esep.codec import decode_one, encode_body
from esep.events import Wager
from esep.identifiers import PersonKeys
from esep.lineage import Position, TopicPartition
from esep.producers.receipt_history import receipts_there
from esep.producers.receipts import ReceiptContent, open_receipt, unseal
from esep.producers.sender import EventSender
from esep.schemas import schema
from esep.security import PLAIN
from esep.stream_apps.intake.receipts import ReceiptSigner
from esep.stream_apps.intake.stage import IntakeStage
from esep.stream_apps.stage import Batch, PartitionState
from esep.topics import events_topic
from tests.integration.line import WAIT_S, Line
from tests.support.receipt_signing import SIGNING_KEY

pytestmark = pytest.mark.stack
ORGANIZER = "961141000023"
OURS = f"organizer_bin = '{ORGANIZER}'"
BETS, GARBAGE = 40, (b"", b"\x00\x00\x00\x03\xe9 and no wager", b"no event")
ACCEPTED = BETS - len(range(0, BETS, 9))
MESSAGES = 3 * BETS + len(GARBAGE)
REJECTED = MESSAGES - ACCEPTED - BETS  # What was sent again is neither.
Verdict = tuple[int, int, str]  # Partition, offset, code.


def feed(up: Line) -> None:
    """Send bets of four desks, some of an unknown site; again; with other amounts; then what is no event."""
    bet = {"iin": "771212301240", "payment_method": "CASH", "channel": "RETAIL", "funding": "CASH", "odds_milli": 2_000}
    at = datetime.now(UTC) - timedelta(hours=1)
    for amount_tiyn in (500_00, 500_00, 700_00):  # Each client numbers from 1 on, in transactions of its own.
        with EventSender(ORGANIZER, up.settings.bootstrap_servers) as client:
            for number in range(BETS):
                site_id = "NOWHERE" if number % 9 == 0 else "SHY-1"
                wager = Wager(**bet, site_id=site_id, wager_id=f"w-{number}", occurred_at=at, amount_tiyn=amount_tiyn)
                client.send(wager, f"desk-{number % 4}")
    garbage = ck.Producer({"bootstrap.servers": up.settings.bootstrap_servers})
    for value in GARBAGE:
        garbage.produce(events_topic(ORGANIZER), value, "desk-0")
    assert garbage.flush(WAIT_S) == 0


def messages(up: Line, count: int) -> dict[int, list[ck.Message]]:
    """Return all messages of the organizer's topic by partition."""
    consumer = ck.Consumer({"bootstrap.servers": up.settings.bootstrap_servers, "group.id": "replay"})
    partitions = range(up.settings.events_partitions)
    consumer.assign([ck.TopicPartition(events_topic(ORGANIZER), one, ck.OFFSET_BEGINNING) for one in partitions])
    found: defaultdict[int, list[ck.Message]] = defaultdict(list)
    deadline = time.monotonic() + WAIT_S
    while sum(map(len, found.values())) < count:
        assert time.monotonic() < deadline
        for message in consumer.consume(1_000, 0.2):
            found[message.partition()].append(message)
    consumer.close()
    return found


def replay(
    up: Line, topic: dict[int, list[ck.Message]], cuts: dict[int, list[int]]
) -> tuple[list[bytes], set[Verdict]]:
    """Return contents of receipts and verdicts of intake's stage on the topic, polls ending with these offsets."""
    settings = up.settings
    stage = IntakeStage(
        published(settings),
        PersonKeys(settings.secret("routing_key_file")),
        ReceiptSigner(SIGNING_KEY, lambda: 0),
        events_partitions=settings.events_partitions,
        ledger_partitions=settings.ledger_partitions,
    )
    contents, verdicts = [], set[Verdict]()
    for partition, ends in cuts.items():
        source = TopicPartition(events_topic(ORGANIZER), partition)
        states = {source: PartitionState(Position(0), stage.empty(source))}
        for start, end in pairwise([-1, *ends]):
            some = [message for message in topic[partition] if start < message.offset() <= end]
            batch = Batch(
                source,
                [message.offset() for message in some],
                [message.timestamp()[1] for message in some],
                [message.key() for message in some],
                [message.value() for message in some],
            )
            result = stage.process([batch], states)
            stage.settle(states, result.changes)
            states[source] = PartitionState(result.positions[source], states[source].data)
            for write in result.outputs:
                for value in write.values:
                    if write.target.topic.endswith(".receipts"):
                        contents.append(unseal(value or b"")[0].content)
                    else:
                        record = decode_one(value or b"", schema(write.target.topic))
                        code = record.get("reject_code", "ACCEPTED")
                        verdicts.add((record["cause_partition"], record["cause_offset"], code))
    return contents, verdicts


def test_two_replays_give_the_verdicts_of_the_line_and_equal_receipts_for_equal_offsets(common_line: Line) -> None:
    """DESIGN §3, §4; clauses O9-4.5, O9-5.3: another key and another time of issue change nothing of what is signed."""
    up = common_line
    feed(up)
    topic = messages(up, MESSAGES)
    up.wait_rows(f"ledger WHERE {OURS}", ACCEPTED)
    up.wait_rows(f"rejected WHERE {OURS}", REJECTED)
    up.wait_until("all receipts", lambda: sum(len(covered(one)) for one in told(up)) == MESSAGES)
    contents = told(up)
    cuts: defaultdict[int, list[int]] = defaultdict(list)
    for content in contents:
        cuts[content.partition].append(content.through_offset)
    rows = up.query(f"SELECT cause_partition, cause_offset, reject_code FROM rejected WHERE {OURS}")
    same, verdicts = replay(up, topic, cuts)
    other, verdicts_again = replay(up, topic, {partition: ends[-1:] for partition, ends in cuts.items()})
    assert sorted(same) == sorted(encode_body(content.model_dump(), schema("receipt_content")) for content in contents)
    assert len(other) == len(cuts) < len(same)
    assert verdicts == verdicts_again
    assert len(verdicts) == ACCEPTED + REJECTED
    assert {verdict for verdict in verdicts if verdict[2] != "ACCEPTED"} == {tuple(row.values()) for row in rows}
    assert {"ACCEPTED", "SITE_UNKNOWN", "SEQUENCE_CONFLICT", "EMPTY"} < {code for _, _, code in verdicts}


def told(up: Line) -> list[ReceiptContent]:
    """What the receipts on the organizer's topic say."""
    return [open_receipt(value, None) for value in receipts_there(ORGANIZER, up.settings.bootstrap_servers, PLAIN)]


def covered(content: ReceiptContent) -> range:
    return range(content.from_offset, content.through_offset + 1)
