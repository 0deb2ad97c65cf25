"""What an extract consists of: its tables, their columns, which of them stand on paper.

Reads     nothing
Returns   the columns of `postings` and `sums`; the version that they are
Promises  a column that comes, goes or moves is a new VERSION: a test holds the columns against the one that is written
          down, and the view has the same ones (O114-3; decision 0031; box: sinks/clickhouse)
"""

from __future__ import annotations

import json
from hashlib import sha256

from esep.sinks.clickhouse.reports.forms import TABLES, Column

VERSION = 1
VIEW = "extract_postings"
POSTINGS, SUMS, COVERAGE = "postings", "sums", "coverage"
POSTING_COLUMNS = (
    Column("iin", "text", weight=26),
    Column("occurred_at", "instant", weight=20),
    Column("received_at", "instant"),
    Column("organizer_bin", "text", weight=26),
    Column("organizer_name", "text"),
    Column("site_id", "text"),
    Column("event_type", "code", weight=22),
    Column("kind", "code", weight=20),
    Column("amount_tiyn", "tiyn"),
    Column("won_tiyn", "tiyn"),
    Column("wager_id", "text"),
    Column("odds_milli", "count"),
    Column("channel", "text"),
    Column("funding", "text"),
    Column("payment_method", "code", weight=26),
    Column("payment_provider", "text"),
    Column("instrument_kind", "text"),
    Column("instrument_hash", "text"),
    Column("account_id", "text"),
    Column("payment_id", "text"),
    Column("balance_before_tiyn", "tiyn"),
    Column("balance_after_tiyn", "tiyn"),
    Column("flags", "count"),
    Column("entry_id", "text", weight=60),
    Column("revision", "count", weight=10),
    Column("leg", "count", weight=8),
    Column("row", "count"),
    Column("ledger_partition", "count", weight=10),
    Column("ledger_offset", "count", weight=16),
)
ON_PAPER = (  # An A4 page across holds these; all are in the other files.
    *("iin", "occurred_at", "organizer_bin", "event_type", "kind", "amount_tiyn", "payment_method", "entry_id"),
    *("revision", "leg", "ledger_partition", "ledger_offset"),
)
SUM_COLUMNS = (
    Column("iin", "text"),
    Column("organizer_bin", "text"),
    Column("month", "text", weight=14),
    Column("event_type", "code"),
    Column("kind", "code"),
    Column("postings", "count", weight=18),
    Column("entries", "count", weight=18),
    Column("tiyn", "tiyn"),
)
COLUMNS_OF = {POSTINGS: POSTING_COLUMNS, SUMS: SUM_COLUMNS, COVERAGE: TABLES[COVERAGE].columns}


def columns_sha256() -> str:
    """Return the hash of the names and kinds of the columns, in order: the same version, the same hash."""
    facts = [[column.name, column.kind] for column in (*POSTING_COLUMNS, *SUM_COLUMNS)]
    return sha256(json.dumps(facts).encode()).hexdigest()
