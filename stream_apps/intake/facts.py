"""The register as arrays: which licence is in force when, and which sites an organizer has, for many events at once.

Reads     a `Register`; events of known organizers
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
from esep.codec import INDEX
from esep.precedence import all_passed, fault
from esep.topics import organizer_of

if TYPE_CHECKING:
    from esep.register import Licence, Organizer, Register
    from esep.stream_apps.intake.decode import Messages

_NONE = -1  # No licence.
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

    def unknown(self, messages: Messages) -> np.ndarray:
        """Return which messages are on the topic of an organizer that is not in the register."""
        unknown = [organizer_of(section.source.topic) not in self._entries for section in messages.sections]
        return np.repeat(np.array(unknown), np.diff(messages.starts))

    def look_up(self, messages: Messages, events: pl.DataFrame) -> tuple[np.ndarray, np.ndarray]:
        """Return the verdict on each event, and the place of its licence.

        events: some of the wagers and payouts of the messages, in order.
        """
        verdicts, licences = all_passed(events.height), np.full(events.height, _NONE, np.int32)
        occurred_ms = events["occurred_at"].to_numpy().view(np.int64)
        bounds = np.searchsorted(events[INDEX].to_numpy(), messages.starts).tolist()
        for section, (start, end) in zip(messages.sections, pairwise(bounds), strict=True):
            entry = self._entries.get(organizer_of(section.source.topic))
            part = slice(start, end)
            if entry is None:
                fault(verdicts[part], np.ones(end - start, np.bool_), "ORGANIZER_UNKNOWN")
                continue
            licences[part] = _in_force(entry, occurred_ms[part])
            fault(verdicts[part], licences[part] == _NONE, "LICENCE_NOT_IN_FORCE")
            known_site = events["site_id"].slice(start, end - start).is_in(entry.sites)
            fault(verdicts[part], ~known_site.to_numpy(), "SITE_UNKNOWN")
        return verdicts, licences


def _entry(organizer: Organizer, spans: list[Licence], start: int) -> _Entry:
    from_ms = np.array([to_ms(span.valid_from) for span in spans])
    ends = [_NEVER_MS if span.valid_to is None else to_ms(span.valid_to) for span in spans]
    return _Entry(start, from_ms, np.array(ends), [site.id for site in organizer.sites])


def _in_force(entry: _Entry, occurred_ms: np.ndarray) -> np.ndarray:
    last_begun = np.searchsorted(entry.from_ms, occurred_ms, side="right") - 1
    in_force = (last_begun >= 0) & (occurred_ms < entry.to_ms[last_begun])
    return np.where(in_force, entry.start + last_begun, _NONE)
