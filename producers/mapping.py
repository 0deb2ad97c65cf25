"""A mapping: a small YAML file that says how the columns of a file become events.

Reads     producers/mappings/<name>.yaml, or a file of the organizer's own
Returns   `Mapping`, checked as a whole
Promises  a mapping that loads names only known columns and fields, and gives each event all that it needs; what is
          wrong is said with file, key and what to do (box: producers)

    columns: [...]              every column of the file, in any order
    no_value: [NA]              texts that mean "nothing here", beside the empty one
    shift_days: 0               or last-bet-yesterday: all dates move by whole days
    split: {column: ..., organizers: [BIN, ...]}     rows of several organizers in one file, by hash of a column
    both: {field: source}       fields of all events alike
    wager: {when: ..., field: source}
    payout: {when: ..., field: source}
    deposit: {when: ..., field: source}
    withdrawal: {when: ..., field: source}

A source is one of: {constant: text}, {text: column}, {tenge: column}, {tenge: [column, column]} (their sum),
{instant: column}, {odds: column}, {synthetic: column} (a made-up IIN for a name), {by_organizer: {BIN: text}}.
`when: {column: c}`: a row yields the event if c has a value; `when: {column: c, one_of: [a, b]}`: if it is one of
these.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Annotated, Any, Literal, Self

import yaml
from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, model_validator

from esep.codes import (
    BET_KINDS,
    CHANNELS,
    DEVICE_KINDS,
    FUNDINGS,
    INSTRUMENT_KINDS,
    PAYMENT_METHODS,
    PAYOUT_KINDS,
)
from esep.errors import MappingInvalid
from esep.identifiers import is_bin
from esep.schemas import newest
from esep.yaml_text import from_yaml

LAST_BET_YESTERDAY = "last-bet-yesterday"
SHIFT_DAYS_MAX = 36_600  # A hundred years; what is larger is a slip.
EventName = Literal["deposit", "wager", "payout", "withdrawal"]
EVENT_NAMES: tuple[EventName, ...] = ("deposit", "wager", "payout", "withdrawal")  # As a row yields them.

_INCLUDED = Path(__file__).resolve().parent / "mappings"
_ALLOWED_SOURCES = {
    "occurred_at": {"instant"},
    "wager_occurred_at": {"instant"},
    "amount_tiyn": {"tenge"},
    "won_tiyn": {"tenge"},
    "wager_amount_tiyn": {"tenge"},
    "balance_before_tiyn": {"tenge"},
    "balance_after_tiyn": {"tenge"},
    "bonus_tiyn": {"tenge"},
    "payment_id": {"text"},
    "account_id": {"text"},
    "device_id": {"text"},
    "odds_milli": {"odds"},
    "instrument_key_version": {"constant"},
    "iin": {"text", "synthetic"},
    "wager_id": {"text"},
}
_ALLOWED_OTHERWISE = {"text", "constant", "by_organizer"}
_ALLOWED_WORDS: dict[str, tuple[str, ...]] = {
    "payment_method": PAYMENT_METHODS,
    "instrument_kind": INSTRUMENT_KINDS,
    "channel": CHANNELS,
    "funding": FUNDINGS,
    "kind": PAYOUT_KINDS,
    "device_kind": DEVICE_KINDS,
    "bet_kind": BET_KINDS,
}


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


def _bin(number: str) -> str:
    if not is_bin(number):
        raise ValueError("not a BIN with a right control digit; it stands in quotes")
    return number


Bin = Annotated[str, AfterValidator(_bin)]


def _as_tuple(value: Any) -> Any:
    return (value,) if isinstance(value, str) else value


class Source(_Part):
    """Where the value of a field comes from: exactly one of these keys."""

    constant: str | int | None = None
    text: str | None = None
    tenge: Annotated[tuple[str, ...], BeforeValidator(_as_tuple), Field(min_length=1, max_length=8)] | None = None
    instant: str | None = None
    odds: str | None = None
    synthetic: str | None = None
    by_organizer: dict[Bin, str] | None = None

    @model_validator(mode="after")
    def _one_key(self) -> Self:
        if len(self.model_fields_set) != 1:
            raise ValueError(f"give exactly one of {', '.join(type(self).model_fields)}")
        return self

    @property
    def how(self) -> str:
        """The one key that is given."""
        return next(iter(self.model_fields_set))

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns that the value is made from."""
        given = getattr(self, self.how)
        if self.how in {"constant", "by_organizer"}:
            return ()
        return given if isinstance(given, tuple) else (given,)


