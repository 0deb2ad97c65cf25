"""Histories of organizers that post at some hours of the week, and are silent now and then.

Reads     nothing
Returns   `histories`: postings that come in time, and those that come late; `LOW`: a rule that short histories reach
Promises  corrections void a posting, or move it to another hour; nothing but the rule's numbers is lower than in esep
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any, NamedTuple

import yaml
from hypothesis import strategies as st

from esep.rules import RULES_FILE, SilenceRule

Posting = dict[str, Any]
WRITTEN: dict[str, Any] = yaml.safe_load(RULES_FILE.read_text("utf-8"))["silences"][0]
LOW = {**WRITTEN, "mode": "LIVE", "weeks": 3, "usual_in": 2, "hours": 2, "others": 1, "waits": "event"}
HOUR_MS = 3_600_000
WEEK_MS = 7 * 24 * HOUR_MS
MONDAY_MS = round(datetime(2026, 3, 1, 19, tzinfo=UTC).timestamp() * 1000)  # 2 March, 0:00 in Almaty.
WEEKS, SLOTS = 5, (9, 10, 11, 14, 34)  # Hours of the week: four of Monday, one of Tuesday.
BINS = ("940140000385", "950341000052", "961141000023")


class History(NamedTuple):
    """What came in time, and what came late."""

    first: list[Posting]
    later: list[Posting]

    @property
    def postings(self) -> list[Posting]:
        return self.first + self.later


def rule_of(written: dict[str, Any]) -> SilenceRule:
    return SilenceRule.model_validate(written)


def posting(organizer_bin: str, sequence: int, occurred_ms: int, **said: Any) -> Posting:
    return {
        "iin": "900101300007", "entry_id": f"{organizer_bin}/desk-1/{sequence}", "organizer_bin": organizer_bin,
        "revision": 0, "leg": 1, "event_type": "WAGER", "kind": None, "occurred_ms": occurred_ms, "amount_tiyn": 100,
        "odds_milli": None, "flags": 0, "instrument_hash": None, "wager_id": f"w{sequence}", "ledger_partition": 0,
        "ledger_offset": 0, **said,
    }  # fmt: skip


def corrected(one: Posting, occurred_ms: int | None) -> list[Posting]:
    """Return the legs of a correction to another instant, or (None) that voids."""
    taken = {**one, "revision": 1, "leg": -1, "amount_tiyn": -one["amount_tiyn"]}
    return [taken] if occurred_ms is None else [taken, {**one, "revision": 1, "occurred_ms": occurred_ms}]


def slot_ms(week: int, slot: int) -> int:
    return MONDAY_MS + week * WEEK_MS + SLOTS[slot] * HOUR_MS


places = st.tuples(st.integers(0, WEEKS - 1), st.integers(0, len(SLOTS) - 1))
corrections = st.tuples(st.integers(0, 200), st.none() | places, st.booleans())


@st.composite
def histories(draw: st.DrawFn) -> History:
    """Draw one: most of the usual postings are there, some are late, some are voided or moved."""
    count = len(BINS) * WEEKS * len(SLOTS)
    drawn = draw(st.lists(st.sampled_from("yyyyyyynl"), min_size=count, max_size=count))  # Posted, not, or late.
    first, later = [], []
    for number, how in enumerate(drawn):
        week, rest = divmod(number, len(BINS) * len(SLOTS))
        organizer, slot = divmod(rest, len(SLOTS))
        if how != "n":
            own = posting(BINS[organizer], number + 1, slot_ms(week, slot) + number)
            (later if how == "l" else first).append(own)
    known = len(first)
    for nth, (place, to, is_late) in enumerate(draw(st.lists(corrections, max_size=4, unique_by=lambda one: one[0]))):
        if place < known:
            legs = corrected(first[place], None if to is None else slot_ms(*to) + nth)
            (later if is_late else first).extend(legs)
    return History(first, later)
