"""Take what a ClickHouse server says that it was asked into a chained log, before it forgets it.

Reads     system.query_log
Writes    lines of kind SERVER at the end of a chain, and one of kind COLLECTED that says up to when
Promises  each query that had ended is taken once, in the order in which they ended, with user, basis, text, rows,
          duration and outcome, in Almaty's time; one that the server notes later than SETTLED_S after its end is missed
          (clauses J127-7, J127-16, J127-17; box: sinks/clickhouse)

The embedded server writes such a log by itself, as it answers (`embedded/clickhouse/audit.py`).
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

from esep.clock import ALMATY
from esep.hash_chain import lines
from esep.store_roles import BASIS_SETTING

if TYPE_CHECKING:
    from pathlib import Path

    from clickhouse_connect.driver.client import Client

    from esep.hash_chain import Chain

SETTLED_S = 60  # A server writes its query_log every 7.5 s unless it is told otherwise.
_QUERIES = f"""
SELECT toUnixTimestamp64Micro(event_time_microseconds), user, toString(address), {BASIS_SETTING}, query_id,
    query, result_rows, read_rows, written_rows, query_duration_ms, exception_code
FROM system.query_log
WHERE type != 'QueryStart' AND is_initial_query
    AND event_time_microseconds > fromUnixTimestamp64Micro({{after:Int64}})
    AND event_time_microseconds <= fromUnixTimestamp64Micro({{through:Int64}})
ORDER BY event_time_microseconds, query_id
"""  # noqa: S608 - a name of ours
_ZONE = ZoneInfo(ALMATY)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def collect(client: Client, chain: Chain, path: Path, now: datetime, settled_s: float = SETTLED_S) -> int:
    """Take the queries that ended since the last time; return how many. path: of the chain; now: UTC."""
    after = max((int(line["through_us"]) for line in lines(path) if line.get("kind") == "COLLECTED"), default=0)
    through = (now - timedelta(seconds=settled_s) - _EPOCH) // timedelta(microseconds=1)
    count = 0
    with client.query_rows_stream(_QUERIES, parameters={"after": after, "through": through}) as rows:
        for at_us, user, peer, basis, query_id, text, result, read, written, ms, code in rows:
            at = (_EPOCH + timedelta(microseconds=at_us)).astimezone(_ZONE).isoformat(timespec="milliseconds")
            who = {"at": at, "kind": "SERVER", "user": user, "peer": peer, "basis": basis}
            what = {"query_id": query_id, "text": text, "rows": result, "read_rows": read, "written_rows": written}
            chain.append({**who, **what, "ms": float(ms), "code": code})
            count += 1
    at = now.astimezone(_ZONE).isoformat(timespec="milliseconds")
    chain.append({"at": at, "kind": "COLLECTED", "through_us": through, "queries": count})
    return count
