"""The stage alerts: watches the ledger by the rules that are LIVE and says which alerts there are.

Reads     `ledger`, keyed by person_key; `alerts.instruments`, keyed by means of payment, where a LIVE rule is about one
Returns   per input partition the new revisions of alerts, same partition; what changed in the state; of the ledger also
          the postings for `alerts.instruments`
Promises  a posting leads to its alerts in the order of the ledger; how the ledger is cut into polls changes nothing
          (DESIGN §7; AML law 191-IV, Art. 4(1)(1); D934-1..3; box: alerts)
"""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from esep.lineage import TopicPartition
from esep.rules import RuleSet, load_rules
from esep.stream_apps.alerts.changelog import records_of, restore
from esep.stream_apps.alerts.instruments import instrument_writes
from esep.stream_apps.alerts.looked import looked_at
from esep.stream_apps.alerts.message import Cause, alert_record, headers_of
from esep.stream_apps.alerts.program import Program, compile_rules
from esep.stream_apps.alerts.state import AlertsData, Changes
from esep.stream_apps.alerts.watch import Arrivals, Outcome, watch
from esep.stream_apps.lanes import Lanes
from esep.stream_apps.poll import InternalPoll, read_poll
from esep.stream_apps.stage import Batch, PartitionState, Result, Write
from esep.topics import ALERTS, ALERTS_CHANGELOG, ALERTS_STAGE, INSTRUMENTS, INSTRUMENTS_CHANGELOG, LEDGER
from esep.versions import encode_record

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

_CAUSE = ("received_at", "occurred_at", "iin", "reference_version", "instrument_hash")  # As `Cause` has them.
_RECORDS = {LEDGER: "ledger", INSTRUMENTS: "instrument_posting"}
_CHANGELOGS = {LEDGER: ALERTS_CHANGELOG, INSTRUMENTS: INSTRUMENTS_CHANGELOG}


class AlertsStage:
    """Implements `esep.stream_apps.stage.Stage`; its data is `AlertsData`. rules: by default those of esep.

    partitions: of `alerts.instruments`.
    """

    name: str = ALERTS_STAGE
    shares_changelogs = False

    def __init__(self, rules: RuleSet | None = None, *, partitions: int = 1) -> None:
        rules = rules or load_rules()
        self.programs = {LEDGER: compile_rules(rules), INSTRUMENTS: compile_rules(rules, "instrument")}
        self.inputs: Sequence[str] = (LEDGER,) if self.programs[INSTRUMENTS].idle else (LEDGER, INSTRUMENTS)
        self._partitions = partitions

    def changelog_of(self, source: TopicPartition) -> TopicPartition:
        """Return the changelog partition: the one of the same number."""
        return TopicPartition(_CHANGELOGS[source.topic], source.partition)

    def empty(self, source: TopicPartition) -> AlertsData:
        """Return the data of a partition without postings."""
        return AlertsData(self.programs[source.topic])

    def restore(self, data: AlertsData, keys: Sequence[bytes], values: Sequence[bytes | None]) -> None:
        """Apply the next changelog records."""
        restore(data, keys, values)

    def process(self, batches: Sequence[Batch], states: Mapping[TopicPartition, PartitionState[AlertsData]]) -> Result:
        """Return the alerts of a poll; InvariantBroken where a record cannot be used."""
        lanes = Lanes({batch.source: states[batch.source].position for batch in batches})
        outputs: list[Write] = []
        changelog, positions, changes = {}, {}, {}
        for topic in self.inputs:
            own = [batch for batch in batches if batch.source.topic == topic]
            if not own:
                continue
            poll = read_poll(own, _RECORDS[topic])
            clocks_ms = _clocks(poll, states)
            for one in self._watched(poll, clocks_ms, states):
                output = TopicPartition(ALERTS, one.batch.source.partition)
                rows = lanes.rows(one.batch.source, output, len(one.outcomes))
                if one.outcomes:
                    outputs.append(_write(self.programs[topic], output, one, rows))
                changes[one.batch.source] = one.changes
                changelog[one.batch.source] = records_of(states[one.batch.source].data, one.changes)
            if topic == LEDGER and not self.programs[INSTRUMENTS].idle:
                outputs += instrument_writes(poll, clocks_ms, self.programs[INSTRUMENTS], self._partitions, lanes)
        for batch in batches:
            positions[batch.source] = lanes.position(batch.source, batch.next_offset)
        return Result(outputs, changelog, positions, changes)

    def settle(self, states: Mapping[TopicPartition, PartitionState[AlertsData]], changes: object) -> None:
        """Make the changes of a poll."""
        assert isinstance(changes, dict)  # noqa: S101 - it is what `process` returned
        for source, changed in changes.items():
            states[source].data.apply(changed)

    def _watched(
        self, poll: InternalPoll, clocks_ms: np.ndarray, states: Mapping[TopicPartition, PartitionState[AlertsData]]
    ) -> Iterator[_Watched]:
        """Yield what each batch of a poll leads to."""
        looked = looked_at(poll, self.programs[poll.batches[0].source.topic])
        received_ms = poll.frame["received_at"].to_physical().to_numpy()
        for batch, (start, end) in zip(poll.batches, pairwise(poll.starts), strict=True):
            own = looked.between(start, end)
            arrivals = Arrivals(
                own.persons, own.columns, own.bits, received_ms[own.places], clocks_ms[own.places],
                int(clocks_ms[start:end][-1]),
            )  # fmt: skip
            outcomes, changed = watch(arrivals, states[batch.source].data)
            places = own.places[[outcome.cause for outcome in outcomes]] if outcomes else own.places[:0]
            yield _Watched(batch, outcomes, _causes(poll, batch.source, places), changed)


class _Watched(NamedTuple):
    """What a batch leads to. causes: of each outcome."""

    batch: Batch
    outcomes: Sequence[Outcome]
    causes: Sequence[Cause]
    changes: Changes


def _clocks(poll: InternalPoll, states: Mapping[TopicPartition, PartitionState[AlertsData]]) -> np.ndarray:
    """Return for each record of a poll the latest received_at of its partition so far (int64)."""
    received_ms = poll.frame["received_at"].to_physical().to_numpy()
    return np.concatenate(
        [
            np.maximum(np.maximum.accumulate(received_ms[start:end]), states[batch.source].data.clock_ms)
            for batch, (start, end) in zip(poll.batches, pairwise(poll.starts), strict=True)
        ]
    )


def _write(program: Program, output: TopicPartition, watched: _Watched, rows: range) -> Write:
    """Return the messages of a batch's outcomes."""
    records = [
        alert_record(outcome, cause, row, program.withdrawn)
        for row, outcome, cause in zip(rows, watched.outcomes, watched.causes, strict=True)
    ]
    return Write(
        output,
        [outcome.person for outcome in watched.outcomes],
        [encode_record(record, "alert") for record in records],
        [headers_of(record) for record in records],
    )


def _causes(poll: InternalPoll, source: TopicPartition, places: np.ndarray) -> list[Cause]:
    """Return the postings at these places of a poll as what alerts come from; nearly always there are none."""
    if not len(places):
        return []
    rows = poll.frame.select(_CAUSE)[places]
    facts = [poll.offsets()[places].tolist(), *(rows[name].to_physical().to_list() for name in _CAUSE)]
    return [Cause(source, *fact) for fact in zip(*facts, strict=True)]
