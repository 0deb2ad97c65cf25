"""Take in a signed file of messages: onto its organizer's topic, where intake does what it does with every message.

Reads     the bytes of a signed file (`esep.producers.medium`), the organizer's receipts
Writes    organizer.<BIN>.events
Promises  nothing is sent unless all of the file is as it was signed; what is sent are its bytes; the same file taken in
          again adds duplicates only; every wait is bounded (clauses O114-3, O9-4.5; boxes: producers, intake)
"""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from confluent_kafka import KafkaException

from esep.producers.faults import fault_of
from esep.producers.row_codes import Language, text_of
from esep.producers.sender import Span
from esep.producers.tally import covers

if TYPE_CHECKING:
    from collections.abc import Sequence

    from esep.delivery import Delivery, Placed
    from esep.producers.medium import MediumFile
    from esep.producers.receipt_reader import ReceiptReader
    from esep.producers.receipts import ReceiptContent, RejectNotice

RECEIPT_WAIT_S = 60.0  # Without any news.
_BATCH = 10_000  # Messages handed over at a time.
_READ_S = 0.5


@dataclass(slots=True)
class Received:
    """What became of the messages of a file.

    receipts: the signed messages that account for them, None if nobody waited. has_all_receipts: whether they account
    for all. accepted, duplicate, held: None where a receipt accounts for messages of others too, sent meanwhile.
    """

    organizer_bin: str
    messages: int
    receipts: list[bytes] | None = None
    has_all_receipts: bool = False
    rejects: list[RejectNotice] = field(default_factory=list)
    accepted: int | None = None
    duplicate: int | None = None
    held: int | None = None

    @property
    def exit_code(self) -> int:
        """0: all taken or known already, or nobody waited; 1: something was rejected; 75: receipts stayed away."""
        if self.receipts is not None and not self.has_all_receipts:
            return 75  # sysexits EX_TEMPFAIL, as esep.errors.TransientError
        return 1 if self.rejects else 0

    def document(self, language: Language = "en") -> dict[str, Any]:
        """Return all of it, but the receipts themselves, for a program to read."""
        names = ("organizer_bin", "messages", "has_all_receipts", "accepted", "duplicate", "held")
        rejects = [{**one.model_dump(), "text": text_of(one.reject_code, language)} for one in self.rejects]
        return {
            **{name: getattr(self, name) for name in names},
            "receipts": None if self.receipts is None else len(self.receipts),
            "rejected": len(self.rejects),
            "rejects": rejects,
        }


def receive_medium(
    medium: MediumFile,
    delivery: Delivery,
    receipts: ReceiptReader | None,
    bootstrap_servers: str,
    *,
    receipt_wait_s: float = RECEIPT_WAIT_S,
) -> Received:
    """Put the messages of a verified file on the topic; wait for their receipts, and return what these say.

    receipts: None does not wait. Raises BrokerUnavailable (take the file in again then), SettingInvalid.
    """
    if receipts is not None:
        receipts.start()
    placed: list[Placed] = []
    try:
        for start in range(0, len(medium.messages), _BATCH):
            placed += delivery.deliver(medium.messages[start : start + _BATCH])
    except KafkaException as error:
        raise fault_of(error.args[0], delivery.topic, bootstrap_servers) from error
    if receipts is None:
        return Received(medium.organizer_bin, len(placed))
    signed, complete = _await(receipts, _spans(placed), receipt_wait_s)
    return account(medium.organizer_bin, placed, signed, has_all_receipts=complete)


def account(
    organizer_bin: str,
    placed: Sequence[Placed],
    signed: Sequence[tuple[bytes, ReceiptContent]],
    *,
    has_all_receipts: bool,
) -> Received:
    """Return what receipts say of the messages at these places; receipts that say nothing of them are left out.

    An organizer's topic has a message at every offset, so that a receipt is about ours alone if it covers no other.
    """
    ours: dict[int, set[int]] = {}
    for partition, offset in placed:
        ours.setdefault(partition, set()).add(offset)
    told = Received(organizer_bin, len(placed), has_all_receipts=has_all_receipts)
    values, is_exact, sums = [], True, [0, 0, 0]
    for value, content in signed:
        offsets = ours.get(content.partition, set())
        covered = range(content.from_offset, content.through_offset + 1)
        common = sum(offset in covered for offset in offsets)
        if common:
            values.append(value)
            told.rejects += [notice for notice in content.rejects if notice.offset in offsets]
            counts = (content.accepted_count, content.duplicate_count, content.held_count)
            sums = [total + count for total, count in zip(sums, counts, strict=True)]
            is_exact = is_exact and common == len(covered)
    told.receipts = values
    if is_exact and has_all_receipts:
        told.accepted, told.duplicate, told.held = sums
    return told


def _spans(placed: Sequence[Placed]) -> list[Span]:
    spans: dict[int, Span] = {}
    for partition, offset in placed:
        if partition in spans:
            spans[partition].add(offset)
        else:
            spans[partition] = Span(partition, offset, offset)
    return list(spans.values())


def _await(
    receipts: ReceiptReader, spans: Sequence[Span], wait_s: float
) -> tuple[list[tuple[bytes, ReceiptContent]], bool]:
    """Return the receipts that came, and whether they reach the last message of every span."""
    partitions = {span.partition for span in spans}
    signed: list[tuple[bytes, ReceiptContent]] = []
    last_news_s = time.monotonic()
    while not covers((content for _, content in signed), spans):
        news = [(value, content) for value, content in receipts.read_signed(_READ_S) if content.partition in partitions]
        if news:
            signed += news
            last_news_s = time.monotonic()
        elif time.monotonic() - last_news_s > wait_s:
            return signed, False
    return signed, True
