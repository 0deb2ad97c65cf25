"""Receipts: what became of an organizer's messages up to an offset, hashed and signed.

Reads     `Messages`, the accounts of their streams, the rejects
Returns   writes to `organizer.<BIN>.receipts`: one record per section, signed by a `ReceiptSigner`
Promises  the content is a function of the records alone: polls cut at the same offsets give the same bytes; time of
          issue, key and signature stand outside it; no flag and no fact of the register is in it (DESIGN §4; clause
          O9-5.3; box: intake)
"""

from __future__ import annotations

from collections import defaultdict
from hashlib import sha256
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np

from esep.codec import encode_body, encode_one
from esep.keys import key_id
from esep.lineage import TopicPartition
from esep.schemas import schema
from esep.stream_apps.stage import Batch, Write
from esep.topics import organizer_of, receipts_topic

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    from esep.lineage import Position
    from esep.stream_apps.intake.accounts import Accounts
    from esep.stream_apps.intake.decode import Messages
    from esep.stream_apps.intake.lanes import Lanes
    from esep.stream_apps.intake.rejects import Reject
    from esep.stream_apps.intake.sequences import Stream

RANGES_MAX = 4_096  # Ranges of a receipt beyond one per stream, so that it fits its topic however many gaps there are.
_RECEIPT, _CONTENT = schema("receipt"), schema("receipt_content")


class ReceiptSigner:
    """Signs receipts with one key. now_ms: the time of issue, UTC."""

    def __init__(self, key: Ed25519PrivateKey, now_ms: Callable[[], int]) -> None:
        self._key = key
        self._key_id = key_id(key.public_key())
        self._now_ms = now_ms

    def sign(self, section: Batch, content: dict[str, Any], row: int) -> bytes:
        """Return the message value of a receipt; row: its number on its lane."""
        body = encode_body(content, _CONTENT)
        digest = sha256(body).digest()
        record = {
            "row": row,
            "received_at": section.timestamps_ms[-1],
            "cause_topic": section.source.topic,
            "cause_partition": section.source.partition,
            "cause_offset": section.offsets[-1],
            "organizer_bin": content["organizer_bin"],
            "through_offset": content["through_offset"],
            "content": body,
            "content_sha256": digest.hex(),
            "issued_at": self._now_ms(),
            "key_id": self._key_id,
            "signature": self._key.sign(digest),
        }
        return encode_one(record, _RECEIPT)


def receipt_writes(
    messages: Messages,
    accounts: Accounts,
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
    for section, content in zip(messages.sections, _contents(messages, accounts, rejects, next_offset), strict=True):
        output = TopicPartition(receipts_topic(content["organizer_bin"]), 0)
        keys[output].append(b"%d" % section.source.partition)
        values[output].append(signer.sign(section, content, lanes.rows(section.source, output, 1)[0]))
    return [Write(output, keys[output], values[output]) for output in keys]


def _contents(
    messages: Messages, accounts: Accounts, rejects: Sequence[Reject], next_offset: dict[TopicPartition, int]
) -> Iterator[dict[str, Any]]:
    streams: defaultdict[int, list[tuple[str, Stream]]] = defaultdict(list)
    refused: defaultdict[int, list[Reject]] = defaultdict(list)
    for account in accounts.accounts:
        streams[account.section].append((account.stream_id, account.after))
    for reject in rejects:
        refused[reject.section].append(reject)
    for number, section in enumerate(messages.sections):
        duplicates = int(np.count_nonzero(accounts.duplicate[messages.starts[number] : messages.starts[number + 1]]))
        yield _content(section, next_offset[section.source], streams[number], refused[number], duplicates)
        next_offset[section.source] = section.next_offset


def _content(
    section: Batch,
    from_offset: int,
    streams: Sequence[tuple[str, Stream]],
    rejects: Sequence[Reject],
    duplicates: int,
) -> dict[str, Any]:
    """Return the content of the receipt for a section; streams: those that it touches, as they are after it."""
    ranges_max = 1 + RANGES_MAX // max(1, len(streams))
    return {
        "organizer_bin": organizer_of(section.source.topic),
        "topic": section.source.topic,
        "partition": section.source.partition,
        "from_offset": from_offset,
        "through_offset": section.offsets[-1],
        "streams": [_account(stream_id, stream, ranges_max) for stream_id, stream in sorted(streams, key=_by_id)],
        "accepted_count": len(section) - len(rejects) - duplicates,
        "duplicate_count": duplicates,
        "rejects": [
            {
                "offset": reject.offset,
                "stream_id": reject.stream_id,
                "sequence": reject.sequence,
                "reject_code": reject.reject_code,
                "field": reject.field,
            }
            for reject in rejects
        ],
    }


def _account(stream_id: str, stream: Stream, ranges_max: int) -> dict[str, Any]:
    """Return a stream's account; ranges and gaps are complete up to the last range that is listed."""
    consumed = list(zip(stream.firsts[:ranges_max], stream.lasts[:ranges_max], strict=True))
    gaps = ((before[1] + 1, after[0] - 1) for before, after in pairwise([(0, 0), *consumed]))
    return {
        "stream_id": stream_id,
        "consumed": _ranges(consumed),
        "missing": _ranges([(first, last) for first, last in gaps if first <= last]),
        "accepted_count": stream.accepted,
        "rejected_count": stream.rejected,
        "duplicate_count": stream.duplicates,
        "root": None,
    }


def _ranges(ranges: Sequence[tuple[int, int]]) -> list[dict[str, int]]:
    return [{"first": first, "last": last} for first, last in ranges]


def _by_id(stream: tuple[str, Stream]) -> str:
    return stream[0]
