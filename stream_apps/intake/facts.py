"""The reference data as arrays: which licence is in force when, which sites an organizer has, who is restricted.

Reads     a `Reference`; events
Returns   per event the place of its licence, and a code: ORGANIZER_UNKNOWN, LICENCE_NOT_IN_FORCE, SITE_UNKNOWN; the
          version of the facts that counted; flags, of persons and of what the registers say of organizer and resource
Promises  asked as of `occurred_at`, with what was published by `received_at`, never as of now; the same answer as
          `Organizer.licence_at` (clauses O9-3, O9-4.1; DESIGN §4 "Enrich"; decision 0015; box: intake)

The first facts of an organizer count for all its events: nobody reads its topic before they are known.
"""

from __future__ import annotations

from itertools import groupby
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import polars as pl

from esep.clock import to_ms
from esep.flags import FLAGS
from esep.instants import bet_ms
from esep.precedence import all_passed, fault
from esep.reference import ORGANIZER, organizer_in
from esep.stream_apps.intake.barred import Barred

if TYPE_CHECKING:
    from esep.reference import Published, Reference
    from esep.register import Licence, Organizer

_NEVER_MS = np.iinfo(np.int64).max


class _Entry(NamedTuple):
    """An organizer: the place of its first licence, from when to when each is in force, its sites."""

    start: int
    from_ms: np.ndarray
    to_ms: np.ndarray
    sites: frozenset[str]


class _History(NamedTuple):
    """What was published of an organizer, in order, and the place of the load that brought each."""

    entries: list[_Entry]
    loads: np.ndarray


class Facts:
    """The reference data in the form in which intake asks them, as they are when this is made.

    licences: number, kind and the organizer's name, a row per licence; events refer to its rows.
    """

    def __init__(self, reference: Reference) -> None:
        self.version = reference.version
        self._reference = reference
        self._barred = Barred(reference)
        self._versions = np.array([load.version for load in reference.loads], np.int64)
        self._organizers: dict[str, _History] = {}
        rows: list[tuple[str, str, str]] = []
        for published in reference.of_kind(ORGANIZER):
            self._organizers[published[0].fact.key] = _history(published, rows)
        names = ("organizer_name", "organizer_kind", "licence_number")
        self.licences = pl.DataFrame(rows, schema=dict.fromkeys(names, pl.String), orient="row")

    def unknown(self, bins: pl.Series) -> np.ndarray:
        """Return which of these BINs are those of no organizer in the register."""
        return ~bins.is_in(list(self._organizers)).to_numpy()

    def look_up(self, events: pl.DataFrame) -> tuple[np.ndarray, np.ndarray]:
        """Return the verdict on each event, and the place of its licence; quick where events of an organizer adjoin.

        Where no licence was in force it is the organizer's last one before, or its first.
        """
        verdicts, licences = all_passed(events.height), np.zeros(events.height, np.int32)
        counted, occurred_ms, sites = self._counted(events), _occurred_ms(events), events["site_id"].to_list()
        for bin_, start, end in _runs(events["organizer_bin"]):
            history, part = self._organizers.get(bin_), slice(start, end)
            if history is None:
                fault(verdicts[part], np.ones(end - start, np.bool_), "ORGANIZER_UNKNOWN")
                continue
            verdicts[part], licences[part] = _look_up(history, occurred_ms[part], sites[part], counted[part])
        return verdicts, licences

    def versions(self, postings: pl.DataFrame) -> pl.Series:
        """Return the version of the facts that counted for each posting of a known organizer (Int64)."""
        last = self._counted(postings) - 1
        for bin_, start, end in _runs(postings["organizer_bin"]):
            last[start:end] = np.maximum(last[start:end], self._organizers[bin_].loads[0])
        return pl.Series(self._versions[last])

    def flags(self, postings: pl.DataFrame) -> pl.Series:
        """Return the flags of each posting by the lists of restricted persons and the registers (Int64)."""
        flags = self._reference.restrictions.flags(postings["iin"], _occurred_ms(postings), self._counted(postings))
        unlicensed = np.where(self._unlicensed(postings), FLAGS["UNLICENSED"], 0)
        return pl.Series(flags | unlicensed) | self._barred.flags(postings)

    def _unlicensed(self, postings: pl.DataFrame) -> np.ndarray:
        """Return which payouts are of bets that were taken while no licence of their organizer was in force.

        What itself occurred without one is refused; a licence may have ended, or not begun, when the bet was made.
        """
        unlicensed = np.zeros(postings.height, np.bool_)
        of_bet = postings["wager_occurred_at"].is_not_null()
        paid = postings.filter(of_bet)
        counted, made_ms = self._counted(paid), bet_ms(paid)
        found = np.zeros(paid.height, np.bool_)
        for bin_, start, end in _runs(paid["organizer_bin"]):
            history, part = self._organizers[bin_], slice(start, end)
            which = _counting(history, counted[part])
            for number in set(which.tolist()):
                at = which == number
                found[part][at] = ~_in_force(history.entries[number], made_ms[part][at])
        unlicensed[of_bet.to_numpy()] = found
        return unlicensed

    def _counted(self, events: pl.DataFrame) -> np.ndarray:
        return self._reference.counted(events["received_at"].to_numpy().view(np.int64))


