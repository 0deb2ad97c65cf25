"""A Confluent-compatible schema registry: publish our schemas there, compare, take the ids that it gave.

Reads     the manifest's schemas; the registry's HTTP interface (subjects, config, compatibility)
Returns   `Registry`; `Standing` of each schema; `RegistryIds`
Promises  a schema's subject is its full name (RecordNameStrategy), for an organizer's topic holds several records; what
          is published is held to FULL_TRANSITIVE by the registry itself; publishing again changes nothing; every call
          is bounded (DESIGN §3; clause D934-42; boxes: all)
"""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from dataclasses import dataclass
from http import HTTPStatus
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from esep.errors import RegistryUnavailable, SchemaIncompatible, SchemaUnknown, SettingInvalid
from esep.schema_ids import RegistryIds, use
from esep.schemas import Schema, all_schemas

if TYPE_CHECKING:
    from collections.abc import Mapping

    from esep.settings import Settings

LEVEL = "FULL_TRANSITIVE"
_ANSWER_S_MAX = 20.0  # A registry answers in milliseconds; one that has just started takes a second or two.
_ANSWER_BYTES_MAX = 4 * 1024 * 1024
_MEDIA_TYPE = "application/json"


@dataclass(frozen=True, slots=True)
class Standing:
    """How a schema stands there. id: None where it is not published there.

    level: the compatibility to which the registry holds its subject. faults: why the registry would not take it.
    """

    schema: Schema
    subject: str
    id: int | None
    level: str
    faults: tuple[str, ...]

    @property
    def is_fine(self) -> bool:
        """Whether it is published, and the registry refuses what would break it."""
        return self.id is not None and self.level == LEVEL and not self.faults


class Registry:
    """A registry at an address, such as http://schemas:8081. Raises SettingInvalid if that is no http one."""

    def __init__(self, url: str) -> None:
        if not url.startswith(("http://", "https://")):
            raise SettingInvalid(f"{url!r} is no address of a registry", hint="such as http://schemas:8081")
        self.url = url.rstrip("/")

    def id_of(self, schema: Schema) -> int | None:
        """Return the id of a schema that was published, or None."""
        answer = self._ask("POST", f"/subjects/{_subject_path(schema)}", {"schema": schema.text}, missing_ok=True)
        return None if answer is None else int(answer["id"])

    def publish(self, schema: Schema) -> int:
        """Publish a schema, held to FULL_TRANSITIVE; return its id. SchemaIncompatible if the registry refuses it."""
        path = _subject_path(schema)
        self._ask("PUT", f"/config/{path}", {"compatibility": LEVEL})
        try:
            answer = self._ask("POST", f"/subjects/{path}/versions", {"schema": schema.text})
        except _RefusedError as refused:
            raise SchemaIncompatible(
                f"the registry refuses {schema.record}, version {schema.version}",
                detail=refused.text,
                hint="it holds another version that this one breaks with: see `esep schemas check`",
            ) from refused
        return int(answer["id"])

    def standing(self, schema: Schema) -> Standing:
        """Return how a schema stands."""
        path = _subject_path(schema)
        told = self._ask("GET", f"/config/{path}?defaultToGlobal=true", missing_ok=True) or {}
        level = str(told.get("compatibilityLevel", "NONE"))
        found = self.id_of(schema)
        return Standing(schema, subject_of(schema), found, level, () if found is not None else self._faults(schema))

    def ids(self) -> RegistryIds:
        """Return the ids of all schemas of the manifest; SchemaUnknown if one is not published."""
        found: dict[Schema, int] = {}
        for schema in all_schemas():
            schema_id = self.id_of(schema)
            if schema_id is None:
                raise SchemaUnknown(
                    f"the registry at {self.url} does not know {schema.record}, version {schema.version}",
                    detail=f"its subject would be {subject_of(schema)}",
                    hint="publish what is new before the parts are upgraded: esep schemas publish",
                )
            found[schema] = schema_id
        return RegistryIds(found)

    def _faults(self, schema: Schema) -> tuple[str, ...]:
        """Return why the registry would not take a schema that it has not, nothing if it would."""
        path = f"/compatibility/subjects/{_subject_path(schema)}/versions?verbose=true"
        answer = self._ask("POST", path, {"schema": schema.text}, missing_ok=True)
        if answer is None or answer.get("is_compatible", True):
            return ()
        return tuple(map(str, answer.get("messages") or ["it breaks with a version that is there"]))

    def _ask(self, method: str, path: str, body: Mapping[str, Any] | None = None, *, missing_ok: bool = False) -> Any:
        """Return the answer to a request; None for one of which the registry knows nothing, where that may be."""
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(  # noqa: S310 - the scheme was looked at
            self.url + path, data, {"Content-Type": _MEDIA_TYPE, "Accept": _MEDIA_TYPE}, method=method
        )
        try:
            with urllib.request.urlopen(request, timeout=_ANSWER_S_MAX) as answer:  # noqa: S310 - as above
                return json.loads(answer.read(_ANSWER_BYTES_MAX))
        except urllib.error.HTTPError as error:
            with error:
                text = error.read(_ANSWER_BYTES_MAX).decode(errors="replace")
            if error.code == HTTPStatus.NOT_FOUND and missing_ok:
                return None
            if error.code in {HTTPStatus.CONFLICT, HTTPStatus.UNPROCESSABLE_ENTITY}:
                raise _RefusedError(text) from error
            raise self._unavailable(f"{error.code}: {text[:500]}") from error
        except (OSError, ValueError) as error:
            raise self._unavailable(str(error)) from error

    def _unavailable(self, why: str) -> RegistryUnavailable:
        return RegistryUnavailable(
            f"the schema registry at {self.url} did not answer as one",
            detail=why,
            hint="see to it, or unset ESEP_SCHEMA_REGISTRY_URL: the manifest's ids need no server",
        )


class _RefusedError(Exception):
    """The registry understood and said no."""

    def __init__(self, text: str) -> None:
        super().__init__(text)
        self.text = text


def subject_of(schema: Schema) -> str:
    """Return the subject of a schema: its full name, the same in every version.

    >>> from esep.schemas import schema
    >>> subject_of(schema("wager", 2))
    'kz.esep.v1.Wager'
    """
    parsed = schema.parsed()
    return f"{parsed['namespace']}.{parsed['name']}"


def adopt(settings: Settings) -> None:
    """Take the ids of the registry that the settings name for this process; without one the manifest's stay.

    To be called before anything is read or written. Raises RegistryUnavailable, SchemaUnknown.
    """
    if settings.schema_registry_url:
        use(Registry(settings.schema_registry_url).ids())


def _subject_path(schema: Schema) -> str:
    return quote(subject_of(schema), safe="")
