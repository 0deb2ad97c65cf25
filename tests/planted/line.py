"""The month through the parts of the line: intake, totals and alerts in process, and the rules' SQL over the ledger.

Reads     a `Month`; rules; a ClickHouse
Returns   `Passed`: what was refused, the ledger, the alerts that stand; the alerts that a search finds in the ledger
Promises  each stage reads what the one before has written, as the worker hands it over; what intake accepts of
          many organizers in one poll is in the order of its receipt, as it is where polls take milliseconds
"""

from __future__ import annotations

import uuid
from collections import Counter, defaultdict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple, get_args

import polars as pl

from esep.clock import to_ms
from esep.codec import INDEX, decode
from esep.lineage import Position, TopicPartition
from esep.rules import RULES_FILE, RuleSet, Subject, parse_rules
from esep.settings import Settings
from esep.sinks.clickhouse.frames import Records, block_of, rows_of
from esep.sinks.clickhouse.migrate import migrate
from esep.sinks.clickhouse.store import Store
from esep.sinks.clickhouse.tables import table_of
from esep.stream_apps.alerts.program import compile_rules
from esep.stream_apps.alerts.stage import AlertsStage
from esep.stream_apps.stage import Batch, PartitionState, Stage, Write
from esep.stream_apps.totals.stage import TotalsStage
from esep.topics import ACCEPTED, ALERTS, INSTRUMENTS, LEDGER, REJECTED, events_topic
from esep.versions import upgraded
from tests.stream_apps.intake.made_up import LEDGER_PARTITIONS, new_stage
from tests.support.rule_ledger import found_by_search

if TYPE_CHECKING:
    from collections.abc import Iterable

    from esep.embedded.clickhouse import ClickHouseServer
    from tests.planted.month import Message, Month

WITHDRAWN = "WITHDRAWN"
POLL_MESSAGES = 2_000
_PIECE_ROWS = 250_000


class AlertKey(NamedTuple):
    rule_id: str
    owner: str
    bucket: str


class Told(NamedTuple):
    """What an alert says. fulfilled_by: the entry; persons: of all its evidence."""

    fulfilled_by: str
    occurred_ms: int
    observations: tuple[tuple[str, int, int], ...]
    persons: tuple[str, ...]


Alerts = dict[AlertKey, Told]


@dataclass
class Passed:
    """What came of a month. refused: by story (null: the rest) and code. watched: the rules that the stage applies.

    withdrawn: alerts taken back, by person and rule.
    """

    watched: set[str] = field(default_factory=set)
    refused: Counter[tuple[str | None, str]] = field(default_factory=Counter)
    ledger: defaultdict[int, list[bytes | None]] = field(default_factory=lambda: defaultdict(list))
    alerts: Alerts = field(default_factory=dict)
    withdrawn: Counter[tuple[str, str]] = field(default_factory=Counter)


def all_live() -> RuleSet:
    """Return all rules of the file, each LIVE."""
    return parse_rules(RULES_FILE.read_text("utf-8").replace("mode: SHADOW", "mode: LIVE"))


def passed(month: Month, rules: RuleSet) -> Passed:
    """Put the month through intake, totals and alerts."""
    stage = AlertsStage(rules, partitions=LEDGER_PARTITIONS)
    programs = [compile_rules(rules, subject) for subject in get_args(Subject)]
    found = Passed({one.rule.rule_id for program in programs for one in (*program.entry_rules, *program.window_rules)})
    intake, totals, alerts = _Hop(new_stage(reference=month.reference)), _Hop(TotalsStage()), _Hop(stage)
    story_of = {(message.organizer_bin, message.value): message.story for message in month.messages}
    latest: dict[str, dict[str, Any]] = {}
    for start in range(0, len(month.messages), POLL_MESSAGES):
        out = intake.feed(_sent(month.messages[start : start + POLL_MESSAGES]))
        for reject in _records(out, REJECTED, "rejected"):
            found.refused[story_of[reject["organizer_bin"], reject["body"]], reject["reject_code"]] += 1
        ledger = totals.feed(_as_received(_written(out, ACCEPTED)))
        for write in ledger:
            found.ledger[write.target.partition] += write.values
        raised = alerts.feed(_written(ledger, LEDGER))
        raised += alerts.feed(_written(raised, INSTRUMENTS))
        latest |= {record["alert_id"]: record for record in _records(raised, ALERTS, "alert")}
    found.alerts = dict(_alert(record) for record in latest.values() if record["status"] != WITHDRAWN)
    found.withdrawn = Counter(
        (record["iin"], record["rule_id"]) for record in latest.values() if record["status"] == WITHDRAWN
    )
    return found


