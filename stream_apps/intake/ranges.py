"""Sets of numbers as ranges, exact however they grow.

Reads     numbers, a run of consecutive ones at a time
Returns   whether they are in; the ranges, and which of them have changed
Promises  ranges are disjoint, not adjacent and ascending; equal sets have equal ranges, in whatever order they grew
          (DESIGN §4 "Sequence"; box: intake)
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from dataclasses import dataclass, field


@dataclass(slots=True)
class Ranges:
    """A set of numbers. firsts, lasts: of its ranges. changed: since `copy`, by first number, the last (None: gone).

    >>> numbers = Ranges()
    >>> numbers.add(1, 4); numbers.add(9, 9); numbers.add(5, 6)
    >>> numbers.firsts, numbers.lasts, 6 in numbers, 7 in numbers
    ([1, 9], [6, 9], True, False)
    """

    firsts: list[int] = field(default_factory=list)
    lasts: list[int] = field(default_factory=list)
    changed: dict[int, int | None] = field(default_factory=dict, compare=False)

    def copy(self) -> Ranges:
        """Return a copy that has not changed yet; what is done to it does not change this one."""
        return Ranges(self.firsts.copy(), self.lasts.copy())

    def __contains__(self, number: int) -> bool:
        at = bisect_right(self.firsts, number)
        return bool(at) and number <= self.lasts[at - 1]

    def covers(self, first: int, last: int) -> bool:
        """Return whether every number from first through last is in; true where there is none."""
        at = bisect_right(self.firsts, first)
        return first > last or (bool(at) and last <= self.lasts[at - 1])

    def alike(self, first: int, count: int) -> tuple[bool, int]:
        """Return whether `first` is in, and of how many of the next `count` numbers the same can be said."""
        at = bisect_right(self.firsts, first)
        if at and first <= self.lasts[at - 1]:
            return True, min(count, self.lasts[at - 1] - first + 1)
        return False, min(count, self.firsts[at] - first) if at < len(self.firsts) else count

    def add(self, first: int, last: int) -> None:
        """Add the numbers from first through last, none of which is in yet."""
        at = bisect_right(self.firsts, first)
        if at < len(self.firsts) and self.firsts[at] == last + 1:
            self.changed[last + 1] = None
            last = self.lasts[at]
            del self.firsts[at], self.lasts[at]
        if at and self.lasts[at - 1] == first - 1:
            first = self.firsts[at - 1]
            self.lasts[at - 1] = last
        else:
            self.firsts.insert(at, first)
            self.lasts.insert(at, last)
        self.changed[first] = last

    def put(self, first: int, last: int | None) -> None:
        """Set the range that begins at `first`, or with None remove it; for restoring, so ranges may overlap."""
        at = bisect_left(self.firsts, first)
        known = at < len(self.firsts) and self.firsts[at] == first
        if last is None:
            del self.firsts[at : at + known], self.lasts[at : at + known]
        else:
            self.firsts[at : at + known], self.lasts[at : at + known] = [first], [last]
