"""The stage intake: organizers' raw messages become accepted postings, rejects and signed receipts.

Reads     `organizer.<BIN>.events`, keyed by stream
Returns   `accepted` by person, `rejected`, `organizer.<BIN>.receipts`; the streams that changed
Promises  every message is accepted, rejected or a repetition, and its receipt says which; the broker's stamp is the
          only clock; how messages are cut into polls changes no verdict (DESIGN §3, §4; clauses O9-4.3, O9-5.3;
          box: intake)
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import polars as pl

from esep.checks import check_form
from esep.codec import INDEX
from esep.instants import check_instants
from esep.lineage import TopicPartition
from esep.precedence import PASSED, fault, places
from esep.stream_apps.intake.accepted import accepted_writes
from esep.stream_apps.intake.accounts import take_sequences
from esep.stream_apps.intake.changelog import apply_changes, changes_of
from esep.stream_apps.intake.corrections import candidates_of
from esep.stream_apps.intake.decode import read_messages
from esep.stream_apps.intake.enrich import enrich
from esep.stream_apps.intake.facts import Facts
from esep.stream_apps.intake.origin import check_origin
from esep.stream_apps.intake.receipts import receipt_writes
from esep.stream_apps.intake.rejects import rejected_writes, rejects_of
from esep.stream_apps.intake.sequences import Stream
from esep.stream_apps.intake.settlement import settle
from esep.stream_apps.ladder import Tally, process_what_can_be
from esep.stream_apps.lanes import Lanes
from esep.stream_apps.stage import Batch, PartitionState, Result
from esep.topics import ACCEPTED, INTAKE, INTAKE_CHANGELOG, events_topic, intake_changelog, organizer_of

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from collections.abc import Set as AbstractSet

    from esep.identifiers import PersonKeys
    from esep.reference import Reference
    from esep.stream_apps.intake.decode import Messages
    from esep.stream_apps.intake.receipts import ReceiptSigner
    from esep.stream_apps.intake.settlement import Settlement

Streams = dict[str, Stream]  # What intake knows of an input partition, by stream id.


class IntakeStage:
    """Implements `esep.stream_apps.stage.Stage`; its data are `Streams`.

    reference: all that was published, which may grow between two polls; it has to hold what counts for their events.
    events_partitions, ledger_partitions: how many each organizer's topic and `accepted` have; they never change.
    """

    name = INTAKE
    shares_changelogs = True

    def __init__(
        self,
        reference: Reference,
        person_keys: PersonKeys,
        signer: ReceiptSigner,
        *,
        events_partitions: int,
        ledger_partitions: int,
    ) -> None:
        self._reference = reference
        self._facts = Facts(reference)
        self._person_keys = person_keys
        self._signer = signer
        self._events_partitions = events_partitions
        self._tally = Tally()  # Only says when to stop: it is in no result.
        self._outputs = [TopicPartition(ACCEPTED, partition) for partition in range(ledger_partitions)]

    @property
    def inputs(self) -> Sequence[str]:
        """The topics of all organizers known so far."""
        return [events_topic(organizer_bin) for organizer_bin in self._reference.bins]

    def changelog_of(self, source: TopicPartition) -> TopicPartition:
        """Return the changelog partition, which many organizers share."""
        return TopicPartition(INTAKE_CHANGELOG, intake_changelog(organizer_of(source.topic), source.partition))

    def empty(self, source: TopicPartition) -> Streams:  # noqa: ARG002 - every partition begins alike
        """Return the data of a partition without messages."""
        return {}

    def restore(self, data: Streams, keys: Sequence[bytes], values: Sequence[bytes | None]) -> None:
        """Apply the next changelog records to the streams."""
        apply_changes(data, keys, values)

    def process(self, batches: Sequence[Batch], states: Mapping[TopicPartition, PartitionState[Streams]]) -> Result:
        """Return what the messages of a poll become; what our own code cannot process is rejected as INTERNAL."""
        if self._facts.version != self._reference.version:
            self._facts = Facts(self._reference)

        def run(batches: Sequence[Batch], without: AbstractSet[int]) -> Result:
            return self._process(batches, states, without)

        result, without = process_what_can_be(run, batches, self._tally)
        return replace(result, changes=(result.changes, sum(map(len, batches)), without))

    def settle(self, states: Mapping[TopicPartition, PartitionState[Streams]], changes: object) -> None:
        """Put the streams that changed, and count what was left out."""
        assert isinstance(changes, tuple)  # noqa: S101 - it is what `process` returned
        streams_of, count, without = changes
        self._tally = self._tally.after(count, without)
        for source, streams in streams_of.items():
            states[source].data.update(streams)

    def _process(
        self,
        batches: Sequence[Batch],
        states: Mapping[TopicPartition, PartitionState[Streams]],
        without: AbstractSet[int],
    ) -> Result:
        """Return the same for messages of which those at the places `without` are not even read."""
        messages = read_messages(batches, without)
        verdicts, groups = check_origin(messages, self._events_partitions)
        known = {source: state.data for source, state in states.items()}
        accounts = take_sequences(messages, groups, known)
        fault(verdicts, accounts.conflict, "SEQUENCE_CONFLICT")
        events = self._check(messages, accounts.fresh, verdicts)
        candidates = candidates_of(messages, groups, accounts.fresh, known, self._facts)
        settlement = settle(messages, accounts, verdicts, candidates, known)
        positions = {batch.source: states[batch.source].position for batch in batches}
        lanes = Lanes(positions)
        booked = candidates.postings(settlement.booked) if settlement.booked else None
        postings = enrich(events if booked is None else _in_order(events, booked), self._facts)
        rejects = rejects_of(messages, verdicts, settlement.settled)
        outputs = [
            *accepted_writes(messages, postings, self._person_keys, self._outputs, lanes),
            *rejected_writes(messages, rejects, lanes),
            *receipt_writes(messages, settlement, rejects, positions, lanes, self._signer),
        ]
        reached = {batch.source: lanes.position(batch.source, batch.next_offset) for batch in batches}
        return Result(outputs, _changelog(messages, settlement), reached, _changes(messages, settlement))

    def _check(self, messages: Messages, fresh: np.ndarray, verdicts: np.ndarray) -> pl.DataFrame:
        """Add the verdicts on form, time and register of what is new; return the accepted events as postings."""
        events = _where(messages.events, fresh[messages.events[INDEX].to_numpy()])
        found, licences = self._facts.look_up(events)
        for more in (places(check_form(events)), check_instants(events)):
            np.minimum(found, more, out=found)
        at = events[INDEX].to_numpy()
        verdicts[at] = found
        postings = events.with_columns(
            revision=pl.lit(0, pl.Int32),
            leg=pl.lit(1, pl.Int32),
            licence=pl.Series(licences),
            cause_offset=pl.Series(messages.offsets[at]),
            body_sha256=pl.lit(pl.Series(messages.digests, dtype=pl.Binary)).gather(pl.col(INDEX)).bin.encode("hex"),
        )
        return _where(postings, found == PASSED)


def _in_order(events: pl.DataFrame, corrections: pl.DataFrame) -> pl.DataFrame:
    """Return all postings in the order in which they are booked: on one message the event itself comes first."""
    return pl.concat([events, corrections], how="diagonal").sort(INDEX, maintain_order=True)


def _where(events: pl.DataFrame, mask: np.ndarray) -> pl.DataFrame:
    """Return some of the events; nearly always it is all of them."""
    return events if mask.all() else events.filter(pl.Series(mask))


def _changes(messages: Messages, settlement: Settlement) -> dict[TopicPartition, Streams]:
    """Return the streams that changed, by input partition: those after the last section that touches them."""
    changes: dict[TopicPartition, Streams] = {}
    for account in settlement.accounts:
        changes.setdefault(messages.sections[account.section].source, {})[account.stream_id] = account.after
    return changes


def _changelog(
    messages: Messages, settlement: Settlement
) -> dict[TopicPartition, tuple[list[bytes], list[bytes | None]]]:
    """Return the changelog records of each input partition; of a key that changes repeatedly, the last one."""
    records: dict[TopicPartition, dict[bytes, bytes | None]] = {}
    for account in settlement.accounts:
        source = messages.sections[account.section].source
        records.setdefault(source, {}).update(changes_of(account.stream_id, account.after))
    return {source: (list(latest), list(latest.values())) for source, latest in records.items()}
