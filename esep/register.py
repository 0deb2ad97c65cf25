"""The register of organizers: who may report, of what kind, under which licence, from which sites, since when.

Reads     a YAML file
Returns   `Register`: facts by BIN, each valid for a span of time
Promises  validated as a whole; facts are asked as of an instant, never as of now (clauses O9-3, O9-4.1; DESIGN §4)
"""

from __future__ import annotations

from datetime import datetime
from itertools import pairwise
from pathlib import Path
from typing import Annotated, Literal, TypeVar

import yaml
from pydantic import AfterValidator, AwareDatetime, BaseModel, ConfigDict, Field, ValidationError, model_validator

from esep.errors import FileUnusable
from esep.identifiers import is_bin
from esep.yaml_text import from_yaml

M = TypeVar("M", bound=BaseModel)


def _bin(number: str) -> str:
    if not is_bin(number):
        raise ValueError("not a BIN with a right control digit")
    return number


class FactModel(BaseModel):
    """What a file states about the world: nothing unknown may stand in it, and nothing changes it."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Licence(FactModel):
    """A licence and the span in which it is in force: from `valid_from` on, before `valid_to` (null: no end)."""

    number: str = Field(min_length=1)
    kind: Literal["BOOKMAKER", "TOTALIZATOR"]
    valid_from: AwareDatetime
    valid_to: AwareDatetime | None = None

    @model_validator(mode="after")
    def _ends_after_it_begins(self) -> Licence:
        if self.valid_to is not None and self.valid_to <= self.valid_from:
            raise ValueError(f"licence {self.number} ends before it begins")
        return self


class Site(FactModel):
    """A site in Kazakhstan from which the organizer reports (clause O9-4.1)."""

    id: str = Field(min_length=1)
    address: str = Field(min_length=1)


class Organizer(FactModel):
    """One organizer of gambling business."""

    bin: Annotated[str, AfterValidator(_bin)]
    name_kk: str = Field(min_length=1)
    name_ru: str = Field(min_length=1)
    licences: tuple[Licence, ...] = Field(min_length=1)
    sites: tuple[Site, ...] = Field(min_length=1)

    @model_validator(mode="after")
    def _licences_do_not_overlap(self) -> Organizer:
        spans = sorted(self.licences, key=lambda licence: licence.valid_from)
        for earlier, later in pairwise(spans):
            if earlier.valid_to is None or earlier.valid_to > later.valid_from:
                raise ValueError(f"licences {earlier.number} and {later.number} are in force at the same time")
        return self

    def licence_at(self, instant: datetime) -> Licence | None:
        """Return the licence in force at an instant, or None."""
        for licence in self.licences:
            if licence.valid_from <= instant and (licence.valid_to is None or instant < licence.valid_to):
                return licence
        return None


class Register(FactModel):
    """All organizers. `version` grows with every change and stands in each record that was made with it."""

    version: int = Field(ge=1)
    organizers: tuple[Organizer, ...]

    @model_validator(mode="after")
    def _bins_are_distinct(self) -> Register:
        if len({organizer.bin for organizer in self.organizers}) != len(self.organizers):
            raise ValueError("two organizers have the same BIN")
        return self

    @property
    def bins(self) -> tuple[str, ...]:
        """The BINs of all organizers, in the order of the file."""
        return tuple(organizer.bin for organizer in self.organizers)

    def find(self, organizer_bin: str) -> Organizer | None:
        """Return the organizer with this BIN, or None."""
        return next((organizer for organizer in self.organizers if organizer.bin == organizer_bin), None)


def load_register(path: Path) -> Register:
    """Return the register in a YAML file; FileUnusable says where it is wrong."""
    return read_yaml(path, Register, "the register", "set ESEP_REGISTER_FILE to where it is")


def read_yaml(path: Path, model: type[M], what: str, hint: str) -> M:
    """Return what a YAML file says; FileUnusable says where it is wrong. what: the file's name in texts."""
    try:
        return model.model_validate(from_yaml(path.read_text(encoding="utf-8")))
    except OSError as error:
        raise FileUnusable(f"{what} {path} cannot be read", detail=error.strerror or "", hint=hint) from error
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise FileUnusable(f"{what} {path} is not YAML", detail=str(error)) from error
    except ValidationError as error:
        faults = "; ".join(f"{'.'.join(map(str, fault['loc']))}: {fault['msg']}" for fault in error.errors())
        raise FileUnusable(f"{what} {path} does not say what it must", detail=faults) from error