class When(_Part):
    """Which rows yield the event: those where `column` has a value, or one of `one_of`."""

    column: str
    one_of: tuple[str, ...] | None = None


class _Common(_Part):
    site_id: Source | None = None
    iin: Source | None = None
    occurred_at: Source | None = None
    amount_tiyn: Source | None = None
    payment_method: Source | None = None
    instrument_kind: Source | None = None
    instrument_hash: Source | None = None
    instrument_key_version: Source | None = None
    account_id: Source | None = None
    payment_provider: Source | None = None
    balance_before_tiyn: Source | None = None
    balance_after_tiyn: Source | None = None
    device_kind: Source | None = None
    device_id: Source | None = None


class _Both(_Common):
    wager_id: Source | None = None


class _BetMapping(_Both):
    bonus_tiyn: Source | None = None


class _AccountMapping(_Common):
    when: When | None = None
    payment_id: Source | None = None


class WagerMapping(_BetMapping):
    """How a row becomes a wager."""

    when: When | None = None
    bet_kind: Source | None = None
    channel: Source | None = None
    funding: Source | None = None
    odds_milli: Source | None = None


class DepositMapping(_AccountMapping):
    """How a row becomes a deposit."""


class WithdrawalMapping(_AccountMapping):
    """How a row becomes a withdrawal."""


class PayoutMapping(_BetMapping):
    """How a row becomes a payout."""

    when: When | None = None
    kind: Source | None = None
    won_tiyn: Source | None = None
    wager_occurred_at: Source | None = None
    wager_amount_tiyn: Source | None = None


_Section = DepositMapping | WagerMapping | PayoutMapping | WithdrawalMapping


class Split(_Part):
    """Which organizer a row belongs to: the one at hash(value of column) modulo their number (for data made up)."""

    column: str
    organizers: tuple[Bin, ...] = Field(min_length=1)


class Mapping(_Part):
    """How the columns of a file become events. See the head of this module for its YAML form."""

    columns: tuple[Annotated[str, Field(pattern="^[^_]")], ...] = Field(min_length=1)  # "_…" are our own columns.
    no_value: tuple[str, ...] = ()
    shift_days: Annotated[int, Field(ge=-SHIFT_DAYS_MAX, le=SHIFT_DAYS_MAX)] | Literal["last-bet-yesterday"] = 0
    split: Split | None = None
    both: _Both = _Both()
    deposit: DepositMapping | None = None
    wager: WagerMapping | None = None
    payout: PayoutMapping | None = None
    withdrawal: WithdrawalMapping | None = None

    @model_validator(mode="after")
    def _is_whole(self) -> Self:
        if not any(self.section(event) for event in EVENT_NAMES):
            raise ValueError("neither wager nor payout, deposit or withdrawal is mapped: give at least one")
        if len(set(self.columns)) != len(self.columns):
            raise ValueError("columns: a name stands twice")
        faults = [fault for event in EVENT_NAMES for fault in self._event_faults(event)] + self._column_faults()
        if faults:
            raise ValueError("; ".join(dict.fromkeys(faults)))
        return self

    def section(self, event: EventName) -> _Section | None:
        """Return how a row becomes this event, or None if none does."""
        section: _Section | None = getattr(self, event)
        return section

    def sources(self, event: EventName) -> dict[str, Source]:
        """Return the source of each field of an event that has one; its own section goes before `both`."""
        section = self.section(event)
        if section is None:
            return {}
        names = [name for name in type(section).model_fields if name != "when"]
        given = {name: getattr(section, name) or getattr(self.both, name, None) for name in names}
        return {name: source for name, source in given.items() if source is not None}

    def _event_faults(self, event: EventName) -> list[str]:
        section, sources = self.section(event), self.sources(event)
        if section is None:
            return []
        required = set(type(section).model_fields) - optional_fields(event) - {"when"}
        missing = [
            f"{event}.{name} has no source: add one, here or under both" for name in sorted(required - set(sources))
        ]
        organizers = self.split.organizers if self.split else ()
        wrong = [fault for name, source in sources.items() if (fault := _source_fault(name, source, organizers))]
        return missing + [f"{event}.{fault}" for fault in wrong]

    def _column_faults(self) -> list[str]:
        used = [
            (f"{event}.{name}", column)
            for event in EVENT_NAMES
            for name, source in self.sources(event).items()
            for column in source.columns
        ]
        used += [
            (f"{event}.when", section.when.column)
            for event in EVENT_NAMES
            if (section := self.section(event)) and section.when
        ]
        used += [("split", self.split.column)] if self.split else []
        return [
            f"{where} names column {column!r}, which is not in columns"
            for where, column in used
            if column not in self.columns
        ]


