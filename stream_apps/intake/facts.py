"""The register as arrays: which licence is in force when, and which sites an organizer has, for many events at once.

Reads     a `Register`; events
Returns   per event the place of its licence, and a code: ORGANIZER_UNKNOWN, LICENCE_NOT_IN_FORCE, SITE_UNKNOWN
Promises  asked as of `occurred_at`, never as of now; the same answer as `Organizer.licence_at` (clauses O9-3, O9-4.1;
          DESIGN §4 "Enrich"; box: intake)
"""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import polars as pl

from esep.clock import to_ms
from esep.precedence import all_passed, fault

if TYPE_CHECKING:
    from esep.register import Licence, Organizer, Register

_NEVER_MS = np.iinfo(np.int64).max


class _Entry(NamedTuple):
    """An organizer: the place of its first licence, from when to when each is in force, its sites."""

    start: int
    from_ms: np.ndarray
    to_ms: np.ndarray
    sites: list[str]


class Facts:
    """The register in the form in which intake asks it.

    licences: number, kind and the organizer's name, a row per licence; events refer to its rows.
    """

    def __init__(self, register: Register) -> None:
        self.version = register.version
        self._entries: dict[str, _Entry] = {}
        rows: list[tuple[str, str, str]] = []
        for organizer in register.organizers:
            spans = sorted(organizer.licences, key=lambda licence: licence.valid_from)
            self._entries[organizer.bin] = _entry(organizer, spans, len(rows))
            rows += [(organizer.name_ru, span.kind, span.number) for span in spans]
        names = ("organizer_name", "organizer_kind", "licence_number")
        self.licences = pl.DataFrame(rows, schema=dict.fromkeys(names, pl.String), orient="row")

    def unknown(self, bins: pl.Series) -> np.ndarray:
        """Return which of these BINs are those of no organizer in the register."""
        return ~bins.is_in(list(self._entries)).to_numpy()

    def look_up(self, events: pl.DataFrame) -> tuple[np.ndarray, np.ndarray]:
        """Return the verdict on each event, and the place of its licence; quick where events of an organizer adjoin.

        Where no licence was in force it is the organizer's last one before, or its first.
        """
        verdicts, licences = all_passed(events.height), np.zeros(events.height, np.int32)
        occurred_ms = events["occurred_at"].to_numpy().view(np.int64)
        for bin_, start, end in _runs(events["organizer_bin"]):
            entry, part = self._entries.get(bin_), slice(start, end)
            if entry is None:
                fault(verdicts[part], np.ones(end - start, np.bool_), "ORGANIZER_UNKNOWN")
                continue
            last_begun = np.maximum(np.searchsorted(entry.from_ms, occurred_ms[part], side="right") - 1, 0)
            in_force = (entry.from_ms[last_begun] <= occurred_ms[part]) & (occurred_ms[part] < entry.to_ms[last_begun])
            licences[part] = entry.start + last_begun
            fault(verdicts[part], ~in_force, "LICENCE_NOT_IN_FORCE")
            known_site = events["site_id"].slice(start, end - start).is_in(entry.sites)
            fault(verdicts[part], ~known_site.to_numpy(), "SITE_UNKNOWN")
        return verdicts, licences


def _runs(bins: pl.Series) -> list[tuple[str, int, int]]:
    """Return each run of equal BINs: the BIN, where it begins and where it ends."""
    if not len(bins):
        return []
    starts = [0, *(bins != bins.shift(1)).fill_null(value=False).arg_true().to_list(), len(bins)]
    return [(bins[start], start, end) for start, end in pairwise(starts)]


def _entry(organizer: Organizer, spans: list[Licence], start: int) -> _Entry:
    from_ms = np.array([to_ms(span.valid_from) for span in spans])
    ends = [_NEVER_MS if span.valid_to is None else to_ms(span.valid_to) for span in spans]
    return _Entry(start, from_ms, np.array(ends), [site.id for site in organizer.sites])
