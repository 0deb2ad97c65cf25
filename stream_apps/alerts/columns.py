"""A posting as the rules see it, and many of them as columns.

Reads     postings, one by one or in columns
Returns   `Posting`, `Columns`; keys of person and day
Promises  the order of `Posting` is the total order of postings (DESIGN §7); both forms hold the same (box: alerts)

A day here is 24 hours of UTC+5, whatever the law says of clocks: a window of 24 hours touches two of them at the most.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import repeat
from typing import TYPE_CHECKING, NamedTuple, overload

import numpy as np
import polars as pl

from esep.rules import DAY_MS, KINDS
from esep.stream_apps.poll import PERSON_KEY_BYTES, PERSON_WORDS, person_words

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

SLOT_WORDS = PERSON_WORDS + 1  # A slot is a person and a day: the words of the person key, and the number of the day.
_DAY_BEGINS_MS = 5 * 3600 * 1000  # A day begins at 00:00 of UTC+5, as in Almaty since 1 March 2024.
HAS_INSTRUMENT = 16  # Beside a kind's number: the posting names a means of payment.
HAS_MARKET = 32  # Beside these: it is a bet on one outcome of one market.
FACTS = np.dtype([
    ("occurred_ms", "<i8"), ("amount", "<i8"), ("offset", "<i8"), ("revision", "<i4"), ("odds", "<i4"),
    ("flags", "<i4"), ("entry_length", "<u2"), ("wager_length", "<u2"), ("kind", "<u1"),
])  # fmt: skip
WINNING = KINDS.index("WINNING")
_ENDING = {"market": 1, "outcome": 2}  # Places in an ending; all else is `linked`.
_BETWEEN = b"\0"  # Neither an IIN nor a means of payment has one.
_OFFSET_BITS = 48  # Of an offset: more records than a partition ever has.


class Posting(NamedTuple):
    """A posting; comparing two gives their total order (DESIGN §7).

    leg: 1, or -1 with a negative amount for what is taken back. offset: in the ledger; of a means of payment's posting
    with its partition (`ledger_places`). kind: a place in KINDS, HAS_INSTRUMENT, HAS_MARKET. odds_milli: 0 where there
    are none. wager_id, linked, market, outcome: kept where a rule asks for them, or empty. linked: of a person's
    posting the means of payment, of a means of payment's the IIN. bits: the filters that it passes (`Program.bits`).
    """

    occurred_ms: int
    entry_id: str
    revision: int
    leg: int
    amount_tiyn: int
    offset: int
    kind: int = WINNING
    odds_milli: int = 0
    flags: int = 0
    wager_id: str = ""
    linked: str = ""
    bits: int = 0
    market: str = ""
    outcome: str = ""

    @property
    def organizer_bin(self) -> str:
        """The organizer that reported it."""
        return self.entry_id.partition("/")[0]


@dataclass(frozen=True, slots=True)
class Columns:
    """Postings as columns. slots: person key and day (SLOT_WORDS words). facts: FACTS, the leg is the amount's sign.

    texts: of each posting entry id, wager id and `ending` without anything between, all joined; lengths: theirs.
    """

    slots: np.ndarray
    facts: np.ndarray
    texts: np.ndarray
    lengths: np.ndarray

    def __len__(self) -> int:
        return len(self.facts)

    def own_texts(self) -> list[bytes]:
        """Return the text of each posting."""
        buffer = self.texts.tobytes()
        ends = np.cumsum(self.lengths)
        return [buffer[start:end] for start, end in zip((ends - self.lengths).tolist(), ends.tolist(), strict=True)]

    def words(self, field: str) -> np.ndarray:
        """Return a number (uint64) for each posting's value of a text, equal for equal ones of one process."""
        texts = self.own_texts()
        if field == "organizer_bin":
            values = [text.partition(b"/")[0] for text in texts]
        else:
            middles = self.facts["entry_length"].astype(np.int64)
            ends = (middles + self.facts["wager_length"]).tolist()
            if field == "wager_id":
                values = [text[start:end] for text, start, end in zip(texts, middles.tolist(), ends, strict=True)]
            else:
                place = _ENDING.get(field, 0)
                values = [_parted(text[end:])[place] for text, end in zip(texts, ends, strict=True)]
        return pl.Series(values, dtype=pl.Binary).hash().to_numpy()

    def taken(self, places: np.ndarray) -> Columns:
        """Return the postings at these places, ascending."""
        if len(places) == len(self):
            return self
        starts, lengths = (np.cumsum(self.lengths) - self.lengths)[places], self.lengths[places]
        return Columns(self.slots[places], self.facts[places], cut_out(self.texts, starts, lengths), lengths)

    def postings(self, bits: np.ndarray | None = None) -> list[Posting]:
        """Return each posting by itself. bits: of each."""
        facts = self.facts
        middles = facts["entry_length"].astype(np.int64)
        ends = middles + facts["wager_length"]
        names = ("occurred_ms", "revision", "amount", "offset", "kind", "odds", "flags")
        columns = [facts[name].tolist() for name in names]
        passed = repeat(0) if bits is None else bits.tolist()
        return [
            Posting(
                occurred_ms, text[:middle].decode(), revision, 1 if amount > 0 else -1, amount, offset,
                kind, odds, flags, text[middle:end].decode(), linked.decode(), own, market.decode(), outcome.decode(),
            )
            for text, middle, end, own, occurred_ms, revision, amount, offset, kind, odds, flags in zip(
                self.own_texts(), middles.tolist(), ends.tolist(), passed, *columns, strict=False
            )
            for linked, market, outcome in [_parted(text[end:])]
        ]  # fmt: skip


