"""Reference data: organizers, barred organizers and resources, holidays, as facts that are published and superseded.

Reads     a YAML file; facts as they were published, load by load
Returns   `ReferenceFile`, the facts in it, what of them is new; `Reference`: all facts with when each was published
Promises  a file is right as a whole or refused; a fact is superseded by a later one with its key, never removed; what
          counts for an event depends on its `received_at` and on the loads alone (DESIGN §4 "Enrich"; clauses O9-3,
          O9-4.1, R2021-1, R2021-2; decision 0015)
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from datetime import date, datetime
from pathlib import Path
from typing import Literal, NamedTuple

import numpy as np
from pydantic import AwareDatetime, BaseModel, Field, model_validator

from esep.clock import PUBLISHED_DELAY_MS
from esep.register import FactModel, Organizer, read_yaml
from esep.restrictions import Restrictions

REFERENCE_DELAY_MS = PUBLISHED_DELAY_MS  # A load counts for what is received so much later.
ORGANIZER, BARRED_ORGANIZER, BARRED_RESOURCE, HOLIDAY = "ORGANIZER", "BARRED_ORGANIZER", "BARRED_RESOURCE", "HOLIDAY"
KINDS = (ORGANIZER, BARRED_ORGANIZER, BARRED_RESOURCE, HOLIDAY)


class _Spanned(FactModel):
    valid_from: AwareDatetime
    valid_to: AwareDatetime | None = None

    @model_validator(mode="after")
    def _ends_after_it_begins(self) -> _Spanned:
        if self.valid_to is not None and self.valid_to < self.valid_from:
            raise ValueError("ends before it begins")
        return self


class BarredOrganizer(_Spanned):
    """An organizer that may not work here or be paid from here: illegal (R2021-1) or foreign (R2021-2)."""

    id: str = Field(min_length=1)
    name: str = Field(min_length=1)
    why: Literal["ILLEGAL", "FOREIGN"]


class BarredResource(_Spanned):
    """A site, an application or a payee of such an organizer; organizer: its id, where it is known."""

    address: str = Field(min_length=1)
    why: Literal["ILLEGAL", "FOREIGN"]
    organizer: str | None = None


class Holiday(FactModel):
    """A day off that is none by the week, or a working day that would be one; a fact of the Almaty calendar."""

    day: date
    kind: Literal["DAY_OFF", "WORKING_DAY"]
    name_kk: str = Field(min_length=1)
    name_ru: str = Field(min_length=1)


class ReferenceFile(FactModel):
    """What a YAML file of `esep reference load` may hold. version: for whoever keeps the file."""

    version: int | None = Field(default=None, ge=1)
    organizers: tuple[Organizer, ...] = ()
    barred_organizers: tuple[BarredOrganizer, ...] = ()
    barred_resources: tuple[BarredResource, ...] = ()
    holidays: tuple[Holiday, ...] = ()

    @model_validator(mode="after")
    def _keys_are_distinct(self) -> ReferenceFile:
        [(key, count)] = Counter((fact.kind, fact.key) for fact in self.facts()).most_common(1) or [(("", ""), 0)]
        if count > 1:
            raise ValueError(f"{' '.join(key)} stands here twice")
        return self

    def facts(self) -> list[Fact]:
        """Return the facts in the file, in its order."""
        return [
            *(_fact(ORGANIZER, one.bin, one) for one in self.organizers),
            *(_fact(BARRED_ORGANIZER, one.id, one) for one in self.barred_organizers),
            *(_fact(BARRED_RESOURCE, one.address, one) for one in self.barred_resources),
            *(_fact(HOLIDAY, one.day.isoformat(), one) for one in self.holidays),
        ]


class Fact(NamedTuple):
    """One fact. valid_from, valid_to: null where the content says when what is in force, as with licences.

    They are whole milliseconds, as on the topic. content: all else, as JSON.
    """

    kind: str
    key: str
    valid_from: datetime | None
    valid_to: datetime | None
    content: str


class Published(NamedTuple):
    """A fact, the place of the load that brought it (0, 1, 2 …), and its offset on the topic."""

    fact: Fact
    load: int
    offset: int


class Load(NamedTuple):
    """What was published at once. version: the offset of its last record. published_ms: the broker's stamp of that."""

    version: int
    published_ms: int


