"""`python -m bench.store [ROWS …]`: how fast the analysts' views answer, and what a posting takes on disk.

Reads     nothing: it makes its ClickHouse and its postings
Writes    for each number of rows, on stdout: a table of the questions, the plan of each, bytes on disk by column; then
          bytes on disk of a simulation that went through the stages
Promises  what an analyst would wait for: the documented views, over HTTP, from sending to the last byte, and beside it
          the server's processor time; parts merged as the server has merged them by itself, those of the simulation
          wholly (`make bench-store`)
"""

from __future__ import annotations

import re
import sys
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from bench.simulated import load_simulation
from bench.store_rows import YEAR, fill
from esep.cli.output import out, print_table
from esep.embedded.clickhouse import ClickHouseServer
from esep.producers.simulate.plan import Plan
from esep.producers.simulate.register import made_up_register
from esep.settings import Settings
from esep.sinks.clickhouse.client import LONG_S_MAX, connect
from esep.sinks.clickhouse.migrate import migrate
from esep.sinks.clickhouse.rollups import HISTORY, ROLLUPS, differences
from esep.sinks.clickhouse.tables import LEDGER_TABLE

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from clickhouse_connect.driver.client import Client

ROWS = (1_000_000, 10_000_000)
TIMES = 100  # So that the slowest but one is the 99th percentile.
TOTALS_ROWS_MAX = 1_000_000  # Running totals take as long to make as all else; for bytes on disk a million rows do.
SETTLED_S_MAX = 1_800.0
RANDOM = ("body_sha256", "wager_id", "payment_id", "instrument_hash", "device_id", "account_id")  # No codec helps.
TOTALS = ("own_year", "others_year", "other_years")
_WORDY = re.compile(
    r"[ │└├─]*(Output|Aggregates|Skip merging|Filter column|Filter \(|(Prefix|Result) sort|Condition: true)\b"
)
SIMULATED = 200_000  # Messages.
_UNTIL = datetime(2026, 11, 20, 19, tzinfo=UTC)


class Question(NamedTuple):
    """What is asked, of what; goal: p99 at 100,000,000 postings, ms."""

    name: str
    goal_ms: float | None
    sql: str
    parameters: Callable[[Client], Iterator[dict[str, Any]]]


def main() -> None:
    """Measure with each number of rows that is an argument, by default with `ROWS`."""
    for rows in map(int, sys.argv[1:] or ROWS):
        with tempfile.TemporaryDirectory(prefix="esep-bench-") as folder, ClickHouseServer(Path(folder)) as server:
            _measure(Settings(clickhouse_url=server.url), rows)
    with tempfile.TemporaryDirectory(prefix="esep-bench-") as folder, ClickHouseServer(Path(folder)) as server:
        _simulate(Settings(clickhouse_url=server.url))


def _measure(settings: Settings, rows: int) -> None:
    migrate(settings)
    with connect(settings, answer_s_max=LONG_S_MAX) as client:
        started = time.perf_counter()
        fill(client, rows, has_totals=rows <= TOTALS_ROWS_MAX)
        _settle(client)
        taken_s = time.perf_counter() - started
        assert not differences(client)
        asked = [_ask(client, question) for question in QUESTIONS]
        of_server = _of_server(client)
        columns = ("question", "p50 ms", "p99 ms", "goal", "rows read", "MB read", "rows", "CPU p50 ms", "CPU p99 ms")
        title = f"{rows:,} postings, filled and merged in {taken_s:,.0f} s"
        print_table(title, columns, [(*row, *of_server[str(row[0])]) for row in asked])
        for question in QUESTIONS:
            out.print(f"\n{question.name}\n{_plan(client, question)}", highlight=False, markup=False, soft_wrap=True)
        if rows <= TOTALS_ROWS_MAX:
            _widen(client)
        _print_disk(client, rows)


