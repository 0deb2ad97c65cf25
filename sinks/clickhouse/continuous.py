"""Compare what has come since the last comparison, and keep what was found: the sink's books, page by page.

Reads     the offsets that the loader has committed; records and rows between the last page and there; the pages so far
Writes    table `reconciliations`, a row per lane and page; a page is a range of offsets of one partition
Returns   `Progress` of each call; from `compare_past` the lanes that do not say any more what Kafka said
Promises  what is under way is no difference, for only what the loader has committed is compared, nor is what was
          removed by `esep retention`, before its page was compared or after; pages follow each other whoever is stopped
          when; Kafka's side is kept when Kafka forgets it (clauses O9-4.5, O9-4.7; box: sinks/clickhouse)
"""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from clickhouse_connect.driver.exceptions import DatabaseError
from confluent_kafka.admin import AdminClient

from esep.lineage import Lane, TopicPartition
from esep.security import client_security
from esep.sinks.clickhouse.books import LaneBooks, Side
from esep.sinks.clickhouse.client import LONG_S_MAX, connect, translate
from esep.sinks.clickhouse.lanes import Bounds, clickhouse_sides, lanes_between
from esep.sinks.clickhouse.reconcile import bounds_of, known_bins
from esep.sinks.clickhouse.retention.removed import removed_between
from esep.sinks.clickhouse.tables import topics_to_load
from esep.status import lags_of
from esep.topics import LOADER

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from clickhouse_connect.driver.client import Client

    from esep.settings import Settings

Sides = dict[TopicPartition, Side]
PAGE_OFFSETS_MAX = 2_000_000  # What a first comparison of a long topic takes at a time.
PAST_ROWS_MAX = 5_000_000  # Rows whose numbers ClickHouse tells apart in one query: some 100 MB.
NO_CAUSE = TopicPartition("", 0)  # Of a page that holds markers of transactions only.
_COLUMNS = (
    *("compared_at", "topic", "partition", "first_offset", "end_offset", "cause_topic", "cause_partition"),
    *("kafka_count", "kafka_distinct", "kafka_first_row", "kafka_last_row", "kafka_tiyn"),
    *("clickhouse_count", "clickhouse_tiyn", "balanced", "entries"),
    *("removed_count", "removed_first_row", "removed_last_row", "removed_tiyn"),
)
_PAGES = """
SELECT topic, partition, first_offset, end_offset, cause_topic, cause_partition,
       kafka_count, kafka_distinct, kafka_first_row, kafka_last_row, kafka_tiyn,
       removed_count, removed_first_row, removed_last_row, removed_tiyn
FROM reconciliations FINAL ORDER BY topic, partition, first_offset
"""


@dataclass(slots=True)
class Progress:
    """What one call compared. behind: offsets that the loader has yet to commit, and so nobody has compared.

    deleted: sentences about offsets that Kafka forgot before they were compared.
    """

    compared: int = 0
    behind: int = 0
    differing: list[LaneBooks] = field(default_factory=list)
    deleted: list[str] = field(default_factory=list)

    @property
    def balanced(self) -> bool:
        """Say whether all that was compared is the same on both sides."""
        return not self.differing and not self.deleted

    @property
    def differences(self) -> tuple[str, ...]:
        """Return a sentence for each."""
        return (*map(str, self.differing), *self.deleted)


def compare_new(settings: Settings, organizer_bins: Iterable[str]) -> Progress:
    """Compare what the loader has committed since the last page, and write the next pages.

    Raises BrokerUnavailable, SinkUnavailable if one side does not answer; pages that were written stay.
    """
    security = client_security(settings)
    admin = AdminClient({"bootstrap.servers": settings.bootstrap_servers, **security, "log_level": 0})
    bins = known_bins(admin, organizer_bins)
    progress = Progress()
    lags = lags_of(settings.bootstrap_servers, LOADER, topics_to_load(settings, bins), security)
    there = bounds_of(admin, settings, bins)
    try:
        with connect(settings) as client:
            ends = _ends(client)
            for lag in lags:
                source = TopicPartition(lag.topic, lag.partition)
                first, before = there[source].first, ends.get(source)
                if before is not None and before < first:
                    progress.deleted.append(f"{source}: offsets {before} to {first - 1} were deleted uncompared")
                progress.behind += max(0, lag.end - lag.committed)
                for page in _pages(max(first, before or 0), lag.committed):
                    _compare(settings, client, source, page, progress)
    except DatabaseError as error:
        raise translate(error, f"ClickHouse at {settings.clickhouse_url}") from error
    return progress


