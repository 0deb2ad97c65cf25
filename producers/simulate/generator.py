"""Simulated messages, each with the verdict that intake must give it.

Reads     a `Plan`
Returns   frames of messages (columns of MESSAGES) in the order in which they are to be sent
Promises  the same messages for the same plan, however they are cut into batches; whoever hands each topic's partitions
          over in this order gets exactly the intended verdicts from an intake that has seen nothing of these streams
          (boxes: producers, intake)

Good messages are numbered 1, 2, 3 … in each stream. A bad one that keeps its number from being used (`consumes: false`
in esep/codes.yaml) stands before the good one that uses it. A repetition repeats the event before it in its stream,
and so does a conflict its number, and a correction is about it, or, where it is bad, about a correction before it or
what that one was about; where nothing fit stands before, it is a good event.
"""

from __future__ import annotations

from itertools import count
from typing import TYPE_CHECKING

import numpy as np
import polars as pl

from esep.codes import EVENT_TYPES
from esep.events import encoded
from esep.producers.simulate.bets import ORGANIZER, STREAM, blocks
from esep.producers.simulate.corrections import REPLACE, correction_kind, correction_values, other_kind
from esep.producers.simulate.kinds import GAP_AT, KINDS, OTHER_BIN, spoilt_fields
from esep.producers.simulate.people import Places, people_of, places_of
from esep.producers.simulate.plan import oldest_of_use
from esep.producers.simulate.shape import Shape
from esep.topics import events_topic

if TYPE_CHECKING:
    from collections.abc import Iterator

    from esep.producers.simulate.plan import Plan

ACCEPTED, DUPLICATE, REJECTED = "ACCEPTED", "DUPLICATE", "REJECTED"
GOOD, REPETITION, CORRECTING = "GOOD", "REPETITION", "CORRECTION"  # Kinds beside those of KINDS.
MESSAGES = pl.Schema(
    {
        "number": pl.Int64,  # 0, 1, 2 … over all messages.
        "organizer_bin": pl.String,  # Whose topic it goes to.
        "topic": pl.String,
        "partition": pl.Int32,
        "key": pl.Binary,
        "value": pl.Binary,
        "kind": pl.String,
        "verdict": pl.String,
        "code": pl.String,  # Null unless rejected.
    }
)
_BIN_OF_NOBODY = "940140000385"  # Named by mistake where there is one organizer only.
_NAMES = (GOOD, REPETITION, CORRECTING, *KINDS)
_PLACE = {name: place for place, name in enumerate(_NAMES)}
_GOOD, _REPETITION, _CORRECTING = range(3)
_CODES = [None, None, None, *(kind.code for kind in KINDS.values())]
_VERDICTS = [ACCEPTED, DUPLICATE, ACCEPTED, *[REJECTED] * len(KINDS)]
_KEYS = ["right"] * 3 + [kind.key for kind in KINDS.values()]
_CONSUMES = np.array([True, False, True, *(kind.consumes for kind in KINDS.values())])
_CONFLICT = np.array([False] * 3 + [kind.conflict for kind in KINDS.values()])
_NEEDS_GAP = np.array([False] * 3 + [kind.needs == GAP_AT for kind in KINDS.values()])
_ELSEWHERE = np.array([False] * 3 + [kind.wrong_partition for kind in KINDS.values()])
_OF_EVENT, _OF_CORRECTION, _OF_CORRECTED = (
    np.array([False] * 3 + [kind.corrects == what for kind in KINDS.values()])
    for what in ("event", "correction", "corrected")
)
_IS_CORRECTION = _OF_EVENT | _OF_CORRECTION | _OF_CORRECTED
_IS_CORRECTION[_CORRECTING] = True


def messages(plan: Plan, batch: int = 20_000) -> Iterator[pl.DataFrame]:
    """Yield the messages of a plan in frames of `batch` rows; the last may have fewer."""
    held: list[pl.DataFrame] = []
    rows = 0
    for block in _blocks(plan):
        held.append(block)
        rows += block.height
        if rows >= batch:
            whole = pl.concat(held)
            for start in range(0, rows - batch + 1, batch):
                yield whole.slice(start, batch)
            held, rows = [whole.tail(rows % batch)], rows % batch
    if rows:
        yield pl.concat(held)


def _blocks(plan: Plan) -> Iterator[pl.DataFrame]:
    places = places_of(plan.register, plan.partitions, oldest_of_use(plan.until), plan.run)
    people = people_of(plan.persons, len(plan.register.organizers), plan.seed)
    bets = blocks(people, places, Shape(plan.until, plan.days), seed=plan.seed, events=plan.events)
    used = np.zeros(len(places.streams), np.int64)  # The last number used in each stream.
    left = plan.events
    for number, events in zip(count(), bets, strict=False):
        block = _Block(plan, places, events.head(left), np.random.default_rng([plan.seed, 3, number]), used)
        yield block.messages(plan.events - left)
        left -= events.height
        if left <= 0:
            return


