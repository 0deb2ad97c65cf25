"""The postings of a poll that some rule looks at, as columns.

Reads     records of `ledger`, or of `alerts.instruments`; a `Program`
Returns   `LookedAt`
Promises  what passes no filter of the program is left out; a posting whose amount has not the sign of its leg is our
          own fault and stops the stage (box: alerts)
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import polars as pl

from esep.errors import InvariantBroken
from esep.rules import KINDS
from esep.stream_apps.alerts.columns import (
    FACTS,
    HAS_INSTRUMENT,
    HAS_MARKET,
    Columns,
    day_of,
    ending_with_market,
    joined,
    ledger_places,
    slots_of,
)
from esep.stream_apps.poll import InternalPoll, person_words
from esep.topics import LEDGER

if TYPE_CHECKING:
    from esep.stream_apps.alerts.program import Program

_FLAGS_KNOWN = 2**31 - 1
_LINKED = {"person": "instrument_hash", "instrument": "iin"}


@dataclass(frozen=True, slots=True)
class LookedAt:
    """The postings of a poll that some rule looks at. places: in the poll, ascending. persons: the message keys."""

    places: np.ndarray
    persons: list[bytes]
    columns: Columns
    bits: np.ndarray

    def between(self, start: int, end: int) -> LookedAt:
        """Return those from one place of the poll to before another."""
        first, behind = np.searchsorted(self.places, (start, end)).tolist()
        own = np.arange(first, behind)
        return LookedAt(self.places[own], self.persons[first:behind], self.columns.taken(own), self.bits[own])


def looked_at(poll: InternalPoll, program: Program) -> LookedAt:
    """Return what the rules of a program look at in a poll."""
    facts = facts_of(poll)
    bits = program.bits(facts)
    places = np.flatnonzero(bits)
    facts, bits = facts[places], bits[places]
    _check_signs(poll, facts, places)
    linked = pl.col(_LINKED[program.subject]).fill_null("") if program.keeps_linked else pl.lit("")
    frame = with_markets(poll.frame[places]) if program.keeps_market else poll.frame[places]
    ending = ending_with_market(linked) if program.keeps_market else linked
    rows = frame.select("entry_id", "wager_id", ending=ending)
    kept = (True, program.keeps_wager, program.keeps_linked or program.keeps_market)
    parts = [
        text.cast(pl.Binary).to_list() if is_kept else [b""] * len(places)
        for text, is_kept in zip(rows, kept, strict=True)
    ]
    facts["entry_length"], facts["wager_length"] = (list(map(len, part)) for part in parts[:2])
    texts, lengths = joined(map(b"".join, zip(*parts, strict=True)))
    persons = [poll.keys[place] for place in places.tolist()]
    slots = slots_of(person_words(persons), day_of(facts["occurred_ms"]))
    return LookedAt(places, persons, Columns(slots, facts, texts, lengths), bits)


def with_markets(frame: pl.DataFrame) -> pl.DataFrame:
    """Return postings with market and outcome, which those of the ledger have from their selections.

    Null but for a bet on one outcome. A market's name is that of `kz.esep.v1.InstrumentPosting`.
    """
    if "market" in frame.columns:
        return frame
    one = pl.col("selections").list.first().struct
    event_id = one.field("event_id")
    market = pl.concat_str("organizer_bin", event_id.str.len_bytes(), event_id, one.field("market_id"), separator="/")
    single = _is_single(frame)
    return frame.with_columns(
        market=pl.when(single).then(market), outcome=pl.when(single).then(one.field("outcome_id"))
    )


def facts_of(poll: InternalPoll) -> np.ndarray:
    """Return of each posting of a poll what filters look at; lengths of texts are left open."""
    frame = poll.frame
    facts = np.zeros(frame.height, FACTS)
    said = pl.when(pl.col("event_type") == "PAYOUT").then(pl.col("kind")).otherwise(pl.col("event_type"))
    looked = frame.select(
        kind=said.replace_strict(list(KINDS), range(len(KINDS)), return_dtype=pl.UInt8)
        + pl.col("instrument_hash").is_not_null().cast(pl.UInt8) * HAS_INSTRUMENT
        + _is_single(frame).cast(pl.UInt8) * HAS_MARKET,
        odds=pl.col("odds_milli").fill_null(0),
        flags=pl.col("flags") & _FLAGS_KNOWN,
        amount=pl.col("amount_tiyn"),
        occurred_ms=pl.col("occurred_at").to_physical(),
        revision=pl.col("revision"),
    )
    for name in looked.columns:
        facts[name] = looked[name].to_numpy()
    facts["offset"] = _ledger_places(poll)
    return facts


def _is_single(frame: pl.DataFrame) -> pl.Expr:
    """Return which postings are of bets on one outcome."""
    return pl.col("market").is_not_null() if "market" in frame.columns else pl.col("selections").list.len() == 1


def _ledger_places(poll: InternalPoll) -> np.ndarray:
    """Return where each posting stands in the ledger, of which a person's are all in one partition."""
    if poll.batches[0].source.topic == LEDGER:
        return poll.offsets()
    return ledger_places(poll.frame["cause_partition"].to_numpy(), poll.frame["cause_offset"].to_numpy())


def _check_signs(poll: InternalPoll, facts: np.ndarray, places: np.ndarray) -> None:
    """Raise InvariantBroken where the amount of a posting that counts has not the sign of its leg."""
    wrong = np.flatnonzero(np.sign(facts["amount"]) != poll.frame["leg"].to_numpy()[places])
    if len(wrong):
        raise InvariantBroken(
            f"The record at {poll.origin(int(places[wrong[0]]))} cannot be used.",
            detail="its amount has not the sign of its leg",
        )