def _simulate(settings: Settings) -> None:
    """Print what a posting takes that the stages have made of a simulation, all parts merged."""
    migrate(settings)
    plan = Plan(made_up_register(20, 1, _UNTIL), SIMULATED, 1, _UNTIL, duplicates=0.01, corrections=0.01)
    rows = load_simulation(settings, plan)
    with connect(settings, answer_s_max=LONG_S_MAX) as client:
        _widen(client)
        out.print(f"\nA simulation: {rows:,} postings of {SIMULATED:,} messages", highlight=False)
        _print_disk(client, rows)


def _widen(client: Client) -> None:
    """Merge all parts into wide ones, of which one knows what each column takes; those of a history are never wide."""
    for table in (LEDGER_TABLE.name, *ROLLUPS):
        if table != HISTORY:
            client.command(f"ALTER TABLE {table} MODIFY SETTING min_bytes_for_wide_part = 0")
        client.command(f"OPTIMIZE TABLE {table} FINAL SETTINGS optimize_skip_merged_partitions = 0")


def _plan(client: Client, question: Question) -> str:
    """Return how the engine goes about a question: which parts and granules of which table, by which indexes."""
    parameters = next(question.parameters(client))
    lines = client.query(f"EXPLAIN indexes = 1, projections = 1 {question.sql}", parameters=parameters).result_rows
    hidden = {str(value): f"{{{name}}}" for name, value in parameters.items() if name == "iin"}
    text = "\n".join(line for (line,) in lines if line.strip(" │└├─") and not _WORDY.match(line))
    return re.sub("|".join(map(re.escape, hidden)), lambda found: hidden[found[0]], text) if hidden else text


def _settle(client: Client) -> None:
    """Return once the server merges nothing more."""
    give_up_at = time.monotonic() + SETTLED_S_MAX
    while client.command("SELECT count() FROM system.merges") and time.monotonic() < give_up_at:
        time.sleep(1.0)


def _ask(client: Client, question: Question) -> tuple[object, ...]:
    """Return name, p50 and p99 (ms), goal: from sending to the last byte, whatever a client makes of it then."""
    taken = list[float]()
    for parameters in question.parameters(client):
        started = time.perf_counter()
        client.raw_query(question.sql, parameters, settings={"log_comment": question.name}, fmt="Native")
        taken.append((time.perf_counter() - started) * 1e3)
    taken.sort()
    p50, p99 = (taken[int(len(taken) * share)] for share in (0.5, 0.99 - 1e-9))
    goal = f"{question.goal_ms:.0f}" if question.goal_ms else ""
    return question.name, round(p50, 1), round(p99, 1), goal


def _of_server(client: Client) -> dict[str, tuple[object, ...]]:
    """Return per question rows and megabytes read and rows answered, each at most, and processor ms, p50 and p99.

    Processor time is what other work on the machine changes little.
    """
    client.command("SYSTEM FLUSH LOGS")
    rows = client.query(
        "SELECT log_comment, max(read_rows), round(max(read_bytes) / 1e6, 1), max(result_rows),"
        " arrayMap(us -> round(us / 1e3, 1),"
        " quantilesExact(0.5, 0.98999)(ProfileEvents['OSCPUVirtualTimeMicroseconds']))"
        " FROM system.query_log WHERE type = 'QueryFinish' AND log_comment != '' GROUP BY log_comment"
    ).result_rows
    return {name: (*sizes, *taken_ms) for name, *sizes, taken_ms in rows}


def _print_disk(client: Client, rows: int) -> None:
    """Print bytes per posting: of the ledger in three groups, of what is fed from it, and per row of every column.

    By column it is told of wide parts alone: of a compact one nobody knows.
    """
    sizes = client.query(
        "SELECT table, column, sum(column_data_compressed_bytes) / sum(rows) AS size FROM system.parts_columns"
        " WHERE active AND part_type = 'Wide' AND database = currentDatabase() AND table IN {tables:Array(String)}"
        " GROUP BY table, column ORDER BY size DESC",
        parameters={"tables": [LEDGER_TABLE.name, *ROLLUPS]},
    ).result_rows
    groups = {"ledger": 0.0, "ledger, hashes and random ids": 0.0, "ledger, running totals": 0.0}
    for table, column, size in sizes:
        random = "ledger, hashes and random ids" if column in RANDOM else "ledger"
        groups["ledger, running totals" if column in TOTALS else random] += size if table == LEDGER_TABLE.name else 0
    by_group = [(f"{what}, wide parts", round(size, 2), "", "") for what, size in groups.items()]
    parts = {table: _parts(client, table) for table in (LEDGER_TABLE.name, *ROLLUPS)}
    by_table = [(table, round(parts[table][0] / rows, 2), *parts[table][1:]) for table in parts]
    print_table("bytes on disk", ("what", "bytes per posting", "rows", "parts"), [*by_table, *by_group])
    by_column = [(table, column, round(size, 2)) for table, column, size in sizes if size >= 0.01]
    print_table("columns of at least 0.01 bytes per row, wide parts", ("table", "column", "bytes per row"), by_column)


