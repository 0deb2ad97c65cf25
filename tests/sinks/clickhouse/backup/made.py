"""Made-up backups: what a folder looks like, without an engine."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from esep.sinks.clickhouse.backup.manifest import Base, Cut, LaneRows, Manifest

if TYPE_CHECKING:
    from esep.sinks.clickhouse.backup.folder import Backups

LANE = LaneRows(
    topic="ledger",
    partition=0,
    cause_topic="accepted",
    cause_partition=0,
    row_count=3,
    first_row=1,
    last_row=3,
    first_offset=0,
    last_offset=4,
    digest="9f0c",
)


def manifest(name: str = "20261128T020000000Z", base: Manifest | None = None, **changed: Any) -> Manifest:
    """Return what a backup might say of itself."""
    said = {
        "name": name,
        "began_at": datetime(2026, 11, 28, 2, tzinfo=UTC),
        "program": "1.0",
        "engine": "26.9",
        "database": "esep",
        "base": Base(name=base.name, sha256=base.sha256) if base else None,
        "kafka_cluster": "cluster",
        "routing_key": None,
        "migrations": {"0001_ledger": "ab"},
        "cuts": (Cut(topic="ledger", partition=0, offset=5),),
        "lanes": (LANE,),
        "files": (),
    }
    return Manifest(**said | changed)


def made(backups: Backups, name: str, files: dict[str, bytes], base: Manifest | None = None) -> Manifest:
    """Write a backup of these files, by path below `data`, and return its manifest."""
    folder = backups.begin(name) / "data"
    for path, content in files.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_bytes(content)
    sealed = manifest(name, base, files=backups.files(name))
    backups.seal(sealed)
    return sealed
