"""One seed: a line up, messages on their way, trouble, quiet; then every book is opened.

Reads     a seed and how large the run is
Returns   `Outcome`
Promises  on one day the same seed sends the same messages and plans the same faults at the same seconds; how processes
          are then scheduled no seed can fix
"""

from __future__ import annotations

import logging
import threading
import time
from collections import Counter
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

import polars as pl

from esep.lineage import POSITION_KEY
from esep.producers.receipt_audit import Audit
from esep.producers.receipt_history import receipts_there
from esep.producers.receipts import open_receipt
from esep.producers.simulate.comparison import compare, found_in_receipts
from esep.producers.simulate.generator import ACCEPTED as INTENDED
from esep.producers.simulate.plan import Plan, last_midnight
from esep.producers.simulate.register import made_up_register, write_register
from esep.producers.simulate.sender import MessageSender, Pace
from esep.receipt_keys import load_root
from esep.security import PLAIN
from esep.sinks.clickhouse.reconcile import reconcile
from esep.topics import ACCEPTED, TOTALS_CHANGELOG, events_topic
from tests.chaos import oracle
from tests.chaos.books import Findings, compare_bags, compare_maps, compare_postings, compare_rows
from tests.chaos.faults import Trouble
from tests.chaos.line import SESSION_MS, Line, chaos_line
from tests.chaos.oracle import Posting
from tests.chaos.reading import messages_of
from tests.chaos.schedule import schedule
from tests.chaos.wins import messages_with_wins

log = logging.getLogger("esep.chaos")
_LOOK_S = 0.05
_SENT_S = 300.0  # After the trouble: what was queued meanwhile must be acknowledged by then.
_AT = ["topic", "partition", "offset"]


@dataclass(frozen=True, slots=True)
class Size:
    """How large a run is. events: messages, good and bad; trouble_s: for so long they are sent, and parts fail."""

    events: int
    trouble_s: float
    organizers: int = 4
    persons: int = 300


@dataclass
class Outcome:
    """What a run came to. done: faults by kind; missed: those whose part was away by itself just then.

    postings, alerts: how many there were to be right. ends: how often apps ended that nobody had killed.
    """

    seed: int
    events: int
    done: Counter[str]
    missed: int = 0
    seconds: float = 0.0
    postings: int = 0
    alerts: int = 0
    ends: int = 0
    findings: Findings = field(default_factory=Findings)


def run(seed: int, size: Size, data_dir: Path) -> Outcome:
    """Run a seed below a directory and return what came of it."""
    until = last_midnight(datetime.now(UTC))
    register = data_dir / "register.yaml"
    write_register(made_up_register(size.organizers, seed, until), register)
    started_s = time.monotonic()
    with chaos_line(data_dir, register) as line:
        plan = Plan(
            line.register, size.events, seed, until, bad=0.05, duplicates=0.03, corrections=0.05,
            persons=size.persons, partitions=line.settings.events_partitions,
        )  # fmt: skip
        trouble, sent = _rage(line, seed, size, plan)
        outcome = Outcome(seed, sent.height, trouble.done, trouble.missed)
        _be_quiet(line, sent)
        _open_books(line, sent, outcome)
        outcome.ends = sum(len(app.ended_at) for app in line.stack.apps.values())
    outcome.seconds = time.monotonic() - started_s
    return outcome


def _rage(line: Line, seed: int, size: Size, plan: Plan) -> tuple[Trouble, pl.DataFrame]:
    """Send the messages while the faults of the seed come and go; return when both are over."""
    sent: list[pl.DataFrame] = []
    failures: list[BaseException] = []

    def send() -> None:
        try:
            sender = MessageSender(line.servers)
            sent.append(sender.send(messages_with_wins(plan), Pace(size.events / size.trouble_s)))
        except BaseException as error:  # noqa: BLE001 - told to the run, whatever it is
            failures.append(error)

    thread = threading.Thread(target=send)
    faults = schedule(seed, size.trouble_s, SESSION_MS / 1000)
    log.info("seed %d plans\n%s", seed, "\n".join(map(str, faults)))
    trouble = Trouble(line.stack, line.wire, faults, size.trouble_s)
    thread.start()
    give_up_at = time.monotonic() + size.trouble_s + _SENT_S
    while not trouble.is_over or thread.is_alive():
        assert time.monotonic() < give_up_at, "the trouble, or the sending, does not end"
        trouble.go_on()
        line.stack.tend()
        time.sleep(_LOOK_S)
    assert not failures, failures
    return trouble, sent[0]


def _be_quiet(line: Line, sent: pl.DataFrame) -> None:
    """Return once all is loaded and every part is ready for more."""
    line.stack.broker.wait_ready()
    line.stack.clickhouse.wait_ready()
    ends = {(topic, partition): end for topic, partition, end in sent.group_by(_AT[:2]).agg(pl.max("offset")).rows()}
    line.settle(ends)
    line.wait_ready()


