"""What the nightly run has to say: alerts of buckets that the stream has closed, and of rules that it does not look at.

Reads     ClickHouse: `ledger`, `person_posting`, `alerts`, what retention removed
Writes    temporary tables of sessions
Returns   `Clock`; `News` of alerts
Promises  what is said is what the ledger asks for as it is now; an alert that the stage may still decide on is left to
          it; no statement names a person (DESIGN §7; decision 0035; box: sinks/clickhouse)

Whoever had no new posting since the run before has the alerts that he had. New ones are of two kinds. Late ones may
change what the stage has closed: of whoever has one, all is looked at from the earliest of them on. The others can only
change what rules of the nightly run find: these look at the last weeks of whoever has any.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

from esep.buckets import bucket_of, start_ms_of
from esep.rules import DAY_MS, ENTRY_DAYS_MAX, HOUR_MS, LATENESS_MS, Rule
from esep.settling import Finding, Proof, Said, Value, news_of
from esep.sinks.clickhouse.alerts.filter_sql import READ, passes_sql
from esep.sinks.clickhouse.alerts.rule_sql import rule_sql
from esep.sinks.clickhouse.alerts.search import search
from esep.sinks.clickhouse.alerts.settled import PIECE_ROWS, Sought, owners_of, whole_buckets

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from contextlib import AbstractContextManager

    from esep.rules import RuleSet
    from esep.settling import News
    from esep.sinks.clickhouse.alerts.search import Step

Run = Callable[[str], Sequence[Sequence[Any]]]

LATE_MS = LATENESS_MS - 5 * DAY_MS  # What occurred that long before the clock may lie in a closed bucket.
BEHIND_MS = DAY_MS  # The clocks of partitions of means of payment are at most so far behind those of the ledger.
_CLOCK_BEGINS_MS = 5 * HOUR_MS  # Days of the stage's state are those of UTC+5.
_CHOSEN = "CREATE TEMPORARY TABLE chosen (subject String, owner String, first_ms Int64)"
_CHOOSE = """INSERT INTO chosen SELECT of.1 AS subject, of.2 AS owner, min(at_ms) AS first_ms FROM (
    SELECT arrayJoin([('person', iin), ('instrument', ifNull(instrument_hash, ''))]) AS of,
           toUnixTimestamp64Milli(occurred_at) AS at_ms
    FROM ledger {since}
) WHERE subject IN ({subjects}) AND owner != '' GROUP BY subject, owner HAVING first_ms {sign} {late_ms}"""
# All from the first record on that came after an instant: its partition's clock was not there before.
_SINCE = """INNER JOIN (
        SELECT ledger_partition, min(ledger_offset) AS first FROM ledger
        WHERE received_at > fromUnixTimestamp64Milli({ms}, 'UTC') GROUP BY ledger_partition
    ) AS begun USING (ledger_partition) WHERE ledger_offset >= first"""
_KEPT_FROM = """SELECT toUnixTimestamp64Milli(toDateTime64(
        addMonths(toDate(parseDateTime(toString(max(month)), '%Y%m')), 1), 3, 'UTC')), count()
    FROM retention_lanes
    WHERE table_name = 'ledger' AND attempt IN (SELECT attempt FROM retention_steps)
    HAVING count() > 0"""
# As the stage sees entries: what it forgot before a late correction came, and what came without a past (`see_entry`).
# What takes back passes any filter of flags.
_LEFT = """SELECT DISTINCT iin, entry_id FROM (
    SELECT iin, entry_id, leg, revision, at_ms, received_ms, day,
        max(day) OVER before AS last_day, count() OVER before AS known
    FROM (
        SELECT * REPLACE (abs(amount_tiyn) AS amount_tiyn, if(leg < 0, -1, flags) AS flags),
            toUnixTimestamp64Milli(received_at) AS received_ms,
            intDiv(received_ms + {begins_ms}, {day_ms}) AS day
        FROM (SELECT {read}, received_at FROM ledger FINAL WHERE iin IN ({owners}))
    ) WHERE {passes}
    WINDOW before AS (
        PARTITION BY iin, entry_id ORDER BY ledger_offset ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING
    )
)
WHERE (leg < 0 OR revision > 1) AND at_ms <= received_ms - {late_ms} AND (known = 0 OR day - last_day > {days_max})"""
_EVIDENCE = "arrayMap(one -> (one.1, one.2, one.3, toUnixTimestamp64Milli(one.4), one.5, one.6, one.7), {})"
_TOLD = """CREATE TEMPORARY TABLE told
(
    place UInt32, owner String, bucket String,
    judged Array(Tuple(UInt8, String, Nullable(Int64), Int64, String)),
    evidence Array(Tuple(String, Int32, Int32, Int64, Int64, Int32, Int64)), iins Array(String)
)"""
_TELL = "INSERT INTO told SELECT {place}, {owner}, bucket, judged, {evidence}, evidence_iins FROM ({found})"
_WITH_VERSIONS = """SELECT place, owner, bucket, judged, evidence, iins, reference_version
FROM told LEFT JOIN (
    SELECT ledger_partition, ledger_offset, reference_version FROM ledger
    WHERE iin IN (SELECT iins[-1] FROM told)
        AND (ledger_partition, ledger_offset) IN (SELECT evidence[-1].6, evidence[-1].7 FROM told)
    LIMIT 1 BY ledger_partition, ledger_offset
) AS posting ON posting.ledger_partition = evidence[-1].6 AND posting.ledger_offset = evidence[-1].7"""
_SAID = """SELECT any(rule_id), any(rule_version), any(ifNull(instrument_hash, iin)), any(bucket), max(revision),
    argMax(status, revision), {evidence},
    toUnixTimestamp64Milli(argMax(occurred_at, revision)), argMax(reference_version, revision), any(alert_partition)