@dataclass(frozen=True, slots=True)
class Difference:
    """What of a file is not published yet: facts without a predecessor, and facts that supersede another one."""

    added: list[Fact]
    changed: list[Fact]

    def __bool__(self) -> bool:
        return bool(self.added or self.changed)


@dataclass(slots=True)
class Reference:
    """All that was published, in order. history: by kind and key each fact and what superseded it."""

    loads: list[Load] = field(default_factory=list)
    history: dict[tuple[str, str], list[Published]] = field(default_factory=dict)
    restrictions: Restrictions = field(default_factory=Restrictions)
    _counts_from_ms: list[int] = field(default_factory=list)

    @property
    def version(self) -> int:
        """The version of the last load; -1 before the first."""
        return self.loads[-1].version if self.loads else -1

    def publish(self, load: Load, facts: list[tuple[int, Fact]]) -> None:
        """Add a load with its facts, each with its offset; restricted persons are added to `restrictions` first."""
        place = len(self.loads)
        self.loads.append(load)
        earlier = max(self._counts_from_ms, default=0)
        # A broker's clock may step back; a load never counts before the one that it builds upon.
        self._counts_from_ms.append(max(earlier, load.published_ms + REFERENCE_DELAY_MS))
        for offset, fact in facts:
            self.history.setdefault((fact.kind, fact.key), []).append(Published(fact, place, offset))

    def counted(self, received_ms: np.ndarray) -> np.ndarray:
        """Return how many loads count for what was received at each of these instants (ms UTC)."""
        return np.searchsorted(np.array(self._counts_from_ms, np.int64), received_ms, side="right")

    def of_kind(self, kind: str) -> list[list[Published]]:
        """Return the history of every fact of a kind, by key."""
        return [history for (of, _), history in sorted(self.history.items()) if of == kind]

    def latest(self, kind: str) -> list[Published]:
        """Return the facts of a kind that nothing has superseded, by key."""
        return [history[-1] for history in self.of_kind(kind)]

    def as_of(self, kind: str, key: str, received_ms: int, occurred_at: datetime) -> Fact | None:
        """Return the fact that counts for what occurred then and was received then, or None."""
        count = int(self.counted(np.array([received_ms]))[0])
        known = [one.fact for one in self.history.get((kind, key), []) if one.load < count]
        if not known or (known[-1].valid_from is not None and occurred_at < known[-1].valid_from):
            return None
        return None if known[-1].valid_to is not None and occurred_at >= known[-1].valid_to else known[-1]

    def offset_of(self, kind: str, key: str) -> int | None:
        """Return the offset of the fact that a new one with this key would supersede, or None."""
        known = self.history.get((kind, key))
        return known[-1].offset if known else None

    def difference(self, facts: list[Fact]) -> Difference:
        """Return what of these facts would be new."""
        found = Difference([], [])
        for fact in facts:
            known = self.history.get((fact.kind, fact.key))
            if known is None:
                found.added.append(fact)
            elif known[-1].fact != fact:
                found.changed.append(fact)
        return found

    @property
    def bins(self) -> tuple[str, ...]:
        """The BINs of all organizers, in the order in which they came up."""
        return tuple(key for kind, key in self.history if kind == ORGANIZER)


def organizer_in(fact: Fact) -> Organizer:
    """Return the organizer that a fact of this kind tells of."""
    return Organizer.model_validate_json(fact.content)


def load_reference(path: Path) -> ReferenceFile:
    """Return what a YAML file says; FileUnusable says where it is wrong."""
    return read_yaml(path, ReferenceFile, "the reference file", "name a YAML file, or a CSV or Parquet file of persons")


def _fact(kind: str, key: str, content: BaseModel) -> Fact:
    if not isinstance(content, _Spanned):
        return Fact(kind, key, None, None, content.model_dump_json())
    text = content.model_dump_json(exclude={"valid_from", "valid_to"})
    return Fact(kind, key, _whole_ms(content.valid_from), content.valid_to and _whole_ms(content.valid_to), text)


def _whole_ms(instant: datetime) -> datetime:
    return instant.replace(microsecond=instant.microsecond // 1000 * 1000)
