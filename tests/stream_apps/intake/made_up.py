"""Made-up events and what the tests of intake need around them: a register, a stage, polls, and what came out."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from esep.clock import to_ms
from esep.codec import decode_body, decode_one, wire_header
from esep.identifiers import PersonKeys
from esep.lineage import Position, TopicPartition
from esep.partitioner import partition_of
from esep.reference import Load, Reference, ReferenceFile
from esep.register import Register
from esep.schemas import schema, versions
from esep.stream_apps.intake.receipts import ReceiptSigner
from esep.stream_apps.intake.stage import IntakeStage, Streams
from esep.stream_apps.stage import Batch, PartitionState, Result
from esep.topics import events_topic
from esep.versions import encode_record
from tests.support.receipt_signing import SIGNING_KEY

ALATAU, ESIL, BAIGE = "940140000385", "950341000052", "070941024691"  # Baige is not in the register.
IIN, YOUNG_IIN = "900101300007", "061211600012"
NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)  # When the broker receives everything, unless a test says otherwise.
EVENTS_PARTITIONS, LEDGER_PARTITIONS = 2, 4
PERSON_KEYS = PersonKeys(b"routing key of the tests")

REGISTER = Register.model_validate(
    {
        "version": 7,
        "organizers": [
            {
                "bin": ALATAU,
                "name_kk": "«Алатау» букмекерлік кеңсесі",
                "name_ru": "Букмекерская контора «Алатау»",
                "licences": [  # The later one stands first; between them there is a month without.
                    {"number": "BK-0009", "kind": "BOOKMAKER", "valid_from": "2025-02-01T00:00:00+05:00"},
                    {
                        "number": "TT-0001",
                        "kind": "TOTALIZATOR",
                        "valid_from": "2015-01-01T00:00:00+05:00",
                        "valid_to": "2025-01-01T00:00:00+05:00",
                    },
                ],
                "sites": [{"id": "ALA-1", "address": "Алматы"}, {"id": "ALA-2", "address": "Алматы"}],
            },
            {
                "bin": ESIL,
                "name_kk": "«Есіл» букмекерлік кеңсесі",
                "name_ru": "Букмекерская контора «Есиль»",
                "licences": [{"number": "BK-0002", "kind": "BOOKMAKER", "valid_from": "2015-01-01T00:00:00+05:00"}],
                "sites": [{"id": "AST-1", "address": "Астана"}],
            },
        ],
    }
)
SITE = {ALATAU: "ALA-1", ESIL: "AST-1", BAIGE: "KGD-1"}


def desk(partition: int, number: int = 0) -> str:
    """A stream that belongs to a partition."""
    names = (f"desk-{n}" for n in range(100))
    return [name for name in names if partition_of(name.encode(), EVENTS_PARTITIONS) == partition][number]


def wager(**changes: Any) -> dict[str, Any]:
    """A wager that passes every check, but for the changes."""
    bin_ = changes.get("organizer_bin", ALATAU)
    return {
        "organizer_bin": bin_, "stream_id": desk(0), "sequence": 1, "site_id": SITE.get(bin_, "ALA-1"), "iin": IIN,
        "wager_id": "w-1", "occurred_at": NOW - timedelta(minutes=1), "amount_tiyn": 500_00, "payment_method": "CARD",
        "instrument_kind": None, "instrument_hash": None, "instrument_key_version": None, "channel": "RETAIL",
        "funding": "CARD", "odds_milli": 1_500,
        "selections": [{"event_id": "e-1", "market_id": "m-1", "outcome_id": "o-1", "odds_milli": 1_500}],
    } | changes  # fmt: skip


def payout(**changes: Any) -> dict[str, Any]:
    """A payout that passes every check, but for the changes."""
    given = wager(organizer_bin=changes.get("organizer_bin", ALATAU))
    for name in ("channel", "funding", "odds_milli", "selections"):
        del given[name]
    return given | {
        "occurred_at": NOW - timedelta(seconds=5), "amount_tiyn": 750_00, "kind": "WINNING", "won_tiyn": 250_00,
        "wager_occurred_at": NOW - timedelta(minutes=1), "wager_amount_tiyn": 500_00,
    } | changes  # fmt: skip


LONGER: dict[str, Any] = {
    "account_id": "A-17", "payment_provider": "Халық Банкі", "balance_before_tiyn": 900_00,
    "balance_after_tiyn": 400_00, "bonus_tiyn": 100_00, "device_kind": "PHONE", "device_id": "0f" * 8,
    "bet_kind": "SINGLE", "market_names": ["Исход матча"],
}  # fmt: skip


def newer_wager(**changes: Any) -> dict[str, Any]:
    """A wager of version 2 that passes every check, but for the changes."""
    return wager(**{name: value for name, value in changes.items() if name not in LONGER}) | LONGER | changes


def deposit(**changes: Any) -> dict[str, Any]:
    """A deposit that passes every check, but for the changes."""
    given = wager(organizer_bin=changes.get("organizer_bin", ALATAU))
    for name in ("wager_id", "channel", "funding", "odds_milli", "selections"):
        del given[name]
    return given | {
        "amount_tiyn": 900_00, "payment_id": "P-1", "account_id": "A-17", "payment_provider": "Kaspi Bank",
        "balance_before_tiyn": 0, "balance_after_tiyn": 900_00, "device_kind": None, "device_id": None,
    } | changes  # fmt: skip


def values(record: Mapping[str, Any]) -> dict[str, Any]:
    """The values of a wager or payout as they stand in a correction."""
    other = {"channel": None, "funding": None, "odds_milli": None, "selections": [], "kind": None, "won_tiyn": None,
             "wager_occurred_at": None, "wager_amount_tiyn": None}  # fmt: skip
    own = {name: value for name, value in record.items() if name not in {"organizer_bin", "stream_id", "sequence"}}
    return {"event_type": "PAYOUT" if "kind" in record else "WAGER", **other, **own}


def correction(**changes: Any) -> dict[str, Any]:
    """A correction, voiding the first event of its stream: `wager()`."""
    return {
        "organizer_bin": ALATAU, "stream_id": desk(0), "sequence": 2, "target_sequence": 1, "replaces_revision": 0,
        "corrected_at": NOW, "reason": "entered twice", "was": values(wager()), "now": None,
    } | changes  # fmt: skip


@dataclass(frozen=True)
class Message:
    """One message as it is put on a partition."""

    value: bytes | None
    key: bytes | None = None
    received_at: datetime = NOW


def message(record: Mapping[str, Any], received_at: datetime = NOW) -> Message:
    """The message of an event, keyed by its stream."""
    kinds = {"reason": "correction", "kind": "payout", "payment_id": "deposit"}
    kind = next((kind for name, kind in kinds.items() if name in record), "wager")
    return Message(encode_record(record, kind), record["stream_id"].encode(), received_at)


def decode_any(value: bytes, name: str) -> dict[str, Any]:
    """The record of a message, whichever version of its kind it is."""
    written = next(one for one in versions(name) if value.startswith(wire_header(one)))
    return decode_one(value, written)


def source_of(bin_: str = ALATAU, partition: int = 0) -> TopicPartition:
    """A partition of an organizer's topic."""
    return TopicPartition(events_topic(bin_), partition)


