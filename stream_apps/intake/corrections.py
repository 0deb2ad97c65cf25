"""Corrections as candidates: what each would book, and whether it might, before the stream is asked.

Reads     fresh corrections of a poll, those held from before in the streams that it touches, the register
Returns   `Candidates`: per correction its verdict by every check that needs no state of the stream, the digests of the
          values before and after; the postings of both sides
Promises  a correction that was held is judged by its bytes and its own time of receipt, as if it came now; values are
          compared by what an event with them would look like on the topic (DESIGN §3, §4 "Corrections"; clause O9-4.5;
          box: intake)
"""

from __future__ import annotations

from dataclasses import dataclass
from hashlib import sha256
from typing import TYPE_CHECKING, Literal

import numpy as np
import polars as pl

from esep.codec import INDEX, decode
from esep.corrections import check_alone
from esep.events import CORRECTION_RECORD, RECORD_BY_TYPE, corrected
from esep.precedence import all_passed, fault
from esep.stream_apps.intake.decode import RECEIVED_AT
from esep.stream_apps.intake.sequences import DIGEST_BYTES, VOID, Held
from esep.versions import encode_oldest, upgraded

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from esep.lineage import TopicPartition
    from esep.stream_apps.intake.decode import Messages
    from esep.stream_apps.intake.facts import Facts
    from esep.stream_apps.intake.origin import Group
    from esep.stream_apps.intake.sequences import Stream

StreamName = tuple["TopicPartition", str]
_ORDER, _SIDE, _ROW = "order", "side", "place"


@dataclass(frozen=True, slots=True)
class Candidate:
    """A correction. row: in the frames of `Candidates`. verdict: see `precedence`. was, now: digests of the values.

    was is None where none are given; now is VOID where none are. message: where and when it came, and its value.
    """

    row: int
    sequence: int
    target: int
    replaces: int
    verdict: int
    was: bytes | None
    now: bytes
    message: Held


@dataclass(frozen=True, slots=True)
class Candidates:
    """All corrections that a poll may book.

    by_place: those that came with it. held: of each stream those that waited, by their sequence. sides: of all of them
    what was booked and what is to be, as postings that are not signed yet.
    """

    by_place: dict[int, Candidate]
    held: dict[StreamName, dict[int, Candidate]]
    sides: pl.DataFrame

    def postings(self, booked: Sequence[tuple[int, Candidate]]) -> pl.DataFrame:
        """Return the postings of candidates, in order; booked: with the place of the message on which each is."""
        order = pl.DataFrame(
            [(one.row, place, number) for number, (place, one) in enumerate(booked)],
            schema={_ROW: pl.UInt32, INDEX: pl.UInt32, _ORDER: pl.Int64},
            orient="row",
        )
        return self.sides.join(order, on=_ROW).sort(_ORDER, _SIDE).drop(_ORDER, _SIDE, _ROW)


def candidates_of(
    messages: Messages,
    groups: Iterable[Group],
    fresh: np.ndarray,
    known: Mapping[TopicPartition, Mapping[str, Stream]],
    facts: Facts,
) -> Candidates:
    """Return the corrections among the fresh messages, and those held in streams whose gaps the messages may fill.

    known: the streams of each input partition.
    """
    came = messages.corrections.filter(pl.Series(fresh[messages.corrections[INDEX].to_numpy()]))
    at = came[INDEX].to_list()
    waiting = list(_waiting(messages, groups, fresh, known))
    if not at and not waiting:
        return Candidates({}, {}, _no_sides())
    all_held = [
        *(
            Held(int(messages.offsets[place]), int(ms), messages.values[place] or b"")
            for place, ms in zip(at, came["received_at"].to_numpy().view(np.int64), strict=True)
        ),
        *(held for _, _, held in waiting),
    ]
    frame = _decoded(all_held)
    verdicts, sides = _judge(frame, all_held, facts)
    found = _candidates(frame, verdicts, all_held)
    of_streams: dict[StreamName, dict[int, Candidate]] = {}
    for (name, sequence, _), candidate in zip(waiting, found[len(at) :], strict=True):
        of_streams.setdefault(name, {})[sequence] = candidate
    return Candidates(dict(zip(at, found, strict=False)), of_streams, sides)


