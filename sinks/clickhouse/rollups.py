"""Roll-ups of the ledger: do they say what the ledger says, and to add them up anew where they do not.

Reads     the table `ledger`, the roll-ups' tables (migrations 0008, 0017), the definitions of the views that feed them
Writes    by `rebuild` whole partitions of the roll-ups: a month, or of postings by person a year
Promises  ledger and roll-ups are compared by month, in all counts and sums; what a loader adds meanwhile is no
          difference; a partition is replaced at once: a reader sees the old rows or the new (box: sinks/clickhouse)

A roll-up can differ although tokens are kept: rows of one identity were merged in the ledger, rows were deleted there,
or the server was killed between a block's part in the ledger and its part here (DESIGN §5, §6).
"""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING, NamedTuple
from uuid import uuid4

from esep.sinks.clickhouse.tables import LEDGER_TABLE

if TYPE_CHECKING:
    from clickhouse_connect.driver.client import Client

ROLLUPS = LEDGER_TABLE.rollups
HISTORY = "person_posting"  # Not summed up: the postings themselves, by person and time; by years.
KINDS = ("wager", "winning", "refund", "cash_out", "deposit", "withdrawal")


class Month(NamedTuple):
    """One month (yyyymm, UTC) of a roll-up."""

    rollup: str
    month: int

    @property
    def partition(self) -> int:
        """The partition that it is in: itself, or its year."""
        return self.month // 100 if self.rollup == HISTORY else self.month


class Sums(NamedTuple):
    """What a month comes to. by_kind: Σ of legs and Σ of signed amounts, for each of `KINDS`."""

    postings: int
    by_kind: tuple[tuple[int, int], ...]

    def __str__(self) -> str:
        parts = [f"{kind} {count:,} of {tiyn:,} tiyn" for kind, (count, tiyn) in zip(KINDS, self.by_kind, strict=True)]
        return f"{self.postings:,} postings: {', '.join(parts)}"


NOTHING = Sums(0, ((0, 0),) * len(KINDS))


def differences(client: Client) -> dict[Month, str]:
    """Return what each month of a roll-up lacks, or has too much, in words; nothing if all are right.

    Only what two looks have in common counts: a block that a loader is inserting is in one look at most.
    """
    first = _excesses(client)
    both = dict(first.items() & _excesses(client).items()) if first else {}
    return {
        place: f"roll-up {place.rollup}, month {place.month}, less the ledger: {both[place]}" for place in sorted(both)
    }


def rebuild(client: Client) -> list[Month]:
    """Add up anew each month of a roll-up that differs from the ledger; return which.

    No loader may run meanwhile: what it adds between adding up and replacing would be missing. Repeated rows of the
    ledger that are not merged yet count once.
    """
    wrong = list(differences(client))  # By name, so that person_day is right before person_month is made of it.
    for place in {(one.rollup, one.partition): one for one in wrong}.values():
        replace(client, place)
    return wrong


def replace(client: Client, place: Month) -> None:
    """Add up one month anew, with all of its partition: fill a table of the same structure, exchange the partition."""
    fresh, feed = f"{place.rollup}_fresh", f"{place.rollup}_feed"
    definition = client.query(
        "SELECT as_select FROM system.tables WHERE database = currentDatabase() AND name = {feed:String}",
        parameters={"feed": feed},
    ).result_rows[0][0]
    # With the partition its tokens go: a loader that took over a noted range would have its rows added once more
    # (`Store.layout`). Said first, for a stop in between does no harm then.
    client.command(f"ALTER TABLE {place.rollup} MODIFY COMMENT 'added up anew: {uuid4()}'")
    client.command(f"CREATE OR REPLACE TABLE {fresh} AS {place.rollup}")
    key = "toYear(occurred_at)" if place.rollup == HISTORY else "month"
    client.command(
        f"INSERT INTO {fresh} SELECT * FROM ({definition}) WHERE {key} = {place.partition}"  # noqa: S608 - a view's own text
        # A posting's identity names its day, and so its month: nothing of two months is ever merged.
        " SETTINGS final = 1, do_not_merge_across_partitions_select_final = 1, optimize_aggregation_in_order = 1"
    )
    has_rows = bool(client.command(f"SELECT count() FROM {fresh}"))  # noqa: S608 - names from ROLLUPS
    change = f"REPLACE PARTITION {place.partition} FROM {fresh}" if has_rows else f"DROP PARTITION {place.partition}"
    client.command(f"ALTER TABLE {place.rollup} {change}")
    client.command(f"DROP TABLE IF EXISTS {fresh}")


def _excesses(client: Client) -> dict[Month, Sums]:
    """Return roll-up less ledger, for each month in which they are not equal."""
    ledger = _added_up(client, LEDGER_TABLE.name)
    found = {}
    for rollup in ROLLUPS:
        rolled = _added_up(client, rollup) if rollup == HISTORY else _rolled(client, rollup)
        for month in ledger.keys() | rolled.keys():
            have, want = rolled.get(month, NOTHING), ledger.get(month, NOTHING)
            if have != want:
                found[Month(rollup, month)] = _less(have, want)
    return found


def _less(one: Sums, other: Sums) -> Sums:
    pairs = zip(one.by_kind, other.by_kind, strict=True)
    return Sums(one.postings - other.postings, tuple((a - c, b - d) for (a, b), (c, d) in pairs))


def _added_up(client: Client, table: str) -> dict[int, Sums]:
    """Return what the postings of a table come to."""
    rows = client.query(
        "SELECT toYYYYMM(occurred_at) AS month, lower(if(event_type = 'PAYOUT', kind, event_type)) AS what,"  # noqa: S608
        f" count(), sum(leg), sum(amount_tiyn) FROM {table} GROUP BY month, what"
    ).result_rows
    months: defaultdict[int, dict[str, tuple[int, int, int]]] = defaultdict(dict)
    for month, what, *sums in rows:
        months[int(month)][what] = (int(sums[0]), int(sums[1]), int(sums[2]))
    return {
        month: Sums(sum(one[0] for one in kinds.values()), tuple(kinds.get(kind, (0, 0, 0))[1:] for kind in KINDS))
        for month, kinds in months.items()
    }


def _rolled(client: Client, rollup: str) -> dict[int, Sums]:
    sums = ", ".join(f"sum({kind}_count), sum({kind}_tiyn)" for kind in KINDS)
    rows = client.query(f"SELECT month, sum(posting_count), {sums} FROM {rollup} GROUP BY month").result_rows  # noqa: S608
    return {int(row[0]): Sums(int(row[1]), tuple(zip(row[2::2], row[3::2], strict=True))) for row in rows}
