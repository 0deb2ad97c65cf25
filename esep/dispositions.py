"""What an officer decides about an alert: the words for it, and what has been decided so far.

Reads     an officer's words; records of `compliance.dispositions`
Returns   `Seen`, `Decision`; `Dispositions`, which numbers the next record; its record and headers
Promises  no I/O and no clock of its own; a number of a person enters no record, key, header or error text (DESIGN §7)
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any, NamedTuple

from esep.clock import to_ms
from esep.errors import UsageError
from esep.identifiers import masked
from esep.topics import ALERTS

if TYPE_CHECKING:
    from datetime import datetime

CONFIRMED, FALSE, REPORTED = "CONFIRMED", "FALSE", "REPORTED"
VERDICTS = (CONFIRMED, FALSE, REPORTED)
LETTERS_MAX = {"reference": 200, "reason": 4_000, "officer": 100}  # A sentence or a page, not a file.


class Seen(NamedTuple):
    """The revision of an alert that is decided about, and where it stands on `compliance.alerts`. received_at: UTC."""

    alert_id: str
    revision: int
    received_at: datetime
    partition: int
    offset: int


class Decision(NamedTuple):
    """What is decided. verdict: one of VERDICTS; reference: what it is filed under; officer: a login."""

    verdict: str
    reference: str
    reason: str
    officer: str


def decision(verdict: str, *, reference: str, reason: str, officer: str) -> Decision:
    """Return a decision in its one form, without blanks around its texts; UsageError says what is wrong with it.

    >>> decision("REPORTED", reference=" 2026/117 ", reason="Sent by hand.", officer="a.serikova").reference
    '2026/117'
    """
    if verdict not in VERDICTS:
        raise UsageError(f"{masked(verdict)} is no verdict", hint=f"one of {', '.join(VERDICTS)}")
    texts = {"reference": reference.strip(), "reason": reason.strip(), "officer": officer.strip()}
    for name, text in texts.items():
        _check(name, text)
    if verdict == REPORTED and not texts["reference"]:
        raise UsageError("a report is found by its number", hint="give --reference")
    return Decision(verdict, **texts)


def _check(name: str, text: str) -> None:
    if not text and name != "reference":
        raise UsageError(f"a disposition needs: {name}", hint=f"give --{name}")
    if len(text) > LETTERS_MAX[name]:
        raise UsageError(f"the {name} is longer than {LETTERS_MAX[name]} letters")
    if masked(text) != text:
        raise UsageError(
            f"the {name} holds the number of a person",
            hint="the alert names whom it is about; name others by a case's number",
        )


class Dispositions:
    """All that was decided so far, told by its records in the order of their topic."""

    def __init__(self) -> None:
        self._last: dict[str, dict[str, Any]] = {}  # Of each alert.
        self._rows: Counter[int] = Counter()  # Of each partition of the alerts: its lane.

    def add(self, record: dict[str, Any]) -> None:
        """Take the next record."""
        self._last[record["alert_id"]] = record
        self._rows[record["cause_partition"]] = record["row"]

    def stands(self, seen: Seen, decided: Decision) -> bool:
        """Return whether the last decision about the alert is this one, about the same revision."""
        last = self._last.get(seen.alert_id)
        return last is not None and (last["revision"], *(last[name] for name in Decision._fields)) == (
            seen.revision,
            *decided,
        )

    def next_record(self, seen: Seen, decided: Decision, decided_at: datetime) -> dict[str, Any]:
        """Return the record of a new decision; decided_at: aware."""
        return {
            "row": self._rows[seen.partition] + 1,
            "received_at": to_ms(seen.received_at),
            "cause_topic": ALERTS,
            "cause_partition": seen.partition,
            "cause_offset": seen.offset,
            "alert_id": seen.alert_id,
            "revision": seen.revision,
            **decided._asdict(),
            "decided_at": to_ms(decided_at),
        }


def headers_of(record: dict[str, Any], decided_at: datetime) -> list[tuple[str, bytes]]:
    """Return the CloudEvents 1.0 headers (Kafka protocol binding, binary mode) of a record; decided_at: UTC."""
    attributes = {
        "ce_specversion": "1.0",
        "ce_id": f"{record['cause_partition']}/{record['row']}",
        "ce_type": "kz.esep.disposition.v1",
        "ce_source": "urn:kz:esep:dispositions",
        "ce_subject": record["alert_id"],
        "ce_time": decided_at.isoformat(timespec="milliseconds").replace("+00:00", "Z"),
        "content-type": "avro/binary",
    }
    return [(name, value.encode()) for name, value in attributes.items()]
