"""One person's winnings in their total order, and the first that fulfils a rule of sums within a window.

Reads     postings, in any order of arrival
Returns   `Book`: per span of time the window of the first posting that fulfils the rule
Promises  what it answers depends on the set of postings alone (DESIGN §7); a posting that arrives in order costs
          O(log n), however many there are (box: alerts)

The window of a posting holds what comes before it in the total order, itself included, and occurred less than the
rule's window earlier. A leg of -1 repeats entry, instant and amount of what it takes back and has a higher revision.
"""

from __future__ import annotations

from bisect import bisect_left
from itertools import accumulate
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable

    from esep.stream_apps.alerts.columns import Winning
    from esep.stream_apps.alerts.rules import Rule


class Span(NamedTuple):
    """From an instant on and before another, UTC, ms."""

    start_ms: int
    end_ms: int


class Book:
    """The winnings of one person that are in force: booked and not taken back."""

    def __init__(self, rule: Rule, winnings: Iterable[Winning]) -> None:
        self._rule = rule
        self._order: list[Winning] = []
        self._sums = [0]  # Before each place of the order, and after the last.
        self._taken: dict[tuple[str, int, int], int] = {}  # Highest revision that takes back such a posting.
        self._windows: dict[Span, tuple[Winning, ...]] = {}  # Answers to what was asked.
        for winning in sorted(winnings):
            self.add(winning)

    def add(self, winning: Winning) -> None:
        """Book a posting, or take back what it takes back; a posting that is here already changes nothing."""
        what = (winning.entry_id, winning.occurred_ms, abs(winning.amount_tiyn))
        taken = self._taken.get(what, -1)
        if winning.leg < 0:
            self._taken[what] = max(taken, winning.revision)
            self._take_back(winning)
        elif taken <= winning.revision:
            place = bisect_left(self._order, winning[:4])
            if [known[:4] for known in self._order[place : place + 1]] != [winning[:4]]:
                self._order.insert(place, winning)
                self._changed(place, winning)

    def first(self, span: Span) -> tuple[Winning, ...]:
        """Return the window of the first posting of a span, in total order, that fulfils the rule; empty if none does.

        As long as the answer cannot have changed it is the same object.
        """
        if span not in self._windows:
            self._windows[span] = self._search(span, 0)
        return self._windows[span]

    def _take_back(self, winning: Winning) -> None:
        place = bisect_left(self._order, (winning.occurred_ms, winning.entry_id))
        while place < len(self._order) and self._order[place][:3] < winning[:3]:
            if self._order[place].amount_tiyn == -winning.amount_tiyn:
                self._changed(place, self._order.pop(place))
            else:
                place += 1

    def _changed(self, place: int, what: Winning) -> None:
        """Bring sums and answers up to date once `what` came to a place or left it.

        No posting before the place has another window than before, so that none of them fulfils the rule anew.
        """
        del self._sums[place + 1 :]
        following = (winning.amount_tiyn for winning in self._order[place:])
        self._sums += list(accumulate(following, initial=self._sums.pop()))
        for span, window in self._windows.items():
            touched = span.start_ms - self._rule.window_ms < what.occurred_ms < span.end_ms
            if touched and (not window or what <= window[-1]):
                self._windows[span] = self._search(span, place)

    def _search(self, span: Span, place: int) -> tuple[Winning, ...]:
        """Return the window of the first posting of a span, from a place on, that fulfils the rule."""
        start = max(place, bisect_left(self._order, (span.start_ms,)))
        end = bisect_left(self._order, (span.end_ms,))
        begin = 0
        for at in range(start, end):
            begin = self._window_start(self._order[at], begin)
            reached = self._sums[at + 1] - self._sums[begin] >= self._rule.sum_tiyn
            if reached and at + 1 - begin >= self._rule.payouts_min:
                return tuple(self._order[begin : at + 1])
        return ()

    def _window_start(self, last: Winning, start: int) -> int:
        return bisect_left(self._order, (last.occurred_ms - self._rule.window_ms + 1,), start)