def found_in_ledger(clickhouse: ClickHouseServer, ledger: dict[int, list[bytes | None]], rules: RuleSet) -> Alerts:
    """Return what `esep rules backtest` finds in a ledger that was loaded as the loader loads it."""
    settings = Settings(clickhouse_url=clickhouse.url, clickhouse_database=f"planted_{uuid.uuid4().hex[:8]}")
    migrate(settings)
    store = Store(settings)
    parts = [
        rows_of(Records(TopicPartition(LEDGER, partition), list(range(len(values))), values), None)
        for partition, values in ledger.items()
    ]
    for month in sorted({month for rows in parts for month in rows.months()}):
        store.insert(table_of(LEDGER), f"planted-{month}", block_of(parts, month))
    store.close()
    return {
        AlertKey(*key): Told(told[0], told[1], tuple(told[2]), told[3])
        for key, told in found_by_search(settings, rules, _PIECE_ROWS).items()
    }


def differences(passed: Passed, in_ledger: Alerts) -> list[str]:
    """Return which alerts of the rules that both apply are not the same in the stage and in the ledger."""
    by_sql = {key: told for key, told in in_ledger.items() if key.rule_id in passed.watched}
    keys = sorted(passed.alerts.keys() | by_sql.keys())
    return [
        f"{key.rule_id} {key.bucket}: the stage says {passed.alerts.get(key)}, SQL {by_sql.get(key)}"
        for key in keys
        if passed.alerts.get(key) != by_sql.get(key)
    ]


@dataclass
class _Hop:
    """A stage at work: it reads what another one has written, from where it has got to."""

    stage: Stage[Any]
    states: dict[TopicPartition, PartitionState[Any]] = field(default_factory=dict)

    def feed(self, rows: Iterable[_Row]) -> list[Write]:
        """Process and settle the next records of any partitions; return what is written."""
        by_source: defaultdict[TopicPartition, list[_Row]] = defaultdict(list)
        for row in rows:
            by_source[row.source].append(row)
        if not by_source:
            return []
        result = self.stage.process(
            [self._batch(source, by_source[source]) for source in sorted(by_source)], self.states
        )
        self.stage.settle(self.states, result.changes)
        for source, position in result.positions.items():
            self.states[source] = PartitionState(position, self.states[source].data)
        return list(result.outputs)

    def _batch(self, source: TopicPartition, rows: list[_Row]) -> Batch:
        empty = PartitionState(Position(0), self.stage.empty(source))
        first = self.states.setdefault(source, empty).position.next_offset
        stamps, keys, values = ([row[place] for row in rows] for place in (1, 2, 3))
        return Batch(source, list(range(first, first + len(rows))), stamps, keys, values)


class _Row(NamedTuple):
    source: TopicPartition
    stamp_ms: int
    key: bytes | None
    value: bytes | None


def _sent(messages: Iterable[Message]) -> list[_Row]:
    """Return messages as they lie on the organizers' topics."""
    return [
        _Row(TopicPartition(events_topic(one.organizer_bin), one.partition), to_ms(one.received_at), one.key, one.value)
        for one in messages
    ]


def _written(writes: Iterable[Write], topic: str) -> list[_Row]:
    """Return what was written to a topic; no stage after intake asks for the broker's stamp."""
    return [
        _Row(write.target, 0, key, value)
        for write in _on(writes, topic)
        for key, value in zip(write.keys, write.values, strict=True)
    ]


def _as_received(rows: list[_Row]) -> list[_Row]:
    """Return accepted postings in the order in which they were received; of one organizer's partition they are."""
    frames = decode([row.value for row in rows], frozenset({ACCEPTED})).frames.values()
    received = pl.concat([frame.select(INDEX, "received_at") for frame in frames]).sort("received_at", INDEX)
    return [rows[place] for place in received[INDEX]]


def _on(writes: Iterable[Write], topic: str) -> list[Write]:
    return [write for write in writes if write.target.topic == topic]


def _records(writes: Iterable[Write], topic: str, record: str) -> list[dict[str, Any]]:
    values = [value for write in _on(writes, topic) for value in write.values]
    return upgraded(decode(values, frozenset({record})).frames, record).to_dicts() if values else []


def _alert(record: dict[str, Any]) -> tuple[AlertKey, Told]:
    """Return an alert of the stage as a search tells it: its evidence ends with what fulfils the rule."""
    last = record["evidence"][-1]
    persons = record["evidence_iins"] or [record["iin"]]
    observations = tuple((one["name"], one["value"], one["threshold"]) for one in record["observations"])
    told = Told(last["entry_id"], to_ms(last["occurred_at"]), observations, tuple(sorted(set(persons))))
    return AlertKey(record["rule_id"], record["iin"] or record["instrument_hash"], record["bucket"]), told