class _Block:
    """A block of good events on its way to messages. used: the last number of each stream; moved on."""

    def __init__(
        self, plan: Plan, places: Places, events: pl.DataFrame, draw: np.random.Generator, used: np.ndarray
    ) -> None:
        self._plan, self._places = plan, places
        self._stream, self._organizer = events[STREAM].to_numpy(), events[ORGANIZER].to_numpy()
        self._random = draw.integers(0, 2**31, events.height)
        self._kinds = self._drawn_kinds(events, draw)
        consumes = _CONSUMES[self._kinds]
        self._before = _before(self._stream, consumes)
        sequence = used[self._stream] + _count_before(self._stream, consumes) + 1
        again = _CONFLICT[self._kinds]
        sequence[again] = sequence[self._before[again]]
        used += np.bincount(self._stream[consumes], minlength=len(used))
        self._correction = _before(self._stream, _stands_by_itself(self._kinds))
        self._right = _before(self._stream, _changes_an_event(self._kinds, self._before))
        self._events = events.with_columns(
            organizer_bin=places.bins.gather(self._organizer),
            stream_id=places.streams.gather(self._stream),
            sequence=pl.Series(sequence),
        )

    def messages(self, first: int) -> pl.DataFrame:
        """Return the messages; first: the number of the first one."""
        values = self._values()
        bins = self._events["organizer_bin"]
        topics = bins.replace_strict({bin_: events_topic(bin_) for bin_ in self._places.bins}, return_dtype=pl.String)
        right = self._places.partition_of[self._stream]
        elsewhere = (right + 1) % self._plan.partitions
        kinds = self._kinds
        return pl.DataFrame(
            {
                "number": first + np.arange(len(kinds)),
                "organizer_bin": bins,
                "topic": topics,
                "partition": np.where(_ELSEWHERE[kinds], elsewhere, right),
                "key": self._keys(),
                "value": pl.Series(values, dtype=pl.Binary),
                "kind": pl.Series(_NAMES).gather(kinds),
                "verdict": pl.Series(_VERDICTS).gather(kinds),
                "code": pl.Series(_CODES, dtype=pl.String).gather(kinds),
            },
            schema=MESSAGES,
        )

    def _drawn_kinds(self, events: pl.DataFrame, draw: np.random.Generator) -> np.ndarray:
        """Return the kind of each message; where one cannot be, it is a good one."""
        kinds = np.full(events.height, _GOOD)
        share = draw.random(events.height)
        bad, repeated = self._plan.bad, self._plan.bad + self._plan.duplicates
        for event_type in EVENT_TYPES:
            at = np.flatnonzero((share < bad) & (events["event_type"] == event_type).to_numpy())
            kinds[at] = self._bad_kinds(event_type, len(at), draw)
        kinds[(share >= bad) & (share < repeated)] = _REPETITION
        kinds[(share >= repeated) & (share < repeated + self._plan.corrections)] = _CORRECTING
        kinds[_NEEDS_GAP[kinds] & (self._places.gap_ms[self._organizer] < 0)] = _GOOD
        if self._plan.partitions == 1:
            kinds[_ELSEWHERE[kinds]] = _GOOD
        before = _before(self._stream, _CONSUMES[kinds])
        kinds[(before < 0) & (_CONFLICT[kinds] | (kinds == _REPETITION) | (kinds == _CORRECTING))] = _GOOD
        return self._with_fit_targets(kinds, before)

    def _with_fit_targets(self, kinds: np.ndarray, before: np.ndarray) -> np.ndarray:
        """Return the kinds with good events where a correction has none to be about. before: as drawn."""
        there = before >= 0
        of_event = there & (kinds[before] == _GOOD)
        of_refused = there & ~_IS_CORRECTION[kinds[before]]  # Of a right correction there is none.
        kinds = np.where((_OF_EVENT[kinds] & ~of_event) | ((kinds == _CORRECTING) & ~of_refused), _GOOD, kinds)
        kinds[_OF_CORRECTION[kinds] & (_before(self._stream, _stands_by_itself(kinds)) < 0)] = _GOOD
        kinds[_OF_CORRECTED[kinds] & (_before(self._stream, _changes_an_event(kinds, before)) < 0)] = _GOOD
        return kinds

    def _bad_kinds(self, event_type: str, rows: int, draw: np.random.Generator) -> np.ndarray:
        weights = {name: w for name, w in self._plan.weights.items() if KINDS[name].of in {None, event_type}}
        if not weights:
            return np.full(rows, _GOOD)
        ordered = [name for name in KINDS if name in weights]
        shares = np.cumsum([weights[name] for name in ordered])
        chosen = np.searchsorted(shares / shares[-1], draw.random(rows)).clip(max=len(ordered) - 1)
        kinds: np.ndarray = np.array([_PLACE[name] for name in ordered])[chosen]
        return kinds

    def _values(self) -> list[bytes | None]:
        kinds = self._kinds
        values: list[bytes | None] = [b""] * len(kinds)
        good, bad = np.flatnonzero(kinds == _GOOD), np.flatnonzero((kinds > _CORRECTING) & ~_IS_CORRECTION[kinds])
        _place(values, good, encoded(self._events[good]))
        names = pl.Series(_NAMES).gather(kinds[bad])
        for place, name, value in zip(bad.tolist(), names, encoded(self._spoilt(bad, names)), strict=True):
            spoil = KINDS[name].spoil
            values[place] = spoil(value, int(self._random[place])) if spoil else value
        self._correct(values)
        for place in np.flatnonzero(kinds == _REPETITION).tolist():
            values[place] = values[self._before[place]]
        return values

    def _spoilt(self, at: np.ndarray, names: pl.Series) -> pl.DataFrame:
        """Return the bad events with what they say."""
        bins = self._places.bins
        others = pl.Series([*bins[1:], bins[0]]) if len(bins) > 1 else pl.Series([_BIN_OF_NOBODY])
        gaps = pl.Series(self._places.gap_ms[self._organizer[at]]).cast(pl.Datetime("ms", "UTC"))
        beside = {OTHER_BIN: others.gather(self._organizer[at]), GAP_AT: gaps}
        return spoilt_fields(self._events[at].with_columns(**beside), names)

    def _correct(self, values: list[bytes | None]) -> None:
        at = np.flatnonzero(_IS_CORRECTION[self._kinds])
        if not len(at):
            return
        targets, how = zip(*map(self._about, at.tolist()), strict=True)
        amends = [None if kind == _CORRECTING else KINDS[_NAMES[kind]].amend for kind in self._kinds[at].tolist()]
        _place(values, at, correction_values(self._events[at], self._events[list(targets)], list(how), amends))

    def _about(self, place: int) -> tuple[int, str]:
        """Return the place of what a correction is about, and how it corrects that."""
        kind, before = self._kinds[place], int(self._before[place])
        if kind == _CORRECTING:
            refused = bool(self._kinds[before] != _GOOD)
            return before, correction_kind(int(self._random[place]), target_refused=refused)
        if _OF_CORRECTION[kind]:
            return int(self._correction[place]), REPLACE
        if _OF_CORRECTED[kind]:
            earlier = int(self._right[place])
            return int(self._before[earlier]), other_kind(int(self._random[earlier]))
        return before, REPLACE

    def _keys(self) -> pl.Series:
        table = pl.select(key=self._events["stream_id"], said=pl.Series(_KEYS).gather(self._kinds))
        other = pl.when(pl.col("said") == "other").then(pl.col("key") + ".2").otherwise("key")
        return table.select(pl.when(pl.col("said") != "none").then(other).cast(pl.Binary).alias("key")).to_series()


