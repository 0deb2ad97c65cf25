"""Who may write what: principals, rights and quotas, worked out from the topics' declaration and the register.

Reads     topics with their writers and readers; the BINs of the organizers; how many workers each part has
Returns   `AccessPlan`
Promises  a pure function of these; a right that is not in the plan is not granted: an organizer writes its own events,
          reads its own receipts, and nothing else; a place uses its own transactional id (clause O9-4.2; DESIGN §3)
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from esep.identifiers import is_bin
from esep.topics import (
    ACCEPTED,
    ADMIN,
    ALERTS_STAGE,
    COMPLIANCE,
    INTAKE,
    LOADER,
    REFERENCE,
    RULES,
    SETTLE,
    TOTALS,
    TOTALS_CHANGELOG,
    all_topics,
    organizer_groups,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from esep.settings import Settings
    from esep.topics import Topic

OPERATOR = "operator"  # `esep status`, `esep reconcile`, `esep replay`: looks, joins nothing, writes nothing.
STAGES = (INTAKE, TOTALS, ALERTS_STAGE)  # Parts that write by transactions.
PARTS = (*STAGES, LOADER)
PRODUCER_BYTE_RATE, REQUEST_PERCENTAGE = "producer_byte_rate", "request_percentage"


class Grant(NamedTuple):
    """One right. kind: TOPIC, GROUP, TRANSACTIONAL_ID; pattern: LITERAL, PREFIXED; operation: READ, WRITE, DESCRIBE.

    READ and WRITE each include DESCRIBE, as Kafka has it.
    """

    principal: str
    kind: str
    pattern: str
    name: str
    operation: str


class Quota(NamedTuple):
    """What one principal may ask of each broker."""

    principal: str
    key: str
    value: float


@dataclass(frozen=True)
class AccessPlan:
    """All principals of a line but the brokers' own, all that they may do, and how much."""

    principals: tuple[str, ...]
    grants: frozenset[Grant]
    quotas: frozenset[Quota]


def plan_access(
    topics: Sequence[Topic],
    organizer_bins: Iterable[str],
    *,
    workers: int,
    bytes_per_s: float,
    request_percent: float,
) -> AccessPlan:
    """Return the plan. workers: of each part; bytes_per_s and request_percent: quotas of each organizer."""
    bins = sorted(set(organizer_bins))
    places = {part: tuple(f"{part}-{ordinal}" for ordinal in range(workers)) for part in PARTS}
    owners: dict[str, tuple[str, ...]] = {
        **places,
        COMPLIANCE: (COMPLIANCE,),
        SETTLE: (SETTLE,),
        **{bin_: (bin_,) for bin_ in bins},
    }
    owners[ADMIN] = ()  # The super user may do anything.
    grants = {
        *_of_topics(topics, owners),
        *_of_places(places),
        *_of_operator(topics),
        *_of_settle(),
        Grant(COMPLIANCE, "GROUP", "LITERAL", COMPLIANCE, "READ"),
        Grant(COMPLIANCE, "TRANSACTIONAL_ID", "LITERAL", COMPLIANCE, "WRITE"),  # Dispositions, one writer at a time.
        *(Grant(bin_, "GROUP", "PREFIXED", organizer_groups(bin_), "READ") for bin_ in bins),
    }
    limits = ((PRODUCER_BYTE_RATE, float(bytes_per_s)), (REQUEST_PERCENTAGE, float(request_percent)))
    quotas = {Quota(bin_, key, value) for bin_ in bins for key, value in limits}
    principals = (*(place for of_part in places.values() for place in of_part), OPERATOR, COMPLIANCE, SETTLE, *bins)
    return AccessPlan(principals, frozenset(grants), frozenset(quotas))


def plan_of(settings: Settings, organizer_bins: Iterable[str]) -> AccessPlan:
    """Return the plan for a line with these settings."""
    bins = tuple(organizer_bins)
    topics = all_topics(
        bins, events_partitions=settings.events_partitions, ledger_partitions=settings.ledger_partitions
    )
    return plan_access(
        topics,
        bins,
        workers=settings.workers,
        bytes_per_s=settings.organizer_bytes_per_s,
        request_percent=settings.organizer_request_percent,
    )


def is_ours(principal: str) -> bool:
    """Return whether a principal is one that plans name, now or earlier; rights of all others are left alone.

    >>> [is_ours(name) for name in ("940140000385", "intake-12", "operator", "admin", "intake-x", "grafana")]
    [True, True, True, False, False, False]
    """
    place = rf"(?:{'|'.join(PARTS)})-\d+"
    return (
        principal in {OPERATOR, COMPLIANCE, SETTLE} or is_bin(principal) or re.fullmatch(place, principal) is not None
    )


def _of_topics(topics: Sequence[Topic], owners: Mapping[str, tuple[str, ...]]) -> Iterator[Grant]:
    for topic in topics:
        for principal in (one for writer in topic.writers for one in owners[writer]):
            yield Grant(principal, "TOPIC", "LITERAL", topic.name, "WRITE")
        for reader in topic.readers:
            for principal in owners[reader]:
                yield Grant(principal, "TOPIC", "LITERAL", topic.name, "READ")


def _of_places(places: dict[str, tuple[str, ...]]) -> Iterator[Grant]:
    """Give each place its part's consumer group, and where it writes by transactions the id of that place alone."""
    for part, of_part in places.items():
        for place in of_part:
            yield Grant(place, "GROUP", "LITERAL", part, "READ")
            if part in STAGES:
                yield Grant(place, "TRANSACTIONAL_ID", "LITERAL", place, "WRITE")


def _of_settle() -> Iterator[Grant]:
    """Let the nightly run see how far the stage and the loader are, and write by transactions under its own name."""
    for group in (ALERTS_STAGE, LOADER):
        yield Grant(SETTLE, "GROUP", "LITERAL", group, "DESCRIBE")
    yield Grant(SETTLE, "GROUP", "LITERAL", SETTLE, "READ")
    yield Grant(SETTLE, "TRANSACTIONAL_ID", "LITERAL", SETTLE, "WRITE")


def _of_operator(topics: Sequence[Topic]) -> Iterator[Grant]:
    """Let the operator compare what is to be loaded, what totals remember and what a replay makes of it with what is;
    and see how far each group is; no more."""
    for topic in topics:
        known = topic.name in {ACCEPTED, TOTALS_CHANGELOG, REFERENCE, RULES}
        compared = LOADER in topic.readers or known or is_bin(topic.writer)
        yield Grant(OPERATOR, "TOPIC", "LITERAL", topic.name, "READ" if compared else "DESCRIBE")
    for group in (*PARTS, COMPLIANCE):
        yield Grant(OPERATOR, "GROUP", "LITERAL", group, "DESCRIBE")
