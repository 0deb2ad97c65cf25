"""Why an alert was raised: its revisions and what changed between them, its evidence in the ledger, what was decided.

Reads     plain rows of the tables alerts, ledger and dispositions
Returns   `Story` and its parts; what a program reads of it
Promises  pure; without leave no number of a person is in what a program reads, whatever text of an organizer's it may
          stand in (DESIGN §7; clause O9-5.1; box: sinks/clickhouse)
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

from esep.identifiers import masked

if TYPE_CHECKING:
    from datetime import datetime

MASKED_IIN = "*" * 12
WITHDRAWN, MANDATORY = "WITHDRAWN", "MANDATORY"
MEASURES = ("wager", "winning", "refund", "cash_out", "deposit", "withdrawal")
SPANS = ("year", "ever")


class Observation(NamedTuple):
    """What was observed, and what it was compared with, in `unit` (tiyn, count …)."""

    name: str
    value: int
    threshold: int
    unit: str


class Evidence(NamedTuple):
    """A posting that a revision rests on, as the alert names it. occurred_at: UTC.

    iin: its person, where the alert is about a means of payment.
    """

    entry_id: str
    revision: int
    leg: int
    occurred_at: datetime
    amount_tiyn: int
    ledger_partition: int
    ledger_offset: int
    iin: str | None = None


@dataclass(frozen=True, slots=True)
class Revision:
    """One revision of an alert. reasons: by language; instants UTC; offset: on compliance.alerts.

    silence_began_at, silence_ended_at: where it is about an organizer; the latter is None while that goes on.
    """

    number: int
    status: str
    occurred_at: datetime
    received_at: datetime
    organizer_bins: tuple[str, ...]
    reasons: dict[str, str]
    observations: tuple[Observation, ...]
    evidence: tuple[Evidence, ...]
    partition: int
    offset: int
    silence_began_at: datetime | None = None
    silence_ended_at: datetime | None = None


class Change(NamedTuple):
    """What a revision changed: postings that came to the evidence, and postings that left it."""

    number: int
    status: str
    came: tuple[Evidence, ...]
    left: tuple[Evidence, ...]


@dataclass(frozen=True, slots=True)
class Decided:
    """A decision about the alert. decided_at: UTC."""

    revision: int
    verdict: str
    reference: str
    reason: str
    officer: str
    decided_at: datetime


@dataclass(frozen=True, slots=True)
class Story:
    """All of an alert. postings: rows of the ledger by their partition and offset; decisions: the last one stands.

    instrument_hash: the means of payment that it is about, organizer_bin: the organizer; with either, iin is empty.
    """

    alert_id: str
    rule_id: str
    rule_version: int
    severity: str
    mode: str
    basis: str
    bucket: str
    iin: str
    revisions: tuple[Revision, ...]
    postings: dict[tuple[int, int], dict[str, Any]]
    decisions: tuple[Decided, ...]
    instrument_hash: str | None = None
    organizer_bin: str | None = None

    @property
    def current(self) -> Revision:
        """The last revision."""
        return self.revisions[-1]

    @property
    def grounds(self) -> Revision:
        """The last revision that rests on something: the current one, or the one before it was withdrawn."""
        return next((one for one in reversed(self.revisions) if one.evidence or one.silence_began_at), self.current)

    @property
    def decided(self) -> bool:
        """Whether the last decision is about the alert as it is now."""
        return bool(self.decisions) and self.decisions[-1].revision >= self.current.number

    def posting(self, evidence: Evidence) -> dict[str, Any] | None:
        """Return the ledger's row of a posting, None where it is not loaded."""
        return self.postings.get((evidence.ledger_partition, evidence.ledger_offset))

    def changes(self) -> list[Change]:
        """Return what each revision changed, the first one against nothing."""
        before: tuple[Evidence, ...] = ()
        found = []
        for one in self.revisions:
            came = tuple(each for each in one.evidence if each not in before)
            left = tuple(each for each in before if each not in one.evidence)
            found.append(Change(one.number, one.status, came, left))
            before = one.evidence
        return found

    def totals(self) -> dict[str, Any] | None:
        """Return the ledger's row that carries the person's totals at that time: of the evidence's last posting.

        The one that the ledger has last, which may have occurred before the others. None where it is not loaded, and
        where the alert is about no one person.
        """
        if not self.grounds.evidence or self.instrument_hash is not None:
            return None
        return self.posting(max(self.grounds.evidence, key=lambda one: (one.ledger_partition, one.ledger_offset)))


