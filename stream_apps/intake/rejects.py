"""What was refused: a record of `rejected` per message, with its bytes and the reason.

Reads     `Messages` and the verdicts on them
Returns   `Reject` per refused message; the write to `rejected`
Promises  bytes as they came; nothing of the register or the flags; a stream id that is none is not repeated outside
          the body, so that no reject is much larger than its message (clause O9-5.3; box: intake)
"""

from __future__ import annotations

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
    from esep.stream_apps.intake.lanes import Lanes

OUTPUT = TopicPartition(REJECTED, 0)
_REJECTED = schema("rejected")
_SCHEMA_ID_MAX = 2**31 - 1  # The field is an Avro int; no registry gives a higher id.


class Reject(NamedTuple):
    """One refused message. stream_id, sequence, event_type: where they could be read."""

    place: int
    section: int
    offset: int
    reject_code: str
    field: str | None
    stream_id: str | None
    sequence: int | None
    event_type: str | None


def rejects_of(messages: Messages, verdicts: np.ndarray) -> list[Reject]:
    """Return the refused messages in order."""
    at = np.flatnonzero(verdicts != PASSED)
    if not len(at):
        return []
    identity = messages.identity[at]
    nameless = check_identity(identity).eq_missing(pl.lit("STREAM_INVALID"))
    identity = identity.with_columns(stream_id=pl.when(~nameless).then("stream_id"))
    declared = [REJECT_CODES[place] for place in verdicts[at]]
    return [
        Reject(place, section, offset, code.code, code.field, *read)
        for place, section, offset, code, read in zip(
            at.tolist(),
            messages.section_of[at].tolist(),
            messages.offsets[at].tolist(),
            declared,
            identity.select("stream_id", "sequence", "event_type").iter_rows(),
            strict=True,
        )
    ]


def rejected_writes(messages: Messages, rejects: Sequence[Reject], lanes: Lanes) -> list[Write]:
    """Return the write of all rejects of a poll, if there are any; the key is the partition they came on."""
    if not rejects:
        return []
    sources = [messages.sections[reject.section].source for reject in rejects]
    rows = [lanes.rows(source, OUTPUT, 1)[0] for source in sources]
    values = [_record(messages, reject, row) for reject, row in zip(rejects, rows, strict=True)]
    return [Write(OUTPUT, [str(source).encode() for source in sources], values)]


def _record(messages: Messages, reject: Reject, row: int) -> bytes:
    section = messages.sections[reject.section]
    source = section.source
    body = messages.values[reject.place] or b""
    record: dict[str, Any] = {
        "row": row,
        "received_at": section.timestamps_ms[reject.place - messages.starts[reject.section]],
        "cause_topic": source.topic,
        "cause_partition": source.partition,
        "cause_offset": reject.offset,
        "organizer_bin": organizer_of(source.topic),
        "reject_code": reject.reject_code,
        "field": reject.field,
        "stream_id": reject.stream_id,
        "sequence": reject.sequence,
        "event_type": reject.event_type,
        "schema_id": _schema_id(body),
        "message_key": messages.keys[reject.place],
        "body": body,
        "body_sha256": messages.digests[reject.place].hex(),
    }
    return encode_one(record, _REJECTED)


def _schema_id(body: bytes) -> int | None:
    if len(body) < HEADER_BYTES or body[0] != 0:
        return None
    schema_id = int.from_bytes(body[1:HEADER_BYTES], "big")
    return schema_id if schema_id <= _SCHEMA_ID_MAX else None
