"""What a stage is: a pure function from the batches of one poll and the state to what is written and the new state.

Reads     nothing: these are the types that the shell (`worker`) and the stages (`intake`, `totals`, `alerts`) share
Returns   `Batch`, `Write`, `Result`, the protocols `Memory`, `Stage` and `SideInput`
Promises  a stage does no I/O and asks no clock; the shell alone talks to Kafka (boxes: intake, totals, alerts)
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Generic, Protocol, TypeVar

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from esep.lineage import Position, TopicPartition

S = TypeVar("S")


@dataclass(frozen=True, slots=True)
class Batch:
    """One partition's records of one poll, as parallel lists in offset order (never empty).

    timestamps_ms: the broker's LogAppendTime, UTC. next_offset: what to commit once the batch is done.
    """

    source: TopicPartition
    offsets: list[int]
    timestamps_ms: list[int]
    keys: list[bytes | None]
    values: list[bytes | None]

    @property
    def next_offset(self) -> int:
        """The offset after the last record of this batch."""
        return self.offsets[-1] + 1

    def first(self, count: int) -> Batch:
        """Return the batch of the first `count` records, at least one; all of them if there are no more."""
        return self._part(slice(count))

    def rest(self, count: int) -> Batch:
        """Return the batch of what comes after the first `count` records, which are not all of them."""
        return self._part(slice(count, None))

    def _part(self, part: slice) -> Batch:
        return Batch(self.source, self.offsets[part], self.timestamps_ms[part], self.keys[part], self.values[part])

    def __len__(self) -> int:
        return len(self.offsets)


@dataclass(frozen=True, slots=True)
class Write:
    """Records for one output partition, in order; a null value is a tombstone (changelogs only)."""

    target: TopicPartition
    keys: Sequence[bytes | None]
    values: Sequence[bytes | None]
    headers: Sequence[list[tuple[str, bytes]]] | None = None


@dataclass(frozen=True, slots=True)
class PartitionState(Generic[S]):
    """All that a stage knows of one input partition: how far it is, and its own data."""

    position: Position
    data: S


@dataclass(frozen=True, slots=True)
class Result:
    """What one poll leads to, to be committed in one transaction or not at all.

    outputs: records for other topics. changelog: records for the changelog of each input partition, the position
    record apart. positions: the new position of each input partition of the poll. changes: the stage's own account of
    what changes in its data, given back to `settle` once the transaction has committed. left: what is not done yet of
    the poll's batches, the ends of some of them or whole ones: for a call of its own once this result has been settled.
    """

    outputs: Sequence[Write]
    changelog: Mapping[TopicPartition, tuple[Sequence[bytes], Sequence[bytes | None]]]
    positions: Mapping[TopicPartition, Position]
    changes: object = field(default=None)
    left: Sequence[Batch] = ()


class Memory(Protocol[S]):
    """Where the state of a stage is kept, and how it comes back; S is its data for one input partition."""

    name: str  # Consumer group, transactional ids and log names are made from it.
    shares_changelogs: bool  # Input partitions may have a changelog partition in common; its keys are `shared_key`s.

    def changelog_of(self, source: TopicPartition) -> TopicPartition:
        """Return the changelog partition of an input partition."""
        ...

    def empty(self, source: TopicPartition) -> S:
        """Return the data of an input partition of which nothing has been read yet."""
        ...

    def restore(self, data: S, keys: Sequence[bytes], values: Sequence[bytes | None]) -> None:
        """Apply the next changelog records, in order, to `data` (position records are left out)."""
        ...


class Stage(Memory[S], Protocol[S]):
    """A stage of the line."""

    @property
    def inputs(self) -> Sequence[str]:
        """The topics that it reads."""
        ...

    def process(self, batches: Sequence[Batch], states: Mapping[TopicPartition, PartitionState[S]]) -> Result:
        """Return what the batches of one poll lead to; changes nothing (the same call again gives the same result)."""
        ...

    def settle(self, states: Mapping[TopicPartition, PartitionState[S]], changes: object) -> None:
        """Make the changes of a committed result part of the data."""
        ...


class SideInput(Protocol):
    """What a stage has to know beside its own input, and what may bring it new inputs; one thread at a time."""

    def catch_up(self, received_ms: int) -> None:
        """Return once the stage knows all that may count for what was received by then (ms UTC); raises EsepError."""
        ...

    def look(self) -> None:
        """Take what has come, without a wait."""
        ...
