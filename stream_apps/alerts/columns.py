"""A payout of winnings as the rules see it, and many of them as columns.

Reads     postings, one by one or in columns
Returns   `Winning`, `Columns`; keys of person and day
Promises  the order of `Winning` is the total order of postings (DESIGN §7); both forms hold the same (box: alerts)

A day here is 24 hours of UTC+5, whatever the law says of clocks: a window of 24 hours touches two of them at the most.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple, overload

import numpy as np

from esep.stream_apps.alerts.rules import DAY_MS
from esep.stream_apps.poll import PERSON_KEY_BYTES, PERSON_WORDS

SLOT_WORDS = PERSON_WORDS + 1  # A slot is a person and a day: the words of the person key, and the number of the day.
_DAY_BEGINS_MS = 5 * 3600 * 1000  # A day begins at 00:00 of UTC+5, as in Almaty since 1 March 2024.


class Winning(NamedTuple):
    """A posting of a payout of winnings; comparing two gives their total order (DESIGN §7).

    leg: 1, or -1 with a negative amount for what is taken back. offset: in the ledger.
    """

    occurred_ms: int
    entry_id: str
    revision: int
    leg: int
    amount_tiyn: int
    offset: int


@dataclass(frozen=True, slots=True)
class Columns:
    """Postings as columns. slots: person key and day (SLOT_WORDS words). texts: the entry ids, joined; lengths: theirs.

    There is no column for the leg: it is the sign of the amount.
    """

    slots: np.ndarray
    occurred_ms: np.ndarray
    amounts: np.ndarray
    offsets: np.ndarray
    revisions: np.ndarray
    texts: np.ndarray
    lengths: np.ndarray

    def entry_ids(self) -> list[bytes]:
        """Return the entry id of each posting."""
        buffer = self.texts.tobytes()
        ends = np.cumsum(self.lengths)
        return [buffer[start:end] for start, end in zip((ends - self.lengths).tolist(), ends.tolist(), strict=True)]

    def taken(self, places: np.ndarray) -> Columns:
        """Return the postings at these places."""
        if len(places) == len(self.amounts):
            return self
        starts, lengths = (np.cumsum(self.lengths) - self.lengths)[places], self.lengths[places]
        return Columns(
            self.slots[places],
            self.occurred_ms[places],
            self.amounts[places],
            self.offsets[places],
            self.revisions[places],
            cut_out(self.texts, starts, lengths),
            lengths,
        )

    def winnings(self) -> list[Winning]:
        """Return each posting by itself."""
        columns = (self.occurred_ms, self.revisions, np.sign(self.amounts), self.amounts, self.offsets)
        texts = [entry_id.decode() for entry_id in self.entry_ids()]
        occurred_ms, *others = (column.tolist() for column in columns)
        return [Winning(*fields) for fields in zip(occurred_ms, texts, *others, strict=True)]


def slots_of(persons: np.ndarray, days: np.ndarray) -> np.ndarray:
    """Return slot keys (SLOT_WORDS words a row) of persons (words) and days."""
    return np.column_stack((persons, days.astype(np.uint64)))


def days_of(slots: np.ndarray) -> np.ndarray:
    """Return the days in slot keys (int64)."""
    return slots[:, PERSON_WORDS].astype(np.int64)


def persons_of(slots: np.ndarray) -> list[bytes]:
    """Return the person keys in slot keys."""
    buffer = np.ascontiguousarray(slots[:, :PERSON_WORDS]).tobytes()
    return [buffer[at : at + PERSON_KEY_BYTES] for at in range(0, len(buffer), PERSON_KEY_BYTES)]


@overload
def day_of(instants_ms: int) -> int: ...
@overload
def day_of(instants_ms: np.ndarray) -> np.ndarray: ...
def day_of(instants_ms: int | np.ndarray) -> int | np.ndarray:
    """Return the number of the day of UTC+5 of one instant, or of each of many."""
    return (instants_ms + _DAY_BEGINS_MS) // DAY_MS


def cut_out(texts: np.ndarray, starts: np.ndarray, lengths: np.ndarray) -> np.ndarray:
    """Return pieces of joined texts, joined."""
    shift = starts - (np.cumsum(lengths) - lengths)
    cut: np.ndarray = texts[np.repeat(shift, lengths) + np.arange(lengths.sum())]
    return cut
