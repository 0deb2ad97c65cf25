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
        self._series: dict[_Key, dict[str, Series]] = {}  # By key, and by value where different ones are counted.
        self._counted = feature.field if feature.aggregate == "distinct" else None
        self._weighs: tuple[Callable[[Posting], int], ...] = {
            "sum": (_amount if feature.field == "amount_tiyn" else _return,),
            "mean": (_amount, _amount_at_odds),
        }.get(feature.aggregate, (_one,))

    def begin(self, postings: list[Posting]) -> None:
        """Take postings that pass the filter, in their total order, in place of all others."""
        if not self._feature.key and self._counted is None:
            self._series = {(): {"": Series(postings, self._weighs)}}
            return
        orders: dict[_Key, dict[str, list[Posting]]] = {}
        for posting in postings:
            orders.setdefault(self._key(posting), {}).setdefault(self._value(posting), []).append(posting)
        self._series = {
            key: {value: Series(order, self._weighs) for value, order in of_key.items()}
            for key, of_key in orders.items()
        }

    def put(self, posting: Posting) -> None:
        """Add a posting that passes the filter."""
        of_key, value = self._series.setdefault(self._key(posting), {}), self._value(posting)
        if value in of_key:
            of_key[value].put(posting)
        else:
            of_key[value] = Series([posting], self._weighs)

    def take(self, posting: Posting) -> None:
        """Take away a posting that was put here."""
        self._series[self._key(posting)][self._value(posting)].take(posting)

    def at(self, event: Posting) -> int | None:
        """Return the value at an event; None is the mean of nothing."""
        if not self._feature.window:
            return self._of_event(event)
        of_key = self._series.get(self._key(event), {})
        if self._counted is not None:
            windows = (series.window(event, self._feature.window) for series in of_key.values())
            return sum(1 for start, end in windows if end > start)
        series = of_key.get("")
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
        return self._series.get(self._key(event), {}).values()

    def _key(self, posting: Posting) -> _Key:
        key = self._feature.key
        return tuple([_TEXTS[part](posting) for part in key]) if key else ()

    def _value(self, posting: Posting) -> str:
        return "" if self._counted is None else _TEXTS[self._counted](posting)


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
    "market": lambda posting: posting.market,
    "outcome": lambda posting: posting.outcome,
}