FROM alerts
WHERE (rule_id, rule_version) IN ({rules}) AND if(isNull(instrument_hash), ('person', iin),
    ('instrument', assumeNotNull(instrument_hash))) IN (SELECT subject, owner FROM chosen)
GROUP BY alert_id"""


class Session(Protocol):
    """A session of the store."""

    def run(self, statement: str, /) -> Sequence[Sequence[Any]]:
        """Do a statement; return its rows."""

    def tell(self, step: Step, /) -> None:
        """Take note of what is about to be done."""


class Clock(NamedTuple):
    """The latest received_at of the stage's partitions: of the one that is behind all others, and of the first."""

    first_ms: int
    last_ms: int


def clock_of(run: Run, read_to: Mapping[int, int]) -> Clock | None:
    """Return how far the stage is that has read the ledger's partitions up to these offsets; None: it has read none."""
    read = " OR ".join(f"(ledger_partition = {number} AND ledger_offset < {end})" for number, end in read_to.items())
    rows = run(
        "SELECT toUnixTimestamp64Milli(max(received_at)) FROM ledger"  # noqa: S608 - numbers
        f" WHERE {read or '0'} GROUP BY ledger_partition"
    )
    clocks = [int(clock_ms) for (clock_ms,) in rows]
    return Clock(min(clocks), max(clocks)) if clocks else None


def settled_news(
    sessions: Callable[[], AbstractContextManager[Session]],
    rules: RuleSet,
    clock: Clock,
    before_ms: int | None,
    piece_rows: int = PIECE_ROWS,
) -> list[News]:
    """Return what is to be said. before_ms: the clock up to which the run before has settled; None: there was none.

    sessions: gives one of its own each time.
    """
    raised = [rule for rule in rules.rules if rule.raised]
    nightly = [rule for rule in raised if rule.engine == "nightly"]
    late_ms = clock.last_ms - LATE_MS
    news = []
    for chosen, sign in ((raised, "<"), (nightly, ">=")):
        if not chosen:
            continue
        with sessions() as session:
            low_ms = _choose(session.run, chosen, _since(chosen, before_ms), f"{sign} {late_ms}")
            if low_ms is not None:
                news += _news(session, _sought(session.run, rules, chosen, clock, low_ms), piece_rows)
    return news


def kept_from_ms(run: Run) -> int | None:
    """Return from when on the ledger holds all that ever came; None: nothing was removed."""
    return next((int(kept_ms) for kept_ms, _ in run(_KEPT_FROM)), None)


def _since(rules: Sequence[Rule], before_ms: int | None) -> str:
    """Return which postings count as new: those, too, that came when what they may change was not yet looked at."""
    if before_ms is None:
        return ""
    return _SINCE.format(ms=before_ms - BEHIND_MS - max(rule.waits for rule in rules))


def _choose(run: Run, rules: Sequence[Rule], since: str, when: str) -> int | None:
    """Fill the table `chosen`; return when the earliest new posting of them occurred, None where there is none."""
    subjects = ", ".join(f"'{subject}'" for subject in sorted({rule.subject for rule in rules}))
    sign, late_ms = when.split()
    run(_CHOSEN)
    run(_CHOOSE.format(since=since, subjects=subjects, sign=sign, late_ms=late_ms))
    ((count, low_ms),) = run("SELECT count(), min(first_ms) FROM chosen")
    return int(low_ms) if count else None