def batch(source: TopicPartition, messages: Sequence[Message], first_offset: int = 0) -> Batch:
    """The messages as one batch; every other offset is a hole, as transactions leave them."""
    return Batch(
        source,
        [first_offset + 2 * place for place in range(len(messages))],
        [to_ms(one.received_at) for one in messages],
        [one.key for one in messages],
        [one.value for one in messages],
    )


def reference_of(register: Register = REGISTER) -> Reference:
    """What was published when a register had been loaded; its version is the offset of the load."""
    reference = Reference()
    facts = ReferenceFile(organizers=register.organizers).facts()
    reference.publish(Load(register.version, 0), list(enumerate(facts)))
    return reference


def new_stage(register: Register = REGISTER, reference: Reference | None = None) -> IntakeStage:
    """A stage with the tests' keys, whose receipts are issued at the epoch."""
    return IntakeStage(
        reference or reference_of(register), PERSON_KEYS, ReceiptSigner(SIGNING_KEY, lambda: 0),
        events_partitions=EVENTS_PARTITIONS, ledger_partitions=LEDGER_PARTITIONS,
    )  # fmt: skip


@dataclass
class Line:
    """A stage at work without a broker: its states, all that it has written, its changelogs."""

    stage: IntakeStage = field(default_factory=new_stage)
    states: dict[TopicPartition, PartitionState[Streams]] = field(default_factory=dict)
    written: defaultdict[TopicPartition, list[tuple[bytes | None, bytes | None]]] = field(
        default_factory=lambda: defaultdict(list)
    )
    changelogs: defaultdict[TopicPartition, list[tuple[bytes, bytes | None]]] = field(
        default_factory=lambda: defaultdict(list)
    )

    def poll(self, *batches: Batch) -> Result:
        """Process the batches and let the result count."""
        for one in batches:
            self.states.setdefault(one.source, PartitionState(Position(0), self.stage.empty(one.source)))
        result = self.stage.process(batches, self.states)
        for write in result.outputs:
            self.written[write.target] += zip(write.keys, write.values, strict=True)
        for source, records in result.changelog.items():
            self.changelogs[source] += zip(*records, strict=True)
        self.stage.settle(self.states, result.changes)
        for source, position in result.positions.items():
            self.states[source] = PartitionState(position, self.states[source].data)
        return result

    def take(self, *messages: Message, source: TopicPartition | None = None) -> Result:
        """Process the messages as the next batch of one partition."""
        source = source or source_of()
        known = self.states.get(source)
        return self.poll(batch(source, messages, known.position.next_offset if known else 0))

    def records(self, topic: str) -> list[dict[str, Any]]:
        """All that has been written to a topic, partition by partition."""
        name = "receipt" if topic.endswith(".receipts") else topic
        outputs = sorted(output for output in self.written if output.topic == topic)
        return [decode_any(value or b"", name) for output in outputs for _, value in self.written[output]]

    def receipts(self, bin_: str = ALATAU) -> list[dict[str, Any]]:
        """The contents of an organizer's receipts."""
        found = self.records(f"organizer.{bin_}.receipts")
        return [decode_body(receipt["content"], schema("receipt_content")) for receipt in found]

    def codes(self) -> list[str]:
        """The codes of all rejects."""
        return [reject["reject_code"] for reject in self.records("rejected")]
