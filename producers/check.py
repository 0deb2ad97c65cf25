"""Check a file offline: what intake would say of its rows or messages, without sending anything.

Reads     a file of rows and its mapping, or a file of raw messages; an instant of receipt; the register if it is given
Returns   `CheckReport`: counts, findings by line, streams
Promises  nothing is sent; rows are mapped and numbered as `esep send` does, and what is checked are the very bytes that
          would go out; no value of the file stands in the report (clauses O9-4.3, O9-5.3; box: producers)
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl

from esep.clock import almaty_day_of, to_ms
from esep.errors import UsageError
from esep.events import encoded
from esep.identifiers import is_bin
from esep.origin import UNKNOWN_PARTITION
from esep.producers.files import LINE, read_rows
from esep.producers.message_file import read_messages
from esep.producers.numbering import held_back, number_events, stream_id_of
from esep.producers.offline import Messages, OfflineIntake, all_at
from esep.producers.row_codes import Language, text_of
from esep.producers.rows import map_rows

if TYPE_CHECKING:
    from datetime import datetime
    from pathlib import Path

    from esep.producers.mapping import Mapping
    from esep.register import Register

_SLICE = 20_000  # Messages that are checked at a time, about what intake takes in one poll.
_FOUND = ["line", "reject_code", "field", "event_type", "stream_id", "sequence"]


@dataclass(frozen=True, slots=True)
class Finding:
    """One reason why a line, or one event of it, would not be taken; null where it could not be told."""

    line: int
    code: str
    field: str | None
    event_type: str | None = None
    stream_id: str | None = None
    sequence: int | None = None

    def document(self, language: Language) -> dict[str, Any]:
        """Return this finding for a program to read."""
        values = {name: getattr(self, name) for name in self.__slots__}
        return {**values, "text": text_of(self.code, language)}


@dataclass(frozen=True, slots=True)
class StreamSeen:
    """What a file holds of one stream: its highest sequence, and how many below that the file does not hold."""

    stream_id: str
    partition: int | None
    last: int
    missing: int


@dataclass(frozen=True, slots=True)
class CheckReport:
    """What intake would say of a file.

    lines: rows of this organizer, or messages. messages: that would go out. duplicates: of these, repetitions within
    the file. findings: by line.
    """

    file: str
    organizer_bin: str
    received_at: datetime
    lines: int
    messages: int
    passed: int
    duplicates: int
    streams: tuple[StreamSeen, ...]
    findings: tuple[Finding, ...]

    @property
    def exit_code(self) -> int:
        """0: all would be taken; 1: something would not (as of `esep send`)."""
        return 1 if self.findings else 0

    @property
    def count_by_code(self) -> dict[str, int]:
        """How many findings there are of each code, the most frequent first."""
        return dict(Counter(finding.code for finding in self.findings).most_common())

    def document(self, language: Language = "en") -> dict[str, Any]:
        """Return all of it for a program to read."""
        names = [name for name in self.__slots__ if name not in {"streams", "findings"}]
        return {
            **{name: getattr(self, name) for name in names},
            "count_by_code": self.count_by_code,
            "streams": [{name: getattr(one, name) for name in one.__slots__} for one in self.streams],
            "findings": [finding.document(language) for finding in self.findings],
        }


def check_file(
    path: Path,
    mapping: Mapping,
    organizer_bin: str,
    *,
    received_at: datetime,
    partitions: int,
    register: Register | None = None,
    stream_id: str | None = None,
    shift_days: int | str | None = None,
) -> CheckReport:
    """Return what `esep send` would hold back of a file of rows, and what intake would refuse of the rest.

    received_at: UTC, when all of it would arrive. partitions: of the organizer's topic. register: without it, licence
    and site are not checked. Raises FileUnusable, MappingInvalid, UsageError.
    """
    _refuse_bin(organizer_bin)
    mapped = map_rows(
        read_rows(path, mapping.columns), mapping, organizer_bin, almaty_day_of(to_ms(received_at)), shift_days
    )
    stream = stream_id or stream_id_of(path, mapped.shift_days)
    numbered = number_events(mapped.events, organizer_bin, stream)
    waiting = held_back(numbered, received_at)
    going = numbered.filter(~pl.col(LINE).is_in(waiting[LINE].implode()))
    findings = [Finding(*row) for frame in (mapped.rejects, waiting) for row in frame.iter_rows()]
    partition = None
    for part in going.iter_slices(_SLICE):
        lines, messages = _encoded(part, stream, to_ms(received_at))
        checked = OfflineIntake(organizer_bin, partitions, register).check(messages)  # Its numbers are dense anyway.
        findings += _findings(checked, lines)
        partition = checked["partition"][0]
    return CheckReport(
        file=str(path),
        organizer_bin=organizer_bin,
        received_at=received_at,
        lines=mapped.rows,
        messages=going.height,
        passed=going.height - sum(finding.sequence is not None for finding in findings),
        duplicates=0,
        streams=(StreamSeen(stream, partition, numbered.height, numbered.height - going.height),)
        if going.height
        else (),
        findings=tuple(sorted(findings, key=lambda finding: (finding.line, finding.sequence or 0))),
    )


def check_messages(
    path: Path, organizer_bin: str, *, received_at: datetime, partitions: int, register: Register | None = None
) -> CheckReport:
    """Return what intake would say of the raw messages in a file; arguments and errors as of `check_file`."""
    _refuse_bin(organizer_bin)
    read = read_messages(path)
    offline = OfflineIntake(organizer_bin, partitions, register)
    findings = [Finding(line, "MESSAGE_UNREADABLE", None) for line in read.unreadable]
    duplicates = 0
    for start in range(0, len(read.lines), _SLICE):
        part = slice(start, start + _SLICE)
        messages = Messages(
            read.keys[part],
            read.values[part],
            np.array(read.partitions[part]),
            all_at(to_ms(received_at), len(read.lines[part])),
        )
        checked = offline.check(messages)
        findings += _findings(checked, pl.Series("line", read.lines[part]))
        duplicates += int(checked["duplicate"].sum())
    return CheckReport(
        file=str(path),
        organizer_bin=organizer_bin,
        received_at=received_at,
        lines=len(read.lines) + len(read.unreadable),
        messages=len(read.lines),
        passed=len(read.lines) + len(read.unreadable) - duplicates - len(findings),
        duplicates=duplicates,
        streams=_streams(offline),
        findings=tuple(sorted(findings, key=lambda finding: finding.line)),
    )


def _encoded(part: pl.DataFrame, stream_id: str, received_ms: int) -> tuple[pl.Series, Messages]:
    """Return the messages of numbered events, and the line of each."""
    values: list[bytes | None] = [*encoded(part)]
    keys: list[bytes | None] = [stream_id.encode()] * part.height
    nowhere = np.full(part.height, UNKNOWN_PARTITION)
    return part[LINE], Messages(keys, values, nowhere, all_at(received_ms, part.height))


def _findings(checked: pl.DataFrame, lines: pl.Series) -> list[Finding]:
    refused = checked.with_columns(lines.alias("line")).filter(pl.col("reject_code").is_not_null())
    return [Finding(*row) for row in refused.select(_FOUND).iter_rows()]


def _streams(offline: OfflineIntake) -> tuple[StreamSeen, ...]:
    seen = [(stream_id, max(sequences), len(sequences)) for stream_id, sequences in sorted(offline.seen.items())]
    return tuple(
        StreamSeen(stream_id, offline.partition_of(stream_id), last, last - count) for stream_id, last, count in seen
    )


def _refuse_bin(organizer_bin: str) -> None:
    if not is_bin(organizer_bin):
        raise UsageError(f"{organizer_bin!r} is no BIN", hint="12 digits with a right control digit")
