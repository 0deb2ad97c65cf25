"""Take the messages of one partition in anew, poll by poll as the receipts say, and compare all that comes of it.

Reads     one partition of `organizer.<BIN>.events`; its committed receipts, in order
Returns   what differs, to `Findings`; counts, to its `Input`
Promises  a receipt that is missing, surplus or changed costs the others nothing; memory as that of intake, some 20,000
          messages and what `LaneCheck` keeps (clause O9-5.3; DESIGN §4; decision 0024; box: replay)
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from esep.lineage import Lane, Position, TopicPartition
from esep.stream_apps.intake.decode import SECTION_MAX
from esep.stream_apps.replay.checks import LaneCheck, first_row_of
from esep.stream_apps.replay.differences import Entry, difference_of
from esep.stream_apps.replay.feed import Feed
from esep.stream_apps.replay.receipts import RECORD, Told, compare
from esep.stream_apps.stage import Batch, PartitionState
from esep.topics import ACCEPTED, organizer_of, receipts_topic

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from esep.stream_apps.intake.stage import IntakeStage, Streams
    from esep.stream_apps.replay.digests import LaneDigest
    from esep.stream_apps.replay.findings import Findings
    from esep.stream_apps.replay.log import Log
    from esep.stream_apps.replay.report import Input
    from esep.stream_apps.replay.sums import FinalTotals
    from esep.stream_apps.stage import Write

OFFSETS_MAX = 20_000  # Taken in at once; each section of them gets its own receipt.
RECEIPTS_MAX = 1_000


class _Section(NamedTuple):
    """Messages of one receipt. told: the committed one; must: whether there has to be one."""

    batch: Batch
    told: Told | None
    must: bool


class Messages:
    """One partition while it is taken in anew.

    outputs: the digest of the lane to each output partition, and the first offset which that still has.
    receipts_kept: whether the receipts are there from the first on.
    """

    def __init__(
        self,
        log: Log,
        stage: IntakeStage,
        one: Input,
        outputs: Mapping[TopicPartition, tuple[LaneDigest, int]],
        findings: Findings,
        totals: FinalTotals | None,
        *,
        receipts_kept: bool,
    ) -> None:
        self._log = log
        self._stage = stage
        self._input = one
        self._digests = {output: digest for output, (digest, _) in outputs.items()}
        self._checks = {
            output: LaneCheck(Lane(one.source, output), digest, first_row_of(digest, first))
            for output, (digest, first) in outputs.items()
        }
        self._findings = findings
        self._totals = totals
        self._receipts_begun = receipts_kept
        self._receipts = Lane(one.source, TopicPartition(receipts_topic(organizer_of(one.source.topic)), 0))
        self._feed = Feed(log.read(one.source, one.cut.first, one.cut.through))
        self._state: PartitionState[Streams] = PartitionState(Position(one.cut.first), stage.empty(one.source))
        self._pending: list[Told] = []
        self._gap = False  # Whether the last receipt that was made anew is not there.
        self._rows_aside = 0  # What the rows of the receipts that are there are ahead by, since a gap.
        self._told_through = one.cut.first  # The receipts so far account for what comes before.

    @property
    def next_offset(self) -> int:
        """The offset up to which messages were taken in."""
        return self._state.position.next_offset

    def follow(self, told: Told) -> None:
        """Take note of the next committed receipt, and take in what it accounts for, sooner or later."""
        cut = self._input.cut
        if told.through_offset >= cut.through:
            if not cut.ends_open:
                self._findings.add([difference_of(self._receipts, RECORD, "SURPLUS", told.entry)])
            return
        if told.through_offset < self._told_through:
            self._findings.add([difference_of(self._receipts, RECORD, "REPEATED", told.entry)])
            return
        if self._pending and self._told_through <= cut.required <= told.through_offset:
            self._take_in_pending()
        self._pending.append(told)
        self._told_through = told.through_offset + 1
        if len(self._pending) >= RECEIPTS_MAX or self._told_through - self.next_offset >= OFFSETS_MAX:
            self._take_in_pending()

    def finish(self) -> None:
        """Take in what no receipt accounts for, and tell what differs."""
        cut = self._input.cut
        self._take_in_pending()
        must_be_told = self._receipts_begun and not cut.ends_open
        for end, must in ((cut.required, must_be_told), (cut.through, False)):
            while (batch := self._feed.take(end - 1, SECTION_MAX)) is not None:
                self._take_in([_Section(batch, None, must)])
        for output, check in self._checks.items():
            check.finish(ends_open=cut.ends_open)
            self._input.compared += check.compared
            self._input.not_kept += check.not_kept
            self._findings.resolve(self._log, output.topic, check, self._digests[output])

    def _take_in_pending(self) -> None:
        """Take in what the receipts in hand account for, in parts of a bounded size whatever they say."""
        part: list[_Section] = []
        room = OFFSETS_MAX
        for section in self._sections_of_pending():
            part.append(section)
            room -= len(section.batch)
            if room <= 0:
                self._take_in(part)
                part, room = [], OFFSETS_MAX
        if part:
            self._take_in(part)
        self._pending = []

    def _sections_of_pending(self) -> Iterator[_Section]:
        for told in self._pending:
            yield from self._sections(told.from_offset - 1, None)  # Nothing, unless a receipt before is missing.
            self._receipts_begun = True
            section = None
            for section in self._sections(told.through_offset, told):
                yield section
            if section is None:
                self._findings.add([difference_of(self._receipts, RECORD, "SURPLUS", told.entry)])

    def _sections(self, through: int, told: Told | None) -> Iterator[_Section]:
        """Yield the next messages up to an offset as sections, of which the last one is that of the receipt."""
        batch = self._feed.take(through, SECTION_MAX)
        while batch is not None:
            following = self._feed.take(through, SECTION_MAX)
            yield _Section(batch, told if following is None else None, self._receipts_begun)
            batch = following

    def _take_in(self, sections: list[_Section]) -> None:
        source, rows = self._input.source, self._state.position.rows
        result = self._stage.process([section.batch for section in sections], {source: self._state})
        self._stage.settle({source: self._state}, result.changes)
        self._state = PartitionState(result.positions[source], self._state.data)
        self._input.read += sum(len(section.batch) for section in sections)
        made = []
        for write in result.outputs:
            first_row = rows.get(write.target, 0) + 1
            if write.target == self._receipts.output:
                self._compare(write, first_row, sections)
                continue
            self._checks[write.target].take(first_row, write.keys, write.values)
            if write.target.topic == ACCEPTED:
                made.append((Lane(source, write.target), first_row, write.keys, write.values))
        if self._totals is not None:
            self._totals.see_anew(made)
        if self.next_offset <= self._input.cut.required:
            for check in self._checks.values():
                check.require()

    def _compare(self, write: Write, first_row: int, sections: list[_Section]) -> None:
        """Compare the receipts of the sections, one each."""
        receipts = zip(write.keys, write.values, sections, strict=True)
        for row, (key, value, section) in enumerate(receipts, first_row):
            entry = Entry(row + self._rows_aside, None, key, value)
            if section.told is None:
                self._gap = True
                if section.must:
                    self._findings.add([difference_of(self._receipts, RECORD, "MISSING", entry)])
                continue
            if self._gap:  # Of several that are missing nobody knows where each ended.
                self._rows_aside = section.told.entry.row - row
                self._gap = False
            self._input.compared += 1
            self._findings.add(compare(section.told, entry, self._rows_aside))
