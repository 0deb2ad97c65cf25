"""A month of made-up events with stories planted in it, as messages on the organizers' topics.

Reads     the stories (`STORIES`), the answer sheet, the simulator
Returns   `Month`: the messages in order of receipt, and what the authority publishes meanwhile
Promises  the same for the same size; what is planted shares no person, stream and means of payment with the rest
"""

from __future__ import annotations

from datetime import datetime, timedelta
from functools import cache
from hashlib import sha256
from pathlib import Path
from typing import NamedTuple

import polars as pl

from esep.clock import to_ms
from esep.codec import INDEX, decode
from esep.events import EVENT_RECORDS, encoded_one
from esep.partitioner import partition_of
from esep.producers.simulate.generator import messages
from esep.producers.simulate.plan import Plan
from esep.producers.simulate.register import made_up_register
from esep.reference import Load, Reference, ReferenceFile
from esep.register import Register, read_yaml
from esep.restrictions import Entries, entries_of
from tests.planted import droppers, habits, listed, passing, winnings
from tests.planted.answers import answers
from tests.planted.teller import DAYS, STORIES, Story, Told, on

PARTITIONS = 2  # Of each organizer's topic.
EVENTS, PERSONS, SEED, ORGANIZERS = 20_000, 6_000, 934, 8
CORRECTIONS = 0.005  # Share of the background's messages.
_TOLD_CHARS = 16
_DELAY = timedelta(seconds=20)  # From an event to its receipt.
_HERE = Path(__file__).parent
TOLD_IN = (winnings, passing, droppers, listed, habits)  # Importing them fills STORIES.
PUBLISHED_LATER = on(20, 9)


class Message(NamedTuple):
    """What an organizer has sent. story: null for the rest of the month."""

    received_at: datetime
    organizer_bin: str
    partition: int
    key: bytes
    value: bytes
    story: str | None


class Month(NamedTuple):
    messages: list[Message]
    reference: Reference


def month(events: int = EVENTS, persons: int = PERSONS) -> Month:
    """Return the month; events: messages of the background."""
    register = _simulated()
    until = on(1, 0) + timedelta(days=DAYS)
    plan = Plan(register, events, SEED, until, DAYS, corrections=CORRECTIONS, persons=persons, partitions=PARTITIONS)
    planted = [message for name in STORIES for message in planted_messages(name)]
    ordered = sorted([*_background(plan), *planted], key=lambda message: message.received_at)  # Stable.
    return Month(ordered, _reference())


@cache
def planted_messages(name: str) -> list[Message]:
    """Return the messages of a story, in order."""
    return [_message(name, one) for one in told_of(name)[1]]


@cache
def told_of(name: str) -> tuple[Story, list[Told]]:
    story = Story(name)
    STORIES[name](story)
    return story, story.told([organizer.sites[0].id for organizer in organizers().organizers])


def digest_of(name: str) -> str:
    """Return what the answer sheet calls `told`."""
    whole = sha256()
    for message in planted_messages(name):
        whole.update(sha256(message.key + message.value).digest())
    return whole.hexdigest()[:_TOLD_CHARS]


@cache
def organizers() -> Register:
    """Return all organizers, by the places that stories know them by: the simulator's, and those of reference.yaml."""
    added = _file("reference.yaml").organizers
    return Register(version=1, organizers=(*_simulated().organizers, *added))


@cache
def _simulated() -> Register:
    return made_up_register(ORGANIZERS, SEED, on(1, 0))


def _message(name: str, told: Told) -> Message:
    organizer_bin = organizers().organizers[told.organizer].bin
    value = encoded_one(told.event, organizer_bin, told.stream, told.sequence)
    key = told.stream.encode()
    return Message(told.at + _DELAY, organizer_bin, partition_of(key, PARTITIONS), key, value, name)


def _background(plan: Plan) -> list[Message]:
    found: list[Message] = []
    for frame in messages(plan):
        instants = _instants(frame["value"].to_list())
        columns = (frame[name].to_list() for name in ("organizer_bin", "partition", "key", "value"))
        for instant, organizer_bin, partition, key, value in zip(instants, *columns, strict=True):
            found.append(Message(instant + _DELAY, organizer_bin, partition, key, value, None))
    return found


def _instants(values: list[bytes]) -> list[datetime]:
    """Return when each event occurred, or was corrected."""
    parts = []
    for schema, frame in decode(values, EVENT_RECORDS).frames.items():
        name = "corrected_at" if schema.record == "correction" else "occurred_at"
        parts.append(frame.select(INDEX, at=name))
    return pl.concat(parts).sort(INDEX)["at"].to_list()


def _reference() -> Reference:
    """Return all that was published: before the month began, and on the 20th."""
    reference = Reference()
    listings = [
        {**one.model_dump(exclude={"person"}), "iin": answer.persons[one.person]}
        for answer in answers().values()
        for one in answer.listings
    ]
    reference.restrictions.publish(0, Entries([entries_of(pl.DataFrame(listings))]))
    first = _file("reference.yaml").facts()
    simulated = ReferenceFile(organizers=_simulated().organizers).facts()
    reference.publish(Load(1, 0), list(enumerate([*simulated, *first])))
    later = _file("reference-of-the-20th.yaml").facts()
    reference.publish(Load(2, to_ms(PUBLISHED_LATER)), list(enumerate(later, start=1_000)))
    return reference


def _file(name: str) -> ReferenceFile:
    return read_yaml(_HERE / name, ReferenceFile, "the reference data", "")
