"""The stage alerts: watches the ledger by the rules that are LIVE and says which alerts there are.

Reads     `ledger`, keyed by person_key; `alerts.instruments`, keyed by means of payment, where a LIVE rule is about one
Returns   per input partition the new revisions of alerts, same partition; what changed in the state; of the ledger also
          the postings for `alerts.instruments`
Promises  a posting leads to its alerts in the order of the ledger, by the file of rules in force at the clock of its
          partition; how the ledger is cut into polls changes nothing (DESIGN §7; decision 0046; AML law 191-IV,
          Art. 4(1)(1); D934-1..3; box: alerts)
"""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from esep.lineage import TopicPartition
from esep.rule_files import RuleFiles
from esep.rules import RuleSet, load_rules
from esep.stream_apps.alerts.changelog import records_of, restore
from esep.stream_apps.alerts.columns import partition_and_offset
from esep.stream_apps.alerts.instruments import instrument_writes
from esep.stream_apps.alerts.looked import looked_at
from esep.stream_apps.alerts.message import Cause, alert_record, headers_of
from esep.stream_apps.alerts.program import Program
from esep.stream_apps.alerts.programs import Programs
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
    """Implements `esep.stream_apps.stage.Stage`; its data is `AlertsData`.

    rules: by default those of esep; all files, which may grow between two polls: each has to be known by its instant.
    partitions: of `alerts.instruments`.
    """

    name: str = ALERTS_STAGE
    shares_changelogs = False

    def __init__(self, rules: RuleSet | RuleFiles | None = None, *, partitions: int = 1) -> None:
        self._files = rules if isinstance(rules, RuleFiles) else RuleFiles.of(rules or load_rules())
        self._programs = {LEDGER: Programs(self._files), INSTRUMENTS: Programs(self._files, "instrument")}
        self._partitions = partitions

    @property
    def inputs(self) -> Sequence[str]:
        """The ledger; means of payment, too, once any file is known that has rules about them."""
        return (LEDGER,) if self._programs[INSTRUMENTS].idle else (LEDGER, INSTRUMENTS)

    def changelog_of(self, source: TopicPartition) -> TopicPartition:
        """Return the changelog partition: the one of the same number."""
        return TopicPartition(_CHANGELOGS[source.topic], source.partition)

    def empty(self, source: TopicPartition) -> AlertsData:
        """Return the data of a partition without postings."""
        return AlertsData(self._programs[source.topic].at(0))

    def restore(self, data: AlertsData, keys: Sequence[bytes], values: Sequence[bytes | None]) -> None:
        """Apply the next changelog records; BrokerUnavailable where a file was taken that is not known here yet."""
        restore(data, keys, values)
        if data.takings and (number := max(data.takings)) != data.program.number:
            topic = LEDGER if data.program.subject == "person" else INSTRUMENTS
            data.take(self._programs[topic].at(number - 1))

    def process(self, batches: Sequence[Batch], states: Mapping[TopicPartition, PartitionState[AlertsData]]) -> Result:
        """Return the alerts of a poll; InvariantBroken where a record cannot be used.

        A poll in which the instant of a file falls is cut there: what comes after it is left.
        """
        lanes = Lanes({batch.source: states[batch.source].position for batch in batches})
        outputs: list[Write] = []
        changelog, positions, changes, left = {}, {}, {}, list[Batch]()
        for topic in _RECORDS:
            own = [batch for batch in batches if batch.source.topic == topic]
            if not own:
                continue
            part = _part(own, states, self._files)
            left += part.left
            program = self._programs[topic].at(part.place)
            for one in _watched(part, program, states):
                output = TopicPartition(ALERTS, one.batch.source.partition)
                rows = lanes.rows(one.batch.source, output, len(one.outcomes))
                if one.outcomes:
                    outputs.append(_write(program, output, one, rows))
                changes[one.batch.source] = one.changes
                changelog[one.batch.source] = records_of(states[one.batch.source].data, one.changes)
            linked = self._programs[INSTRUMENTS].at(part.place)
            if topic == LEDGER and not linked.idle:
                outputs += instrument_writes(part.poll, part.clocks_ms, linked, self._partitions, lanes)
            for batch in part.poll.batches:
                positions[batch.source] = lanes.position(batch.source, batch.next_offset)
        return Result(outputs, changelog, positions, changes, left)

    def settle(self, states: Mapping[TopicPartition, PartitionState[AlertsData]], changes: object) -> None:
        """Make the changes of a poll."""
        assert isinstance(changes, dict)  # noqa: S101 - it is what `process` returned
        for source, changed in changes.items():
            states[source].data.apply(changed)


class _Part(NamedTuple):
    """What of a topic's batches is processed together, under one file. place: the file's. left: of the batches."""

    poll: InternalPoll
    clocks_ms: np.ndarray
    place: int
    left: list[Batch]


def _part(
    batches: Sequence[Batch], states: Mapping[TopicPartition, PartitionState[AlertsData]], files: RuleFiles
) -> _Part:
    """Return the beginnings of a topic's batches that the earliest file is in force for; nearly always it is all."""
    poll = read_poll(batches, _RECORDS[batches[0].source.topic])
    clocks_ms = _clocks(poll, states)
    places = np.searchsorted(files.instants, clocks_ms, side="right")
    place = int(places.min())
    if int(places.max()) == place:
        return _Part(poll, clocks_ms, place, [])
    counts = [int((places[start:end] == place).sum()) for start, end in pairwise(poll.starts)]
    own = [batch.first(count) for batch, count in zip(batches, counts, strict=True) if count]
    left = [batch.rest(count) for batch, count in zip(batches, counts, strict=True) if count < len(batch)]
    return _part(own, states, files)._replace(left=left)


def _watched(
    part: _Part, program: Program, states: Mapping[TopicPartition, PartitionState[AlertsData]]
) -> Iterator[_Watched]:
    """Yield what each batch leads to, taken under a program where its partition has not taken that yet."""
    poll, clocks_ms = part.poll, part.clocks_ms
    looked = looked_at(poll, program)
    received_ms = poll.frame["received_at"].to_physical().to_numpy()
    for batch, (start, end) in zip(poll.batches, pairwise(poll.starts), strict=True):
        own = looked.between(start, end)
        arrivals = Arrivals(
            own.persons, own.columns, own.bits, received_ms[own.places], clocks_ms[own.places],
            int(clocks_ms[start:end][-1]),
        )  # fmt: skip
        data = states[batch.source].data
        under = data.under(program, _begins(batch, data)) if data.program.number != program.number else None
        outcomes, changed = watch(arrivals, under or data)
        places = own.places[[outcome.cause for outcome in outcomes]] if outcomes else own.places[:0]
        yield _Watched(batch, outcomes, _causes(poll, batch.source, places), changed._replace(under=under))


def _begins(batch: Batch, data: AlertsData) -> dict[int, int]:
    """Return for each partition of the ledger an offset that parts what is kept from what has not arrived yet."""
    if batch.source.topic == LEDGER:
        return {0: batch.offsets[0]}  # As places of persons' postings have it.
    begins: dict[int, int] = {}
    for partition, offset in map(partition_and_offset, data.postings.all().facts["offset"].tolist()):
        begins[partition] = max(begins.get(partition, 0), offset + 1)
    return begins


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