def _occurred_ms(events: pl.DataFrame) -> np.ndarray:
    return events["occurred_at"].to_numpy().view(np.int64)


def _look_up(
    history: _History, occurred_ms: np.ndarray, sites: list[str], counted: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Return the verdict on each event of an organizer, and the place of its licence, each by what counts for it."""
    which = _counting(history, counted)
    if (which == which[0]).all():  # Nearly always: an organizer's licences and sites change on few days of a year.
        return _judge(history.entries[which[0]], occurred_ms, sites)
    verdicts, licences = all_passed(len(sites)), np.zeros(len(sites), np.int32)
    for number in np.unique(which).tolist():
        at = np.flatnonzero(which == number)
        verdicts[at], licences[at] = _judge(history.entries[number], occurred_ms[at], [sites[place] for place in at])
    return verdicts, licences


def _judge(entry: _Entry, occurred_ms: np.ndarray, sites: list[str]) -> tuple[np.ndarray, np.ndarray]:
    """Return the verdict on each event of an organizer, and the place of its licence.

    A poll has a few events of each of hundreds of organizers: a frame for each would be most of its work (measured).
    """
    verdicts = all_passed(len(sites))
    fault(verdicts, ~_in_force(entry, occurred_ms), "LICENCE_NOT_IN_FORCE")
    fault(verdicts, np.fromiter((site not in entry.sites for site in sites), np.bool_, len(sites)), "SITE_UNKNOWN")
    return verdicts, entry.start + _last_begun(entry, occurred_ms)


def _counting(history: _History, counted: np.ndarray) -> np.ndarray:
    """Return which of what was published of an organizer counts for each event."""
    which: np.ndarray = np.maximum(np.searchsorted(history.loads, counted) - 1, 0)
    return which


def _in_force(entry: _Entry, instants_ms: np.ndarray) -> np.ndarray:
    """Return at which instants a licence was in force."""
    last_begun = _last_begun(entry, instants_ms)
    in_force: np.ndarray = (entry.from_ms[last_begun] <= instants_ms) & (instants_ms < entry.to_ms[last_begun])
    return in_force


def _last_begun(entry: _Entry, instants_ms: np.ndarray) -> np.ndarray:
    last_begun: np.ndarray = np.maximum(np.searchsorted(entry.from_ms, instants_ms, side="right") - 1, 0)
    return last_begun


def _runs(bins: pl.Series) -> list[tuple[str, int, int]]:
    """Return each run of equal BINs: the BIN, where it begins and where it ends."""
    runs, start = [], 0
    for bin_, run in groupby(bins.to_list()):
        end = start + sum(1 for _ in run)
        runs.append((bin_, start, end))
        start = end
    return runs


def _history(published: list[Published], rows: list[tuple[str, str, str]]) -> _History:
    """Return what was published of an organizer; its licences are added to the rows."""
    entries: list[_Entry] = []
    for one in published:
        organizer = organizer_in(one.fact)
        spans = sorted(organizer.licences, key=lambda licence: licence.valid_from)
        entries.append(_entry(organizer, spans, len(rows)))
        rows += [(organizer.name_ru, span.kind, span.number) for span in spans]
    return _History(entries, np.array([one.load for one in published]))


def _entry(organizer: Organizer, spans: list[Licence], start: int) -> _Entry:
    from_ms = np.array([to_ms(span.valid_from) for span in spans])
    ends = [_NEVER_MS if span.valid_to is None else to_ms(span.valid_to) for span in spans]
    return _Entry(start, from_ms, np.array(ends), frozenset(site.id for site in organizer.sites))
