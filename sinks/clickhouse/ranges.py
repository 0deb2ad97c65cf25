"""Read a range of committed records of one partition again, apart from any consumer group.

Reads     one topic partition, committed records only
Returns   `Records` of exactly the range, in chunks
Promises  what `esep.committed` promises; nothing of its own (box: sinks/clickhouse)
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from esep.committed import committed
from esep.security import PLAIN
from esep.sinks.clickhouse.frames import Records
from esep.topics import LOADER

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from esep.lineage import TopicPartition


def read_range(
    bootstrap_servers: str,
    source: TopicPartition,
    first: int,
    end: int,
    security: Mapping[str, str] = PLAIN,
) -> Iterator[Records]:
    """Yield the committed records from offset first up to end, exclusive, in chunks.

    Raises InvariantBroken if the range is not there any more, BrokerUnavailable if reading makes no progress.
    """
    for messages in committed(bootstrap_servers, source, first, end, name=LOADER, security=security):
        yield Records(source, [message.offset() for message in messages], [message.value() for message in messages])
