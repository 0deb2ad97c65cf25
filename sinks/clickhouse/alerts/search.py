"""Which alerts rules find in the ledger, all of them over the same settled postings.

Reads     ClickHouse: `person_posting`
Writes    the temporary table `found` of one session: a row for each alert that stands, as `found_sql` tells it
Promises  the alerts of `rule_sql`, for any ledger; of a bucket that the span cuts in two all of it that is before its
          end; memory is that of a piece, and of the postings of whoever has most; tells of each step
          (DESIGN §7; box: sinks/clickhouse)
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, NamedTuple, get_args

from esep.rules import Subject
from esep.sinks.clickhouse.alerts.rule_sql import found_sql
from esep.sinks.clickhouse.alerts.settled import PIECE_ROWS, TABLE, Settled, Sought, whole_buckets

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from clickhouse_connect.driver.client import Client


SESSION_S = 3600
SUBJECTS: tuple[Subject, ...] = get_args(Subject)
_FOUND = """CREATE TEMPORARY TABLE found
(
    place UInt32, rule_id LowCardinality(String), rule_version Int32, owner String, bucket String,
    occurred_at DateTime64(3, 'UTC'), fulfilled_by String,
    observations Array(Tuple(name String, value Int64, threshold Int64, unit String)), persons Array(String)
)"""


class Step(NamedTuple):
    """What is about to be done: of the pieces of a subject, and rule by rule of each."""

    what: str
    piece: int
    pieces: int


def search(
    run: Callable[[str], Sequence[Sequence[object]]],
    sought: Sequence[Sought],
    tell: Callable[[Step], None],
    piece_rows: int = PIECE_ROWS,
    only: str = "",
) -> list[float]:
    """Fill the table `found`, whose `place` is that of the rule in `sought`; return the seconds that each rule took.

    What all share, reading and settling, is shared out evenly. run: does a statement in the session.
    only: a table of the session with the owners that are looked at (see `Settled`).
    """
    settled, taken_s = Settled(run, piece_rows, only), [0.0] * len(sought)
    run(_FOUND)
    for subject in SUBJECTS:
        own = [place for place, one in enumerate(sought) if one.rule.subject == subject]
        if not own:
            continue
        started = time.monotonic()
        tell(Step(f"looking for each {subject}", 0, 0))
        pieces = settled.pieces(subject, [sought[place] for place in own])
        for number, piece in enumerate(pieces, 1):
            tell(Step("reading", number, len(pieces)))
            settled.take(piece)
            shared_s, started = time.monotonic() - started, time.monotonic()
            for place in own:
                tell(Step(sought[place].rule.rule_id, number, len(pieces)))
                run(f"INSERT INTO found SELECT {place}, * FROM ({_alerts(sought[place])})")  # noqa: S608 - our own
                ended = time.monotonic()
                taken_s[place] += ended - started + shared_s / len(own)
                started = ended
    return taken_s


def run_in(client: Client, statement: str, settings: dict[str, object] | None = None) -> Sequence[Sequence[object]]:
    """Do a statement in a client's session, which is kept for an hour after each; return the rows of its answer."""
    kept = {"session_timeout": SESSION_S, **(settings or {})}
    if statement.startswith(("SELECT", "WITH")):
        return client.query(statement, settings=kept).result_rows
    client.command(statement, settings=kept)
    return ()


def _alerts(one: Sought) -> str:
    """Return a statement: the alerts of all buckets that reach into the span."""
    return found_sql(one.rules, one.rule, TABLE, whole_buckets(one.rule, one.first_ms), one.end_ms)
