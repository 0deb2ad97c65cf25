"""One person's postings as one rule sees them, and the first that fulfils it within a span of time.

Reads     postings, in any order of arrival
Returns   `Book`: per span of time what is found; `Found`: event, evidence, and what was observed
Promises  what it answers depends on the set of postings alone (DESIGN §7); a posting that arrives in order costs
          O(log n), however many there are (box: alerts)

A leg of -1 repeats entry, instant and amount of what it takes back and has a higher revision.
"""

from __future__ import annotations

from bisect import bisect_left
from typing import TYPE_CHECKING, NamedTuple

from esep.buckets import bucket_of
from esep.rules import POINTS, SCORE, WEIGHT
from esep.stream_apps.alerts.series import Values

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from esep.buckets import Bucket, Calendar, Span
    from esep.stream_apps.alerts.columns import Posting
    from esep.stream_apps.alerts.program import Asked, Compiled, Test


_ANSWERS_MAX = 16  # Kept at a time: each posting is held against all of them.


class Observed(NamedTuple):
    """What a condition looked at. value: None is the mean of nothing; threshold: what it had to reach or not exceed."""

    name: str
    value: int | None
    threshold: int
    unit: str
    holds: bool


class Found(NamedTuple):
    """A posting that fulfils a rule. evidence: in total order, the event last. others: what stands behind `of`."""

    event: Posting
    evidence: tuple[Posting, ...]
    observed: tuple[Observed, ...]
    others: tuple[Observed, ...]


