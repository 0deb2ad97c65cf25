"""What the nightly run has to say of organizers that were silent, or are no longer said to be.

Reads     ClickHouse: `organizer_hour`, `alerts`, what retention removed
Returns   `News` of alerts about organizers
Promises  what is said is what the hours ask for as they are now, all of them at each run, so that late events and
          corrections count whenever they came; a day that rests on removed months is left as it is; no person is read
          (DESIGN §7; clauses O9-4.3, O9-4.4; decision 0045; box: sinks/clickhouse)
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from esep.buckets import Span, start_ms_of
from esep.clock import to_ms
from esep.rule_parts import SILENT_HOURS
from esep.rules import HOUR_MS
from esep.settling import Finding, Said, Silence, Value, news_of
from esep.silences import silences_of
from esep.sinks.clickhouse.alerts.settling import kept_from_ms

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from esep.register import Organizer
    from esep.rules import SilenceRule
    from esep.settling import News
    from esep.silences import Silences
    from esep.sinks.clickhouse.alerts.settling import Clock, Run

# What takes back counts -1, so that a sum is what is in force.
_BUSY = """SELECT organizer_bin, groupArray(hour) FROM (
    SELECT organizer_bin, intDiv(toUnixTimestamp(hour_at), 3600) AS hour FROM organizer_hour
    GROUP BY organizer_bin, hour
    HAVING sum(wager_count + winning_count + refund_count + cash_out_count + deposit_count + withdrawal_count) > 0
) GROUP BY organizer_bin"""
_SAID = """SELECT organizer_bin, bucket, revision, status, toUnixTimestamp64Milli(silence_began_at),
    toUnixTimestamp64Milli(silence_ended_at), arrayFirst(one -> one.name = '{silent_hours}', observations).value,
    toUnixTimestamp64Milli(occurred_at), reference_version, alert_partition
FROM alerts WHERE rule_id = '{rule_id}' AND rule_version = {version} AND isNotNull(organizer_bin)
ORDER BY revision DESC LIMIT 1 BY alert_id"""


class Register(NamedTuple):
    """The organizers as they were published, and the version of what was."""

    organizers: Sequence[Organizer]
    version: int


def silence_news(run: Run, rules: Iterable[SilenceRule], clock: Clock, register: Register) -> list[News]:
    """Return what is to be said of organizers' silences, as far as the ledger has come."""
    rules = list(rules)
    if not rules:
        return []
    busy = {bin_: [int(hour) for hour in hours] for bin_, hours in run(_BUSY)}
    licensed = {one.bin: _spans(one) for one in register.organizers}
    kept_ms = kept_from_ms(run)
    kept_hour = None if kept_ms is None else kept_ms // HOUR_MS
    news = []
    for rule in rules:
        end_hour = (clock.first_ms - rule.waits) // HOUR_MS
        silences = silences_of(rule, busy, licensed, end_hour, kept_hour)
        news += news_of(_found(rule, silences, register.version), _said(run, rule, silences))
    return news


def _spans(organizer: Organizer) -> list[Span]:
    """Return when the organizer is licensed."""
    return [
        Span(to_ms(one.valid_from), 2**62 if one.valid_to is None else to_ms(one.valid_to))
        for one in organizer.licences
    ]


def _found(rule: SilenceRule, silences: Mapping[str, Silences], version: int) -> Iterator[Finding]:
    for bin_, own in silences.items():
        for day, silence in own.by_day.items():
            value = Value(True, SILENT_HOURS, silence.hours, rule.hours, "count")
            yield Finding(rule, bin_, day, (value,), (), (), version, silence)


def _said(run: Run, rule: SilenceRule, silences: Mapping[str, Silences]) -> Iterator[Said]:
    """Yield what was last said of each organizer and day that is decided on."""
    statement = _SAID.format(silent_hours=SILENT_HOURS, rule_id=rule.rule_id, version=rule.version)
    for bin_, day, revision, status, from_ms, until_ms, hours, at_ms, version, partition in run(statement):
        if bin_ in silences and start_ms_of(day) >= silences[bin_].from_ms:
            silence = None if from_ms is None else Silence(int(from_ms), _number(until_ms), int(hours))
            yield Said(rule, bin_, day, int(revision), status, (), int(at_ms), int(version), int(partition), silence)


def _number(value: Any) -> int | None:
    return None if value is None else int(value)