def _open_books(line: Line, sent: pl.DataFrame, outcome: Outcome) -> None:
    """Compare all that can be compared."""
    findings = outcome.findings
    _compare_receipts(line, sent, findings)
    postings = _intended(line, sent, findings)
    found = [(m.partition(), m.offset(), m.key(), oracle.read(m.value())) for m in messages_of(line.servers, ACCEPTED)]
    accepted = sorted(((partition, offset, record) for partition, offset, _, record in found), key=lambda one: one[:2])
    compare_postings(postings, (oracle.posting_of_record(record) for _, _, record in accepted), findings)
    compare_rows(oracle.ledger_rows(accepted), line.ledger(), findings)
    compare_maps("state of totals", oracle.cells((key, record) for *_, key, record in found), _state(line), findings)
    compare_maps("totals", oracle.totals(postings), _totals(line), findings)
    alerts = oracle.alerts(postings)
    standing = line.rows(
        "SELECT rule_id, ifNull(instrument_hash, iin), bucket FROM alerts_current WHERE status != 'WITHDRAWN'"
    )
    compare_bags("alert", alerts, standing, findings)
    revisions = line.rows("SELECT alert_id, revision FROM alerts")
    numbered = list(revisions)
    compare_bags("revision of an alert", _dense(numbered), numbered, findings)
    findings.wrong += reconcile(line.settings, line.register.bins).differences
    outcome.postings, outcome.alerts = len(postings), len(alerts)


def _compare_receipts(line: Line, sent: pl.DataFrame, findings: Findings) -> None:
    """Verify all receipts, and compare what they say of each message with what was meant."""
    root = load_root((line.stack.data_dir / "keys" / "receipt-root.crt").read_bytes())
    contents = []
    for bin_ in line.register.bins:
        values = list(receipts_there(bin_, line.servers, PLAIN))
        audit = Audit(bin_, root).run(values)
        findings.wrong += [f"receipts of {bin_}: {doubt.kind} {doubt.text}" for doubt in audit.doubts]
        contents += [open_receipt(value, root) for value in values]
    comparison = compare(sent, found_in_receipts(contents))
    findings.wrong += [f"verdict: {row}" for row in comparison.wrong.select(*_AT, "code", "found_code").iter_rows()]
    other = comparison.table.filter(pl.col("intended") != pl.col("found"))
    findings.lost += [f"verdicts: {row}" for row in other.filter(pl.col("intended") > pl.col("found")).iter_rows()]
    findings.doubled += [f"verdicts: {row}" for row in other.filter(pl.col("intended") < pl.col("found")).iter_rows()]


def _intended(line: Line, sent: pl.DataFrame, findings: Findings) -> list[Posting]:
    """Return the postings that the organizers' topics call for; each message on them was sent, once."""
    verdicts = {tuple(at): verdict for *at, verdict in sent.select(*_AT, "verdict").iter_rows()}
    postings = []
    for topic in map(events_topic, line.register.bins):
        for message in messages_of(line.servers, topic):
            verdict = verdicts.pop((topic, message.partition(), message.offset()), None)
            if verdict is None:
                findings.doubled.append(f"message at {topic}/{message.partition()} offset {message.offset()}")
            elif verdict == INTENDED:
                postings += oracle.postings_of_message(oracle.read(message.value()))
    findings.lost += [f"message at {topic}/{partition} offset {offset}" for topic, partition, offset in verdicts]
    return postings


def _state(line: Line) -> dict[bytes, bytes]:
    """Return the state of totals as a worker would restore it: the latest record of each key of the changelog."""
    latest = {m.key(): m.value() for m in messages_of(line.servers, TOTALS_CHANGELOG)}
    latest.pop(POSITION_KEY, None)
    return latest


def _totals(line: Line) -> dict[tuple[str, str, int], dict[str, list[int]]]:
    """Return the totals by person, organizer and year that ClickHouse gives, but those that are nought."""
    names = [f"{measure}_{unit}" for measure in oracle.MEASURES for unit in ("count", "tiyn")]
    found = {}
    for iin, organizer, year, *cells in line.rows(
        f"SELECT iin, organizer_bin, year, {', '.join(names)} FROM person_totals"
    ):
        pairs = zip(oracle.MEASURES, cells[::2], cells[1::2], strict=True)
        found[iin, organizer, year] = {
            measure: [count, tiyn] for measure, count, tiyn in pairs if (count, tiyn) != (0, 0)
        }
    return found


def _dense(numbered: list[tuple[str, int]]) -> list[tuple[str, int]]:
    """Return the revisions that alerts must have: 1, 2, 3 … up to the last of each."""
    last: dict[str, int] = {}
    for alert_id, revision in numbered:
        last[alert_id] = max(last.get(alert_id, 0), revision)
    return [(alert_id, revision) for alert_id, end in last.items() for revision in range(1, end + 1)]
