"""A stage without a broker: two partitions of postings, fed poll by poll, and all that it writes."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass, field
from itertools import pairwise
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from esep.lineage import Position, TopicPartition
from esep.stream_apps.stage import Batch, PartitionState, Result, Stage

if TYPE_CHECKING:
    from collections.abc import Sequence

PARTITIONS = 2
IINS = ["900101300007", "900101300811", "061211600012"]
BINS = ["940140000385", "950341000052", "070941024691"]
ASIDE = {  # What a posting says besides, and no stage adds up.
    "stream_id": "desk-1", "site_id": "almaty-1", "payment_method": "CARD", "instrument_kind": None,
    "instrument_hash": None, "instrument_key_version": None, "channel": None, "funding": None, "odds_milli": None,
    "won_tiyn": None, "wager_occurred_at": None, "wager_amount_tiyn": None, "organizer_name": "ТОО «Алтын ставка»",
    "organizer_kind": "BOOKMAKER", "licence_number": "23001", "birth_year_hint": 1990, "sex_hint": "M", "flags": 0,
    "reference_version": 7, "body_sha256": "0" * 64,
}  # fmt: skip
D = TypeVar("D")
P = TypeVar("P")


def person_key(person: int) -> bytes:
    return bytes([person]) * 16


def cut(postings: Sequence[P], cuts: list[int]) -> list[list[tuple[int, P]]]:
    """Return postings with their offsets, in polls that begin at these places."""
    numbered = list(enumerate(postings))
    marks = sorted({0, len(numbered), *(at % len(numbered) for at in cuts)})
    return [numbered[start:end] for start, end in pairwise(marks)]


@dataclass
class StageRun(ABC, Generic[D, P]):
    """A stage with its states, fed poll by poll; keeps all that it writes."""

    stage: Stage[D]
    states: dict[TopicPartition, PartitionState[D]] = field(default_factory=dict)
    changelog: dict[TopicPartition, list[tuple[bytes, bytes | None]]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for source in map(self.source_of, range(PARTITIONS)):
            self.states[source] = PartitionState(Position(0), self.stage.empty(source))
            self.changelog[source] = []

    @abstractmethod
    def person_of(self, posting: P) -> int:
        """Return whose posting it is."""

    @abstractmethod
    def message_of(self, offset: int, posting: P) -> bytes:
        """Return the message that it comes in."""

    @abstractmethod
    def keep(self, write: Any) -> None:
        """Keep an output."""

    def source_of(self, person: int) -> TopicPartition:
        return TopicPartition(self.stage.inputs[0], person % PARTITIONS)

    def feed(self, poll: list[tuple[int, P]]) -> Result:
        """Process and settle one poll of (offset, posting)."""
        return self.process(self.batches(poll))

    def process(self, batches: list[Batch]) -> Result:
        """Process and settle the batches of a poll; return the result of its last part."""
        result = self.stage.process(batches, self.states)
        self._settle(result)
        while result.left:
            result = self.stage.process(result.left, self.states)
            self._settle(result)
        return result

    def _settle(self, result: Result) -> None:
        self.stage.settle(self.states, result.changes)
        for source, position in result.positions.items():
            self.states[source] = PartitionState(position, self.states[source].data)
            self.changelog[source] += zip(*result.changelog[source], strict=True)
        for write in result.outputs:
            self.keep(write)

    def batches(self, poll: list[tuple[int, P]]) -> list[Batch]:
        batches = []
        for source in self.states:
            own = [(offset, one) for offset, one in poll if self.source_of(self.person_of(one)) == source]
            if own:
                values: list[bytes | None] = [self.message_of(*one) for one in own]
                keys: list[bytes | None] = [person_key(self.person_of(one)) for _, one in own]
                batches.append(Batch(source, [offset for offset, _ in own], [0] * len(own), keys, values))
        return batches
