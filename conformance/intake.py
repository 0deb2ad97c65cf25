"""Intake without a broker, under register.yaml and keys that everybody may know.

Reads     messages in the order in which they arrive
Returns   the verdict on each, and the receipts
Promises  it is the very stage that runs (`IntakeStage.process`), from empty streams on; the same messages give the same
          bytes
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from conformance.cases import ACCEPTED, DUPLICATE, HELD, PARTITIONS, RECEIVED_AT
from esep.clock import to_ms
from esep.codec import decode_body, decode_one
from esep.identifiers import PersonKeys
from esep.lineage import Position, TopicPartition
from esep.receipt_keys import certified, self_signed
from esep.reference import Load, Reference, load_reference
from esep.schemas import schema
from esep.stream_apps.intake.receipts import ReceiptSigner
from esep.stream_apps.intake.stage import IntakeStage
from esep.stream_apps.stage import Batch, PartitionState

FOLDER = Path(__file__).resolve().parent
ROOT_KEY = Ed25519PrivateKey.from_private_bytes(bytes(range(1, 33)))
ROOT = self_signed(ROOT_KEY, RECEIVED_AT, serial=1)
SIGNING_KEY = certified(Ed25519PrivateKey.from_private_bytes(bytes(range(32))), ROOT_KEY, ROOT, RECEIVED_AT, serial=2)


@dataclass(frozen=True)
class Message:
    """One message as it lies on a topic."""

    topic: str
    partition: int
    key: bytes | None
    value: bytes | None
    received_at: datetime


def take(messages: list[Message]) -> tuple[list[str], list[bytes]]:
    """Return the verdict on each message (or ACCEPTED, DUPLICATE, HELD), and the receipts, a poll per message."""
    reference = Reference()
    reference.publish(Load(1, 0), list(enumerate(load_reference(FOLDER / "register.yaml").facts())))
    stage = IntakeStage(
        reference,
        PersonKeys(b"routing key of the golden records"),
        ReceiptSigner(SIGNING_KEY, lambda: to_ms(RECEIVED_AT)),
        events_partitions=PARTITIONS,
        ledger_partitions=1,
    )
    states = {source: PartitionState(Position(0), stage.empty(source)) for source in map(_source, messages)}
    verdicts, receipts = [], []
    for message in messages:
        source = _source(message)
        offset = states[source].position.next_offset
        batch = Batch(source, [offset], [to_ms(message.received_at)], [message.key], [message.value])
        result = stage.process([batch], states)
        stage.settle(states, result.changes)
        states[source] = PartitionState(result.positions[source], states[source].data)
        written = {write.target.topic: write.values for write in result.outputs}
        verdicts.append(_verdict(written))
        receipts += [
            value or b"" for topic, values in written.items() if topic.endswith(".receipts") for value in values
        ]
    return verdicts, receipts


def _source(message: Message) -> TopicPartition:
    return TopicPartition(message.topic, message.partition)


def _verdict(written: dict[str, Sequence[bytes | None]]) -> str:
    if "rejected" in written:
        return str(decode_one(written["rejected"][0] or b"", schema("rejected"))["reject_code"])
    if "accepted" in written:
        return ACCEPTED
    (receipt,) = (values[0] for topic, values in written.items() if topic.endswith(".receipts"))
    content = decode_body(decode_one(receipt or b"", schema("receipt"))["content"], schema("receipt_content"))
    return HELD if content["held_count"] else DUPLICATE
