"""Print the matrix role × forbidden thing, and what the audit log costs an insert: `make roles`.

Reads     nothing; runs servers of its own in a temporary directory
Returns   exit code 1 if anything was let through, or is not in the audit log
"""

from __future__ import annotations

import statistics
import sys
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

from esep.cli.output import out, print_table
from esep.embedded.clickhouse import ClickHouseServer
from esep.hash_chain import faults
from esep.settings import Settings
from esep.sinks.clickhouse.client import connect
from tests.roles.forbidden import GUARDED
from tests.roles.matrix import ALLOWED, matrix
from tests.support.role_books import role_books
from tests.support.services import passing

if TYPE_CHECKING:
    from clickhouse_connect.driver.client import Client

    from tests.roles.matrix import Cell

INSERTS, ROWS = 200, 2_000


def main() -> None:
    """Try everything, then measure."""
    with tempfile.TemporaryDirectory(prefix="esep-roles-") as folder:
        with role_books(Path(folder)) as books:
            cells = matrix(books)
            log = books.server.audit_dir / "audit.jsonl"
            broken, size = faults(log), log.stat().st_size
            count = len(books.audited())
        things = list(dict.fromkeys(cell.thing for cell in cells))
        by_place = {(cell.thing, cell.role): cell for cell in cells}
        rows = [(thing, *(_said(by_place[thing, role]) for role in GUARDED)) for thing in things]
        print_table("tried, all refused and in the audit log unless said otherwise", ("thing", *GUARDED), rows)
        out.print(f"audit log: {count} lines, {size} bytes, {'NOT whole' if broken else 'whole'}", highlight=False)
        _measure(Path(folder))
    sys.exit(int(bool(broken) or any(cell.through or cell.tried != cell.logged for cell in cells)))


def _said(cell: Cell) -> str:
    if cell.outcome == ALLOWED:
        return "its work"
    return f"{cell.tried}" if not cell.through and cell.tried == cell.logged else f"{cell.outcome} {cell.through}"


def _measure(folder: Path) -> None:
    """Insert into two servers in turn, one of which keeps an audit log."""
    users = folder / "only-default.json"
    users.write_text('{"default": {}}', encoding="utf-8")
    with ExitStack() as running:
        plain = running.enter_context(passing(ClickHouseServer(folder / "plain")))
        audited = running.enter_context(passing(ClickHouseServer(folder / "audited", users_file=users)))
        clients = [connect(Settings(clickhouse_url=server.url), database="default") for server in (plain, audited)]
        for client in clients:
            client.command("CREATE TABLE bets (a Int64, b String) ENGINE = MergeTree ORDER BY a")
        block = b"".join(b"%d,wager-%d\n" % (row, row) for row in range(ROWS))
        times: list[list[float]] = [[], []]
        for turn in range(2 * INSERTS):
            times[turn % 2].append(_insert(clients[turn % 2], block))
        without, with_log = (statistics.median(one) * 1000 for one in times)
        line = (audited.audit_dir / "audit.jsonl").read_bytes().splitlines()[-1]
    ratio = with_log / without
    out.print(
        f"insert of {ROWS} rows, median of {INSERTS} in turn: {without:.2f} ms without, {with_log:.2f} ms with"
        f" audit log and roles, ratio {ratio:.3f}; {len(line)} bytes of log each",
        highlight=False,
    )


def _insert(client: Client, block: bytes) -> float:
    began = time.perf_counter()
    client.raw_insert("bets", None, block, fmt="CSV")
    return time.perf_counter() - began


if __name__ == "__main__":
    main()
