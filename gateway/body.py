"""The body of a request as the messages that are to lie on the organizer's topic.

Reads     the bytes of a body: lines of finished messages, or a JSON list of events; whose it is
Returns   keys and values in the order of the request
Promises  all of it or a `Problem` that says which event and why; finished messages keep their bytes; events are written
          by the code that writes those of esep's own client; every value can be read by intake's reader; no clock, no
          I/O (clauses O114-3, O9-4.3; box: gateway)

What intake judges by the event, its numbers or the register stays intake's to say: a receipt is its answer.
"""

from __future__ import annotations

import base64
import json
import re
from typing import TYPE_CHECKING, Annotated, Any, Literal, NoReturn

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from esep.codec import decode
from esep.delivery import MESSAGE_BYTES_MAX
from esep.events import EVENT_RECORDS, Correction, Deposit, Payout, Wager, Withdrawal
from esep.gateway.problems import Problem
from esep.schemas import newest
from esep.versions import encode_record

if TYPE_CHECKING:
    from collections.abc import Sequence

    from esep.delivery import Message

EVENTS, MESSAGES = "application/json", "application/vnd.esep.messages+json"


class _Numbered(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    stream_id: str
    sequence: int


class _Wager(Wager, _Numbered):
    event_type: Literal["WAGER"]


class _Payout(Payout, _Numbered):
    event_type: Literal["PAYOUT"]


class _Deposit(Deposit, _Numbered):
    event_type: Literal["DEPOSIT"]


class _Withdrawal(Withdrawal, _Numbered):
    event_type: Literal["WITHDRAWAL"]


class _Correction(Correction, _Numbered):
    event_type: Literal["CORRECTION"]


class _Line(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    key: str
    value: str


_INSTANTS = frozenset({"occurred_at", "wager_occurred_at", "corrected_at"})
_INSTANT = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}T")
_Told = _Wager | _Payout | _Deposit | _Withdrawal | _Correction
_EVENTS: TypeAdapter[list[_Told]] = TypeAdapter(list[Annotated[_Told, Field(discriminator="event_type")]])


def messages_of(body: bytes, content_type: str, organizer_bin: str, events_max: int) -> list[Message]:
    """Return the messages of a body, at least one. Problem if one of them is none, or there are too many."""
    if content_type == MESSAGES:
        messages = _finished(body, events_max)
    elif content_type == EVENTS:
        messages = _written(body, organizer_bin, events_max)
    else:
        raise Problem("TYPE_UNKNOWN")
    if not messages:
        raise Problem("BATCH_EMPTY")
    _refuse_unreadable(messages)
    return messages


def _finished(body: bytes, events_max: int) -> list[Message]:
    """Return the messages of lines of JSON, each with key and value in Base64."""
    lines = [line for line in body.split(b"\n") if line.strip()]
    _refuse_many(len(lines), events_max)
    messages = []
    for place, line in enumerate(lines):
        try:
            read = _Line.model_validate_json(line)
            messages.append((base64.b64decode(read.key, validate=True), base64.b64decode(read.value, validate=True)))
        except ValueError:  # ValidationError and binascii.Error are such.
            raise Problem("EVENT_UNREADABLE", place=place) from None
    return messages


def _written(body: bytes, organizer_bin: str, events_max: int) -> list[Message]:
    """Return the messages of events in a JSON list."""
    try:
        listed = json.loads(body, object_pairs_hook=_once, parse_constant=_refuse_constant)
    except (ValueError, RecursionError):
        raise Problem("BODY_UNREADABLE") from None
    if not isinstance(listed, list):
        raise Problem("BODY_UNREADABLE")
    _refuse_many(len(listed), events_max)
    _refuse_other_instants(listed)
    try:
        events = _EVENTS.validate_json(body, strict=True)
    except ValidationError as error:
        raise _problem_of(error) from None
    return [_message(place, event, organizer_bin) for place, event in enumerate(events)]


def _message(place: int, event: _Told, organizer_bin: str) -> Message:
    record = {"organizer_bin": organizer_bin, **event.model_dump(exclude={"event_type"})}
    try:
        return event.stream_id.encode(), encode_record(record, event.event_type.lower())
    except (ValueError, TypeError, OverflowError):
        raise Problem("EVENT_UNREADABLE", place=place) from None


def _refuse_other_instants(listed: list[Any]) -> None:
    """Raise the problem of the first instant that is not written as one: pydantic takes seconds since 1970 too."""
    for place, event in enumerate(listed):
        nested = [event, event.get("was"), event.get("now")] if isinstance(event, dict) else []
        for part in (part for part in nested if isinstance(part, dict)):
            for name in _INSTANTS.intersection(part):
                value = part[name]
                if value is not None and not (isinstance(value, str) and _INSTANT.match(value)):
                    raise Problem("EVENT_UNREADABLE", place=place, field=name)


def _refuse_many(count: int, events_max: int) -> None:
    if count > events_max:
        raise Problem("BATCH_TOO_LARGE")


def _refuse_unreadable(messages: Sequence[Message]) -> None:
    """Raise the problem of the first message that is too large, or that intake could not read."""
    for place, (key, value) in enumerate(messages):
        if len(key) + len(value) > MESSAGE_BYTES_MAX:
            raise Problem("EVENT_TOO_LARGE", place=place)
    bad = decode([value for _, value in messages], EVENT_RECORDS).bad
    if bad:
        place = min(bad)
        raise Problem(bad[place], place=place)


_FIELDS = {
    name
    for kind in EVENT_RECORDS
    for name in [*newest(kind).fields, "event_type", "selections", "was", "now", "market_id", "event_id", "outcome_id"]
}


def _problem_of(error: ValidationError) -> Problem:
    """Return the problem that pydantic found first; a name that is no field's is not repeated."""
    where = error.errors(include_url=False, include_context=False, include_input=False)[0]["loc"]
    if not where or not isinstance(where[0], int):
        return Problem("BODY_UNREADABLE")
    fields = [name for name in where[1:] if name in _FIELDS]
    return Problem("EVENT_UNREADABLE", place=where[0], field=str(fields[-1]) if fields else None)


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Return an object; ValueError if it names a key twice, for then nobody knows which is meant."""
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a key twice")
    return found


def _refuse_constant(_name: str) -> NoReturn:
    """Refuse NaN and the infinities, which JSON does not know."""
    raise ValueError("no JSON")
