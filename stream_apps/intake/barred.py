"""What of a posting stood in the registers of what may not work here, or be paid from here.

Reads     a `Reference`; postings
Returns   flags: UNLICENSED of a barred organizer, ILLEGAL_RESOURCE of a barred site or of whoever moved the money
Promises  as of `occurred_at`, with what was published by `received_at`; refuses nothing (DESIGN §4 "Enrich"; clauses
          R2021-1, R2021-2; decision 0015; box: intake)

An organizer is known by its BIN. A resource is known by its address, whatever its letters are: compared with `site_id`
and, from version 2 of the events on, with `payment_provider`, the two fields of an event that name one.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import polars as pl

from esep.clock import to_ms
from esep.flags import FLAGS
from esep.reference import BARRED_ORGANIZER, BARRED_RESOURCE

if TYPE_CHECKING:
    from collections.abc import Mapping

    from esep.reference import Reference

_RESOURCE_FIELDS = ("site_id", "payment_provider")


class Barred:
    """The registers of barred organizers and resources, as they are when this is made."""

    def __init__(self, reference: Reference) -> None:
        self._reference = reference
        self._organizers = _by_name(reference, BARRED_ORGANIZER)
        self._resources = _by_name(reference, BARRED_RESOURCE)

    def flags(self, postings: pl.DataFrame) -> pl.Series:
        """Return the flags of each posting by these registers (Int64)."""
        flags = np.zeros(postings.height, np.int64)
        self._mark(flags, postings, "organizer_bin", BARRED_ORGANIZER, "UNLICENSED")
        for field in _RESOURCE_FIELDS:
            self._mark(flags, postings, field, BARRED_RESOURCE, "ILLEGAL_RESOURCE")
        return pl.Series(flags)

    def _mark(self, flags: np.ndarray, postings: pl.DataFrame, field: str, kind: str, flag: str) -> None:
        known = self._organizers if kind == BARRED_ORGANIZER else self._resources
        if not known:
            return
        names = _alike(postings[field])
        named = names.is_in(list(known)).fill_null(value=False).arg_true()
        rows = postings.select("received_at", "occurred_at")[named].iter_rows()
        for place, name, (received_at, occurred_at) in zip(named.to_list(), names[named].to_list(), rows, strict=True):
            counted = (self._reference.as_of(kind, key, to_ms(received_at), occurred_at) for key in known[name])
            if any(fact is not None for fact in counted):
                flags[place] |= FLAGS[flag]


def _by_name(reference: Reference, kind: str) -> Mapping[str, list[str]]:
    """Return the keys of the facts of a kind by the names that they go under."""
    keys = [published[0].fact.key for published in reference.of_kind(kind)]
    found: dict[str, list[str]] = {}
    for name, key in zip(_alike(pl.Series(keys, dtype=pl.String)).to_list(), keys, strict=True):
        found.setdefault(name, []).append(key)
    return found


def _alike(names: pl.Series) -> pl.Series:
    return names.str.strip_chars().str.to_lowercase()
