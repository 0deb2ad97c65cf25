"""What was refused: a record of `rejected` per message, with its bytes and the reason.

Reads     `Messages`, the verdicts on them, what became of corrections that were held
Returns   `Reject` per refused message; the write to `rejected`
Promises  bytes as they came; nothing of the register or the flags; a stream id that is none is not repeated outside
          the body, so that no reject is much larger than its message (clause O9-5.3; box: intake)
"""

from __future__ import annotations

from hashlib import sha256
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import polars as pl

from esep.checks import check_identity
from esep.codec import HEADER_BYTES, encode_one
from esep.codes import REJECT_CODES
from esep.lineage import TopicPartition
from esep.precedence import PASSED
from esep.schemas import schema
from esep.stream_apps.stage import Write
from esep.topics import REJECTED, organizer_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from esep.stream_apps.intake.decode import Messages
    from esep.stream_apps.intake.settlement import Settled
    from esep.stream_apps.lanes import Lanes

OUTPUT = TopicPartition(REJECTED, 0)
_REJECTED = schema("rejected")
_SCHEMA_ID_MAX = 2**31 - 1  # The field is an Avro int; no registry gives a higher id.


class Reject(NamedTuple):
    """One refused message. place: of the message on which it was refused: itself, but where it was held before.

    stream_id, sequence, event_type: where they could be read.
    """

    place: int
    section: int
    was_held: bool
    offset: int
    received_ms: int
    reject_code: str
    field: str | None
    stream_id: str | None
    sequence: int | None
    event_type: str | None
    key: bytes | None
    value: bytes


def rejects_of(messages: Messages, verdicts: np.ndarray, settled: Sequence[Settled]) -> list[Reject]:
    """Return the refused messages in the order in which they were refused."""
    came, held = _refused(messages, verdicts), [_of_held(one) for one in settled if one.verdict < PASSED]
    return sorted(came + held, key=lambda reject: (reject.place, reject.was_held)) if held else came


def _refused(messages: Messages, verdicts: np.ndarray) -> list[Reject]:
    at = np.flatnonzero(verdicts != PASSED)
    if not len(at):
        return []
    identity = messages.identity[at]
    nameless = check_identity(identity).eq_missing(pl.lit("STREAM_INVALID"))
    identity = identity.with_columns(stream_id=pl.when(~nameless).then("stream_id"))
    read = identity.select("stream_id", "sequence", "event_type").iter_rows()
    return [_reject(messages, place, verdicts, named) for place, named in zip(at.tolist(), read, strict=True)]


def _reject(
    messages: Messages, place: int, verdicts: np.ndarray, named: tuple[str | None, int | None, str | None]
) -> Reject:
    section, code = int(messages.section_of[place]), REJECT_CODES[verdicts[place]]
    return Reject(
        place=place,
        section=section,
        was_held=False,
        offset=int(messages.offsets[place]),
        received_ms=messages.sections[section].timestamps_ms[place - messages.starts[section]],
        reject_code=code.code,
        field=code.field,
        stream_id=named[0],
        sequence=named[1],
        event_type=named[2],
        key=messages.keys[place],
        value=messages.values[place] or b"",
    )


def _of_held(one: Settled) -> Reject:
    code, correction = REJECT_CODES[one.verdict], one.correction
    return Reject(
        place=one.place,
        section=one.section,
        was_held=True,
        offset=correction.message.offset,
        received_ms=correction.message.received_ms,
        reject_code=code.code,
        field=code.field,
        stream_id=one.stream_id,
        sequence=correction.sequence,
        event_type="CORRECTION",
        key=one.stream_id.encode(),  # It was the stream's, or the message had been refused when it came.
        value=correction.message.value,
    )


def rejected_writes(messages: Messages, rejects: Sequence[Reject], lanes: Lanes) -> list[Write]:
    """Return the write of all rejects of a poll, if there are any; the key is the partition they came on."""
    if not rejects:
        return []
    sources = [messages.sections[reject.section].source for reject in rejects]
    rows = [lanes.rows(source, OUTPUT, 1)[0] for source in sources]
    values = [_record(source, reject, row) for source, reject, row in zip(sources, rejects, rows, strict=True)]
    return [Write(OUTPUT, [str(source).encode() for source in sources], values)]


def _record(source: TopicPartition, reject: Reject, row: int) -> bytes:
    record: dict[str, Any] = {
        "row": row,
        "received_at": reject.received_ms,
        "cause_topic": source.topic,
        "cause_partition": source.partition,
        "cause_offset": reject.offset,
        "organizer_bin": organizer_of(source.topic),
        "reject_code": reject.reject_code,
        "field": reject.field,
        "stream_id": reject.stream_id,
        "sequence": reject.sequence,
        "event_type": reject.event_type,
        "schema_id": _schema_id(reject.value),
        "message_key": reject.key,
        "body": reject.value,
        "body_sha256": sha256(reject.value).hexdigest(),
    }
    return encode_one(record, _REJECTED)


def _schema_id(body: bytes) -> int | None:
    if len(body) < HEADER_BYTES or body[0] != 0:
        return None
    schema_id = int.from_bytes(body[1:HEADER_BYTES], "big")
    return schema_id if schema_id <= _SCHEMA_ID_MAX else None