def included_mappings() -> list[str]:
    """Return the names of the mappings that come with esep.

    >>> included_mappings()
    ['bustabit']
    """
    return sorted(path.stem for path in _INCLUDED.glob("*.yaml"))


def load_mapping(name_or_path: str) -> Mapping:
    """Return an included mapping by its name, or one from a file; MappingInvalid says what is wrong and where."""
    path = _INCLUDED / f"{name_or_path}.yaml" if name_or_path in included_mappings() else Path(name_or_path)
    try:
        return Mapping.model_validate(from_yaml(path.read_text(encoding="utf-8")))
    except OSError as error:
        raise MappingInvalid(
            f"the mapping {name_or_path} cannot be read",
            detail=f"{path}: {error.strerror}",
            hint=f"give the path of a YAML file, or the name of an included one: {', '.join(included_mappings())}",
        ) from error
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise MappingInvalid(f"the mapping {path} is not YAML", detail=str(error), hint="mend it there") from error
    except ValidationError as error:
        raise MappingInvalid(
            f"the mapping {path} does not say how columns become events",
            detail="; ".join(_fault_text(fault) for fault in error.errors()),
            hint="mend these keys; producers/mappings/bustabit.yaml is a whole mapping to go by",
        ) from error


@cache
def optional_fields(event: EventName) -> frozenset[str]:
    """Return the fields that a row may leave out: those that the event's newest schema lets be null (D934-42)."""
    fields = newest(event).parsed()["fields"]
    return frozenset(field["name"] for field in fields if isinstance(field["type"], list))


def _source_fault(name: str, source: Source, organizers: tuple[str, ...]) -> str | None:
    allowed = _ALLOWED_SOURCES.get(name, _ALLOWED_OTHERWISE)
    if source.how not in allowed:
        return f"{name} cannot come from {source.how}: use {' or '.join(sorted(allowed))}"
    if source.how == "constant":
        return _constant_fault(name, source.constant)
    unnamed = set(organizers).difference(source.by_organizer or organizers)
    return f"{name} has no text for organizer {', '.join(sorted(unnamed))}" if unnamed else None


def _constant_fault(name: str, constant: str | int | None) -> str | None:
    kind = int if name == "instrument_key_version" else str
    if not isinstance(constant, kind):
        return f"{name} must be {'a number' if kind is int else 'a text: put it in quotes'}"
    words = _ALLOWED_WORDS.get(name)
    return f"{name} must be one of {', '.join(words)}" if words and constant not in words else None


def _fault_text(fault: Any) -> str:
    where = ".".join(map(str, fault["loc"]))
    text = fault["msg"].removeprefix("Value error, ")
    return f"{where}: {text}" if where else text
