"""An alert as a message: the Avro record, and the CloudEvents headers of Kafka's binary mode.

Reads     an `Outcome`, and the ledger posting that caused it
Returns   the record of schemas/alert; headers
Promises  deterministic, no clock of its own; no IIN in a header or a text, only in the record's field (box: alerts)
"""

from __future__ import annotations

from datetime import datetime, timedelta
from hashlib import sha256
from typing import TYPE_CHECKING, Any, NamedTuple

from esep.money import tenge_text
from esep.stream_apps.alerts.rules import WITHDRAWN_REASON, Rule

if TYPE_CHECKING:
    from collections.abc import Sequence

    from esep.lineage import TopicPartition
    from esep.stream_apps.alerts.columns import Winning
    from esep.stream_apps.alerts.watch import Outcome

EVIDENCE_MAX = 10_000  # Postings listed in one alert, the latest ones: less than 1 MB of the 4 MB a message may have.
_SOURCE = "urn:kz:esep:alerts"
_TYPES = {
    "OPEN": "kz.esep.alert.opened.v1",
    "UPDATED": "kz.esep.alert.updated.v1",
    "WITHDRAWN": "kz.esep.alert.withdrawn.v1",
}


class Cause(NamedTuple):
    """The ledger posting after which an alert is what it is now."""

    source: TopicPartition
    offset: int
    received_ms: int
    occurred_ms: int
    iin: str
    reference_version: int


def alert_id(rule: Rule, person: bytes, bucket: str) -> str:
    """Return the id of an alert: the same for ever, whoever works it out.

    The first 32 hex digits of SHA-256 over rule id, version, person key (hex) and bucket, a line each.
    """
    return sha256("\n".join((rule.rule_id, str(rule.version), person.hex(), bucket)).encode()).hexdigest()[:32]


def alert_record(outcome: Outcome, cause: Cause, row: int) -> dict[str, Any]:
    """Return the whole record of a new revision of an alert; instants as ms."""
    rule, window = outcome.rule, outcome.window
    return {
        "row": row,
        "received_at": cause.received_ms,
        "cause_topic": cause.source.topic,
        "cause_partition": cause.source.partition,
        "cause_offset": cause.offset,
        "alert_id": alert_id(rule, outcome.person, outcome.bucket),
        "revision": outcome.state.revision,
        "status": outcome.state.status,
        "rule_id": rule.rule_id,
        "rule_version": rule.version,
        "severity": rule.severity,
        "mode": rule.mode,
        "iin": cause.iin,
        "bucket": outcome.bucket,
        "occurred_at": window[-1].occurred_ms if window else cause.occurred_ms,
        "organizer_bins": sorted({one.entry_id.split("/")[0] for one in window}),
        **_reasons(rule, window),
        "basis": rule.basis,
        "observations": _observations(rule, window),
        "evidence": [_evidence(one, cause.source.partition) for one in window[-EVIDENCE_MAX:]],
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


def _reasons(rule: Rule, window: Sequence[Winning]) -> dict[str, str]:
    texts = rule.reason if window else WITHDRAWN_REASON
    facts = {
        "sum": tenge_text(_sum(window)),
        "threshold": tenge_text(rule.sum_tiyn),
        "count": len(window),
    }
    return {f"reason_{language}": getattr(texts, language).format(**facts) for language in ("kk", "ru", "en")}


def _observations(rule: Rule, window: Sequence[Winning]) -> list[dict[str, Any]]:
    if not window:
        return []
    observed = [{"name": "winnings_sum", "value": _sum(window), "threshold": rule.sum_tiyn, "unit": "tiyn"}]
    if rule.payouts_min > 1:
        observed.append(
            {"name": "winnings_count", "value": len(window), "threshold": rule.payouts_min, "unit": "count"}
        )
    return observed


def _evidence(winning: Winning, partition: int) -> dict[str, Any]:
    return {
        "entry_id": winning.entry_id,
        "revision": winning.revision,
        "leg": winning.leg,
        "occurred_at": winning.occurred_ms,
        "amount_tiyn": winning.amount_tiyn,
        "ledger_partition": partition,
        "ledger_offset": winning.offset,
    }


def _sum(window: Sequence[Winning]) -> int:
    return sum(one.amount_tiyn for one in window)
