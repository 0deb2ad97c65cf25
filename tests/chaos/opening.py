"""Open every book of a line that is quiet, and hold it against what must stand there.

Reads     the line's topics, tables and receipts; what was sent
Returns   `Counts`; `Findings` are added to
Promises  what is expected follows from what the organizers have sent or spooled, by code that shares none with the line
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, NamedTuple

import polars as pl
import yaml

from esep.lineage import POSITION_KEY
from esep.producers.answers import State
from esep.producers.receipt_audit import Audit
from esep.producers.receipt_history import receipts_there
from esep.producers.receipts import open_receipt
from esep.producers.simulate.comparison import compare, found_in_receipts
from esep.producers.simulate.generator import ACCEPTED as INTENDED
from esep.producers.simulate.generator import DUPLICATE
from esep.receipt_keys import load_root
from esep.security import PLAIN
from esep.sinks.clickhouse.reconcile import reconcile
from esep.topics import ACCEPTED, TOTALS_CHANGELOG, events_topic
from tests.chaos import oracle
from tests.chaos.books import compare_bags, compare_maps, compare_postings, compare_rows
from tests.chaos.reading import messages_of
from tests.chaos.standing import by_looking, by_sql, few_owners, raised
from tests.producers.spooling import kept

if TYPE_CHECKING:
    from tests.chaos.books import Findings
    from tests.chaos.line import Line
    from tests.chaos.oracle import Posting
    from tests.chaos.program import Task

_AT = ["topic", "partition", "offset"]


class Counts(NamedTuple):
    """How much there was to be right. own: postings of the program with the client; looked_up: alerts that were
    compared with what looking through all windows finds, too; rules: how many rules have raised any.
    """

    postings: int = 0
    own: int = 0
    alerts: int = 0
    looked_up: int = 0
    rules: int = 0


def open_books(line: Line, sent: pl.DataFrame, looks: int, findings: Findings) -> Counts:
    """Compare all that can be compared. looks: see `few_owners`."""
    own = _of_the_program(line, line.task, findings) if line.task else []
    intended, again = _intended(line, sent, findings)
    _compare_receipts(line, sent, again, findings)
    postings = intended + own
    found = [(m.partition(), m.offset(), m.key(), oracle.read(m.value())) for m in messages_of(line.servers, ACCEPTED)]
    accepted = sorted(((partition, offset, record) for partition, offset, _, record in found), key=lambda one: one[:2])
    compare_postings(postings, (oracle.posting_of_record(record) for _, _, record in accepted), findings)
    compare_rows(oracle.ledger_rows(accepted), line.ledger(), findings)
    compare_maps("state of totals", oracle.cells((key, record) for *_, key, record in found), _state(line), findings)
    compare_maps("totals", oracle.totals(postings), _totals(line), findings)
    standing = list(raised(line))
    few = few_owners(postings, looks)
    compare_bags("alert by SQL", by_sql(line), standing, findings)
    looked_up = (alert for alert in standing if alert.owner in few)
    compare_bags("alert", by_looking(postings, yaml.safe_load(line.rules.read_text("utf-8")), few), looked_up, findings)
    revisions = line.rows("SELECT alert_id, revision FROM alerts")
    numbered = list(revisions)
    compare_bags("revision of an alert", _dense(numbered), numbered, findings)
    findings.wrong += reconcile(line.settings, line.register.bins).differences
    owners, rules = [one.owner for one in standing], {one.rule_id for one in standing}
    return Counts(len(postings), len(own), len(standing), sum(one in few for one in owners), len(rules))


def _compare_receipts(line: Line, sent: pl.DataFrame, again: Counter[str], findings: Findings) -> None:
    """Verify all receipts, and compare what they say of each message of the simulation with what was meant.

    again: how many messages of each organizer are duplicates beside those that were meant to be.
    """
    root = load_root((line.stack.data_dir / "keys" / "receipt-root.crt").read_bytes())
    contents = []
    for bin_ in line.register.bins:
        values = list(receipts_there(bin_, line.servers, PLAIN))
        audit = Audit(bin_, root).run(values)
        findings.wrong += [f"receipts of {bin_}: {doubt.kind} {doubt.text}" for doubt in audit.doubts]
        if line.task is None or bin_ != line.task.organizer_bin:
            contents += [open_receipt(value, root) for value in values]
    comparison = compare(sent, found_in_receipts(contents))
    findings.wrong += [f"verdict: {row}" for row in comparison.wrong.select(*_AT, "code", "found_code").iter_rows()]
    for bin_, verdict, intended, found in comparison.table.iter_rows():
        meant = intended + (again[bin_] if verdict == DUPLICATE else 0)
        if meant != found:
            (findings.lost if meant > found else findings.doubled).append(
                f"verdicts {verdict} of {bin_}: {found}, and not {meant}"
            )


def _of_the_program(line: Line, task: Task, findings: Findings) -> list[Posting]:
    """Return the postings that the program's spool calls for; all of it has arrived, and nothing else has."""
    spooled = {f"{task.organizer_bin}/{row.stream_id}/{row.sequence}": row for row in kept(task.spool)}
    said = [name for name in task.said.read_text().splitlines(keepends=True) if name.endswith("\n")]
    arrived = {(m.key(), m.value()) for m in messages_of(line.servers, events_topic(task.organizer_bin))}
    findings.lost += [
        f"event {name.strip()}, which the program was told of" for name in said if name[:-1] not in spooled
    ]
    findings.doubled += [f"number {name.strip()}, given twice" for name, times in Counter(said).items() if times > 1]
    findings.wrong += [f"receipt of {name}" for name, row in spooled.items() if row.state != State.RECEIPTED]
    values = {(row.stream_id.encode(), row.value) for row in spooled.values()}
    findings.lost += ["message of the spool"] * len(values - arrived)
    findings.wrong += ["message of no spool"] * len(arrived - values)
    return [posting for row in spooled.values() for posting in oracle.postings_of_message(oracle.read(row.value))]


def _intended(line: Line, sent: pl.DataFrame, findings: Findings) -> tuple[list[Posting], Counter[str]]:
    """Return the postings that the simulated organizers' topics call for, and how many messages lie there again.

    Each message on them was sent once; but where a broker's answers are lost with it, librdkafka may send what it has
    sent before, and intake has to know it again by its number.
    """
    verdicts = {tuple(at): verdict for *at, verdict in sent.select(*_AT, "verdict").iter_rows()}
    postings, again = [], Counter[str]()
    for bin_ in sorted({*line.register.bins} - {line.task.organizer_bin if line.task else ""}):
        topic, known = events_topic(bin_), set[int]()
        for message in messages_of(line.servers, topic):
            verdict = verdicts.pop((topic, message.partition(), message.offset()), None)
            content = hash((message.partition(), message.key(), message.value()))
            if verdict == INTENDED:
                postings += oracle.postings_of_message(oracle.read(message.value()))
            elif verdict is None and content in known:
                again[bin_] += 1
            elif verdict is None:
                findings.doubled.append(f"message at {topic}/{message.partition()} offset {message.offset()}")
            known.add(content)
    findings.lost += [f"message at {topic}/{partition} offset {offset}" for topic, partition, offset in verdicts]
    return postings, again


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
