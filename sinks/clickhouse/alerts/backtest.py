"""What rules find in a span of history, beside the alerts that were raised and what officers decided about them.

Reads     the temporary table `found` of a search; `alerts`, `dispositions`
Returns   `Finding` of each rule; `Changed`: how what two files find differs
Promises  an alert is one thing by its rule, owner and bucket, whatever version raised it; it belongs to the day of the
          posting that first fulfils the rule (Almaty); no person in what is returned (DESIGN §7; box: sinks/clickhouse)
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from datetime import date
from typing import TYPE_CHECKING, Any, NamedTuple

from esep.clock import ALMATY, almaty_day_of

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from esep.sinks.clickhouse.alerts.settled import Sought

_KNOWN = """known AS (
    SELECT rule_id, owner, bucket, max(status != 'WITHDRAWN') AS stands, min(raised_at) AS raised_at,
           argMax(verdict, decided) AS verdict
    FROM (
        SELECT alert_id, any(alerts.rule_id) AS rule_id, any(ifNull(instrument_hash, iin)) AS owner,
               any(alerts.bucket) AS bucket, argMax(alerts.status, revision) AS status,
               argMax(alerts.occurred_at, revision) AS raised_at
        FROM alerts GROUP BY alert_id
    ) AS alert
    LEFT JOIN (
        SELECT alert_id, argMax(dispositions.verdict, disposition_offset) AS verdict,
               1 + max(disposition_offset) AS decided
        FROM dispositions GROUP BY alert_id
    ) AS decision USING (alert_id)
    GROUP BY rule_id, owner, bucket
)"""
_TESTED = """WITH {known},
own AS (
    SELECT rule_id, owner, bucket, 1 AS is_found, {within_found} AS is_within, persons FROM found WHERE place = {place}
)
SELECT countIf(is_within), uniqExactArrayIf(persons, is_within), countIf(is_within AND stands),
    countIf(is_within AND NOT stands), countIf(NOT is_found AND stands AND {within_known}),
    countIf(is_within AND verdict IN ('CONFIRMED', 'REPORTED')), countIf(is_within AND verdict = 'FALSE'),
    countIf(NOT is_found AND verdict IN ('CONFIRMED', 'REPORTED') AND {within_known}),
    countIf(NOT is_found AND verdict = 'FALSE' AND {within_known})
FROM own FULL JOIN (SELECT * FROM known WHERE rule_id = '{rule_id}') AS known USING (rule_id, owner, bucket)"""
_COUNTED = (  # In the order of that statement.
    "alerts", "persons", "both", "only_new", "only_live",
    "confirmed", "judged_false", "missed_confirmed", "missed_false",
)  # fmt: skip
_DAYS = """SELECT toDate(occurred_at, '{zone}') AS day, count() FROM found
WHERE place = {place} AND {within_found} GROUP BY day ORDER BY day"""
_CHANGED = """WITH
was AS (SELECT owner, bucket, 1 AS is_there, {within_found} AS is_within, fulfilled_by, {told} AS told
    FROM found WHERE place = {old}),
now AS (SELECT owner, bucket, 1 AS is_there, {within_found} AS is_within, fulfilled_by, {told} AS told
    FROM found WHERE place = {new})
SELECT countIf(now.is_within AND NOT was.is_there), countIf(was.is_within AND NOT now.is_there),
    countIf((was.is_within OR now.is_within) AND was.is_there AND now.is_there
            AND (was.fulfilled_by, was.told) != (now.fulfilled_by, now.told)),
    countIf((was.is_within OR now.is_within) AND was.is_there AND now.is_there
            AND (was.fulfilled_by, was.told) = (now.fulfilled_by, now.told))
FROM was FULL JOIN now USING (owner, bucket)"""


@dataclass(frozen=True, slots=True)
class Finding:
    """What a rule finds from `first` to `last`, both Almaty days.

    by_day: alerts of each day that has any. both, only_new, only_live: beside the alerts that stand. confirmed,
    judged_false: of what it finds, by the last decision about each; missed_…: of what it does not find.
    """

    rule_id: str
    version: int
    mode: str
    first: date
    last: date
    alerts: int
    persons: int
    both: int
    only_new: int
    only_live: int
    confirmed: int
    judged_false: int
    missed_confirmed: int
    missed_false: int
    by_day: dict[date, int]
    seconds: float

    @property
    def per_day(self) -> float:
        """Alerts a day, over all days of the span."""
        return round(self.alerts / ((self.last - self.first).days + 1), 2)

    @property
    def precision(self) -> float | None:
        """Of what it finds and officers decided about, the share that they confirmed or reported; None: of nothing."""
        return _share(self.confirmed, self.judged_false)

    @property
    def live_precision(self) -> float | None:
        """The same of all that officers decided about, found or not."""
        return _share(self.confirmed + self.missed_confirmed, self.judged_false + self.missed_false)

    def to_json(self) -> dict[str, Any]:
        """Return it for a program to read."""
        told = asdict(self) | {"by_day": {str(day): count for day, count in self.by_day.items()}}
        return told | {
            "per_day": self.per_day,
            "most_on_a_day": max(self.by_day.values(), default=0),
            "precision": self.precision,
            "live_precision": self.live_precision,
        }


class Changed(NamedTuple):
    """Of the alerts of a rule in two files: how many come, go, have another reason or other values, or stay."""

    come: int
    go: int
    change: int
    stay: int


def tested(run: Callable[[str], Sequence[Sequence[Any]]], place: int, sought: Sought, seconds: float) -> Finding:
    """Return what a search found for one of what it sought, which has a first and a last day."""
    rule, spans = sought.rule, _within(sought)
    assert sought.first_ms is not None and sought.end_ms is not None  # noqa: S101, PT018 - see above
    counts = run(_TESTED.format(known=_KNOWN, place=place, rule_id=rule.rule_id, **spans))[0]
    days = run(_DAYS.format(zone=ALMATY, place=place, **spans))
    return Finding(
        rule_id=rule.rule_id,
        version=rule.version,
        mode=rule.mode,
        first=almaty_day_of(sought.first_ms),
        last=almaty_day_of(sought.end_ms - 1),
        **dict(zip(_COUNTED, map(int, counts), strict=True)),
        by_day={day: int(count) for day, count in days},
        seconds=round(seconds, 2),
    )


def changed(run: Callable[[str], Sequence[Sequence[Any]]], old: int, new: int, sought: Sought) -> Changed:
    """Return how what a search found at one place differs from what it found at another. sought: either's span."""
    told = "arrayMap(one -> (one.name, one.value), observations)"  # A threshold that is another one is told in words.
    counts = run(_CHANGED.format(old=old, new=new, told=told, **_within(sought)))[0]
    return Changed(*map(int, counts))


def _within(sought: Sought) -> dict[str, str]:
    """Return whether what was found, and what is known, belongs to the span."""
    limits = [(">=", sought.first_ms), ("<", sought.end_ms)]
    spans = {"within_found": "occurred_at", "within_known": "raised_at"}
    for name, column in spans.items():
        said = [f"toUnixTimestamp64Milli({column}) {sign} {one}" for sign, one in limits if one is not None]
        spans[name] = f"({' AND '.join(said) or '1'})"
    return spans


def _share(right: int, wrong: int) -> float | None:
    return round(right / (right + wrong), 4) if right + wrong else None
