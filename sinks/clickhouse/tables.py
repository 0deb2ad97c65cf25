"""Which topic goes into which table, and under which names a row keeps where it came from.

Reads     the declaration of topics (`esep.topics`)
Returns   `Table` per table; `table_of` a topic; `topics_to_load`, `subscription`
Promises  no other module of the sink spells a table's name; each is a table of migrations/ (box: sinks/clickhouse)
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from esep.topics import ALERTS, DISPOSITIONS, LEDGER, LOADER, RECEIPTS_TOPICS, REJECTED, all_topics

if TYPE_CHECKING:
    from collections.abc import Iterable

    from esep.settings import Settings


@dataclass(frozen=True, slots=True)
class Table:
    """A table that is loaded from Kafka.

    record: the Avro record on its topics. instant: the column whose UTC month is the partition.
    topic: the table's only topic, or empty where topic_column names it in each row. rollups: the tables that views feed
    from this one, each with tokens of its own.
    """

    name: str
    record: str
    instant: str
    topic: str
    topic_column: str
    partition_column: str
    offset_column: str
    rollups: tuple[str, ...] = ()


LEDGER_TABLE = Table(
    *("ledger", "ledger", "occurred_at", LEDGER, "", "ledger_partition", "ledger_offset"),
    rollups=("person_day", "organizer_day", "organizer_hour", "person_posting", "person_month"),
)
REJECTED_TABLE = Table("rejected", "rejected", "received_at", REJECTED, "", "rejected_partition", "rejected_offset")
RECEIPTS_TABLE = Table("receipts", "receipt", "received_at", "", "receipt_topic", "receipt_partition", "receipt_offset")
ALERTS_TABLE = Table("alerts", "alert", "occurred_at", ALERTS, "", "alert_partition", "alert_offset")
DISPOSITIONS_TABLE = Table(
    "dispositions", "disposition", "decided_at", DISPOSITIONS, "", "disposition_partition", "disposition_offset"
)
TABLES = (LEDGER_TABLE, REJECTED_TABLE, RECEIPTS_TABLE, ALERTS_TABLE, DISPOSITIONS_TABLE)
_BY_TOPIC = {table.topic: table for table in TABLES if table.topic}


def table_of(topic: str) -> Table:
    """Return the table that a topic is loaded into; every other topic of the loader is an organizer's receipts.

    >>> table_of("organizer.940140000385.receipts").name
    'receipts'
    """
    return _BY_TOPIC.get(topic, RECEIPTS_TABLE)


def topics_to_load(settings: Settings, organizer_bins: Iterable[str]) -> list[str]:
    """Return the names of the topics that the loader reads, in order."""
    topics = all_topics(
        organizer_bins, events_partitions=settings.events_partitions, ledger_partitions=settings.ledger_partitions
    )
    return sorted(topic.name for topic in topics if LOADER in topic.readers)


def subscription(settings: Settings) -> list[str]:
    """Return what the loader subscribes to: the receipts of organizers that are yet to come among it."""
    return [*topics_to_load(settings, []), RECEIPTS_TOPICS]
