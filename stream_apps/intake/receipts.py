"""Receipts: what became of an organizer's messages up to an offset, hashed and signed.

Reads     `Messages`, the settlement of their streams, the rejects
Returns   writes to `organizer.<BIN>.receipts`: one record per section, signed by a `ReceiptSigner`
Promises  the content is a function of the records alone: polls cut at the same offsets give the same bytes; time of
          issue, key and signature stand outside it; no flag and no fact of the register is in it (DESIGN §4; clause
          O9-5.3; box: intake)
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np

from esep.codec import encode_body, encode_one
from esep.codes import REJECT_CODES
from esep.errors import SettingInvalid
from esep.lineage import TopicPartition
from esep.precedence import PASSED
from esep.schemas import schema
from esep.stream_apps.intake.settlement import REPEATED
from esep.stream_apps.stage import Batch, Write
from esep.topics import organizer_of, receipts_topic

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from esep.lineage import Position
    from esep.receipt_keys import SigningKey
    from esep.stream_apps.intake.decode import Messages
    from esep.stream_apps.intake.rejects import Reject
    from esep.stream_apps.intake.sequences import Stream
    from esep.stream_apps.intake.settlement import Settled, Settlement
    from esep.stream_apps.lanes import Lanes

RANGES_MAX = 4_096  # Ranges of a receipt beyond one per stream, so that it fits its topic however many gaps there are.
_OUTCOMES = {PASSED: "ACCEPTED", REPEATED: "DUPLICATE"}  # Of a correction that was held; else it is the reject code.
OUTSIDE = ("issued_at", "key_id", "certificate", "signature")  # Fields outside the hashed part.
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_RECEIPT, _CONTENT = schema("receipt"), schema("receipt_content")


class ReceiptSigner:
    """Signs receipts with one key. now_ms: the time of issue, UTC."""

    def __init__(self, key: SigningKey, now_ms: Callable[[], int]) -> None:
        self._key = key
        self._key_id, self._certificate = key.key_id, key.certificate_der
        self._now_ms = now_ms

    def sign(self, section: Batch, content: dict[str, Any], row: int) -> bytes:
        """Return the message value of a receipt; row: its number on its lane.

        Raises SettingInvalid once the key's time is over: a receipt that nobody can verify must not go out.
        """
        issued_ms = self._now_ms()
        if not self._key.is_valid_at(_EPOCH + timedelta(milliseconds=issued_ms)):
            raise SettingInvalid(
                "the key that signs receipts is not valid now",
                detail=f"its certificate ends {self._key.certificate.not_valid_after_utc:%Y-%m-%d %H:%M} UTC",
                hint="`esep keys --renew-receipt-key`, then start intake again",
            )
        told = told_of(section, content, row)
        outside = {
            "issued_at": issued_ms,
            "key_id": self._key_id,
            "certificate": self._certificate,
            "signature": self._key.key.sign(bytes.fromhex(told["content_sha256"])),
        }
        return encode_one(told | outside, _RECEIPT)


class Unsigned(ReceiptSigner):
    """Signs nothing: for who only compares what receipts say (`OUTSIDE` apart)."""

    def __init__(self) -> None:
        """Need no key."""

    def sign(self, section: Batch, content: dict[str, Any], row: int) -> bytes:
        """Return the message value of a receipt that nobody has signed."""
        outside = dict(zip(OUTSIDE, (0, "", b"", b""), strict=True))
        return encode_one(told_of(section, content, row) | outside, _RECEIPT)


def told_of(section: Batch, content: dict[str, Any], row: int) -> dict[str, Any]:
    """Return the fields of a receipt that are equal whenever and by whomever it is issued: all but `OUTSIDE`."""
    body = encode_body(content, _CONTENT)
    return {
        "row": row,
        "received_at": section.timestamps_ms[-1],
        "cause_topic": section.source.topic,
        "cause_partition": section.source.partition,
        "cause_offset": section.offsets[-1],
        "organizer_bin": content["organizer_bin"],
        "through_offset": content["through_offset"],
        "content": body,
        "content_sha256": sha256(body).hexdigest(),
    }


def receipt_writes(
    messages: Messages,
    settlement: Settlement,
    rejects: Sequence[Reject],
    positions: Mapping[TopicPartition, Position],
    lanes: Lanes,
    signer: ReceiptSigner,
) -> list[Write]:
    """Return the writes of the receipts for all sections; the key is the partition of the events.

    positions: of the input partitions before the poll. A receipt accounts for the offsets behind the one before it.
    """
    keys: defaultdict[TopicPartition, list[bytes | None]] = defaultdict(list)
    values: defaultdict[TopicPartition, list[bytes | None]] = defaultdict(list)
    next_offset = {source: position.next_offset for source, position in positions.items()}
    for section, content in zip(messages.sections, _contents(messages, settlement, rejects, next_offset), strict=True):
        output = TopicPartition(receipts_topic(content["organizer_bin"]), 0)
        keys[output].append(b"%d" % section.source.partition)
        values[output].append(signer.sign(section, content, lanes.rows(section.source, output, 1)[0]))
    return [Write(output, keys[output], values[output]) for output in keys]


def _contents(
    messages: Messages, settlement: Settlement, rejects: Sequence[Reject], next_offset: dict[TopicPartition, int]
) -> Iterator[dict[str, Any]]:
    parts = [_Part() for _ in messages.sections]
    for account in settlement.accounts:
        parts[account.section].streams.append((account.stream_id, account.after))
    for reject in rejects:
        if not reject.was_held:
            parts[reject.section].rejects.append(reject)
    for one in settlement.settled:
        parts[one.section].settled.append(one)
    for number, (section, part) in enumerate(zip(messages.sections, parts, strict=True)):
        places = slice(messages.starts[number], messages.starts[number + 1])
        part.duplicates = int(np.count_nonzero(settlement.duplicate[places]))
        part.held = int(np.count_nonzero(settlement.held[places]))
        yield _content(section, next_offset[section.source], part)
        next_offset[section.source] = section.next_offset


@dataclass(slots=True)
class _Part:
    """What is told of one section. streams: those that it touches, as they are after it."""

    streams: list[tuple[str, Stream]] = field(default_factory=list)
    rejects: list[Reject] = field(default_factory=list)
    settled: list[Settled] = field(default_factory=list)
    duplicates: int = 0
    held: int = 0


def _content(section: Batch, from_offset: int, part: _Part) -> dict[str, Any]:
    ranges_max = 1 + RANGES_MAX // max(1, len(part.streams))
    return {
        "organizer_bin": organizer_of(section.source.topic),
        "topic": section.source.topic,
        "partition": section.source.partition,
        "from_offset": from_offset,
        "through_offset": section.offsets[-1],
        "streams": [_account(stream_id, stream, ranges_max) for stream_id, stream in sorted(part.streams, key=_by_id)],
        "accepted_count": len(section) - len(part.rejects) - part.duplicates - part.held,
        "duplicate_count": part.duplicates,
        "held_count": part.held,
        "rejects": [
            {
                "offset": reject.offset,
                "stream_id": reject.stream_id,
                "sequence": reject.sequence,
                "reject_code": reject.reject_code,
                "field": reject.field,
            }
            for reject in part.rejects
        ],
        "settled": [
            {
                "offset": one.correction.message.offset,
                "stream_id": one.stream_id,
                "sequence": one.correction.sequence,
                "outcome": _OUTCOMES.get(one.verdict) or REJECT_CODES[one.verdict].code,
            }
            for one in part.settled
        ],
    }


def _account(stream_id: str, stream: Stream, ranges_max: int) -> dict[str, Any]:
    """Return a stream's account; ranges and gaps are complete up to the last range that is listed."""
    consumed = list(zip(stream.consumed.firsts[:ranges_max], stream.consumed.lasts[:ranges_max], strict=True))
    gaps = ((before[1] + 1, after[0] - 1) for before, after in pairwise([(0, 0), *consumed]))
    return {
        "stream_id": stream_id,
        "consumed": _ranges(consumed),
        "missing": _ranges([(first, last) for first, last in gaps if first <= last]),
        "accepted_count": stream.accepted,
        "rejected_count": stream.rejected,
        "duplicate_count": stream.duplicates,
        "held_count": len(stream.held),
        "root_through": stream.whole_through,
        "root": stream.mountains.root(stream.whole_through).hex() if stream.whole_through else None,
    }


def _ranges(ranges: Sequence[tuple[int, int]]) -> list[dict[str, int]]:
    return [{"first": first, "last": last} for first, last in ranges]


def _by_id(stream: tuple[str, Stream]) -> str:
    return stream[0]
