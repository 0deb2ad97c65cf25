"""Signs of cashing out in a period: how many persons bear each, and who.

Reads     what a `Question` holds of the ledger
Returns   the tables `signs` and `persons`
Promises  whoever has a sign is listed, and nobody else; the totals are of persons, each once, whatever signs they bear
          (D934-7..11, D934-1..3; box: sinks/clickhouse)
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from esep.clock import ALMATY
from esep.sinks.clickhouse.reports.facts import Row, Table
from esep.sinks.clickhouse.reports.movements import IN_FORCE, IS_OUT
from esep.sinks.clickhouse.reports.signs import (
    LARGE_TIYN,
    MONITORED_TIYN,
    SAFE_ODDS_MILLI,
    SHARERS_MIN,
    SIGNS,
    Conduct,
    signs_of,
)
from esep.sinks.clickhouse.reports.statistics import SUMS

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from esep.sinks.clickhouse.reports.movements import Question

Borne = tuple[Conduct, tuple[str, ...]]  # A person and the signs that the person bears.
_SPLIT = f"""
    SELECT iin, toDate(occurred_at, '{ALMATY}') AS day, sum(tiyn) AS together, sum(legs) AS times
    FROM ({IN_FORCE})
    WHERE event_type = 'PAYOUT' AND kind = 'WINNING' AND tiyn < {MONITORED_TIYN} AND tiyn > 0
    GROUP BY iin, day HAVING times >= 2 AND together >= {MONITORED_TIYN}"""  # noqa: S608 - numbers and text of ours
_SHARED = f"""
    SELECT iin, max(sharers) AS sharers FROM
    (
        SELECT groupUniqArray(iin) AS persons, length(persons) AS sharers
        FROM ({IN_FORCE}) WHERE {IS_OUT} AND instrument_hash IS NOT NULL AND legs > 0
        GROUP BY instrument_hash HAVING sharers >= {SHARERS_MIN}
    )
    ARRAY JOIN persons AS iin GROUP BY iin"""  # noqa: S608 - likewise
_CONDUCT = f"""
    SELECT iin, countIf(all_count != 0), sum(in_cash), sum(in_cashless), sum(out_cash), sum(out_cashless),
        sum(deposit), sum(withdrawal), sum(stake), sum(returned), sum(safe_stake)
    FROM
    (
        SELECT iin, organizer_bin, {SUMS},
            sumIf(tiyn, movement = 'DEPOSIT') AS deposit, sumIf(tiyn, movement = 'WITHDRAWAL') AS withdrawal,
            sumIf(tiyn, event_type = 'WAGER' AND ifNull(odds_milli <= {SAFE_ODDS_MILLI}, false)) AS safe_stake
        FROM ({IN_FORCE}) GROUP BY iin, organizer_bin
    )
    GROUP BY iin
    HAVING greatest(sum(deposit), sum(in_cashless), sum(stake)) >= {LARGE_TIYN}
        OR iin IN (SELECT iin FROM ({_SPLIT})) OR iin IN (SELECT iin FROM ({_SHARED}))"""  # noqa: S608 - likewise


def cash_out_tables(question: Question) -> tuple[Table, ...]:
    """Return both tables; persons with the largest sums in cash stand first."""
    split = {str(row[0]): int(row[1]) for row in question.rows(f"SELECT iin, count() FROM ({_SPLIT}) GROUP BY iin")}  # noqa: S608
    shared = {str(row[0]): int(row[1]) for row in question.rows(_SHARED)}
    found = _conducts(question, split, shared)
    borne = [(one, signs) for one in found if (signs := signs_of(one))]
    borne.sort(key=lambda one: (-one[0].out_cash_tiyn, one[0].iin))
    return (_signs(borne), _persons(borne))


def _conducts(question: Question, split: dict[str, int], shared: dict[str, int]) -> Iterable[Conduct]:
    """Yield whoever may bear a sign: the sums of everybody else stay in ClickHouse."""
    for row in question.rows(_CONDUCT):
        iin = str(row[0])
        yield Conduct(iin, *map(int, row[1:]))._replace(split_days=split.get(iin, 0), sharers=shared.get(iin, 0))


def _signs(borne: Sequence[Borne]) -> Table:
    rows = [(code, word, *_sums([one for one, signs in borne if code in signs])) for code, (word, _) in SIGNS.items()]
    return Table("signs", tuple(rows), (None, None, *_sums([one for one, _ in borne])))


def _sums(persons: Sequence[Conduct]) -> tuple[int, int, int, int]:
    received = sum(one.in_cash_tiyn + one.in_cashless_tiyn for one in persons)
    paid_cash = sum(one.out_cash_tiyn for one in persons)
    return len(persons), received, paid_cash + sum(one.out_cashless_tiyn for one in persons), paid_cash


def _persons(borne: Sequence[Borne]) -> Table:
    rows: list[Row] = [
        (
            *(one.iin, one.organizers),
            *(one.in_cash_tiyn, one.in_cashless_tiyn, one.out_cash_tiyn, one.out_cashless_tiyn),
            *(one.stake_tiyn, one.returned_tiyn, one.split_days, one.sharers, " ".join(signs)),
        )
        for one, signs in borne
    ]
    sums = [sum(value for row in rows if isinstance(value := row[place], int)) for place in range(2, 8)]
    return Table("persons", tuple(rows), (None, None, *sums, None, None, None))
