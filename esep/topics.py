"""Every topic of the line: its partitions, key, retention, and who writes and reads it; declared once.

Reads     the BINs of the organizers and the sizes of `Settings`
Returns   `Topic` by what it is for; `all_topics`
Promises  no other module spells a topic's name (the picture's names are these; DESIGN §3, §4)
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING
from zlib import crc32

if TYPE_CHECKING:
    from collections.abc import Iterable

ACCEPTED = "accepted"
REJECTED = "rejected"
LEDGER = "ledger"
ALERTS = "compliance.alerts"
DISPOSITIONS = "compliance.dispositions"
SETTLEMENTS = "compliance.settlements"
REFERENCE = "reference"
RULES = "compliance.rules"
INTAKE_CHANGELOG = "intake.changelog"
TOTALS_CHANGELOG = "totals.changelog"
ALERTS_CHANGELOG = "alerts.changelog"
INSTRUMENTS = "alerts.instruments"  # Postings by means of payment: the stage alerts writes it, and reads it again.
INSTRUMENTS_CHANGELOG = "alerts.instruments.changelog"

INTAKE, TOTALS, ALERTS_STAGE, LOADER = "intake", "totals", "alerts", "loader"  # Stages, and their consumer groups.
COMPLIANCE = "compliance"  # Who reads the alerts and decides about them; its consumer group and transactional id.
SETTLE = "settle"  # The nightly run; its transactional id.

FORMER_INTAKE_CHANGELOGS = r"^intake[.][0-9]+[.]changelog$"  # One each, before decision 0047: see `taken_over`.
RECEIPTS_TOPICS = r"^organizer[.][0-9]+[.]receipts$"  # Those of all organizers; `receipts_topic` names one.

ADMIN = "admin"  # Who makes topics and loads reference data; the brokers' super user, who needs no rights.

EVENT_BYTES_MAX = 1024 * 1024  # What an organizer may send in one message, as the broker counts it.
INTERNAL_BYTES_MAX = 4 * EVENT_BYTES_MAX  # A rejected message holds the event and more; so does an accepted one.
_SHARES = 4  # Into so many changelog partitions go the partitions of one number of all organizers; never changes.
_DAY_MS = 24 * 3600 * 1000
_STAMPED = {"message.timestamp.type": "LogAppendTime"}
_FOR_EVER = {"retention.ms": "-1", "retention.bytes": "-1"}
_CHANGELOG = {  # Small segments and an hour at the most, so that the cleaner keeps a changelog short (DESIGN §5).
    "cleanup.policy": "compact",
    "segment.bytes": str(64 * 1024 * 1024),
    "max.compaction.lag.ms": str(3600 * 1000),
    "min.cleanable.dirty.ratio": "0.1",
}


@dataclass(frozen=True, slots=True)
class Topic:
    """One topic. `key` says in words what its message key is; `config` is the broker's own.

    beside: who else writes it, each in lanes of its own.
    """

    name: str
    partitions: int
    key: str
    writer: str
    readers: tuple[str, ...]
    config: dict[str, str] = field(default_factory=dict)
    beside: tuple[str, ...] = ()

    @property
    def writers(self) -> tuple[str, ...]:
        """All who write it."""
        return (self.writer, *self.beside)


def events_topic(organizer_bin: str) -> str:
    """Return the name of the topic that an organizer writes: the proof of origin of all that is on it.

    >>> events_topic("940140000385")
    'organizer.940140000385.events'
    """
    return f"organizer.{organizer_bin}.events"


def receipts_topic(organizer_bin: str) -> str:
    """Return the name of the topic on which an organizer reads what became of its events."""
    return f"organizer.{organizer_bin}.receipts"


def organizers_of(topics: Iterable[str]) -> list[str]:
    """Return the BINs, in order, of those organizers whose topic of receipts is among these topics.

    >>> organizers_of(["ledger", "organizer.940140000385.receipts", "organizer.940140000385.events"])
    ['940140000385']
    """
    return sorted(organizer_of(name) for name in topics if re.match(RECEIPTS_TOPICS, name))


def intake_changelog(organizer_bin: str, partition: int) -> int:
    """Return which partition of `intake.changelog` holds intake's state of this partition of an organizer's topic.

    Those of one number share with each other only: with two workers and two partitions of each organizer a worker
    restores nearly what it needs and no more (decision 0047).

    >>> intake_changelog("940140000385", 0), intake_changelog("940140000385", 1)
    (3, 7)
    """
    return partition * _SHARES + crc32(organizer_bin.encode()) % _SHARES


def former_intake_changelog(organizer_bin: str) -> str:
    """Return the name of one of FORMER_INTAKE_CHANGELOGS."""
    return f"intake.{organizer_bin}.changelog"


def organizer_of(topic: str) -> str:
    """Return the BIN in the name of an organizer's topic.

    >>> organizer_of("organizer.940140000385.events")
    '940140000385'
    """
    return topic.split(".")[1]


def organizer_groups(organizer_bin: str) -> str:
    """Return what the names of an organizer's own consumer groups begin with; it may use no other.

    >>> organizer_groups("940140000385")
    'organizer.940140000385.'
    """
    return f"organizer.{organizer_bin}."


def all_topics(organizer_bins: Iterable[str], *, events_partitions: int, ledger_partitions: int) -> list[Topic]:
    """Return every topic of the line for these organizers."""
    internal = {"max.message.bytes": str(INTERNAL_BYTES_MAX)}
    kept = {**internal, "retention.ms": str(30 * _DAY_MS)}
    line = [
        Topic(REFERENCE, 1, "kind and key", ADMIN, (INTAKE, SETTLE), {**internal, **_STAMPED, **_FOR_EVER}),
        Topic(RULES, 1, "number of the file", ADMIN, (ALERTS_STAGE, SETTLE), {**internal, **_STAMPED, **_FOR_EVER}),
        Topic(ACCEPTED, ledger_partitions, "person_key", INTAKE, (TOTALS,), kept),
        Topic(REJECTED, 1, "cause", INTAKE, (LOADER,), kept),
        Topic(LEDGER, ledger_partitions, "person_key", TOTALS, (ALERTS_STAGE, LOADER, SETTLE), kept),
        Topic(
            ALERTS,
            ledger_partitions,
            "person_key, means of payment or BIN",
            ALERTS_STAGE,
            (LOADER, COMPLIANCE, SETTLE),
            kept,
            beside=(SETTLE,),
        ),
        Topic(SETTLEMENTS, 1, "what was settled", SETTLE, (SETTLE,), {**internal, **_FOR_EVER}),
        Topic(DISPOSITIONS, 1, "alert_id", COMPLIANCE, (LOADER, COMPLIANCE), {**internal, **_FOR_EVER}),
        Topic(
            INTAKE_CHANGELOG,
            events_partitions * _SHARES,
            "partition of the events, scope",
            INTAKE,
            (INTAKE,),
            {**internal, **_CHANGELOG},
        ),
        Topic(TOTALS_CHANGELOG, ledger_partitions, "scope", TOTALS, (TOTALS,), {**internal, **_CHANGELOG}),
        Topic(ALERTS_CHANGELOG, ledger_partitions, "scope", ALERTS_STAGE, (ALERTS_STAGE,), {**internal, **_CHANGELOG}),
        Topic(INSTRUMENTS, ledger_partitions, "means of payment", ALERTS_STAGE, (ALERTS_STAGE,), kept),
        Topic(
            INSTRUMENTS_CHANGELOG, ledger_partitions, "scope", ALERTS_STAGE, (ALERTS_STAGE,), {**internal, **_CHANGELOG}
        ),
    ]
    for bin_ in organizer_bins:
        line += _organizer_topics(bin_, events_partitions, kept)
    return line


def _organizer_topics(bin_: str, partitions: int, kept: dict[str, str]) -> list[Topic]:
    stamped = {**_STAMPED, "max.message.bytes": str(EVENT_BYTES_MAX)}
    return [
        Topic(
            events_topic(bin_), partitions, "stream_id", bin_, (INTAKE,), {**stamped, "retention.ms": str(30 * _DAY_MS)}
        ),
        Topic(receipts_topic(bin_), 1, "partition of the events", INTAKE, (bin_, LOADER), kept),
    ]
