"""Read all that ClickHouse knows of an alert.

Reads     tables alerts, ledger and dispositions
Returns   a `Story`; the `Seen` revision of an alert that a decision is about; the mandatory alerts that stand
Promises  reads only; a person's number is in no statement and no parameter, so that no log of queries has it: the
          ledger is searched by what the alert says (clause O9-5.1; box: sinks/clickhouse)
"""

from __future__ import annotations

import re
from datetime import UTC, datetime
from itertools import zip_longest
from typing import TYPE_CHECKING, Any

from esep.dispositions import Seen
from esep.errors import UsageError
from esep.sinks.clickhouse.alerts.facts import Decided, Evidence, Observation, Revision, Story

if TYPE_CHECKING:
    from clickhouse_connect.driver.client import Client

POSTINGS = """
SELECT * REPLACE (lower(hex(body_sha256)) AS body_sha256) FROM ledger_rows
WHERE iin IN
        (
            SELECT arrayJoin(if(empty(evidence_iins), [iin], evidence_iins))
            FROM alerts WHERE alert_id = {alert_id:String}
        )
    AND (ledger_partition, ledger_offset) IN
        (
            SELECT one.ledger_partition, one.ledger_offset
            FROM alerts ARRAY JOIN evidence AS one
            WHERE alert_id = {alert_id:String}
        )
LIMIT 1 BY ledger_partition, ledger_offset
"""
_REVISIONS = "SELECT * FROM alerts WHERE alert_id = {alert_id:String} ORDER BY revision LIMIT 1 BY revision"
_DECISIONS = """
SELECT revision, verdict, reference, reason, officer, decided_at
FROM dispositions WHERE alert_id = {alert_id:String} ORDER BY disposition_offset
"""
_STANDING = """
SELECT standing.alert_id AS alert_id, last_revision AS revision, rule_id, paid_at AS occurred_at,
    bins AS organizer_bins, ifNull(verdict, '') AS last_verdict
FROM
(
    SELECT alert_id, max(revision) AS last_revision, any(rule_id) AS rule_id, argMax(status, revision) AS last_status,
        argMax(occurred_at, revision) AS paid_at, argMax(organizer_bins, revision) AS bins
    FROM alerts WHERE severity = 'MANDATORY' AND mode = 'LIVE'
    GROUP BY alert_id
) AS standing
LEFT JOIN
(
    SELECT alert_id, argMax(verdict, disposition_offset) AS verdict, argMax(revision, disposition_offset) AS decided
    FROM dispositions GROUP BY alert_id
) AS decision ON decision.alert_id = standing.alert_id
WHERE last_status != 'WITHDRAWN' AND NOT (last_verdict IN ('REPORTED', 'FALSE') AND ifNull(decided, 0) >= last_revision)
ORDER BY paid_at, alert_id
"""


def story_of(client: Client, alert_id: str) -> Story:
    """Return all of an alert; UsageError if there is none of this id. Raises clickhouse-connect's DatabaseError."""
    parameters = {"alert_id": checked(alert_id)}
    rows = _rows(client, _REVISIONS, parameters)
    if not rows:
        raise _unknown(alert_id)
    postings = _rows(client, POSTINGS, parameters)
    decisions = _rows(client, _DECISIONS, parameters)
    last = rows[-1]
    return Story(
        **{name: last[name] for name in ("alert_id", "rule_id", "rule_version", "severity", "mode", "basis")},
        bucket=last["bucket"],
        iin=last["iin"],
        instrument_hash=last["instrument_hash"],
        organizer_bin=last["organizer_bin"],
        revisions=tuple(map(_revision, rows)),
        postings={(row["ledger_partition"], row["ledger_offset"]): row for row in postings},
        decisions=tuple(Decided(**row) for row in decisions),
    )


def seen(client: Client, alert_id: str, revision: int | None = None) -> Seen:
    """Return a revision of an alert, by default the last one; UsageError if there is none."""
    rows = _rows(
        client,
        """
        SELECT alert_id, revision, received_at, alert_partition AS partition, alert_offset AS offset FROM alerts
        WHERE alert_id = {alert_id:String} AND {revision:Int32} IN (0, revision) ORDER BY revision DESC LIMIT 1
        """,
        {"alert_id": checked(alert_id), "revision": revision or 0},
    )
    if not rows:
        raise _unknown(alert_id, revision)
    return Seen(**rows[0])


def standing_mandatory(client: Client) -> list[dict[str, Any]]:
    """Return the alerts that are still to be reported, by when their payout occurred (UTC); no person's number.

    Those of rules with a mandatory report that are not withdrawn, unless the last decision about what they are now says
    REPORTED or FALSE. last_verdict: an empty text where nothing was decided.
    """
    return _rows(client, _STANDING, {})


def checked(alert_id: str) -> str:
    """Return an alert's id; UsageError if it can be none."""
    if not re.fullmatch(r"[0-9a-f]{32}", alert_id):
        raise UsageError("an alert's id has 32 hex digits", hint="`esep alerts --json` shows it")
    return alert_id


def _unknown(alert_id: str, revision: int | None = None) -> UsageError:
    what = f"there is no alert {alert_id}" + (f" of revision {revision}" if revision else "")
    return UsageError(what, hint="a new one is in ClickHouse after about a second; `esep alerts` shows them all")


def _rows(client: Client, statement: str, parameters: dict[str, Any]) -> list[dict[str, Any]]:
    """Return rows by column, with aware instants."""
    answer = client.query(statement, parameters=parameters, query_tz="UTC")
    return [{name: _aware(value) for name, value in row.items()} for row in answer.named_results()]


def _aware(value: Any) -> Any:
    return value.replace(tzinfo=UTC) if isinstance(value, datetime) and value.tzinfo is None else value


def _revision(row: dict[str, Any]) -> Revision:
    return Revision(
        number=row["revision"],
        status=row["status"],
        occurred_at=row["occurred_at"],
        received_at=row["received_at"],
        organizer_bins=tuple(row["organizer_bins"]),
        reasons={language: row[f"reason_{language}"] for language in ("kk", "ru", "en")},
        observations=tuple(Observation(**_named(one, Observation._fields)) for one in row["observations"]),
        evidence=tuple(
            Evidence(**_named(one, Evidence._fields[:-1]), iin=iin)
            for one, iin in zip_longest(row["evidence"], row["evidence_iins"])
        ),
        partition=row["alert_partition"],
        offset=row["alert_offset"],
        silence_began_at=row["silence_began_at"],
        silence_ended_at=row["silence_ended_at"],
    )


def _named(part: Any, fields: tuple[str, ...]) -> dict[str, Any]:
    """Return a named tuple of ClickHouse's by field: its driver gives a dict, or a tuple where it was told so."""
    values = part if isinstance(part, dict) else dict(zip(fields, part, strict=True))
    return {name: _aware(values[name]) for name in fields}
