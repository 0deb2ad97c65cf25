"""An alert as a message: the Avro record, and the CloudEvents headers of Kafka's binary mode.

Reads     an `Outcome`, or `News` of an organizer, and what caused it
Returns   the record of schemas/alert; headers
Promises  deterministic, no clock of its own; no IIN in a header or a text, only in the record's field (box: alerts)
"""

from __future__ import annotations

from datetime import datetime, timedelta
from hashlib import sha256
from typing import TYPE_CHECKING, Any, NamedTuple

from esep.money import tenge_text
from esep.rules import LANGUAGES
from esep.stream_apps.alerts.columns import partition_and_offset

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from esep.lineage import TopicPartition
    from esep.rule_parts import AnyRule, Texts
    from esep.settling import News
    from esep.stream_apps.alerts.book import Observed
    from esep.stream_apps.alerts.columns import Posting
    from esep.stream_apps.alerts.watch import Outcome

_LONG_MAX = 2**63 - 1
EVIDENCE_MAX = 10_000  # Postings listed in one alert, the latest ones: less than 1 MB of the 4 MB a message may have.
_SOURCE = "urn:kz:esep:alerts"
_TYPES = {
    "OPEN": "kz.esep.alert.opened.v1",
    "UPDATED": "kz.esep.alert.updated.v1",
    "WITHDRAWN": "kz.esep.alert.withdrawn.v1",
}


class Shown(NamedTuple):
    """An observed value, and what it was compared with, for a person to read."""

    text: str
    limit: str

    def __format__(self, _: str) -> str:
        return self.text


class Cause(NamedTuple):
    """The record after which an alert is what it is now: a posting, or the settlement of a nightly run.

    ledger_partition: where a person's postings are, if not in the source's.
    """

    source: TopicPartition
    offset: int
    received_ms: int
    occurred_ms: int
    iin: str
    reference_version: int
    instrument_hash: str | None = None
    ledger_partition: int | None = None


def alert_id(rule: AnyRule, person: bytes, bucket: str) -> str:
    """Return the id of an alert: the same for ever, whoever works it out.

    The first 32 hex digits of SHA-256 over rule id, version, message key (hex) and bucket, a line each. person: the key
    of the person, the means of payment or the organizer.
    """
    return sha256("\n".join((rule.rule_id, str(rule.version), person.hex(), bucket)).encode()).hexdigest()[:32]


def alert_record(outcome: Outcome, cause: Cause, row: int, withdrawn: Texts) -> dict[str, Any]:
    """Return the whole record of a new revision of an alert; instants as ms. withdrawn: what is said of one that is.

    One about a means of payment names the persons of its evidence, and is itself about none.
    """
    rule, found = outcome.rule, outcome.found
    evidence = found.evidence if found else ()
    told, of_person = evidence[-EVIDENCE_MAX:], rule.subject == "person"
    own_partition = cause.source.partition if cause.ledger_partition is None else cause.ledger_partition
    return {
        **_head(rule, outcome.person, outcome.bucket, cause, row),
        "revision": outcome.state.revision,
        "status": outcome.state.status,
        "iin": cause.iin if of_person else "",
        "occurred_at": found.event.occurred_ms if found else cause.occurred_ms,
        "organizer_bins": sorted({one.organizer_bin for one in evidence}),
        **(_reasons(rule.reason, (*found.observed, *found.others)) if found else _plain(withdrawn)),
        "observations": _observations(found.observed) if found else [],
        "evidence": [
            _evidence(one, *((own_partition, one.offset) if of_person else partition_and_offset(one.offset)))
            for one in told
        ],
        "instrument_hash": None if of_person else cause.instrument_hash,
        "evidence_iins": [] if of_person else [one.linked for one in told],
        "organizer_bin": None,
        "silence_began_at": None,
        "silence_ended_at": None,
    }


