"""Made-up postings of a year, made inside ClickHouse: as many as wanted, always the same ones.

Reads     nothing
Writes    rows of the table `ledger`, a million per statement, in the order of time
Promises  no person: IINs are twelve digits without a check digit; persons and sums follow heavy-tailed laws; bets come
          in sessions of four, most are paid out, some are corrected; hashes and wager ids are random, as they are
          in reality; the identity of each posting is its own

A hundred postings are 60 wagers, 34 payouts of them, 3 deposits and a withdrawal, and 2 withdrawals more or, every
fifth time, both legs of a correction. The running totals have the shape of running totals (they never fall) and their
width; they are not the sums of these rows, which nothing here asks for.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from clickhouse_connect.driver.client import Client

ORGANIZERS = 20
YEAR = 2025  # A whole year that is over: its partitions are those of twelve months and of no other.
ROWS_PER_INSERT = 1_000_000
POSTINGS_PER_PERSON = 50
_ONE_BLOCK = {  # A statement is one block, and so a part per month: else it is four, all of which have to be merged.
    "max_insert_block_size": ROWS_PER_INSERT,
    "min_insert_block_size_rows": ROWS_PER_INSERT,
    "min_insert_block_size_bytes": 0,
}
_YEAR_MS = 365 * 86_400_000
_SHARES = {"wager": 0.60, "winning": 0.27, "refund": 0.035, "cash_out": 0.035, "deposit": 0.03, "withdrawal": 0.03}


def fill(client: Client, rows: int, *, has_totals: bool, instead: Mapping[str, str] | None = None) -> None:
    """Insert a year of `rows` postings, a multiple of a hundred; has_totals: with made-up running totals, or zeros.

    instead: expressions of columns, in place of those here.
    """
    others = (_totals() if has_totals else {}) | (dict(instead) if instead else {})
    for first in range(0, rows, ROWS_PER_INSERT):
        count = min(ROWS_PER_INSERT, rows - first)
        client.command(_insert(first, count, rows, others), settings=_ONE_BLOCK)


def _totals() -> dict[str, str]:
    """Return the lists of running totals: rate of the person, share of the kind, fraction of the year gone."""
    counts = {
        "own_year": [f"toInt64({0.4 * share:.3f} * per_year * gone)" for share in _SHARES.values()],
        "others_year": [f"toInt64({0.6 * share:.3f} * per_year * gone)" for share in _SHARES.values()],
        "other_years": ["toInt64(person % 97)"] * len(_SHARES) + ["0"] * len(_SHARES),
    }
    each = "one -> [one, one * (1000 + person % 9000) * 100]"
    return {name: f"arrayFlatten(arrayMap({each}, [{', '.join(these)}]))" for name, these in counts.items()}


def _insert(first: int, count: int, rows: int, others: dict[str, str]) -> str:
    persons = max(rows // POSTINGS_PER_PERSON, 1_000)
    expressions = _COLUMNS | others
    columns, values = ", ".join(expressions), ",\n".join(expressions.values())
    return f"""
    INSERT INTO ledger ({columns})
    WITH
        number % 100 AS slot,
        intDiv(number, 100) AS block,
        slot >= 98 AND block % 5 = 0 AS is_corrected,
        block * 60 + if(slot < 94, slot % 60, 0) AS bet,
        intDiv(bet, 4) AS sitting,
        sipHash64(sitting, 1) AS draw,
        (draw % 4294967296) / 4294967296. AS u,
        toUInt64(floor({persons} * u * u)) AS person,
        (sipHash64(bet, 2) % 1000000 + 1) / 1000001. AS v,
        toUInt8(floor({ORGANIZERS} * pow((intDiv(draw, 8589934592) % 1000) / 1000., 2))) AS organizer,
        least(toInt64(2 * pow(v, -0.6)) * 25000, 1000000000) AS stake_tiyn,
        toInt32(1050 + 10 * floor(20 * (pow((sipHash64(bet, 3) % 999 + 1) / 1000., -0.7) - 1))) AS odds,
        number / {rows} AS gone,
        {rows} / (2 * sqrt((person + 1) * {persons})) AS per_year,
        slot < 60 OR is_corrected AS is_wager,
        slot >= 60 AND slot < 94 AS is_payout,
        multiIf(NOT is_payout, NULL, slot < 86, 'WINNING', slot < 90, 'REFUND', 'CASH_OUT') AS paid_as,
        block / {rows} * 100 * {_YEAR_MS} AS wager_ms,
        multiIf(is_payout, wager_ms + 600000 + sipHash64(bet, 4) % 10000000, wager_ms + slot) AS occurred_ms,
        if(is_corrected AND slot = 98, -1, 1) AS sign,
        toDateTime64('{YEAR}-01-01 00:00:00', 3, 'UTC') AS begun,
        concat('9', leftPad(toString(organizer), 2, '0'), '140000', leftPad(toString(organizer), 3, '0')) AS bin,
        concat('desk-', leftPad(toString(draw % 50), 2, '0')) AS stream,
        is_corrected ? block * 100 + 1 : number + 1 AS place
    SELECT {values}
    FROM numbers({first}, {count})
    """


_COLUMNS = {
    "row_behind": "intDiv(number, 4) - number - 1",
    "lag_ms": "900 + slot * 7",
    "cause_topic": "'accepted'",
    "cause_partition": "person % 4",
    "cause_behind": "intDiv(number, 4) - number",
    "origin_topic": "concat('organizer.', bin, '.events')",
    "origin_partition": "draw % 2",
    "origin_offset": "intDiv(number, 20)",
    "revision": "is_corrected ? 1 : 0",
    "leg": "sign",
    "event_type": "multiIf(is_wager, 'WAGER', is_payout, 'PAYOUT', slot < 97, 'DEPOSIT', 'WITHDRAWAL')",
    "organizer_bin": "bin",
    "stream_id": "stream",
    "sequence": "place",
    "site_id": "concat('site-', toString(draw % 30))",
    "iin": (
        "concat(toString(50 + person % 50), leftPad(toString(person % 12 + 1), 2, '0'),"
        " leftPad(toString(person), 8, '0'))"
    ),
    "wager_id": "lower(hex(sipHash128(bet, 5)))",
    "occurred_at": "begun + toIntervalMillisecond(toInt64(occurred_ms))",
    "amount_tiyn": (
        "sign * multiIf(paid_as = 'WINNING', intDiv(stake_tiyn * odds, 1000), slot = 99, intDiv(stake_tiyn, 2),"
        " slot >= 94 AND NOT is_corrected, toInt64((1 + draw % 40) * 100000), stake_tiyn)"
    ),
    "payment_method": "['CARD', 'CARD', 'WALLET', 'CASH'][draw % 4 + 1]",
    "instrument_kind": "draw % 4 = 3 ? NULL : 'CARD'",
    "instrument_hash": (
        "draw % 4 = 3 ? NULL"
        " : lower(concat(hex(sipHash128(intDiv(person, 2), 8)), hex(sipHash128(intDiv(person, 2), 9))))"
    ),
    "instrument_key_version": "draw % 4 = 3 ? NULL : 1",
    "channel": "is_wager ? 'ONLINE' : NULL",
    "funding": "is_wager ? 'ACCOUNT_BALANCE' : NULL",
    "odds_milli": "is_wager ? odds : NULL",
    "selections": (
        "is_wager ? [(toString(intDiv(sitting, 500)), toString(draw % 9), toString(bet % 3), odds)]"
        " : CAST([], 'Array(Tuple(String, String, String, Int32))')"
    ),
    "kind": "paid_as",
    "won_tiyn": "paid_as = 'WINNING' ? intDiv(stake_tiyn * odds, 1000) : NULL",
    "wager_occurred_at": "is_payout ? begun + toIntervalMillisecond(toInt64(wager_ms)) : NULL",
    "wager_amount_tiyn": "is_payout ? stake_tiyn : NULL",
    "organizer_name": "concat('ТОО «', bin, '»')",
    "organizer_kind": "'BOOKMAKER'",
    "licence_number": "concat('24', bin)",
    "birth_year_hint": "1950 + person % 50",
    "sex_hint": "person % 3 = 0 ? 'F' : 'M'",
    "flags": "0",
    "reference_version": "1 + intDiv(number * 12, 1 + number)",
    "body_sha256": "concat(sipHash128(number, 6), sipHash128(number, 7))",
    "ledger_partition": "person % 4",
    "ledger_offset": "intDiv(number, 4)",
}
