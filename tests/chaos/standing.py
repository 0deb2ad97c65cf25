"""Which alerts must stand once all is known: by looking at every window of some, and by SQL for everybody.

Reads     postings; rules as they are written; the ledger in ClickHouse
Returns   alerts as rule, person or means of payment, bucket, observations, and the entries that prove them
Promises  `few_owners` leaves nobody out but for the number of their postings; `by_looking` shares no code with the
          stream (`rule_oracle`), `by_sql` only the reading of rules
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any, NamedTuple

from esep.rules import load_rules
from esep.sinks.clickhouse.alerts.rule_sql import rule_sql
from tests.chaos.oracle import Posting, Record, almaty, record_of
from tests.support.rule_oracle import FLAG_BITS, OWNERS, alerts_of

if TYPE_CHECKING:
    from tests.chaos.line import Line

ADULT_YEARS = 21
_CENTURIES = {"1": 1800, "2": 1800, "3": 1900, "4": 1900, "5": 2000, "6": 2000}
_TOLD = """SELECT rule_id, ifNull(instrument_hash, iin), bucket,
    arrayMap(one -> (tupleElement(one, 1), tupleElement(one, 2), tupleElement(one, 3)), observations),
    arrayMap(one -> (tupleElement(one, 1), tupleElement(one, 2), tupleElement(one, 3)), evidence)"""


class Alert(NamedTuple):
    """An alert as anybody can compare it; evidence: entry, revision and leg of each posting."""

    rule_id: str
    owner: str
    bucket: str
    observations: tuple[tuple[str, int, int], ...]
    evidence: tuple[tuple[str, int, int], ...]


def few_owners(postings: Iterable[Posting], looks: int) -> set[str]:
    """Return persons and means of payment, those with the fewest postings first, as long as looks last.

    A posting of somebody with n of them is looked at n times.
    """
    counts: defaultdict[str, int] = defaultdict(int)
    for posting in postings:
        record = record_of(posting)
        for field in OWNERS.values():
            if record[field] is not None:
                counts[record[field]] += 1
    chosen = set()
    for owner, count in sorted(counts.items(), key=lambda one: one[1]):
        looks -= count * count
        if looks < 0:
            break
        chosen.add(owner)
    return chosen


def by_looking(postings: Iterable[Posting], rules: Record, owners: set[str]) -> Iterator[Alert]:
    """Yield the alerts of these persons and means of payment; rules: the file as YAML says it."""
    by_owner: defaultdict[tuple[str, str], list[dict[str, Any]]] = defaultdict(list)
    for posting in postings:
        record = _looked_at(posting)
        for subject, field in OWNERS.items():
            if record[field] in owners:
                by_owner[subject, record[field]].append(record)
    of_subject = {
        subject: {**rules, "rules": [rule for rule in rules["rules"] if rule.get("subject", "person") == subject]}
        for subject in OWNERS
    }
    for (subject, owner), own in by_owner.items():
        for (rule_id, whose, bucket), (evidence, observed) in alerts_of(of_subject[subject], own).items():
            if whose == owner:
                yield Alert(rule_id, owner, bucket, tuple(observed), tuple(one[:3] for one in evidence))


def by_sql(line: Line) -> Iterator[Alert]:
    """Yield the alerts that the rules find in the ledger, which has been compared by then."""
    rules = load_rules(line.rules)
    for rule in rules.rules:
        if rule.live:
            yield from _alerts(line, f"{_TOLD} FROM ({rule_sql(rules, rule)})".replace(_OTHER, rule.own_field))


def raised(line: Line) -> Iterator[Alert]:
    """Yield what the stage has raised and not withdrawn."""
    yield from _alerts(line, f"{_TOLD} FROM alerts_current WHERE status != 'WITHDRAWN'")


_OTHER = "ifNull(instrument_hash, iin)"


def _alerts(line: Line, sql: str) -> Iterator[Alert]:
    for rule_id, owner, bucket, observations, evidence in line.rows(sql):
        yield Alert(rule_id, owner, bucket, tuple(map(tuple, observations)), tuple(map(tuple, evidence)))


def _looked_at(posting: Posting) -> Record:
    """Return a posting as the oracle of the rules looks at it; it lies nowhere in particular."""
    record = record_of(posting)
    return {
        **record,
        "entry_id": posting.entry_id,
        "revision": posting.revision,
        "occurred_ms": record["occurred_at"],
        "flags": flags_of(record),
        "ledger_partition": 0,
        "ledger_offset": 0,
    }


def flags_of(record: Record) -> int:
    """Return the flags of what is booked where no list restricts anybody: what IIN and payment tell by themselves."""
    iin, century = record["iin"], _CENTURIES.get(record["iin"][6])
    bet_ms = record["occurred_at"] if record["wager_occurred_at"] is None else record["wager_occurred_at"]
    is_young = century is not None and almaty(bet_ms).year - century - int(iin[:2]) <= ADULT_YEARS
    is_credit = record["payment_method"] == "CREDIT_CARD"
    return (FLAG_BITS["UNDER_21_HINT"] if is_young else 0) | (FLAG_BITS["CREDIT_MONEY"] if is_credit else 0)
