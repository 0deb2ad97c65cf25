"""The stage alerts: watches the payouts of winnings on the ledger and says which alerts there are.

Reads     `ledger`, keyed by person_key
Returns   per input partition the new revisions of alerts, same partition; what changed in the state
Promises  a posting leads to its alerts in the order of the ledger; how the ledger is cut into polls changes nothing
          (DESIGN §7; AML law 191-IV, Art. 4(1)(1); box: alerts)
"""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np
import polars as pl

from esep.codec import encode_one
from esep.errors import InvariantBroken
from esep.lineage import TopicPartition
from esep.schemas import schema
from esep.stream_apps.alerts.changelog import records_of, restore
from esep.stream_apps.alerts.columns import Columns, day_of, slots_of
from esep.stream_apps.alerts.message import Cause, alert_record, headers_of
from esep.stream_apps.alerts.state import AlertsData
from esep.stream_apps.alerts.watch import Arrivals, Outcome, watch
from esep.stream_apps.poll import InternalPoll, person_words, read_poll
from esep.stream_apps.stage import Batch, PartitionState, Result, Write
from esep.topics import ALERTS, ALERTS_CHANGELOG, ALERTS_STAGE, LEDGER

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

_ALERT = schema("alert")
_PLACE, _OFFSET = "place", "offset"
_FACTS = (_OFFSET, "received_at", "occurred_at", "iin", "reference_version")  # In the order of `Cause`.
_COLUMNS = (_PLACE, "entry_id", "revision", "leg", "amount_tiyn", *_FACTS)


class AlertsStage:
    """Implements `esep.stream_apps.stage.Stage`; its data is `AlertsData`."""

    name: str = ALERTS_STAGE
    inputs: Sequence[str] = (LEDGER,)

    def changelog_of(self, source: TopicPartition) -> TopicPartition:
        """Return the changelog partition: the one of the same number."""
        return TopicPartition(ALERTS_CHANGELOG, source.partition)

    def empty(self, source: TopicPartition) -> AlertsData:  # noqa: ARG002 - every partition begins alike
        """Return the data of a partition without postings."""
        return AlertsData()

    def restore(self, data: AlertsData, keys: Sequence[bytes], values: Sequence[bytes | None]) -> None:
        """Apply the next changelog records."""
        restore(data, keys, values)

    def process(self, batches: Sequence[Batch], states: Mapping[TopicPartition, PartitionState[AlertsData]]) -> Result:
        """Return the alerts of a poll; InvariantBroken where a record cannot be used."""
        poll = read_poll(batches, LEDGER)
        received_ms = poll.frame["received_at"].to_physical().to_numpy()
        winnings = _winnings(poll)
        places = winnings[_PLACE].to_numpy()
        outputs, changelog, positions, changes = [], {}, {}, {}
        for batch, (start, end) in zip(batches, pairwise(poll.starts), strict=True):
            data, position = states[batch.source].data, states[batch.source].position
            clocks_ms = np.maximum(np.maximum.accumulate(received_ms[start:end]), data.clock_ms)
            first, behind = np.searchsorted(places, (start, end)).tolist()
            own = winnings[first:behind]
            outcomes, changed = watch(_arrivals(poll, own, clocks_ms, start), data)
            output = TopicPartition(ALERTS, batch.source.partition)
            if outcomes:
                outputs.append(_write(output, outcomes, own, batch, position.rows.get(output, 0)))
            changes[batch.source], changelog[batch.source] = changed, records_of(data, changed)
            positions[batch.source] = position.advanced(batch.next_offset, {output: len(outcomes)})
        return Result(outputs, changelog, positions, changes)

    def settle(self, states: Mapping[TopicPartition, PartitionState[AlertsData]], changes: object) -> None:
        """Make the changes of a poll."""
        assert isinstance(changes, dict)  # noqa: S101 - it is what `process` returned
        for source, changed in changes.items():
            states[source].data.apply(changed)


def _winnings(poll: InternalPoll) -> pl.DataFrame:
    """Return the postings of payouts of winnings, each with its place in the poll and its offset."""
    won = (pl.col("event_type") == "PAYOUT") & (pl.col("kind") == "WINNING")
    numbered = poll.frame.lazy().with_columns(pl.Series(_OFFSET, poll.offsets())).with_row_index(_PLACE)
    winnings = numbered.filter(won).select(_COLUMNS).collect()
    wrong = winnings.filter(pl.col("amount_tiyn").sign() != pl.col("leg"))
    if wrong.height:
        raise InvariantBroken(
            f"The record at {poll.origin(wrong[_PLACE][0])} cannot be used.",
            detail="its amount has not the sign of its leg",
        )
    return winnings


def _arrivals(poll: InternalPoll, own: pl.DataFrame, clocks_ms: np.ndarray, start: int) -> Arrivals:
    persons = [poll.keys[place] for place in own[_PLACE].to_list()]
    occurred_ms = own["occurred_at"].to_physical().to_numpy()
    texts = own["entry_id"].cast(pl.Binary)
    columns = Columns(
        slots=slots_of(person_words(persons), day_of(occurred_ms)),
        occurred_ms=occurred_ms,
        amounts=own["amount_tiyn"].to_numpy(),
        offsets=own[_OFFSET].to_numpy(),
        revisions=own["revision"].to_numpy(),
        texts=np.frombuffer(b"".join(texts.to_list()), np.uint8),
        lengths=texts.bin.size().to_numpy().astype(np.int64),
    )
    return Arrivals(persons, columns, clocks_ms[own[_PLACE].to_numpy() - start], int(clocks_ms[-1]))


def _write(output: TopicPartition, outcomes: Sequence[Outcome], own: pl.DataFrame, batch: Batch, row: int) -> Write:
    """Return the messages of the outcomes, numbered from the row after the last one."""
    postings = own[[outcome.cause for outcome in outcomes]]
    facts = [postings[name].to_physical().to_list() for name in _FACTS]
    causes = [Cause(batch.source, *fact) for fact in zip(*facts, strict=True)]
    records = [
        alert_record(outcome, cause, number)
        for number, (outcome, cause) in enumerate(zip(outcomes, causes, strict=True), row + 1)
    ]
    return Write(
        output,
        [outcome.person for outcome in outcomes],
        [encode_one(record, _ALERT) for record in records],
        [headers_of(record) for record in records],
    )