def columns_of(persons: Sequence[bytes], postings: Sequence[Posting]) -> Columns:
    """Return postings, each of the person key beside it, as columns."""
    facts = np.zeros(len(postings), FACTS)
    parts = [(one.entry_id.encode(), one.wager_id.encode(), _ending(one)) for one in postings]
    names = ("occurred_ms", "amount_tiyn", "offset", "revision", "odds_milli", "flags", "kind")
    for name in names:
        facts[name.removesuffix("_tiyn").removesuffix("_milli")] = [getattr(one, name) for one in postings]
    facts["entry_length"], facts["wager_length"] = ([len(part[at]) for part in parts] for at in (0, 1))
    texts, lengths = joined(b"".join(part) for part in parts)
    return Columns(slots_of(person_words(persons), day_of(facts["occurred_ms"])), facts, texts, lengths)


def ending_with_market(linked: pl.Expr) -> pl.Expr:
    """Return how `linked` is kept together with the columns market and outcome: as it is where there is no market."""
    between = pl.lit(_BETWEEN.decode())
    kept = pl.concat_str(linked, between, pl.col("market").str.len_bytes(), between, "market", "outcome")
    return pl.when(pl.col("market").is_null()).then(linked).otherwise(kept)


def ledger_places(partitions: np.ndarray, offsets: np.ndarray) -> np.ndarray:
    """Return partitions and offsets of the ledger as one number each (int64)."""
    places: np.ndarray = (partitions.astype(np.int64) << _OFFSET_BITS) | offsets
    return places


def ledger_place(partition: int, offset: int) -> int:
    """Return one partition and offset of the ledger as one number."""
    return (partition << _OFFSET_BITS) | offset


def partition_and_offset(place: int) -> tuple[int, int]:
    """Return what `ledger_places` made one number of.

    >>> partition_and_offset(int(ledger_places(np.array([3]), np.array([17]))[0]))
    (3, 17)
    """
    return place >> _OFFSET_BITS, place & ((1 << _OFFSET_BITS) - 1)


def joined(texts: Iterable[bytes]) -> tuple[np.ndarray, np.ndarray]:
    """Return texts joined, and the length of each."""
    known = list(texts)
    lengths = np.fromiter(map(len, known), np.int64, len(known))
    return np.frombuffer(b"".join(known), np.uint8), lengths


def slots_of(persons: np.ndarray, days: np.ndarray) -> np.ndarray:
    """Return slot keys (SLOT_WORDS words a row) of persons (words) and days, or other numbers of spans of time."""
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


def start_of_day_ms(day: int) -> int:
    """Return when a day of UTC+5 begins.

    >>> day_of(start_of_day_ms(20_000)), day_of(start_of_day_ms(20_000) - 1)
    (20000, 19999)
    """
    return day * DAY_MS - _DAY_BEGINS_MS


def _ending(posting: Posting) -> bytes:
    linked, market, outcome = (text.encode() for text in (posting.linked, posting.market, posting.outcome))
    return b"%s\0%d\0%s%s" % (linked, len(market), market, outcome) if market else linked


def _parted(ending: bytes) -> tuple[bytes, bytes, bytes]:
    """Return linked, market and outcome."""
    linked, between, kept = ending.partition(_BETWEEN)
    if not between:
        return linked, b"", b""
    length, _, both = kept.partition(_BETWEEN)
    end = int(length)
    return linked, both[:end], both[end:]


def cut_out(texts: np.ndarray, starts: np.ndarray, lengths: np.ndarray) -> np.ndarray:
    """Return pieces of joined texts, joined."""
    shift = starts - (np.cumsum(lengths) - lengths)
    cut: np.ndarray = texts[np.repeat(shift, lengths) + np.arange(lengths.sum())]
    return cut
