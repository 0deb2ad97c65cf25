"""Months go whole, with their balances: killed between any two steps, beside holds and late rows, totals stay right."""

from __future__ import annotations

import re
from collections import defaultdict
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

import polars as pl
import pytest

from esep.errors import BooksUnbalanced, UsageError
from esep.lineage import TopicPartition
from esep.sinks.clickhouse.booked import booked, rows_there
from esep.sinks.clickhouse.retention import holds, log
from esep.sinks.clickhouse.retention.holds import Noted, Scope
from esep.sinks.clickhouse.retention.removing import Remover
from esep.sinks.clickhouse.retention.terms import Place, Verdict
from esep.sinks.clickhouse.rollups import ROLLUPS, differences
from esep.sinks.clickhouse.tables import LEDGER_TABLE
from esep.topics import LEDGER
from tests.sinks.clickhouse.retention.books import INSTANTS, NOW, database, fill, ledger, load, months
from tests.sinks.line import BINS, IINS

if TYPE_CHECKING:
    from clickhouse_connect.driver.client import Client

    from esep.embedded.clickhouse import ClickHouseServer
    from esep.settings import Settings

pytestmark = pytest.mark.clickhouse
ALMATY = ZoneInfo("Asia/Almaty")
MARCH, NOVEMBER, DECEMBER = 202003, 202011, 202012
LATE = 4  # Postings of March that come after it was closed or removed.


class Killed(BaseException):
    """As SIGKILL: no code of ours runs any more."""


def remover(client: Client, kill_at: set[str] | None = None, now: datetime = NOW) -> Remover:
    """Give one that is killed after the first of these steps, which is then taken out of them."""

    def on_step(step: str) -> None:
        if kill_at and step in kill_at:
            kill_at.remove(step)
            raise Killed

    return Remover(client, lambda: None, now, on_step)


def books(rows: list[dict[str, Any]]) -> dict[tuple[str, str, int], tuple[Any, ...]]:
    """Return person_totals as they are to be, added up row by row."""
    sums: defaultdict[tuple[str, str, int], list[Any]] = defaultdict(
        lambda: [0, 0, 0, 0, datetime.min.replace(tzinfo=UTC)]
    )
    for row in rows:
        place = 0 if row["event_type"] == "WAGER" else 2
        for bin_ in ("", row["organizer_bin"]):
            for year in (0, row["occurred_at"].astimezone(ALMATY).year):
                one = sums[row["iin"], bin_, year]
                one[place] += row["leg"]
                one[place + 1] += row["amount_tiyn"]
                one[4] = max(one[4], row["occurred_at"])
    return {key: tuple(one) for key, one in sums.items()}


def told(client: Client) -> dict[tuple[str, str, int], tuple[Any, ...]]:
    """Return person_totals as the view has them."""
    columns = "iin, organizer_bin, year, wager_count, wager_tiyn, winning_count, winning_tiyn, last_occurred_at"
    rows = client.query(f"SELECT {columns} FROM person_totals").result_rows
    return {(iin, bin_, year): (*sums[:4], sums[4].astimezone(UTC)) for iin, bin_, year, *sums in rows}


def late(own: Settings, rows: list[dict[str, Any]]) -> None:
    """Load some postings of March, which were accepted before the year was over, or take back what was booked."""
    first = 81 + sum(row["stream_id"] == "desk-0" and row["row"] > 80 for row in rows)
    frame = ledger(LATE, partition=0, first_row=first, instants=INSTANTS[:1])
    load(own, TopicPartition(LEDGER, 0), frame, 1_000 + first)
    rows += frame.to_dicts()


@pytest.mark.long
def test_killed_after_any_step_totals_are_right_at_once_and_the_next_run_goes_on(clickhouse: ClickHouseServer) -> None:
    """O9-4.7, O9-4.6: to the tiyn, whatever comes late between two runs."""
    with database(clickhouse, "removing") as (own, client):
        fill(own)
        rows = [row for partition in (0, 1) for row in ledger(80, partition=partition).to_dicts()]
        before = months(client, "ledger")
        assert told(client) == books(rows)
        to_come = {"begun", "written", "closed", "reopened", "dropped", "rolled up", "removed"}
        while to_come:
            left = set(to_come)
            with pytest.raises(Killed):
                remover(client, to_come).run()
            (step,) = left - to_come
            assert told(client) == books(rows), step
            if step in {"closed", "dropped"}:
                late(own, rows)
                assert told(client) == books(rows), "what came late counts beside what is closed"
        done = remover(client).run()
        assert {entry.state for entry in done} == {"REMOVED"}
        assert told(client) == books(rows)
        assert differences(client) == {}
        assert months(client, "ledger") == {month: count for month, count in before.items() if month >= DECEMBER}
        assert MARCH not in {*months(client, "rejected"), *months(client, "receipts")}
        _proved_from_balances(client, rows)
        _one_person_is_read_alone(client)
        count = client.query("SELECT count() FROM retention_log").result_rows
        assert remover(client).run() == []
        assert client.query("SELECT count() FROM retention_log").result_rows == count, "a run that has nothing to do"
        assert {entry.state for entry in log.entries(client)} == {"BEGUN", "CLOSED", "REOPENED", "REMOVED"}
        of_march = [one for one in log.removals(client) if one.place == Place("ledger", MARCH)]
        assert [(one.number, one.rows) for one in of_march] == [(1, before[MARCH] + LATE), (2, LATE)]
        _held_while_a_hold_is_in_force(own, client, rows)
        _refused(own, client)


