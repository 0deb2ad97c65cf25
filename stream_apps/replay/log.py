"""What a replay reads: ranges of committed records, and up to which offset a stage has committed its input.

Reads     partitions of any topic, their first and last offsets, the committed offsets of a stage's group
Returns   `Log`, by Kafka `KafkaLog`; `Span`, `Cut`
Promises  reads only: joins no group, commits nothing, needs the operator's rights and no more (DESIGN §5; decision
          0024; box: replay)
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, NamedTuple, Protocol

import confluent_kafka as ck
from confluent_kafka.admin import AdminClient, OffsetSpec

from esep.committed import committed
from esep.errors import BrokerUnavailable, SettingInvalid
from esep.outsider import outsider
from esep.security import PLAIN
from esep.stream_apps.handover import committed_offsets, offsets_at
from esep.stream_apps.stage import Batch

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from esep.lineage import TopicPartition

CHUNK = 20_000  # Records at a time: 12 MB of the ledger.
_QUEUE_KB = 16_384  # Fetched ahead of each partition that is being read.
_ANSWER_S_MAX = 30.0


class Span(NamedTuple):
    """The offsets of a partition: from first, which retention sets, up to end, exclusive, with open transactions."""

    first: int
    end: int


class Cut(NamedTuple):
    """How far an input is replayed: from first up to through, exclusive.

    required: what the input before this offset leads to was committed before the ends of the outputs were asked for,
    so it must be there; of what comes behind, up to through, some may be. All are equal while the line is at rest.
    ends_open: more was processed than is replayed, so that what lies behind on the outputs is of no concern.
    """

    first: int
    required: int
    through: int
    ends_open: bool = False


class Log(Protocol):
    """Committed records, wherever they are kept."""

    def spans(self, partitions: Iterable[TopicPartition]) -> dict[TopicPartition, Span]:
        """Return the offsets of each partition."""
        ...

    def done(self, group: str, sources: Iterable[TopicPartition]) -> dict[TopicPartition, int | None]:
        """Return up to which offset, exclusive, a stage's group has committed each partition; None: nothing yet."""
        ...

    def read(self, source: TopicPartition, first: int, end: int) -> Iterator[Batch]:
        """Yield the committed records of a range, in order."""
        ...


class KafkaLog:
    """Implements `Log`. name: of a group whose name the caller may use."""

    def __init__(self, bootstrap_servers: str, name: str, security: Mapping[str, str] = PLAIN) -> None:
        self._bootstrap_servers = bootstrap_servers
        self._name = name
        self._security = security
        self._admin = AdminClient({"bootstrap.servers": bootstrap_servers, **security, "log_level": 0})

    def spans(self, partitions: Iterable[TopicPartition]) -> dict[TopicPartition, Span]:
        """Return the offsets of each partition; BrokerUnavailable if one is not told."""
        asked = list(partitions)
        try:
            firsts = offsets_at(self._admin, asked, OffsetSpec.earliest())
            ends = offsets_at(self._admin, asked, OffsetSpec.latest())
        except ck.KafkaException as failure:
            raise BrokerUnavailable(
                "the ends of the topics are not known",
                detail=failure.args[0].str(),
                hint="is the broker up, and has `esep setup` made the topics?",
            ) from failure
        return {partition: Span(firsts[partition], ends[partition]) for partition in asked}

    def done(self, group: str, sources: Iterable[TopicPartition]) -> dict[TopicPartition, int | None]:
        """Return the group's offsets, once none is part of an open transaction; BrokerUnavailable otherwise."""
        consumer = ck.Consumer(outsider(self._bootstrap_servers, group, self._security) | {"log_level": 0})
        try:
            deadline = time.monotonic() + _ANSWER_S_MAX
            return committed_offsets(consumer, list(sources), lambda: True, deadline) or {}
        except ck.KafkaException as failure:
            raise BrokerUnavailable(
                f"what the group {group} has committed is not known", detail=failure.args[0].str()
            ) from failure
        finally:
            consumer.close()

    def read(self, source: TopicPartition, first: int, end: int) -> Iterator[Batch]:
        """Yield the committed records of a range; raises what `esep.committed` raises."""
        if first >= end:  # Most inputs of a line with many organizers are idle ones, and a consumer takes a while.
            return
        chunks = committed(
            self._bootstrap_servers,
            source,
            first,
            end,
            name=self._name,
            security=self._security,
            chunk=CHUNK,
            properties={"queued.max.messages.kbytes": _QUEUE_KB},
        )
        for messages in chunks:
            yield Batch(
                source,
                [message.offset() for message in messages],
                [message.timestamp()[1] for message in messages],
                [message.key() for message in messages],
                [message.value() for message in messages],
            )


def cut_of(span: Span, before: int | None, after: int | None, until: int | None) -> Cut:
    """Return how far an input is replayed.

    before, after: what the stage had committed before and after the outputs' ends were asked for; None: nothing. until:
    an offset, exclusive, at which to end sooner. Raises SettingInvalid where the stage has not come so far.

    >>> cut_of(Span(0, 90), 50, 60, None)
    Cut(first=0, required=50, through=60, ends_open=False)
    >>> cut_of(Span(0, 90), 50, 60, 20)
    Cut(first=0, required=20, through=20, ends_open=True)
    """
    required, through = (max(span.first, span.first if offset is None else offset) for offset in (before, after))
    if until is None:
        return Cut(span.first, required, through)
    if until > required:
        raise SettingInvalid(f"what comes before offset {until} is not processed yet", hint=f"name {required} at most")
    end = max(until, span.first)
    return Cut(span.first, end, end, ends_open=True)
