"""The Order's form: one line per person with what moved on a day, of one organizer.

Reads     what a `Question` holds of the ledger
Returns   the tables `lines`, `inside` and, where it is asked for, `movements`
Promises  each line has the fields of the list for both families: first and last instant, number and sum of what the
          organizer received and paid; `movements` has every instant and sum by itself; what a bet moves within the
          account is told apart, so that form and bets can be compared
          (O9-F, O9-L1 … O9-L5, O9-LN; box: sinks/clickhouse)
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from esep.sinks.clickhouse.reports.facts import Row, Table, instant
from esep.sinks.clickhouse.reports.movements import IN_FORCE, INSIDE, MOVEMENTS

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from datetime import datetime
    from typing import Any

    from esep.sinks.clickhouse.reports.movements import Question

_COLUMNS_EACH = 4  # first, last, count, sum of each movement.
_ENTRIES = f"""
    SELECT iin, entry_id, occurred_at, movement, sum(legs) AS legs, sum(tiyn) AS tiyn
    FROM ({IN_FORCE}) WHERE movement IN {MOVEMENTS}
    GROUP BY iin, entry_id, occurred_at, movement HAVING legs != 0 OR tiyn != 0"""  # noqa: S608 - our text


def order9_tables(question: Question, *, with_movements: bool = False) -> tuple[Table, ...]:
    """Return the tables of the form. with_movements: the list of all movements, which may be long, too."""
    more = (_movements(question),) if with_movements else ()
    return (_lines(question), _inside(question), *more)


def _lines(question: Question) -> Table:
    """Return a line per person for whom anything is in force: who was booked by mistake alone has none."""
    moved = ", ".join(
        f"toUnixTimestamp64Milli(min(if(movement = '{name}' AND legs > 0, occurred_at, NULL))),"
        f" toUnixTimestamp64Milli(max(if(movement = '{name}' AND legs > 0, occurred_at, NULL))),"
        f" sumIf(legs, movement = '{name}'), sumIf(tiyn, movement = '{name}')"
        for name in MOVEMENTS
    )
    rows = question.rows(f"SELECT iin, {moved} FROM ({_ENTRIES}) GROUP BY iin ORDER BY iin")  # noqa: S608 - our text
    lines = tuple((number, row[0], *_told(row[1:])) for number, row in enumerate(rows, 1))
    return Table("lines", lines, (None, None, *_summed(lines)))


def _told(row: Sequence[Any]) -> Iterator[Any]:
    for place in range(0, len(row), _COLUMNS_EACH):
        first, last, count, tiyn = row[place : place + _COLUMNS_EACH]
        yield from (_at(first), _at(last), int(count), int(tiyn))


def _at(ms: int | None) -> datetime | None:
    """Return an instant, None where nothing that is in force moved."""
    return None if ms is None else instant(ms)


def _summed(lines: Sequence[Row]) -> Iterator[int | None]:
    """Yield totals of counts and sums; instants have none."""
    for movement in range(len(MOVEMENTS)):
        yield from (None, None)
        for place in (2, 3):
            column = 2 + movement * _COLUMNS_EACH + place
            yield sum(value for line in lines if isinstance(value := line[column], int))


def _inside(question: Question) -> Table:
    rows = question.rows(
        f"SELECT movement, sum(legs), sum(tiyn) FROM ({IN_FORCE}) WHERE movement IN {INSIDE} GROUP BY movement"  # noqa: S608
    )
    found = {row[0]: (int(row[1]), int(row[2])) for row in rows}
    return Table("inside", tuple((name, *found.get(name, (0, 0))) for name in INSIDE))


def _movements(question: Question) -> Table:
    rows = question.rows(
        f"SELECT iin, movement, toUnixTimestamp64Milli(occurred_at), tiyn, way, entry_id FROM ({IN_FORCE})"  # noqa: S608
        f" WHERE movement IN {MOVEMENTS} ORDER BY iin, occurred_at, entry_id, movement, way, tiyn"
    )
    listed = tuple(
        (number, iin, movement, instant(at_ms), int(tiyn), way, entry_id)
        for number, (iin, movement, at_ms, tiyn, way, entry_id) in enumerate(rows, 1)
    )
    return Table("movements", listed)
