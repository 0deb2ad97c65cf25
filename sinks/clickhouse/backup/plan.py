"""What to take and what to go on with: the decisions of backup and restore.

Reads     manifests; what Kafka holds; what a database has
Returns   the base of the next backup; the offsets from which a loader goes on after a restore, and what forbids it
Promises  no I/O; a restore whose offsets are not forbidden loses no record that Kafka had, and takes none twice:
          records below the offset are rows, the others are still in Kafka (O9-4.5; DESIGN §5; box: sinks/clickhouse)
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from esep.lineage import TopicPartition
    from esep.sinks.clickhouse.backup.manifest import Manifest
    from esep.sinks.clickhouse.lanes import Bounds

CHAIN_MAX = 62  # Two months of daily ones: each must be there, and whole, for the last to be restored.


class Start(NamedTuple):
    """Whence a loader goes on with each partition; in words, what forbids it: nothing if there are none."""

    offsets: dict[TopicPartition, int]
    forbidden: tuple[str, ...]


def base_of_next(there: Sequence[Manifest], database: str, *, is_full: bool) -> Manifest | None:
    """Return the backup on which the next one is based, None for one that stands alone.

    there: oldest first. A chain ends after CHAIN_MAX, and where a part of it is not there any more.
    """
    newest = there[-1] if there else None
    if is_full or newest is None or newest.database != database:
        return None
    known = {manifest.name: manifest for manifest in there}
    length, base = 1, newest.base
    while base is not None:
        one = known.get(base.name)
        if one is None or one.sha256 != base.sha256:
            return None
        length, base = length + 1, one.base
    return newest if length < CHAIN_MAX else None


def start_of(cuts: Mapping[TopicPartition, int], there: Mapping[TopicPartition, Bounds]) -> Start:
    """Return whence a loader goes on after a restore with these cuts. there: what Kafka holds now.

    A partition that the backup does not know came later: all of it is to be loaded.
    """
    offsets, forbidden = {}, []
    for source, bounds in sorted(there.items()):
        cut = cuts.get(source, 0)
        if bounds.first > cut:
            forbidden.append(f"{source}: Kafka has deleted offsets {cut} to {bounds.first - 1}")
        elif bounds.end < cut:
            forbidden.append(f"{source}: the backup has records up to offset {cut - 1}, Kafka only {bounds.end}")
        else:
            offsets[source] = cut
    forbidden += [
        f"{source}: Kafka has no such partition" for source in sorted(cuts.keys() - there.keys()) if cuts[source]
    ]
    return Start(offsets, tuple(forbidden))


def unknown_migrations(done: Mapping[str, str], known: Mapping[str, str]) -> list[str]:
    """Return which migrations of a backup this program does not have, or has otherwise. Both: checksums by name."""
    return sorted(name for name, checksum in done.items() if known.get(name) != checksum)