def _proved_from_balances(client: Client, rows: list[dict[str, Any]]) -> None:
    """What the state of totals is compared with: of each partition of the topic, as many rows, and the same cells."""
    for partition in (0, 1):
        of_it = [row for row in rows if row["cause_partition"] == partition]
        last = max(row["row"] for row in of_it)
        assert rows_there(client, partition, last) == len(of_it)
        cells = {
            (row["iin"], f"{row['bin']:012d}", row["year"]): (
                *(row[f"{kind}_{unit}"] for kind in ("wager", "winning") for unit in ("count", "tiyn")),
            )
            for row in booked(client, partition, last).rows(named=True)
        }
        assert cells == {key: sums[:4] for key, sums in books(of_it).items() if key[1] and key[2]}


def _one_person_is_read_alone(client: Client) -> None:
    """Whatever else is asked for, a condition on iin is one on the order of the ledger and of the balances."""
    question = f"SELECT * FROM person_totals WHERE iin = '{IINS[0]}' AND organizer_bin = '' AND year = 0"
    steps = "\n".join(row[0] for row in client.query(f"EXPLAIN indexes = 1 {question}").result_rows)
    for table in ("ledger", "closing_balances"):
        (reading,) = re.findall(rf"ReadFromMergeTree \(\w+\.{table}\)(.*?)(?=ReadFrom|$)", steps, re.DOTALL)
        assert f"(iin in ['{IINS[0]}', '{IINS[0]}'])" in reading, steps


def _held_while_a_hold_is_in_force(own: Settings, client: Client, rows: list[dict[str, Any]]) -> None:
    """O9-4.7: never under a legal hold, even if it comes between two steps."""
    noted, kept = Noted(NOW, "7-114/26", "court order", "a.serikova"), months(client, "ledger")
    frame = ledger(40, partition=0, first_row=200, instants=INSTANTS[:1])
    frame = frame.with_columns(iin=pl.lit(IINS[0]), organizer_bin=pl.lit(BINS[0]))
    load(own, TopicPartition(LEDGER, 0), frame, 2_000)
    rows += frame.to_dicts()
    of_other = holds.add(client, Scope(iin=IINS[3]), noted)
    decision = remover(client).decisions()[0]
    assert decision.verdict is Verdict.GOES, "a hold of another person keeps nothing here"
    with pytest.raises(Killed):
        remover(client, {"closed"}).run()
    hold = holds.add(client, Scope(iin=IINS[0]), noted)
    (entry,) = remover(client).run()
    assert (entry.state, entry.reason) == ("REOPENED", f"held by {hold.hold_id} (case 7-114/26: 40 rows)")
    assert (months(client, "ledger"), told(client)) == ({MARCH: 40, **kept}, books(rows))
    assert remover(client).run() == []
    assert remover(client).decisions()[0].verdict is Verdict.HELD
    holds.release(client, hold.hold_id, noted._replace(noted_at=NOW + timedelta(seconds=1)))
    assert [entry.state for entry in remover(client).run()] == ["REMOVED"]
    assert (months(client, "ledger"), told(client)) == (kept, books(rows))
    assert all(months(client, rollup) == kept for rollup in ROLLUPS)
    assert [hold.hold_id for hold in holds.in_force(client)] == [of_other.hold_id]


def _refused(own: Settings, client: Client) -> None:
    """Nothing goes beside a loader, nor where a row is there twice, nor before its time."""

    def loading() -> None:
        raise UsageError("a loader is there")

    kept = months(client, "ledger")
    frame, source = ledger(5, partition=0, first_row=300, instants=INSTANTS[:1]), TopicPartition(LEDGER, 0)
    load(own, source, frame, 3_000)
    with pytest.raises(UsageError, match="a loader is there"):
        Remover(client, loading, NOW).run()
    assert remover(client, now=datetime(2025, 12, 31, 18, 59, tzinfo=UTC)).run() == []
    client.command(f"SYSTEM STOP MERGES {LEDGER_TABLE.name}")
    load(own, source, frame, 3_000, layout=9)
    with pytest.raises(BooksUnbalanced, match="ledger 202003 cannot be closed"):
        remover(client).run()
    assert months(client, "ledger") == {MARCH: 10, **kept}