def _stands_by_itself(kinds: np.ndarray) -> np.ndarray:
    """Return which messages are corrections that do not hang on another one."""
    return np.asarray(_IS_CORRECTION[kinds] & ~_OF_CORRECTION[kinds] & ~_OF_CORRECTED[kinds])


def _changes_an_event(kinds: np.ndarray, before: np.ndarray) -> np.ndarray:
    """Return which messages are right corrections of an event that was accepted."""
    return np.asarray((kinds == _CORRECTING) & (kinds[before] == _GOOD))


def _place(values: list[bytes | None] | list[bytes], at: np.ndarray, found: list[bytes]) -> None:
    for place, value in zip(at.tolist(), found, strict=True):
        values[place] = value


def _before(stream: np.ndarray, consumes: np.ndarray) -> np.ndarray:
    """Return, per message, the place of the last one before it in its stream that uses a number; -1 if none does."""
    places = pl.select(at=pl.Series(np.arange(len(stream))), used=pl.Series(consumes), stream=pl.Series(stream))
    used_at = pl.when("used").then("at").shift(1).forward_fill().over("stream").fill_null(-1)
    return places.select(used_at.alias("before")).to_series().to_numpy()


def _count_before(stream: np.ndarray, consumes: np.ndarray) -> np.ndarray:
    """Return, per message, how many before it in its stream use a number."""
    frame = pl.select(used=pl.Series(consumes).cast(pl.Int64), stream=pl.Series(stream))
    return frame.select((pl.col("used").cum_sum().over("stream") - pl.col("used")).alias("n")).to_series().to_numpy()
