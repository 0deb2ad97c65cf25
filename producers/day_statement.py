"""A day's statement: what an organizer itself says it has sent, signed with a key of its own.

Reads     a spool, and copies of it; or the bytes of such a statement
Writes    nothing; returns the bytes of a statement, or `DayStatement`, verified
Promises  each event is in the statement of exactly one day, whatever the organizer's clock does meanwhile: a stream's
          days are consecutive ranges of its sequences; no person's data (clause O9-4.5; box: producers)

A statement is two lines of JSON. The first says: format, version, organizer_bin, day (Almaty, by the clock that stamped
the spool), signed_at, key_id, and per stream that the day touched:

    first, last, count   the sequences of the day, and how many they are
    day_root             root (esep.mountains) over the SHA-256 of these messages, numbered 1 … count
    root                 root over the messages 1 … last, as a receipt with root_through = last has it; null where the
                         copies do not hold them all

The second is `{"signature": …}` in Base64: Ed25519 over "esep day 1", a line feed, and the first line with its line
feed. A day of a stream ends with its highest sequence that was spooled before midnight.
"""

from __future__ import annotations

import base64
import json
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import TYPE_CHECKING, Literal, NoReturn, Self

from cryptography.exceptions import InvalidSignature
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, ValidationError, model_validator

from esep.calendar import start_of_day
from esep.clock import to_ms
from esep.errors import FileUnusable, UsageError
from esep.keys import key_id
from esep.mountains import root_of
from esep.producers.own_copy import OwnCopy
from esep.producers.spool_reader import SpoolReader

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

    from esep.producers.spool_reader import StreamDay

STATEMENT_BYTES_MAX = 64 * 1024 * 1024  # Some 200,000 streams.
_SIGNED = b"esep day 1\n"  # Before what is signed, so that a signature of ours is good for nothing else.
_HASH = r"^[0-9a-f]{64}$"


class DayOfStream(BaseModel):
    """What was sent of one stream on a day."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    stream_id: str
    first: int = Field(ge=1)
    last: int
    count: int
    day_root: str = Field(pattern=_HASH)
    root: str | None = Field(pattern=_HASH)

    @model_validator(mode="after")
    def _counts_its_sequences(self) -> Self:
        if not 1 <= self.count == self.last - self.first + 1:
            raise ValueError("count is not that of first to last")
        return self


class _Statement(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    format: Literal["esep-day"]
    version: Literal[1]
    organizer_bin: str
    day: date
    signed_at: AwareDatetime
    key_id: str
    streams: tuple[DayOfStream, ...]


@dataclass(frozen=True, slots=True)
class DayStatement:
    """A verified statement. streams: those that the day touched, by stream id."""

    organizer_bin: str
    day: date
    streams: tuple[DayOfStream, ...]


def sign_day(spool: Path, copies: Sequence[Path], day: date, key: Ed25519PrivateKey, now: datetime) -> bytes:
    """Return the statement of a day that is over. copies: exports of what was pruned from the spool. now: UTC.

    Raises UsageError if the day is not over, FileUnusable for a file that is none, or lacks messages of the day.
    """
    start, end = start_of_day(day), start_of_day(day + timedelta(days=1))
    if end > now:
        raise UsageError(f"{day} is not over yet in Almaty", hint="name a day that is over")
    with SpoolReader(spool) as reader:
        organizer_bin = reader.organizer_bin
        days = reader.streams_of_day(to_ms(start), to_ms(end))
    with OwnCopy(organizer_bin, [spool, *copies]) as copy:
        streams = tuple(_day_of(copy, one) for one in days)
    statement = _Statement(
        format="esep-day",
        version=1,
        organizer_bin=organizer_bin,
        day=day,
        signed_at=now,
        key_id=key_id(key.public_key()),
        streams=streams,
    )
    line = statement.model_dump_json().encode() + b"\n"
    signature = base64.b64encode(key.sign(_SIGNED + line)).decode()
    return line + json.dumps({"signature": signature}).encode() + b"\n"


def read_day(content: bytes, organizer_bin: str, public_key: Ed25519PublicKey) -> DayStatement:
    """Return what a statement says; FileUnusable unless this organizer's key has signed it as it is."""
    line, end, rest = content.partition(b"\n")
    try:
        statement = _Statement.model_validate_json(line)
        signature = base64.b64decode(json.loads(rest)["signature"], validate=True)
        public_key.verify(signature, _SIGNED + line + end)
    except InvalidSignature:
        _refuse("its signature is not that of the organizer's key")
    except (ValidationError, ValueError, TypeError, KeyError):
        _refuse("it is no statement of a day")
    if statement.organizer_bin != organizer_bin:
        _refuse(f"it is that of {statement.organizer_bin}, not of {organizer_bin}")
    return DayStatement(organizer_bin, statement.day, statement.streams)


def _day_of(copy: OwnCopy, day: StreamDay) -> DayOfStream:
    stream_id, first, last = day
    whole = not copy.lacking(stream_id, 1, last)
    return DayOfStream(
        stream_id=stream_id,
        first=first,
        last=last,
        count=last - first + 1,
        day_root=root_of(copy.series(stream_id, first, last)).hex(),
        root=root_of(copy.series(stream_id, 1, last)).hex() if whole else None,
    )


def _refuse(why: str) -> NoReturn:
    raise FileUnusable("the statement of a day cannot be taken", detail=why, hint="ask the organizer for it again")