def compare_past(settings: Settings) -> list[LaneBooks]:
    """Return the lanes whose rows are not any more what Kafka held when they were compared, by ranges of offsets.

    Raises SinkUnavailable if ClickHouse does not answer.
    """
    differing = []
    try:
        with connect(settings, answer_s_max=LONG_S_MAX) as client:
            for source, bounds, kafka, earlier in _noted(client):
                clickhouse = clickhouse_sides(client, source, bounds)
                since = removed_between(client, source, *bounds)
                for cause in sorted(kafka.keys() | clickhouse.keys()):
                    removed = earlier.get(cause, Side()).with_removed(since.get(cause, Side()))
                    sides = kafka.get(cause, Side()), clickhouse.get(cause, Side())
                    books = LaneBooks(Lane(cause, source), *sides, removed=removed)
                    if not books.balanced:
                        differing.append(books)
    except DatabaseError as error:
        raise translate(error, f"ClickHouse at {settings.clickhouse_url}") from error
    return differing


def _pages(first: int, end: int) -> Iterator[Bounds]:
    """Yield the offsets from first up to end, exclusive, page by page.

    >>> list(_pages(0, 0)), list(_pages(5, 2_000_006))
    ([], [Bounds(first=5, end=2000005), Bounds(first=2000005, end=2000006)])
    """
    for start in range(first, end, PAGE_OFFSETS_MAX):
        yield Bounds(start, min(end, start + PAGE_OFFSETS_MAX))


def _ends(client: Client) -> dict[TopicPartition, int]:
    """Return, of each partition that has pages, where the last one ends."""
    rows = client.query("SELECT topic, partition, max(end_offset) FROM reconciliations GROUP BY 1, 2").result_rows
    return {TopicPartition(topic, partition): int(end) for topic, partition, end in rows}


def _compare(settings: Settings, client: Client, source: TopicPartition, page: Bounds, progress: Progress) -> None:
    """Compare one page, and write what was found, in one insert."""
    lanes = lanes_between(settings, client, source, page)
    noted = lanes or [LaneBooks(Lane(NO_CAUSE, source), Side(), Side())]
    at = datetime.now(UTC)
    client.insert("reconciliations", [_row(at, page, books) for books in noted], column_names=_COLUMNS)
    progress.compared += sum(books.kafka.count for books in lanes)
    progress.differing += [books for books in lanes if not books.balanced]


def _row(at: datetime, page: Bounds, books: LaneBooks) -> list[Any]:
    cause, output, kafka, clickhouse = books.lane.cause, books.lane.output, books.kafka, books.clickhouse
    removed = books.removed
    return [
        *(at, output.topic, output.partition, page.first, page.end, cause.topic, cause.partition),
        *(kafka.count, kafka.distinct, kafka.first, kafka.last, kafka.amounts_tiyn),
        *(clickhouse.count, clickhouse.amounts_tiyn, books.balanced, list(books.entries)),
        *(removed.count, removed.first, removed.last, removed.amounts_tiyn),
    ]


def _noted(client: Client) -> Iterator[tuple[TopicPartition, Bounds, Sides, Sides]]:
    """Yield what Kafka held, per partition in ranges of some million rows, each of whole pages; last, what of that had
    been removed when it was compared."""
    place: TopicPartition | None = None
    bounds = Bounds(0, 0)
    kafka: defaultdict[TopicPartition, list[Side]] = defaultdict(list)
    removed: defaultdict[TopicPartition, list[Side]] = defaultdict(list)
    with client.query_rows_stream(_PAGES) as pages:
        for topic, partition, first, end, cause_topic, cause_partition, *told in pages:
            source, cause = TopicPartition(topic, partition), TopicPartition(cause_topic, cause_partition)
            is_full = sum(side.count for lane in kafka.values() for side in lane) >= PAST_ROWS_MAX
            if place is not None and (source != place or (is_full and first >= bounds.end)):
                yield place, bounds, _sums(kafka), _sums(removed)
                kafka.clear()
                removed.clear()
            if not kafka:
                place, bounds = source, Bounds(first, end)
            bounds = Bounds(bounds.first, max(bounds.end, end))
            count, distinct, low, high, tiyn = told[:5]
            kafka[cause].append(Side(count, distinct, low, high, dict(tiyn)))
            count, low, high, tiyn = told[5:]
            removed[cause].append(Side(count, count, low, high, dict(tiyn)))
    if place is not None:
        yield place, bounds, _sums(kafka), _sums(removed)


def _sums(lanes: dict[TopicPartition, list[Side]]) -> Sides:
    return {cause: _sum(pages) for cause, pages in lanes.items()}


def _sum(pages: list[Side]) -> Side:
    """Return the books of a lane over pages that follow each other."""
    amounts: Counter[str] = Counter()
    for page in pages:
        amounts.update(page.amounts_tiyn)
    return Side(
        sum(page.count for page in pages),
        sum(page.distinct for page in pages),
        min((page.first for page in pages if page.count), default=0),
        max((page.last for page in pages if page.count), default=0),
        dict(sorted(amounts.items())),
    )
