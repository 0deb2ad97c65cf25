"""What is in force of a stretch of the ledger, settled once for many rules, in pieces that fit into memory.

Reads     ClickHouse: `person_posting`
Writes    temporary tables of one session, which nobody else sees and which end with it
Promises  a piece holds all postings of the owners that it holds; what came twice counts once, what was taken back
          does not; no statement names a person or a means of payment (DESIGN §7; box: sinks/clickhouse)

An owner is the person, or the means of payment, that a rule is about. Persons come in the order of the table, a piece
being what lies between two of them. No table is in the order of means of payment, so the postings of those that can
reach some rule, of which there are few, are first put into one, on disk.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from esep.buckets import bucket_of
from esep.sinks.clickhouse.alerts.reach_sql import owners_sql
from esep.sinks.clickhouse.alerts.rule_sql import in_force_sql, span_of

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from esep.rules import Rule, RuleSet, Subject

PIECE_ROWS = 1_000_000  # About 200 MB in memory, and as much again while the windows of a rule are worked out.
TABLE = "settled"
_TABLES = f"""
CREATE TEMPORARY TABLE pieces (number UInt32, first String, last String, postings UInt64);
CREATE TEMPORARY TABLE owners (owner String, number UInt32);
CREATE TEMPORARY TABLE linked
(
    number UInt32, iin String, entry_id String, revision Int32, leg Int32, occurred_at DateTime64(3, 'UTC'),
    amount_tiyn Int64, event_type LowCardinality(String), kind LowCardinality(Nullable(String)),
    organizer_bin LowCardinality(String), wager_id String, instrument_hash Nullable(String),
    odds_milli Nullable(Int32), flags Int64, market String, outcome String, ledger_partition Int32, ledger_offset Int64
)
ENGINE = MergeTree ORDER BY number;
CREATE TEMPORARY TABLE {TABLE}
(
    iin String, entry_id String, revision Int32, at DateTime64(3, 'UTC'), at_ms Int64, amount_tiyn Int64,
    what LowCardinality(String), organizer_bin LowCardinality(String), wager_id String,
    instrument_hash Nullable(String), odds Int32, flags Int64, market String, outcome String
)"""
_COLUMNS = (
    "iin, entry_id, revision, at, at_ms, amount_tiyn, what, organizer_bin, wager_id, instrument_hash, odds, flags,"
    " market, outcome"
)
_PIECES_OF_PERSONS = """INSERT INTO pieces SELECT number, min(iin), max(iin), sum(postings) FROM (
    SELECT iin, count() AS postings,
        intDiv(sum(postings) OVER (ORDER BY iin ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW) - 1, {size}) AS number
    FROM person_posting WHERE {spans} GROUP BY iin
) GROUP BY number"""
_OWNERS = """INSERT INTO owners SELECT owner,
    intDiv(sum(postings) OVER (ORDER BY owner ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW) - 1, {size})
FROM (
    SELECT assumeNotNull(instrument_hash) AS owner, count() AS postings
    FROM person_posting WHERE {spans} AND instrument_hash IN ({near}) GROUP BY owner
)"""
_LINKED = """INSERT INTO linked
SELECT owners.number, iin, entry_id, revision, leg, occurred_at, amount_tiyn, event_type, kind, organizer_bin, wager_id,
    instrument_hash, odds_milli, flags, market, outcome, ledger_partition, ledger_offset
FROM person_posting INNER JOIN owners ON assumeNotNull(instrument_hash) = owner
WHERE {spans} AND isNotNull(instrument_hash)"""
_OF_PERSONS = """ AND {spans} AND iin >= (SELECT first FROM pieces WHERE number = {number})
    AND iin <= (SELECT last FROM pieces WHERE number = {number})"""


class Sought(NamedTuple):
    """A rule that is looked for, of these rules. first_ms, end_ms: what fulfils it occurs from and before, UTC."""

    rules: RuleSet
    rule: Rule
    first_ms: int | None
    end_ms: int | None


class Settled:
    """The settled postings of one session. run: does a statement in it, and returns the rows of its answer.

    only: a table of the session with the owners (columns subject, owner) that are looked at; none: all.
    """

    def __init__(
        self, run: Callable[[str], Sequence[Sequence[object]]], piece_rows: int = PIECE_ROWS, only: str = ""
    ) -> None:
        self._run = run
        self._only = only
        self._piece_rows = piece_rows
        self._spans = self._owner = ""
        for statement in _TABLES.split(";"):
            run(statement)

    def pieces(self, subject: Subject, sought: Sequence[Sought]) -> list[int]:
        """Return the pieces of all that rules about a subject may look at. sought: all of them are about it."""
        self._owner = "iin" if subject == "person" else "instrument_hash"
        self._spans = _spans(sought)
        if self._only:
            self._spans += f" AND {self._owner} IN ({owners_of(self._only, subject)})"
        parts = {"size": self._piece_rows, "spans": self._spans}
        if subject == "person":
            self._run("TRUNCATE TABLE pieces")
            self._run(_PIECES_OF_PERSONS.format(**parts))
            found = self._run("SELECT number FROM pieces ORDER BY number")
        else:
            self._run("TRUNCATE TABLE owners")
            self._run("TRUNCATE TABLE linked")
            near = owners_sql([(one.rules, one.rule) for one in sought], f"leg > 0 AND {self._spans}")
            self._run(_OWNERS.format(**parts, near=near))
            self._run(_LINKED.format(**parts))
            found = self._run("SELECT DISTINCT number FROM owners ORDER BY number")
        return [int(str(number)) for (number,) in found]

    def take(self, piece: int) -> None:
        """Put a piece in place of the one before."""
        if self._owner == "iin":
            owned = _OF_PERSONS.format(number=piece, spans=self._spans)
            looked_at = in_force_sql(self._owner, "person_posting", owned, "")
        else:
            looked_at = in_force_sql(self._owner, "linked", f" AND number = {piece}", "")
        self._run(f"TRUNCATE TABLE {TABLE}")
        self._run(
            f"INSERT INTO {TABLE} WITH {looked_at}\nSELECT {_COLUMNS} FROM looked_at"
            " LIMIT 1 BY iin, at_ms, entry_id, revision"
        )


def owners_of(table: str, subject: Subject) -> str:
    """Return a statement that gives the owners of a subject in a table of owners."""
    return f"SELECT owner FROM {table} WHERE subject = '{subject}'"  # noqa: S608 - our own


def whole_buckets(rule: Rule, first_ms: int | None) -> int | None:
    """Return where the bucket begins in which an instant is: what fulfils a rule first in it may come before."""
    if first_ms is None or rule.calendar is None:
        return first_ms
    return bucket_of(rule.calendar, first_ms).span.start_ms


def _spans(sought: Sequence[Sought]) -> str:
    """Return what bounds the postings that any of the rules looks at."""
    spans = [span_of(one.rules, one.rule, whole_buckets(one.rule, one.first_ms), one.end_ms) for one in sought]
    lows, highs = zip(*spans, strict=True)
    low, high = None if None in lows else min(lows), None if None in highs else max(highs)
    said = [] if low is None else [f"occurred_at >= fromUnixTimestamp64Milli({low}, 'UTC')"]
    said += [] if high is None else [f"occurred_at < fromUnixTimestamp64Milli({high}, 'UTC')"]
    return " AND ".join(said) or "1"