def _sought(run: Run, rules: RuleSet, chosen: Sequence[Rule], clock: Clock, low_ms: int) -> list[Sought]:
    """Return what is looked for from an instant on, as far as the ledger holds all that a rule looks at."""
    kept_ms = kept_from_ms(run)
    sought = []
    for rule in chosen:
        first_ms, end_ms = whole_buckets(rule, low_ms), _end_ms(rule, clock)
        if kept_ms is not None:
            longest_ms = max((feature.window for feature in rules.features_of(rule)), default=0)
            first_ms = max(first_ms or 0, _next_bucket(rule, kept_ms + longest_ms))
        if first_ms is None or first_ms < end_ms:
            sought.append(Sought(rules, rule, first_ms, end_ms))
    return sought


def _end_ms(rule: Rule, clock: Clock) -> int:
    """Return before which instant a rule's events lie that the run decides on."""
    if rule.engine == "nightly":
        return clock.first_ms - rule.waits
    if rule.calendar is None:
        return clock.first_ms
    behind_ms = 0 if rule.subject == "person" else BEHIND_MS
    closed_ms = clock.first_ms - rule.lateness_ms - behind_ms  # A bucket that began then is closed.
    return bucket_of(rule.calendar, closed_ms).span.end_ms


def _next_bucket(rule: Rule, at_ms: int) -> int:
    """Return where the first bucket begins that does not begin before an instant."""
    if rule.calendar is None:
        return at_ms
    span = bucket_of(rule.calendar, at_ms).span
    return span.start_ms if span.start_ms == at_ms else span.end_ms


def _news(session: Session, sought: Sequence[Sought], piece_rows: int) -> list[News]:
    """Return what is to be said of what is sought, about those in `chosen`."""
    if not sought:
        return []
    run = session.run
    search(run, sought, session.tell, piece_rows, only="chosen")
    run(_TOLD)
    for (place,) in run("SELECT DISTINCT place FROM found ORDER BY place"):
        one = sought[int(place)]
        only = f"SELECT owner FROM found WHERE place = {place}"  # noqa: S608 - a number
        found = rule_sql(one.rules, one.rule, one.first_ms, one.end_ms, only)
        evidence = _EVIDENCE.format("evidence")
        run(_TELL.format(place=place, owner=one.rule.own_field, evidence=evidence, found=found))
    left = _left(run, [one.rule for one in sought if one.rule.calendar is None])
    found_ = [one for one in _found(run, sought) if one.rule.calendar or (one.owner, one.bucket) in left]
    return news_of(found_, [one for one in _said(run, sought) if one.rule.calendar or (one.owner, one.bucket) in left])


def _found(run: Run, sought: Sequence[Sought]) -> Iterator[Finding]:
    for place, owner, bucket, judged, evidence, iins, version in run(_WITH_VERSIONS):
        values = tuple(Value(bool(holds), *rest) for holds, *rest in judged)
        proofs = tuple(Proof(*one) for one in evidence)
        yield Finding(sought[int(place)].rule, owner, bucket, values, proofs, tuple(iins), int(version))


def _said(run: Run, sought: Sequence[Sought]) -> Iterator[Said]:
    """Yield what was last said of each alert about those chosen whose bucket lies in what is sought."""
    by_rule = {(one.rule.rule_id, one.rule.version): one for one in sought}
    rules = ", ".join(f"('{rule_id}', {version})" for rule_id, version in by_rule)
    for rule_id, version, owner, bucket, revision, status, evidence, at_ms, reference, partition in run(
        _SAID.format(rules=rules, evidence=_EVIDENCE.format("argMax(evidence, revision)"))
    ):
        one = by_rule[rule_id, int(version)]
        begins_ms = int(at_ms) if one.rule.calendar is None else start_ms_of(bucket)
        if (one.first_ms is None or begins_ms >= one.first_ms) and begins_ms < (one.end_ms or 0):
            proofs = tuple(Proof(*part) for part in evidence)
            yield Said(
                one.rule, owner, bucket, int(revision), status, proofs, int(at_ms), int(reference), int(partition)
            )


def _left(run: Run, rules: Sequence[Rule]) -> set[tuple[str, str]]:
    """Return the entries, each of its person, that the stage has left to the run."""
    if not rules:
        return set()
    passes = " OR ".join(f"({passes_sql(rule.event)} AND at_ms >= {rule.since_ms})" for rule in rules)
    left = _LEFT.format(
        read=READ,
        owners=owners_of("chosen", "person"),
        passes=passes,
        begins_ms=_CLOCK_BEGINS_MS,
        day_ms=DAY_MS,
        late_ms=LATENESS_MS,
        days_max=ENTRY_DAYS_MAX,
    )
    return {(iin, entry_id) for iin, entry_id in run(left)}