def _waiting(
    messages: Messages,
    groups: Iterable[Group],
    fresh: np.ndarray,
    known: Mapping[TopicPartition, Mapping[str, Stream]],
) -> Iterable[tuple[StreamName, int, Held]]:
    """Yield what is held in streams where a fresh message may fill a gap, or a fresh correction has to be judged."""
    seen: set[StreamName] = set()
    corrections = np.zeros(len(messages), np.bool_)
    corrections[messages.corrections[INDEX].to_numpy()] = True
    for section, stream_id, at, sequences in groups:
        source = messages.sections[section].source
        stream = known[source].get(stream_id)
        if stream is None or not stream.held or (source, stream_id) in seen:
            continue
        new = fresh[at]
        if (new & ((sequences < max(stream.held)) | corrections[at])).any():
            seen.add((source, stream_id))
            for sequence, held in stream.held.items():
                yield (source, stream_id), sequence, held


def _decoded(all_held: Sequence[Held]) -> pl.DataFrame:
    """Return corrections as a frame, a row each, with their time of receipt."""
    decoded = decode([held.value for held in all_held], frozenset({CORRECTION_RECORD}))
    frame = upgraded(decoded.frames, CORRECTION_RECORD)
    received = pl.Series("received_at", [held.received_ms for held in all_held], pl.Int64).cast(RECEIVED_AT)
    return frame.drop(INDEX).with_columns(received)


def _judge(frame: pl.DataFrame, all_held: Sequence[Held], facts: Facts) -> tuple[np.ndarray, pl.DataFrame]:
    """Return the verdict on each correction by what needs no state of its stream, and both sides of them all."""
    verdicts = check_alone(frame, lambda events: facts.look_up(events)[0])
    fault(verdicts, facts.unknown(frame["organizer_bin"]), "ORGANIZER_UNKNOWN")
    return verdicts, pl.concat([_side(frame, all_held, name, facts) for name in ("was", "now")])


def _side(frame: pl.DataFrame, all_held: Sequence[Held], name: Literal["was", "now"], facts: Facts) -> pl.DataFrame:
    """Return the values on one side as postings without an `index`, and `place`, the row of the correction."""
    values = corrected(frame, name)
    of = frame.select(
        "received_at",
        revision=pl.col("replaces_revision") + 1,
        cause_offset=pl.Series([held.offset for held in all_held], dtype=pl.Int64),
        body_sha256=pl.Series([sha256(held.value).hexdigest() for held in all_held], dtype=pl.String),
    ).with_row_index(_ROW)
    joined = values.join(of, on=_ROW, how="left", maintain_order="left")
    return joined.with_columns(
        leg=pl.lit(1 if name == "now" else -1, pl.Int32),
        side=pl.lit(int(name == "now")),
        licence=pl.Series(facts.look_up(joined)[1]),
    )


def _no_sides() -> pl.DataFrame:
    return pl.DataFrame(schema={_ROW: pl.UInt32, _SIDE: pl.Int32})


def _candidates(frame: pl.DataFrame, verdicts: np.ndarray, all_held: Sequence[Held]) -> list[Candidate]:
    well_formed = frame.with_row_index("row").filter(pl.Series(verdicts == all_passed(len(verdicts))))
    was, now = (_digests(well_formed, name) for name in ("was", "now"))
    columns = frame.select("sequence", "target_sequence", "replaces_revision")
    return [
        Candidate(row, sequence, target, replaces, int(verdicts[row]), was.get(row), now.get(row, VOID), all_held[row])
        for row, (sequence, target, replaces) in enumerate(columns.iter_rows())
    ]


def _digests(corrections: pl.DataFrame, side: Literal["was", "now"]) -> dict[int, bytes]:
    """Return by row the digest of an event that has the values on this side: what its stream remembers of events."""
    rows, values = corrections["row"].to_list(), corrected(corrections, side)
    found: dict[int, bytes] = {}
    for event_type, record in RECORD_BY_TYPE.items():
        of_type = values.filter(pl.col("event_type") == event_type)
        for place, value in zip(of_type[_ROW], encode_oldest(of_type, record), strict=True):
            found[rows[place]] = sha256(value).digest()[:DIGEST_BYTES]
    return found
