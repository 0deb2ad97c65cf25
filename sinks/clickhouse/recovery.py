"""What a loader does first with partitions it is given: repeat the ranges that somebody had noted and not finished.

Reads     what the group holds for the ranges beside those; the records of all of them again; what the tables hold
Writes    the same inserts under the same tokens; then the offsets behind the ranges that it was given
Promises  each row is in its table once, whoever repeats the other ranges of the same insert at the same time, and
          wherever the one before them was stopped (`pending`; DESIGN §5 "Loader"; box: sinks/clickhouse)
"""

from __future__ import annotations

import logging
from dataclasses import replace
from typing import TYPE_CHECKING

from esep.errors import InvariantBroken, SinkUnavailable
from esep.sinks.clickhouse.frames import Records, Rows, rows_of
from esep.sinks.clickhouse.inserting import Insert, Inserter, Range
from esep.sinks.clickhouse.pending import Committed, Pending, Span
from esep.sinks.clickhouse.tables import table_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from esep.lineage import TopicPartition
    from esep.sinks.clickhouse.group import LoaderGroup
    from esep.sinks.clickhouse.store import Held

    Noted = dict[TopicPartition, Pending]

LOG = logging.getLogger(__name__)


class Recovery:
    """read: returns the committed records of a partition from an offset up to another one, exclusive."""

    def __init__(
        self,
        place: str,
        inserter: Inserter,
        group: LoaderGroup,
        read: Callable[[TopicPartition, int, int], Iterable[Records]],
        on_step: Callable[[str], None],
        now_s: Callable[[], float],
    ) -> None:
        self._place = place
        self._inserter = inserter
        self._group = group
        self._read = read
        self._on_step = on_step
        self._now_s = now_s

    def repeat(self, left: Noted, layouts: Mapping[str, int], held: dict[TopicPartition, Held]) -> list[Range]:
        """Finish the ranges that were left noted; return them. held: put right for their partitions.

        layouts: of the tables by now. A range alone in its insert, or all of whose insert are noted still, is repeated
        under the tokens of that; what is in its table already is sent again while its tokens are young, for a roll-up
        may lack it (`Inserter.complete`). Any other is looked up, and inserted by itself if it is missing.
        """
        beside = {one.source for pending in left.values() for one in pending.beside} - left.keys()
        there = {source: Committed(pending.first, pending) for source, pending in left.items()}
        known = there | (self._group.committed(sorted(beside)) if beside else {})
        done = []
        for mine in _by_insert(left):
            source, pending = next(iter(mine.items()))
            layout = layouts[table_of(source.topic).name]
            if pending.layout == layout and pending.is_noted_whole(source, known):
                is_young = pending.has_tokens(layout, self._now_s())
                again = mine if is_young else {one: replace(noted, noted_at=0) for one, noted in mine.items()}
                done += self._insert(again, pending.spans(source), held, is_young=is_young)
            else:
                for one, noted in mine.items():
                    alone = Pending(noted.first, noted.last, noted.rows, layout)
                    done += self._insert({one: alone}, alone.spans(one), held, is_young=False)
        return done

    def _insert(
        self, mine: Noted, spans: Sequence[Span], held: dict[TopicPartition, Held], *, is_young: bool
    ) -> list[Range]:
        """Insert what is missing of these ranges, and commit the offsets behind those of them that are one's own."""
        rows = {span.source: self._read_again(span) for span in spans}
        self._on_step("reread")
        parts = [rows[span.source] for span in spans]
        asked = _asked(mine, spans, rows)
        missing = self._missing(asked)
        ranges = []
        for source, pending in mine.items():
            months = {month: count for month, count in rows[source].months().items() if month in missing}
            ranges.append(Range.of(pending, rows[source], months))
        self._group.commit({one.source: one.noted for one in ranges})
        if is_young:
            there = {month for months in asked.values() for month in months} - missing
            self._inserter.complete(Insert.of(ranges, parts, there))
        held.update(self._inserter.load([Insert.of(ranges, parts, missing)], held))
        if lost := self._missing(asked):  # Counts do not tell: a dead loader's request may have arrived meanwhile.
            raise SinkUnavailable(
                f"{spans[0].source}: table {parts[0].table.name} does not hold what ClickHouse acknowledged",
                detail=f"months {sorted(lost)}",
                hint="see ClickHouse's log; a loader that is started anew inserts it again",
            )
        self._group.commit({one.source: one.done for one in ranges})
        self._on_step("advanced")
        for one in ranges:
            LOG.info("%s: %s: repeated offsets %d to %d", self._place, one.source, one.pending.first, one.pending.last)
        return ranges

    def _read_again(self, span: Span) -> Rows:
        again = list(self._read(span.source, span.first, span.last + 1))
        offsets = [offset for part in again for offset in part.offsets]
        if len(offsets) != span.rows or offsets[-1:] != [span.last]:
            raise InvariantBroken(
                f"{span.source}: a noted range does not hold what was noted", detail=f"{span}, {len(offsets)} read"
            )
        return rows_of(Records(span.source, offsets, [value for part in again for value in part.values]), None)

    def _missing(self, asked: Mapping[Span, Mapping[int, int]]) -> set[int]:
        """Return the months of which the table does not hold, and never held, what is asked for."""
        found: set[int] = set()
        for span, months in asked.items():
            found.update(self._inserter.missing(span.source, Pending(span.first, span.last, span.rows, 0), months))
        return found


def _asked(mine: Noted, spans: Sequence[Span], rows: Mapping[TopicPartition, Rows]) -> dict[Span, dict[int, int]]:
    """Return of which range's rows to ask in each month, and how many there are: a month is there whole or not at all.

    One's own come first. But months in which there are others' rows only are asked for as well: who commits that a
    range is done says by it that nothing of its insert is still to be sent (`Pending.is_noted_whole`).
    """
    found: dict[Span, dict[int, int]] = {}
    seen: set[int] = set()
    for span in sorted(spans, key=lambda one: one.source not in mine):
        months = {month: count for month, count in rows[span.source].months().items() if month not in seen}
        if months:
            found[span] = months
            seen |= months.keys()
    return found


def _by_insert(left: Noted) -> list[Noted]:
    """Return the ranges by the inserts that they were noted for."""
    found: dict[tuple[object, ...], Noted] = {}
    for source, pending in left.items():
        found.setdefault((pending.layout, *pending.spans(source)), {})[source] = pending
    return list(found.values())
