"""The ids of schemas on the wire: from the manifest, or from a registry (one interface, two implementations).

Reads     the manifest; what `esep.registry` was told
Returns   `SchemaIds`, and the one that this process uses
Promises  ids are fixed while a process runs: no message makes anybody ask a server; an id that is none of these names
          no schema, whatever a registry holds beside (DESIGN §3; clause D934-42; boxes: all)
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from esep.schemas import Schema, all_schemas

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping


class SchemaIds(Protocol):
    """Which id stands for which schema."""

    def id_of(self, schema: Schema) -> int:
        """Return the id that the schema is written with; KeyError if it has none."""

    def schema_of(self, schema_id: int) -> Schema | None:
        """Return the schema that an id names, or None."""


class ManifestIds:
    """The ids of the manifest: no server is needed to read or write. schemas: those that this program knows."""

    def __init__(self, schemas: Iterable[Schema] | None = None) -> None:
        self._by_id = {one.id: one for one in (all_schemas() if schemas is None else schemas)}

    def id_of(self, schema: Schema) -> int:
        """Return the id that the manifest gives to a schema; KeyError if it is none of those known."""
        return self._by_id[schema.id].id

    def schema_of(self, schema_id: int) -> Schema | None:
        """Return the schema that an id names, or None."""
        return self._by_id.get(schema_id)


class RegistryIds:
    """The ids that a registry gave to the schemas of the manifest, as they were when it was asked."""

    def __init__(self, ids: Mapping[Schema, int]) -> None:
        self._ids = dict(ids)
        self._by_id = {schema_id: schema for schema, schema_id in ids.items()}

    def id_of(self, schema: Schema) -> int:
        """Return the id that the registry gave to a schema; KeyError if it has none."""
        return self._ids[schema]

    def schema_of(self, schema_id: int) -> Schema | None:
        """Return the schema that an id names, or None."""
        return self._by_id.get(schema_id)


class _Process:
    """What this process uses; one value, set at its start."""

    ids: SchemaIds = ManifestIds()


def current() -> SchemaIds:
    """Return the ids that this process uses: the manifest's unless others were put in their place."""
    return _Process.ids


def use(ids: SchemaIds) -> SchemaIds:
    """Use these ids from now on, in all of this process; return those used before."""
    before, _Process.ids = _Process.ids, ids
    return before
