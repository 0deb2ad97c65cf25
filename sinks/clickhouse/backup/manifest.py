"""What a backup says of itself: of which instant it is, which records it holds, of which bytes it consists.

Reads     nothing
Returns   `Manifest` and its wire form, JSON with a last line that seals it
Promises  no I/O; `decode(m.encode()) == m`, and bytes that differ from `m.encode()` in anything are refused; nothing in
          it is of a person (O9-5.1; box: sinks/clickhouse)
"""

from __future__ import annotations

import hashlib
from datetime import datetime
from typing import Literal

from pydantic import BaseModel, ConfigDict, ValidationError

from esep.errors import FileUnusable
from esep.lineage import TopicPartition

SEAL = b"sha256 "  # Begins the last line.


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Cut(_Part):
    """A partition of a topic, and the offset up to which (exclusive) each of its records is a row of the backup."""

    topic: str
    partition: int
    offset: int


class LaneRows(_Part):
    """The rows of one lane below the cut: how many, which, at which offsets, and a digest of what they say.

    digest: the sum of a 64-bit hash of each row, hexadecimal; the order of the rows does not matter to it.
    """

    topic: str
    partition: int
    cause_topic: str
    cause_partition: int
    row_count: int
    first_row: int
    last_row: int
    first_offset: int
    last_offset: int
    digest: str

    def __str__(self) -> str:
        return f"{self.cause_topic}/{self.cause_partition} → {self.topic}/{self.partition}"


class File(_Part):
    """A file of the backup: its path below the backup's directory, its size and the SHA-256 of its bytes."""

    path: str
    size: int
    sha256: str


class Base(_Part):
    """The backup that an incremental one needs: its name and the SHA-256 of its manifest."""

    name: str
    sha256: str


class Manifest(_Part):
    """One backup. began_at: of this instant it is; all that came later is left out by a restore.

    program, engine: versions. database: its name there. kafka_cluster: whose offsets the cuts are. routing_key: a
    digest of the key of persons, None where it could not be read. migrations: checksums of those that were applied.
    files: its own; what has not changed is in its base, and in that one's.
    """

    format: Literal[1] = 1
    name: str
    began_at: datetime
    program: str
    engine: str
    database: str
    base: Base | None
    kafka_cluster: str
    routing_key: str | None
    migrations: dict[str, str]
    cuts: tuple[Cut, ...]
    lanes: tuple[LaneRows, ...]
    files: tuple[File, ...]

    @property
    def rows(self) -> int:
        """Return how many records it holds, its bases' included."""
        return sum(lane.row_count for lane in self.lanes)

    @property
    def size(self) -> int:
        """Return the bytes of its own files."""
        return sum(file.size for file in self.files)

    @property
    def offsets(self) -> dict[TopicPartition, int]:
        """Return the cuts by partition."""
        return {TopicPartition(cut.topic, cut.partition): cut.offset for cut in self.cuts}

    def encode(self) -> bytes:
        """Return the bytes of the file: JSON that a person can read, then the seal."""
        body = self.model_dump_json(indent=1).encode() + b"\n"
        return body + SEAL + hashlib.sha256(body).hexdigest().encode() + b"\n"

    @property
    def sha256(self) -> str:
        """Return the SHA-256 of the file, by which an incremental backup names its base."""
        return hashlib.sha256(self.encode()).hexdigest()


def decode(data: bytes, name: str) -> Manifest:
    """Return the manifest that `encode` wrote; FileUnusable, with the backup's name, if a byte of it is another."""
    body, seal, _ = data.rpartition(SEAL)
    try:
        manifest = Manifest.model_validate_json(body) if seal else None
    except ValidationError:
        manifest = None
    if manifest is None or manifest.encode() != data or manifest.name != name:
        raise FileUnusable(
            f"the manifest of backup {name} is damaged",
            detail="it does not say what was written",
            hint="use another backup, or another copy of this one",
        )
    return manifest