def _parts(client: Client, table: str) -> tuple[int, int, int]:
    size, count, parts = client.query(
        "SELECT sum(bytes_on_disk), sum(rows), count() FROM system.parts"
        " WHERE active AND database = currentDatabase() AND table = {table:String}",
        parameters={"table": table},
    ).result_rows[0]
    return int(size), int(count), int(parts)


def _persons(client: Client) -> Iterator[dict[str, Any]]:
    """Whom the postings name, so that the keenest come as often as they bet."""
    sample = client.query(f"SELECT iin FROM ledger ORDER BY cityHash64(entry_id) LIMIT {TIMES}").result_rows
    return ({"iin": iin} for (iin,) in sample)


def _days(client: Client) -> Iterator[dict[str, Any]]:
    bins = [row[0] for row in client.query("SELECT DISTINCT organizer_bin FROM organizer_day ORDER BY 1").result_rows]
    return ({"bin": bins[n % len(bins)], "day": f"{YEAR}-{n % 12 + 1:02d}-{n % 28 + 1:02d}"} for n in range(TIMES))


def _months(_: Client) -> Iterator[dict[str, Any]]:
    return ({"first": f"{YEAR}-{n % 11 + 1:02d}-01", "end": f"{YEAR}-{n % 11 + 2:02d}-01"} for n in range(TIMES))


def _nothing(_: Client) -> Iterator[dict[str, Any]]:
    return ({} for _ in range(TIMES))


_MONTH = "day >= {first:Date} AND day < {end:Date}"
QUESTIONS = (
    Question("nothing at all (SELECT 1)", None, "SELECT 1", _nothing),
    Question(
        "a person's whole history",
        20,
        "SELECT * FROM person_history WHERE iin = {iin:String} ORDER BY occurred_at",
        _persons,
    ),
    Question(
        "an organizer's day by hour",
        100,
        "SELECT * FROM organizer_hourly WHERE organizer_bin = {bin:String} AND day = {day:Date} ORDER BY hour",
        _days,
    ),
    Question(
        "top 100 persons of a month by net win",
        300,
        "SELECT iin, paid_tiyn - wager_tiyn AS net_win_tiyn FROM person_monthly WHERE first_day = {first:Date}"
        " ORDER BY net_win_tiyn DESC LIMIT 100",
        _months,
    ),
    Question(
        "the same by days",
        None,
        f"SELECT iin, sum(paid_tiyn - wager_tiyn) AS net_win_tiyn FROM person_daily WHERE {_MONTH}"
        " GROUP BY iin ORDER BY net_win_tiyn DESC LIMIT 100",
        _months,
    ),
    Question(
        "persons and sums per organizer and month",
        300,
        "SELECT * FROM organizer_monthly ORDER BY organizer_bin, first_day",
        _nothing,
    ),
    Question(
        "the same of one month",
        None,
        "SELECT * FROM organizer_monthly WHERE first_day = {first:Date} ORDER BY organizer_bin",
        _months,
    ),
    Question(
        "a person's wagers with their payouts",
        None,
        "SELECT * FROM wager_payout WHERE iin = {iin:String}",
        _persons,
    ),
    Question(
        "a person's totals",
        None,
        "SELECT * FROM person_totals WHERE iin = {iin:String}",
        _persons,
    ),
)

if __name__ == "__main__":
    main()