def organizer_record(
    news: News, observed: Sequence[Observed], cause: Cause, row: int, withdrawn: Texts
) -> dict[str, Any]:
    """Return the record of a new revision of an alert about an organizer; it names no person and no posting."""
    silence = news.found.silence if news.found else None
    return {
        **_head(news.rule, organizer_key(news.owner), news.bucket, cause, row),
        "revision": news.revision,
        "status": news.status,
        "iin": "",
        "occurred_at": silence.from_ms if silence else cause.occurred_ms,
        "organizer_bins": [news.owner],
        **(_reasons(news.rule.reason, observed) if silence else _plain(withdrawn)),
        "observations": _observations(observed),
        "evidence": [],
        "instrument_hash": None,
        "evidence_iins": [],
        "organizer_bin": news.owner,
        "silence_began_at": silence.from_ms if silence else None,
        "silence_ended_at": silence.until_ms if silence else None,
    }


def organizer_key(organizer_bin: str) -> bytes:
    """Return the message key of what is about an organizer: the BIN, which names no person.

    >>> organizer_key("940140000385")
    b'940140000385'
    """
    return organizer_bin.encode()


def _head(rule: AnyRule, key: bytes, bucket: str, cause: Cause, row: int) -> dict[str, Any]:
    """Return what alerts of all subjects have in common."""
    return {
        "row": row,
        "received_at": cause.received_ms,
        "cause_topic": cause.source.topic,
        "cause_partition": cause.source.partition,
        "cause_offset": cause.offset,
        "alert_id": alert_id(rule, key, bucket),
        "rule_id": rule.rule_id,
        "rule_version": rule.version,
        "severity": rule.severity,
        "mode": rule.mode,
        "bucket": bucket,
        "basis": rule.basis,
        "reference_version": cause.reference_version,
    }


def headers_of(record: dict[str, Any]) -> list[tuple[str, bytes]]:
    """Return the CloudEvents 1.0 headers (Kafka protocol binding, binary mode) of an alert's record."""
    attributes = {
        "ce_specversion": "1.0",
        "ce_id": f"{record['alert_id']}/{record['revision']}",
        "ce_type": _TYPES[record["status"]],
        "ce_source": _SOURCE,
        "ce_subject": record["alert_id"],
        "ce_time": _rfc3339(record["received_at"]),
        "content-type": "avro/binary",
    }
    return [(name, value.encode()) for name, value in attributes.items()]


def _rfc3339(instant_ms: int) -> str:
    instant = datetime(1970, 1, 1) + timedelta(milliseconds=instant_ms)  # noqa: DTZ001 - UTC, as the Z says
    return instant.isoformat(timespec="milliseconds") + "Z"


def _plain(texts: Texts) -> dict[str, str]:
    return {f"reason_{language}": getattr(texts, language) for language in LANGUAGES}


def _reasons(texts: Texts, observed: Iterable[Observed]) -> dict[str, str]:
    """Return the texts with the observed values in them; of two of one name the one that holds, or the first."""
    shown: dict[str, Shown] = {}
    for one in sorted(observed, key=lambda one: not one.holds):
        shown.setdefault(one.name, Shown(_text(one.value, one.unit), _text(one.threshold, one.unit)))
    return {name: text.format(**shown) for name, text in _plain(texts).items()}


def _text(value: int | None, unit: str) -> str:
    if value is None:
        return "–"
    if unit == "milli":
        return f"{value // 1000}.{value % 1000:03}"
    return tenge_text(value) if unit == "tiyn" else str(value)


def _observations(observed: Iterable[Observed]) -> list[dict[str, Any]]:
    return [
        {"name": one.name, "value": _long(one.value), "threshold": _long(one.threshold), "unit": one.unit}
        for one in observed
        if one.holds and one.value is not None
    ]


def _long(value: int | None) -> int:
    """Return a value that Avro can hold: what is more than any sum of money stands for as much as it can."""
    return min(value or 0, _LONG_MAX)


def _evidence(posting: Posting, partition: int, offset: int) -> dict[str, Any]:
    return {
        "entry_id": posting.entry_id,
        "revision": posting.revision,
        "leg": posting.leg,
        "occurred_at": posting.occurred_ms,
        "amount_tiyn": posting.amount_tiyn,
        "ledger_partition": partition,
        "ledger_offset": offset,
    }
