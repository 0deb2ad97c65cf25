"""The contract: every Avro schema by record and version, with its id on the wire.

Reads     manifest.json and <record>/v<version>.avsc beside this file
Returns   `Schema`, by record and version or by id; all versions of a record
Promises  no other package is imported; an id, once given, is never given to another schema (D934-42)

The ids stand in the manifest, so that nobody needs a registry server to read or write (DESIGN §3). Ids of 1001 and up
are what organizers send, ids of 2001 and up what the authority writes.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

_FOLDER = Path(__file__).resolve().parent


@dataclass(frozen=True, slots=True)
class Schema:
    """One version of one record: `text` is the Avro schema as JSON, `fields` its field names in order."""

    record: str
    version: int
    id: int
    text: str
    fields: tuple[str, ...]

    def parsed(self) -> dict[str, Any]:
        """Return the schema as a fresh dict, in which a caller may change what it likes."""
        content: dict[str, Any] = json.loads(self.text)
        return content


@cache
def all_schemas() -> tuple[Schema, ...]:
    """Return every schema of the manifest, in its order."""
    manifest = json.loads((_FOLDER / "manifest.json").read_text(encoding="utf-8"))
    return tuple(_load(entry["record"], entry["version"], entry["id"]) for entry in manifest)


@cache
def schema(record: str, version: int = 1) -> Schema:
    """Return the schema of a record and version; KeyError if the manifest has none.

    >>> schema("wager").id
    1001
    """
    for candidate in all_schemas():
        if (candidate.record, candidate.version) == (record, version):
            return candidate
    raise KeyError(f"no schema of record {record!r} in version {version}")


@cache
def versions(record: str) -> tuple[Schema, ...]:
    """Return every version of a record, the oldest first; KeyError if the manifest has none.

    >>> [one.version for one in versions("wager")]
    [1, 2]
    """
    found = tuple(sorted((one for one in all_schemas() if one.record == record), key=lambda one: one.version))
    if not found:
        raise KeyError(f"no schema of record {record!r}")
    return found


def newest(record: str) -> Schema:
    """Return the last version of a record; KeyError if the manifest has none."""
    return versions(record)[-1]


@cache
def schema_by_id(schema_id: int) -> Schema | None:
    """Return the schema with this id on the wire, or None.

    >>> schema_by_id(1002).record
    'payout'
    """
    return next((candidate for candidate in all_schemas() if candidate.id == schema_id), None)


def _load(record: str, version: int, schema_id: int) -> Schema:
    text = (_FOLDER / record / f"v{version}.avsc").read_text(encoding="utf-8")
    return Schema(record, version, schema_id, text, tuple(field["name"] for field in json.loads(text)["fields"]))