class Book:
    """The postings of one person that are in force: booked and not taken back."""

    def __init__(self, compiled: Compiled, postings: Iterable[Posting] = ()) -> None:
        self._compiled = compiled
        self._values = {name: Values(feature, bit) for name, (feature, bit) in compiled.features.items()}
        self._order: list[Posting] = []
        self._events: list[Posting] = []  # Of them, those that may fulfil the rule.
        self._taken: dict[tuple[str, int, int], int] = {}  # Highest revision that takes back such a posting.
        self._found: dict[Span, Found | None] = {}  # Answers to what was asked.
        self._begin(sorted(postings))

    def __len__(self) -> int:
        return len(self._order)

    def add(self, posting: Posting) -> None:
        """Book a posting, or take back what it takes back; a posting that is here already changes nothing."""
        what = _what(posting)
        taken = self._taken.get(what, -1)
        if posting.leg < 0:
            self._taken[what] = max(taken, posting.revision)
            self._take_back(posting)
        elif taken <= posting.revision:
            place = bisect_left(self._order, posting[:4])
            if [known[:4] for known in self._order[place : place + 1]] != [posting[:4]]:
                self._order.insert(place, posting)
                self._change(posting, come=True)

    def first(self, span: Span) -> Found | None:
        """Return what the first posting of a span, in total order, that fulfils the rule is found with.

        As long as the answer cannot have changed it is the same object, unless many others were asked for since.
        """
        if span not in self._found:
            if len(self._found) >= _ANSWERS_MAX:
                del self._found[next(iter(self._found))]
            self._found[span] = self._search(span.start_ms, span.end_ms, ())
        return self._found[span]

    def touched(self, posting: Posting, calendar: Calendar) -> Iterator[Bucket]:
        """Yield the buckets whose answer a posting that came or left can have changed: its own, and of later events."""
        end_ms = posting.occurred_ms + max(self._compiled.span_ms, 1)
        bucket = bucket_of(calendar, posting.occurred_ms)
        yield bucket
        place = bisect_left(self._events, (bucket.span.end_ms,))
        while place < len(self._events) and self._events[place].occurred_ms < end_ms:
            bucket = bucket_of(calendar, self._events[place].occurred_ms)
            yield bucket
            place = bisect_left(self._events, (bucket.span.end_ms,), place)

    def judged(self, event: Posting) -> Found:
        """Return what is observed at an event, whether it fulfils the rule or not; only what holds has evidence."""
        observed: list[Observed] = []
        evidence, behind = {event}, dict[str, None]()
        for asked in self._compiled.asked:
            parts = [(test, self._observed(test, event)) for test in asked.tests]
            observed += _scored(asked, parts) if asked.is_score else [told for _, told in parts]
            for test, told in parts:
                for name in filter(None, (test.feature, test.of) if told.holds else ()):
                    evidence.update(self._values[name].evidence(event))
            behind |= {test.of: None for test in asked.tests if test.of}
        others = tuple(self._told(name, event) for name in behind)
        return Found(event, tuple(sorted(evidence)), tuple(observed), others)

    def _begin(self, postings: Sequence[Posting]) -> None:
        """Book postings in their total order, all at once."""
        for one in postings:
            if one.leg < 0:
                what = _what(one)
                self._taken[what] = max(self._taken.get(what, -1), one.revision)
        booked = {one[:4]: one for one in postings if one.leg > 0 and self._taken.get(_what(one), -1) <= one.revision}
        self._order = list(booked.values())
        self._events = [one for one in self._order if self._compiled.may_fulfil(one)]
        for values in self._values.values():
            values.begin([one for one in self._order if one.bits & values.bit])

    def _take_back(self, posting: Posting) -> None:
        place = bisect_left(self._order, (posting.occurred_ms, posting.entry_id))
        while place < len(self._order) and self._order[place][:3] < posting[:3]:
            if self._order[place].amount_tiyn == -posting.amount_tiyn:
                self._change(self._order.pop(place), come=False)
            else:
                place += 1

    def _change(self, posting: Posting, *, come: bool) -> None:
        """Bring values and answers up to date once a posting came or left.

        No event before it has another window than before, and none after its longest window.
        """
        for values in self._values.values():
            if posting.bits & values.bit:
                (values.put if come else values.take)(posting)
        if self._compiled.may_fulfil(posting):
            place = bisect_left(self._events, posting)
            self._events[place : place + (not come)] = [posting] if come else []
        reach_ms = posting.occurred_ms + max(self._compiled.span_ms, 1)
        for span, found in self._found.items():
            touched = span.start_ms < reach_ms and posting.occurred_ms < span.end_ms
            if touched and (found is None or posting <= found.event):
                self._found[span] = self._found_again(span, found, posting, come=come)

    def _found_again(self, span: Span, found: Found | None, posting: Posting, *, come: bool) -> Found | None:
        """Return the answer for a span once a posting came or left that stands no later than what was found."""
        first = posting
        if not posting.bits & self._compiled.helps[come]:  # Then no other event holds that did not.
            is_event = come and self._compiled.may_fulfil(posting) and posting.occurred_ms >= span.start_ms
            if is_event and self._fulfils(posting):
                return self.judged(posting)
            if found is None:
                return None
            first = found.event
        reach_ms = posting.occurred_ms + max(self._compiled.span_ms, 1)
        return self._search(span.start_ms, span.end_ms if found else min(span.end_ms, reach_ms), first)

    def _search(self, start_ms: int, end_ms: int, first: tuple[object, ...]) -> Found | None:
        """Return what is found with the first event from an instant, and from a place in the order, on."""
        start = max(bisect_left(self._events, (start_ms,)), bisect_left(self._events, first))
        for event in self._events[start : bisect_left(self._events, (end_ms,), start)]:
            if self._fulfils(event):
                return self.judged(event)
        return None

    def _fulfils(self, event: Posting) -> bool:
        for asked in self._compiled.asked:
            points, spare = 0, asked.spare
            for test in asked.tests:
                if self._holds(test, event):
                    points += test.points
                    if points >= asked.needed:
                        break
                else:
                    spare -= test.points
                    if spare < 0:
                        return False
        return True

    def _holds(self, test: Test, event: Posting) -> bool:
        value, needed = self._values[test.feature].at(event), test.numerator
        if value is None:
            return False
        if test.of is not None:
            whole = self._values[test.of].at(event) or 0
            if whole <= 0:
                return False
            needed *= whole
        return value * test.denominator >= needed if test.at_least else value * test.denominator <= needed

    def _observed(self, test: Test, event: Posting) -> Observed:
        feature, _ = self._compiled.features[test.feature]
        whole = 1 if test.of is None else self._values[test.of].at(event) or 0
        needed = test.numerator * whole
        threshold = -(-needed // test.denominator) if test.at_least else needed // test.denominator
        value, holds = self._values[test.feature].at(event), self._holds(test, event)
        return Observed(feature.observed, value, threshold, feature.unit, holds)

    def _told(self, name: str, event: Posting) -> Observed:
        feature, _ = self._compiled.features[name]
        return Observed(feature.observed, self._values[name].at(event), 0, feature.unit, False)


def _scored(asked: Asked, parts: Sequence[tuple[Test, Observed]]) -> Iterator[Observed]:
    """Yield the points reached, and each part with its weight behind it where it holds."""
    yield Observed(SCORE, sum(test.points for test, told in parts if told.holds), asked.needed, POINTS, holds=True)
    for test, told in parts:
        yield told
        if told.holds:
            yield Observed(f"{told.name}{WEIGHT}", test.points, asked.needed, POINTS, holds=True)


def _what(posting: Posting) -> tuple[str, int, int]:
    """Return what both legs have in common."""
    return posting.entry_id, posting.occurred_ms, abs(posting.amount_tiyn)
