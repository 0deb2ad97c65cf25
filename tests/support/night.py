"""A nightly run without a broker: a ledger and alerts in ClickHouse, and what a run has to say of them.

Reads     postings, records of alerts, the rules
Returns   `Night`; `standing_after`: the alerts that stand once it was said
Promises  what is said is put into the table as the loader would put it
"""

from __future__ import annotations

import uuid
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any

from esep.codec import decode
from esep.identifiers import PersonKeys
from esep.settlements import Settlement
from esep.sinks.clickhouse.alerts.search import Step, run_in
from esep.sinks.clickhouse.alerts.settling import Clock, settled_news
from esep.sinks.clickhouse.alerts.silences import Register, silence_news
from esep.sinks.clickhouse.client import connect
from esep.stream_apps.alerts.nightly import Nightly
from esep.versions import upgraded
from tests.support.stage_run import PARTITIONS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from esep.rules import RuleSet
    from esep.settings import Settings
    from esep.settling import News
    from tests.support.rule_oracle import Alerts

KEYS = PersonKeys(b"k" * 32)
NOBODY = Register((), 0)


class _Session:
    def __init__(self, run: Callable[[str], Sequence[Sequence[Any]]]) -> None:
        self.run = run

    def tell(self, step: Step) -> None:
        assert step.what


@dataclass
class Night:
    """Runs over one database. last: the run before. register: the organizers that rules about organizers look at."""

    settings: Settings
    rules: RuleSet
    last: Settlement = field(default_factory=Settlement)
    register: Register = NOBODY

    @contextmanager
    def session(self) -> Iterator[_Session]:
        with connect(self.settings, session_id=uuid.uuid4().hex) as client:
            yield _Session(partial(run_in, client))

    def news(self, clock: Clock, before_ms: int | None = None) -> list[News]:
        """Return what is to be said; no statement names anybody."""
        news = settled_news(self.session, self.rules, clock, before_ms, piece_rows=1_000)
        raised = [rule for rule in self.rules.silences if rule.raised]
        with self.session() as session:
            return news + silence_news(session.run, raised, clock, self.register)

    def run(self, clock_ms: int) -> list[dict[str, Any]]:
        """Settle up to a clock, as the command does; return the records that were written."""
        news = self.news(Clock(clock_ms, clock_ms), self.last.until_ms or None)
        nightly = Nightly(news, KEYS, PARTITIONS, self.last.rows)
        self.last = self.last.followed(clock_ms, nightly.rows, nightly.written)
        messages = nightly.messages(self.last.number, self.last, self.rules.withdrawn)
        if not messages:
            return []
        decoded = decode([one.value for one in messages], frozenset({"alert"}))
        records = upgraded(decoded.frames, "alert").drop("index", strict=False).to_dicts()
        told = [
            {**record, "alert_partition": one.target.partition} for record, one in zip(records, messages, strict=True)
        ]
        self.load(told)
        return told

    def load(self, records: Iterable[dict[str, Any]]) -> None:
        """Put alerts into the table."""
        rows = [{**one, "alert_offset": place} for place, one in enumerate(records)]
        if rows:
            columns = [name for name in rows[0] if name != "index"]
            with connect(self.settings) as client:
                client.insert("alerts", [[_plain(row[name]) for name in columns] for row in rows], column_names=columns)


def _plain(value: Any) -> Any:
    """Return lists of structs as lists of tuples."""
    return (
        [tuple(one.values()) if isinstance(one, dict) else one for one in value] if isinstance(value, list) else value
    )


def standing_after(before: Alerts, news: Iterable[News]) -> Alerts:
    """Return the alerts that stand once the news was told."""
    after = dict(before)
    for one in news:
        key = (one.rule.rule_id, one.owner, one.bucket)
        if one.found is None:
            del after[key]
            continue
        iins = [(iin,) if one.rule.subject == "instrument" else () for iin in one.found.iins]
        evidence = [(*proof, *iin) for proof, iin in zip(one.found.evidence, iins, strict=True)]
        observed = [
            (value.name, value.value, value.threshold)
            for value in one.found.values if value.holds and value.value is not None
        ]  # fmt: skip
        after[key] = evidence, observed  # type: ignore[assignment]
    return after
