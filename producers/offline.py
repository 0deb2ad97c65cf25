"""Intake's verdict on messages before anybody sends them: its own checks, and those of the rest that have their data.

Reads     keys and values as they would go out, where and when they would arrive, the register if it is at hand
Returns   a verdict per message: accepted (no code), a code of `esep.codes`, or a repetition
Promises  no I/O, no clock; the stateless checks are intake's own functions in intake's own order, so both agree on
          every message; no flag and no list of persons is asked (DESIGN §1, §4; clauses O9-4.2, O9-4.3, O9-4.5;
          box: producers)

Without a register its checks are passed over; whether a correction fits what it corrects is known to intake only.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import partial
from hashlib import sha256
from typing import TYPE_CHECKING

import numpy as np
import polars as pl

from esep.checks import check_form, check_identity
from esep.clock import to_ms
from esep.codec import INDEX, decode
from esep.codes import BY_CODE, PRECEDENCE, REJECT_CODES
from esep.corrections import check_alone
from esep.events import CORRECTION_RECORD, EVENT_RECORDS, unified
from esep.fingerprints import fingerprints_of
from esep.instants import check_instants
from esep.origin import check_origin
from esep.partitioner import partition_of
from esep.precedence import PASSED, all_passed, fault, places
from esep.versions import upgraded

if TYPE_CHECKING:
    from collections.abc import Sequence

    from esep.register import Organizer, Register

_DIGEST_BYTES = 16  # Of the SHA-256 of a body, as intake remembers it.
_IDENTITY = ("organizer_bin", "stream_id", "sequence", "event_type")
_RECEIVED_AT = pl.Datetime("ms", "UTC")


@dataclass(frozen=True, slots=True)
class Messages:
    """Messages in the order in which they would go out, as parallel lists.

    at_partitions: where each would be, `esep.origin.UNKNOWN_PARTITION` where nobody has said. received_ms: when the
    broker would stamp each, ms UTC.
    """

    keys: Sequence[bytes | None]
    values: Sequence[bytes | None]
    at_partitions: np.ndarray
    received_ms: np.ndarray


@dataclass(slots=True)
class OfflineIntake:
    """Checks the messages of one organizer, call by call; remembers the sequences of the calls before.

    partitions: of the organizer's topic. register: without it, licence and site are not checked. seen: the digest of
    the body that used each sequence, by stream.
    """

    organizer_bin: str
    partitions: int
    register: Register | None = None
    seen: dict[str, dict[int, bytes]] = field(default_factory=dict)

    def check(self, messages: Messages) -> pl.DataFrame:
        """Return a row per message: reject_code, field, duplicate, event_type, stream_id, sequence, partition.

        reject_code: null where the message would be accepted or is a repetition (`duplicate`). stream_id, sequence,
        event_type: where they can be read, and the first only where it is one. partition: where its key belongs.
        """
        decoded = decode(messages.values, EVENT_RECORDS)
        events = _received(unified(decoded.frames), messages.received_ms)
        corrections = _received(upgraded(decoded.frames, CORRECTION_RECORD), messages.received_ms)
        identity = _identity(events, corrections, len(messages.values))
        bins = pl.repeat(self.organizer_bin, len(messages.values), dtype=pl.String, eager=True)
        verdicts = check_origin(identity, messages.keys, bins, messages.at_partitions, self.partitions)
        for place, code in decoded.bad.items():
            verdicts[place] = PRECEDENCE[code]
        digests = [sha256(value or b"").digest() for value in messages.values]
        told = fingerprints_of(decoded, messages.values, digests)
        duplicate, conflict = self._take(identity, told, verdicts == PASSED)
        fault(verdicts, conflict, "SEQUENCE_CONFLICT")
        fresh = (verdicts == PASSED) & ~duplicate
        self._check_events(events, verdicts, fresh)
        self._check_corrections(corrections, verdicts, fresh)
        return self._rows(identity, verdicts, duplicate)

    def partition_of(self, stream_id: str) -> int:
        """Return the partition that the messages of a stream belong to."""
        return partition_of(stream_id.encode(), self.partitions)

    def _take(
        self, identity: pl.DataFrame, fingerprints: Sequence[bytes], passing: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        """Consume the sequences of what passes; return which messages are repetitions, and which are conflicts."""
        duplicate, conflict = np.zeros(len(fingerprints), np.bool_), np.zeros(len(fingerprints), np.bool_)
        streams, sequences = identity["stream_id"].to_list(), identity["sequence"].to_list()
        for place in np.flatnonzero(passing).tolist():
            digest = fingerprints[place][:_DIGEST_BYTES]
            first = self.seen.setdefault(streams[place], {}).setdefault(sequences[place], digest)
            if first is not digest:
                (duplicate if first == digest else conflict)[place] = True
        return duplicate, conflict

    def _check_events(self, events: pl.DataFrame, verdicts: np.ndarray, fresh: np.ndarray) -> None:
        """Add the verdicts on form, time and register of what is new."""
        organizer = self.register.find(self.organizer_bin) if self.register else None
        if self.register is not None and organizer is None:
            fault(verdicts, fresh, "ORGANIZER_UNKNOWN")
        new = events.filter(pl.Series(fresh[events[INDEX].to_numpy()], dtype=pl.Boolean))
        at = new[INDEX].to_numpy()
        found = np.minimum(places(check_form(new)), check_instants(new))
        if organizer is not None:
            np.minimum(found, check_standing(new, organizer), out=found)
        verdicts[at] = np.minimum(verdicts[at], found)

    def _check_corrections(self, corrections: pl.DataFrame, verdicts: np.ndarray, fresh: np.ndarray) -> None:
        """Add the verdicts on form, time and register of corrections that are new."""
        organizer = self.register.find(self.organizer_bin) if self.register else None
        new = corrections.filter(pl.Series(fresh[corrections[INDEX].to_numpy()], dtype=pl.Boolean))
        at = new[INDEX].to_numpy()
        found = check_alone(new, partial(check_standing, organizer=organizer) if organizer else None)
        verdicts[at] = np.minimum(verdicts[at], found)

    def _rows(self, identity: pl.DataFrame, verdicts: np.ndarray, duplicate: np.ndarray) -> pl.DataFrame:
        codes = [REJECT_CODES[place].code if place != PASSED else None for place in verdicts.tolist()]
        nameless = check_identity(identity).eq_missing(pl.lit("STREAM_INVALID"))
        stream_id = pl.when(~nameless).then("stream_id").alias("stream_id")
        named = identity.select(stream_id, "sequence", "event_type")
        distinct = named["stream_id"].drop_nulls().unique().to_list()
        partition_by_stream = {name: self.partition_of(name) for name in distinct}
        return named.select(
            pl.Series("reject_code", codes, dtype=pl.String),
            pl.Series("field", [BY_CODE[code].field if code else None for code in codes], dtype=pl.String),
            pl.Series("duplicate", duplicate, dtype=pl.Boolean),
            "event_type",
            "stream_id",
            "sequence",
            partition=pl.col("stream_id").replace_strict(partition_by_stream, default=None, return_dtype=pl.Int32),
        )


def check_standing(events: pl.DataFrame, organizer: Organizer) -> np.ndarray:
    """Return the verdict on each event of an organizer in the register: LICENCE_NOT_IN_FORCE, SITE_UNKNOWN.

    As of `occurred_at` (clauses O9-3, O9-4.1); the same answer as intake's look-up in the same register.
    """
    verdicts = all_passed(events.height)
    occurred_ms = pl.col("occurred_at").cast(pl.Int64)
    in_force = pl.any_horizontal(
        (occurred_ms >= to_ms(span.valid_from))
        & ((occurred_ms < to_ms(span.valid_to)) if span.valid_to is not None else pl.lit(value=True))
        for span in organizer.licences
    )
    known_site = pl.col("site_id").is_in([site.id for site in organizer.sites])
    asked = events.select(in_force=in_force, known_site=known_site)
    fault(verdicts, ~asked["in_force"].to_numpy(), "LICENCE_NOT_IN_FORCE")
    fault(verdicts, ~asked["known_site"].to_numpy(), "SITE_UNKNOWN")
    return verdicts


def all_at(received_ms: int, count: int) -> np.ndarray:
    """Return the same instant for `count` messages.

    >>> all_at(1_728_000_000_000, 2).tolist()
    [1728000000000, 1728000000000]
    """
    return np.full(count, received_ms, np.int64)


def _received(frame: pl.DataFrame, received_ms: np.ndarray) -> pl.DataFrame:
    return frame.with_columns(pl.Series("received_at", received_ms[frame[INDEX].to_numpy()]).cast(_RECEIVED_AT))


def _identity(events: pl.DataFrame, corrections: pl.DataFrame, count: int) -> pl.DataFrame:
    """Return whose and which one each message says it is, null where that cannot be read."""
    named = corrections.with_columns(event_type=pl.lit("CORRECTION"))
    read = pl.concat(part.select(INDEX, *_IDENTITY) for part in (events, named))
    everyone = pl.DataFrame({INDEX: pl.int_range(count, dtype=pl.UInt32, eager=True)})
    return everyone.join(read, on=INDEX, how="left", maintain_order="left").drop(INDEX)
