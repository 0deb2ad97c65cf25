"""The stage totals: each accepted posting becomes a ledger posting that carries its person's totals after it.

Reads     `accepted`, keyed by person_key
Returns   per input partition the `ledger` records, same partition, keys and order; the cells that changed
Promises  adds signed amounts and knows nothing of corrections; a late event goes to the year in which it occurred; how
          a sequence of postings is cut into polls changes nothing (clause O9-4.6, DESIGN §4; box: totals)
"""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import polars as pl

from esep.clock import almaty_year
from esep.errors import InvariantBroken, TotalsOverflow
from esep.lineage import TopicPartition
from esep.money import AMOUNT_TIYN_MAX, SUM_TIYN_MAX
from esep.stream_apps.poll import InternalPoll, person_words, read_poll
from esep.stream_apps.stage import Batch, PartitionState, Result, Write
from esep.stream_apps.totals.cells import CELL_KEY, MEASURES, WIDTH, Cells, changelog_records
from esep.stream_apps.totals.running import contributions, measures_of, running
from esep.topics import ACCEPTED, LEDGER, TOTALS, TOTALS_CHANGELOG
from esep.versions import encode_oldest

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

SCOPES = tuple((scope, span) for scope in ("person", "organizer") for span in ("year", "ever"))
TOTALS_COLUMNS = tuple(
    f"{scope}_{span}_{measure}_{unit}" for scope, span in SCOPES for measure in MEASURES for unit in ("count", "tiyn")
)
_OF_CELL = SCOPES.index(("organizer", "year"))  # The scope whose totals are those of the cell that a posting changes.


class Changes(NamedTuple):
    """The cells of one input partition that changed: keys (CELL_KEY) and their new values."""

    keys: np.ndarray
    values: np.ndarray


class TotalsStage:
    """Implements `esep.stream_apps.stage.Stage`; its data is `Cells`."""

    name: str = TOTALS
    shares_changelogs = False
    inputs: Sequence[str] = (ACCEPTED,)

    def changelog_of(self, source: TopicPartition) -> TopicPartition:
        """Return the changelog partition: the one of the same number."""
        return TopicPartition(TOTALS_CHANGELOG, source.partition)

    def empty(self, source: TopicPartition) -> Cells:  # noqa: ARG002 - every partition begins alike
        """Return the data of a partition without postings."""
        return Cells()

    def restore(self, data: Cells, keys: Sequence[bytes], values: Sequence[bytes | None]) -> None:
        """Put the cells of the next changelog records."""
        data.restore(keys, values)

    def process(self, batches: Sequence[Batch], states: Mapping[TopicPartition, PartitionState[Cells]]) -> Result:
        """Return the ledger records of a poll.

        Raises InvariantBroken where a record cannot be used, TotalsOverflow where a total leaves its range.
        """
        poll = read_poll(batches, ACCEPTED)
        cells = _cell_keys(poll)
        totals, last = _totals(poll, cells, [states[batch.source].data for batch in batches])
        messages = encode_oldest(_ledger(poll, totals, states), LEDGER)
        outputs, changelog, positions, changes = [], {}, {}, {}
        for batch, (start, end) in zip(batches, pairwise(poll.starts), strict=True):
            output = _output_of(batch)
            outputs.append(Write(output, poll.keys[start:end], messages[start:end]))
            positions[batch.source] = states[batch.source].position.advanced(batch.next_offset, {output: len(batch)})
            changed = last[(last >= start) & (last < end)]
            changes[batch.source] = Changes(cells[changed], totals[_OF_CELL * WIDTH :][:WIDTH, changed].T)
            changelog[batch.source] = changelog_records(*changes[batch.source])
        return Result(outputs, changelog, positions, changes)

    def settle(self, states: Mapping[TopicPartition, PartitionState[Cells]], changes: object) -> None:
        """Put the cells that changed."""
        assert isinstance(changes, dict)  # noqa: S101 - it is what `process` returned
        for source, changed in changes.items():
            states[source].data.put(*changed)


def _cell_keys(poll: InternalPoll) -> np.ndarray:
    """Return the cell that each posting changes (CELL_KEY)."""
    keys = np.empty(len(poll.keys), CELL_KEY)
    keys["person"] = person_words(poll.keys)
    keys["year"] = almaty_year(poll.frame["occurred_at"]).to_numpy()
    bins = poll.frame["organizer_bin"].cast(pl.Int64, strict=False)
    if bins.null_count():
        raise _unusable(poll, int(bins.is_null().arg_max() or 0), "its organizer_bin is no number")
    keys["bin"] = bins.to_numpy()
    return keys


