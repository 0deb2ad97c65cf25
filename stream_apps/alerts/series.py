"""A feature's postings of one person in their total order, and what they come to in any window.

Reads     postings that come into force or leave it
Returns   `Series`, `Values`: the value of a feature at an event, and the postings that it was worked out over
Promises  what it answers depends on the postings alone; a posting that comes in order costs O(log n), and so does an
          answer, for each different value where these are counted (box: alerts)
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from itertools import accumulate
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from esep.rules import Feature
    from esep.stream_apps.alerts.columns import Posting

_Key = tuple[str, ...]


class Series:
    """Postings in order, with running sums of one or two amounts of each. order: those to begin with."""

    def __init__(self, order: list[Posting], weighs: tuple[Callable[[Posting], int], ...]) -> None:
        self._weighs = weighs
        self._order = order
        # Before each place, and after the last; empty until somebody asks: most bets' are never asked for.
        self._sums: tuple[list[int], ...] = ()

    def put(self, posting: Posting) -> None:
        """Add a posting that is not here."""
        place = bisect_left(self._order, posting)
        self._order.insert(place, posting)
        self._add_up(place)

    def take(self, posting: Posting) -> None:
        """Take away a posting that is here."""
        place = bisect_left(self._order, posting)
        del self._order[place]
        self._add_up(place)

    def window(self, event: Posting, window_ms: int) -> tuple[int, int]:
        """Return the first place of the event's window, and the place after its last."""
        end = bisect_right(self._order, event)
        return bisect_left(self._order, (event.occurred_ms - window_ms + 1,), 0, end), end

    def sums(self, start: int, end: int) -> tuple[int, ...]:
        """Return the sums over these places."""
        if not self._sums:
            self._sums = tuple([0] for _ in self._weighs)
            self._add_up(0)
        return tuple([sums[end] - sums[start] for sums in self._sums])

    def postings(self, start: int, end: int) -> list[Posting]:
        """Return the postings at these places."""
        return self._order[start:end]

    def _add_up(self, place: int) -> None:
        following = self._order[place:]
        for sums, weigh in zip(self._sums, self._weighs, strict=bool(self._sums)):
            del sums[place + 1 :]
            sums.extend(accumulate(map(weigh, following), initial=sums.pop()))


class Values:
    """One feature of one person. bit: of the feature's filter."""

    def __init__(self, feature: Feature, bit: int) -> None:
        self._feature, self.bit = feature, bit
        self._series: dict[_Key, Series] = {}
        self._parts = (feature.field or "",) if feature.aggregate == "distinct" else feature.key
        self._weighs: tuple[Callable[[Posting], int], ...] = {
            "sum": (_amount if feature.field == "amount_tiyn" else _return,),
            "mean": (_amount, _amount_at_odds),
        }.get(feature.aggregate, (_one,))

    def begin(self, postings: list[Posting]) -> None:
        """Take postings that pass the filter, in their total order, in place of all others."""
        orders: dict[_Key, list[Posting]] = {}
        if not self._parts:
            orders[()] = postings
        else:
            for posting in postings:
                orders.setdefault(self._key(posting), []).append(posting)
        self._series = {key: Series(order, self._weighs) for key, order in orders.items()}

    def put(self, posting: Posting) -> None:
        """Add a posting that passes the filter."""
        key = self._key(posting)
        series = self._series.get(key)
        if series is None:
            self._series[key] = Series([posting], self._weighs)
        else:
            series.put(posting)

    def take(self, posting: Posting) -> None:
        """Take away a posting that was put here."""
        self._series[self._key(posting)].take(posting)

    def at(self, event: Posting) -> int | None:
        """Return the value at an event; None is the mean of nothing."""
        if not self._feature.window:
            return self._of_event(event)
        if self._feature.aggregate == "distinct":
            windows = (series.window(event, self._feature.window) for series in self._series.values())
            return sum(1 for start, end in windows if end > start)
        series = self._series.get(self._key(event))
        sums = series.sums(*series.window(event, self._feature.window)) if series else (0, 0)
        return _mean(sums) if self._feature.aggregate == "mean" else sums[0]

    def evidence(self, event: Posting) -> list[Posting]:
        """Return the postings over which the value at an event is worked out."""
        if not self._feature.window:
            return [event] if event.bits & self.bit else []
        found = []
        for series in self._asked(event):
            found += series.postings(*series.window(event, self._feature.window))
        return found

    def _of_event(self, event: Posting) -> int | None:
        counted = bool(event.bits & self.bit)
        if self._feature.aggregate == "mean":
            return event.odds_milli if counted else None
        return self._weighs[0](event) if counted else 0

    def _asked(self, event: Posting) -> Iterable[Series]:
        if self._feature.aggregate == "distinct":
            return self._series.values()
        series = self._series.get(self._key(event))
        return [] if series is None else [series]

    def _key(self, posting: Posting) -> _Key:
        return tuple([_TEXTS[part](posting) for part in self._parts]) if self._parts else ()


def _one(_: Posting) -> int:
    return 1


def _amount(posting: Posting) -> int:
    return posting.amount_tiyn


def _amount_at_odds(posting: Posting) -> int:
    return posting.amount_tiyn * posting.odds_milli


def _return(posting: Posting) -> int:
    """Return what the stake makes at its odds, in whole tiyn."""
    return posting.amount_tiyn * posting.odds_milli // 1000


def _mean(sums: tuple[int, ...]) -> int | None:
    """Return the mean odds by stake, in whole thousandths, rounded down."""
    return sums[1] // sums[0] if sums[0] else None


_TEXTS: dict[str, Callable[[Posting], str]] = {
    "organizer_bin": lambda posting: posting.organizer_bin,
    "instrument_hash": lambda posting: posting.linked,
    "iin": lambda posting: posting.linked,
    "wager_id": lambda posting: posting.wager_id,
}