def document(story: Story, *, show_iin: bool) -> dict[str, Any]:
    """Return the story for a program to read. show_iin: name the person, and leave organizers' texts as they are."""
    totals = story.totals()
    return {
        "alert_id": story.alert_id,
        "status": story.current.status,
        "revision": story.current.number,
        "rule": {"rule_id": story.rule_id, "version": story.rule_version, "basis": story.basis},
        "severity": story.severity,
        "mode": story.mode,
        "bucket": shown(story.bucket, show_iin=show_iin),
        "iin": None if story.instrument_hash or story.organizer_bin else whom(story.iin, show_iin=show_iin),
        "instrument_hash": story.instrument_hash,
        "organizer_bin": story.organizer_bin,
        "silence_began_at": story.grounds.silence_began_at and instant(story.grounds.silence_began_at),
        "silence_ended_at": story.grounds.silence_ended_at and instant(story.grounds.silence_ended_at),
        "observations": [one._asdict() for one in story.grounds.observations],
        "evidence_of_revision": story.grounds.number,
        "evidence": [_evidence(story, one, show_iin=show_iin) for one in story.grounds.evidence],
        "person_totals": None if totals is None else {name: totals[name] for name in total_names()},
        "revisions": [
            _revision(one, change, show_iin) for one, change in zip(story.revisions, story.changes(), strict=True)
        ],
        "dispositions": [
            {name: getattr(one, name) for name in one.__slots__} | {"decided_at": instant(one.decided_at)}
            for one in story.decisions
        ],
    }


def total_names() -> list[str]:
    """Return the columns of the ledger that hold the person's totals over all organizers (O9-4.6)."""
    return [f"person_{span}_{measure}_{unit}" for span in SPANS for measure in MEASURES for unit in ("count", "tiyn")]


def shown(text: str, *, show_iin: bool) -> str:
    """Return a text in which an organizer may have put a person's number, without it unless it may be shown."""
    return text if show_iin else masked(text)


def whom(iin: str, *, show_iin: bool) -> str:
    """Return a person's number, or stars for it."""
    return iin if show_iin else MASKED_IIN


def instant(at: datetime) -> str:
    """Return an instant as JSON has it: ISO 8601, UTC."""
    return at.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _evidence(story: Story, one: Evidence, *, show_iin: bool) -> dict[str, Any]:
    row = story.posting(one)
    named = ("organizer_bin", "organizer_name", "event_type", "kind", "payment_method", "site_id", "wager_id")
    told = None if row is None else {name: shown(row[name] or "", show_iin=show_iin) for name in named}
    entry_id = shown(one.entry_id, show_iin=show_iin)
    person = None if one.iin is None else whom(one.iin, show_iin=show_iin)
    return one._asdict() | {
        "entry_id": entry_id, "occurred_at": instant(one.occurred_at), "iin": person, "posting": told
    }  # fmt: skip


def _revision(one: Revision, change: Change, show_iin: bool) -> dict[str, Any]:
    def ids(which: tuple[Evidence, ...]) -> list[str]:
        return [shown(each.entry_id, show_iin=show_iin) for each in which]

    return {
        "revision": one.number,
        "status": one.status,
        "occurred_at": instant(one.occurred_at),
        "received_at": instant(one.received_at),
        "reason": one.reasons,
        "came": ids(change.came),
        "left": ids(change.left),
        "alerts_partition": one.partition,
        "alerts_offset": one.offset,
    }
