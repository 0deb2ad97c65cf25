"""The stage alerts: watches the ledger by the rules that are LIVE and says which alerts there are.

Reads     `ledger`, keyed by person_key
Returns   per input partition the new revisions of alerts, same partition; what changed in the state
Promises  a posting leads to its alerts in the order of the ledger; how the ledger is cut into polls changes nothing
          (DESIGN §7; AML law 191-IV, Art. 4(1)(1); box: alerts)
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np
import polars as pl

from esep.codec import encode_one
from esep.errors import InvariantBroken
from esep.lineage import TopicPartition
from esep.rules import KINDS, RuleSet, load_rules
from esep.schemas import schema
from esep.stream_apps.alerts.changelog import records_of, restore
from esep.stream_apps.alerts.columns import FACTS, HAS_INSTRUMENT, Columns, day_of, joined, slots_of
from esep.stream_apps.alerts.message import Cause, alert_record, headers_of
from esep.stream_apps.alerts.program import Program, compile_rules
from esep.stream_apps.alerts.state import AlertsData
from esep.stream_apps.alerts.watch import Arrivals, Outcome, watch
from esep.stream_apps.poll import InternalPoll, person_words, read_poll
from esep.stream_apps.stage import Batch, PartitionState, Result, Write
from esep.topics import ALERTS, ALERTS_CHANGELOG, ALERTS_STAGE, LEDGER

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

_ALERT = schema("alert")
_CAUSE = ("received_at", "occurred_at", "iin", "reference_version")  # In the order of `Cause`, after the offset.
_FLAGS_KNOWN = 2**31 - 1


class AlertsStage:
    """Implements `esep.stream_apps.stage.Stage`; its data is `AlertsData`. rules: by default those of esep."""

    name: str = ALERTS_STAGE
    inputs: Sequence[str] = (LEDGER,)

    def __init__(self, rules: RuleSet | None = None) -> None:
        self.program = compile_rules(rules or load_rules())

    def changelog_of(self, source: TopicPartition) -> TopicPartition:
        """Return the changelog partition: the one of the same number."""
        return TopicPartition(ALERTS_CHANGELOG, source.partition)

    def empty(self, source: TopicPartition) -> AlertsData:  # noqa: ARG002 - every partition begins alike
        """Return the data of a partition without postings."""
        return AlertsData(self.program)

    def restore(self, data: AlertsData, keys: Sequence[bytes], values: Sequence[bytes | None]) -> None:
        """Apply the next changelog records."""
        restore(data, keys, values)

    def process(self, batches: Sequence[Batch], states: Mapping[TopicPartition, PartitionState[AlertsData]]) -> Result:
        """Return the alerts of a poll; InvariantBroken where a record cannot be used."""
        poll = read_poll(batches, LEDGER)
        received_ms = poll.frame["received_at"].to_physical().to_numpy()
        looked = _looked_at(poll, self.program)
        outputs, changelog, positions, changes = [], {}, {}, {}
        for batch, (start, end) in zip(batches, pairwise(poll.starts), strict=True):
            data, position = states[batch.source].data, states[batch.source].position
            clocks_ms = np.maximum(np.maximum.accumulate(received_ms[start:end]), data.clock_ms)
            own = looked.between(start, end)
            clocks_ms_own, clock_ms = clocks_ms[own.places - start], int(clocks_ms[-1])
            outcomes, changed = watch(Arrivals(own.persons, own.columns, own.bits, clocks_ms_own, clock_ms), data)
            output = TopicPartition(ALERTS, batch.source.partition)
            if outcomes:
                places = own.places[[outcome.cause for outcome in outcomes]]
                causes = _causes(poll, batch.source, places)
                outputs.append(self._write(output, outcomes, causes, position.rows.get(output, 0)))
            changes[batch.source], changelog[batch.source] = changed, records_of(data, changed)
            positions[batch.source] = position.advanced(batch.next_offset, {output: len(outcomes)})
        return Result(outputs, changelog, positions, changes)

    def settle(self, states: Mapping[TopicPartition, PartitionState[AlertsData]], changes: object) -> None:
        """Make the changes of a poll."""
        assert isinstance(changes, dict)  # noqa: S101 - it is what `process` returned
        for source, changed in changes.items():
            states[source].data.apply(changed)

    def _write(self, output: TopicPartition, outcomes: Sequence[Outcome], causes: Sequence[Cause], row: int) -> Write:
        """Return the messages of the outcomes, numbered from the row after the last one."""
        records = [
            alert_record(outcome, cause, number, self.program.withdrawn)
            for number, (outcome, cause) in enumerate(zip(outcomes, causes, strict=True), row + 1)
        ]
        return Write(
            output,
            [outcome.person for outcome in outcomes],
            [encode_one(record, _ALERT) for record in records],
            [headers_of(record) for record in records],
        )


@dataclass(frozen=True, slots=True)
class _LookedAt:
    """The postings of a poll that some rule looks at. places: in the poll, ascending."""

    places: np.ndarray
    persons: list[bytes]
    columns: Columns
    bits: np.ndarray

    def between(self, start: int, end: int) -> _LookedAt:
        """Return those from one place of the poll to before another."""
        first, behind = np.searchsorted(self.places, (start, end)).tolist()
        own = np.arange(first, behind)
        return _LookedAt(self.places[own], self.persons[first:behind], self.columns.taken(own), self.bits[own])


def _looked_at(poll: InternalPoll, program: Program) -> _LookedAt:
    facts = _facts(poll)
    bits = program.bits(facts)
    places = np.flatnonzero(bits)
    facts, bits = facts[places], bits[places]
    _check_signs(poll, facts, places)
    rows = poll.frame.select("entry_id", "wager_id", pl.col("instrument_hash").fill_null(""))[places]
    kept = (True, program.keeps_wager, program.keeps_instrument)
    parts = [
        text.cast(pl.Binary).to_list() if is_kept else [b""] * len(places)
        for text, is_kept in zip(rows, kept, strict=True)
    ]
    facts["entry_length"], facts["wager_length"] = (list(map(len, part)) for part in parts[:2])
    texts, lengths = joined(map(b"".join, zip(*parts, strict=True)))
    persons = [poll.keys[place] for place in places.tolist()]
    slots = slots_of(person_words(persons), day_of(facts["occurred_ms"]))
    return _LookedAt(places, persons, Columns(slots, facts, texts, lengths), bits)


def _causes(poll: InternalPoll, source: TopicPartition, places: np.ndarray) -> list[Cause]:
    """Return the postings at these places of a poll as what alerts come from."""
    rows = poll.frame.select(_CAUSE)[places]
    facts = [poll.offsets()[places].tolist(), *(rows[name].to_physical().to_list() for name in _CAUSE)]
    return [Cause(source, *fact) for fact in zip(*facts, strict=True)]


def _facts(poll: InternalPoll) -> np.ndarray:
    """Return of each posting of a poll what filters look at; lengths of texts are left open."""
    frame = poll.frame
    facts = np.zeros(frame.height, FACTS)
    said = pl.when(pl.col("event_type") == "PAYOUT").then(pl.col("kind")).otherwise(pl.col("event_type"))
    looked = frame.select(
        kind=said.replace_strict(list(KINDS), range(len(KINDS)), return_dtype=pl.UInt8)
        + pl.col("instrument_hash").is_not_null().cast(pl.UInt8) * HAS_INSTRUMENT,
        odds=pl.col("odds_milli").fill_null(0),
        flags=pl.col("flags") & _FLAGS_KNOWN,
        amount=pl.col("amount_tiyn"),
        occurred_ms=pl.col("occurred_at").to_physical(),
        revision=pl.col("revision"),
    )
    for name in looked.columns:
        facts[name] = looked[name].to_numpy()
    facts["offset"] = poll.offsets()
    return facts


def _check_signs(poll: InternalPoll, facts: np.ndarray, places: np.ndarray) -> None:
    """Raise InvariantBroken where the amount of a posting that counts has not the sign of its leg."""
    wrong = np.flatnonzero(np.sign(facts["amount"]) != poll.frame["leg"].to_numpy()[places])
    if len(wrong):
        raise InvariantBroken(
            f"The record at {poll.origin(int(places[wrong[0]]))} cannot be used.",
            detail="its amount has not the sign of its leg",
        )