def _totals(poll: InternalPoll, cells: np.ndarray, data: Sequence[Cells]) -> tuple[np.ndarray, np.ndarray]:
    """Return the totals after each posting, a row per column of TOTALS_COLUMNS; the last posting of each cell."""
    places, deltas = _deltas(poll)
    persons, owner, heads = _persons(poll)
    bins, years = np.ascontiguousarray(cells["bin"]), np.ascontiguousarray(cells["year"])
    known_bins, bin_code = np.unique(bins, return_inverse=True)
    year_code = years - years.min()
    spans, organizers = int(year_code.max()) + 1, len(known_bins)
    at_organizer = owner * organizers + bin_code
    groups = (owner * spans + year_code, owner, at_organizer * spans + year_code, at_organizer)
    totals = np.empty((len(SCOPES), WIDTH, len(owner)), np.int64)
    for (start, end), (first, behind), one in zip(pairwise(poll.starts), pairwise(heads), data, strict=True):
        part = slice(start, end)
        bases = one.bases(persons[first:behind], owner[part] - first, bins[part], years[part])
        totals[:, :, part] = bases.transpose(0, 2, 1)
    for scope, codes in enumerate(groups):
        grown = running(codes, deltas)
        totals[scope, places] += grown.sums
        if scope == _OF_CELL:
            last = grown.last
    flat = totals.reshape(len(SCOPES) * WIDTH, -1)
    _check_range(poll, flat)
    return flat, last


def _deltas(poll: InternalPoll) -> tuple[np.ndarray, np.ndarray]:
    measures = measures_of(poll.frame)
    if (measures < 0).any():
        raise _unusable(poll, int(np.argmax(measures < 0)), "its event_type and kind belong to no total")
    amounts = poll.frame["amount_tiyn"].to_numpy()
    _check(poll, (amounts > AMOUNT_TIYN_MAX) | (amounts < -AMOUNT_TIYN_MAX), "its amount")
    return contributions(measures, poll.frame["leg"].to_numpy(), amounts)


def _persons(poll: InternalPoll) -> tuple[np.ndarray, np.ndarray, list[int]]:
    """Return the distinct persons batch by batch, each posting's place among them, and where each batch's begin."""
    distinct: list[bytes] = []
    owner: list[int] = []
    heads = [0]
    for start, end in pairwise(poll.starts):
        keys = poll.keys[start:end]
        places = {key: place for place, key in enumerate(dict.fromkeys(keys), heads[-1])}
        owner += map(places.__getitem__, keys)
        distinct += places
        heads.append(len(distinct))
    return person_words(distinct), np.array(owner, np.int64), heads


def _check_range(poll: InternalPoll, totals: np.ndarray) -> None:
    if max(int(totals.max()), -int(totals.min())) > SUM_TIYN_MAX:
        _check(poll, (np.abs(totals) > SUM_TIYN_MAX).any(axis=0), "a total after it")


def _check(poll: InternalPoll, beyond: np.ndarray, what: str) -> None:
    if beyond.any():
        raise TotalsOverflow(
            f"The record at {poll.origin(int(np.argmax(beyond)))} cannot be added.",
            detail=f"{what} leaves the range in which sums are exact",
            hint="an amount that large is no bet: find out how it passed intake",
        )


def _unusable(poll: InternalPoll, place: int, why: str) -> InvariantBroken:
    return InvariantBroken(f"The record at {poll.origin(place)} cannot be used.", detail=why)


def _ledger(
    poll: InternalPoll, totals: np.ndarray, states: Mapping[TopicPartition, PartitionState[Cells]]
) -> pl.DataFrame:
    """Return the columns of the ledger: the accepted posting, its own lineage, the totals."""
    lineage = {
        "row": np.concatenate([_rows(batch, states[batch.source]) for batch in poll.batches]),
        "cause_partition": poll.partitions(),
        "cause_offset": poll.offsets(),
    }
    posted = poll.frame.with_columns(
        pl.lit(ACCEPTED).alias("cause_topic"),
        *(pl.col(f"cause_{part}").alias(f"origin_{part}") for part in ("topic", "partition", "offset")),
        *(pl.Series(name, column) for name, column in lineage.items()),
    )
    return posted.hstack(pl.DataFrame(totals, schema=list(TOTALS_COLUMNS), orient="col"))


def _rows(batch: Batch, state: PartitionState[Cells]) -> np.ndarray:
    last = state.position.rows.get(_output_of(batch), 0)
    return np.arange(last + 1, last + 1 + len(batch))


def _output_of(batch: Batch) -> TopicPartition:
    return TopicPartition(LEDGER, batch.source.partition)
