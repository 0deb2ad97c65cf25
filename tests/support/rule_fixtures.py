"""The histories of rule_fixtures.yaml as postings.

Reads     rule_fixtures.yaml beside this file
Returns   `FIXTURES`: rule, whether it is raised, postings in the order of their arrival
Promises  each history has persons and means of payment of its own; money is exact
"""

from __future__ import annotations

import re
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import yaml

from tests.support.rule_histories import FROM_MS, HOUR_MS, PAYOUTS, own, selection

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.support.rule_oracle import Posting

NOON_MS = FROM_MS - 12 * HOUR_MS  # FROM_MS is the midnight after it.
UNITS_MS = {"min": 60_000, "h": HOUR_MS}
BINS = [
    "940140000385", "950341000052", "961141000023", "070941024691", "111111111111", "222222222222",
]  # fmt: skip


class Fixture(NamedTuple):
    """A history, and whether the rule is to be raised."""

    rule_id: str
    raises: bool
    number: int
    postings: tuple[Posting, ...]

    @property
    def name(self) -> str:
        """What a test calls it."""
        return f"{self.rule_id}-{'raises' if self.raises else 'silent'}-{self.number}"


def _read() -> Iterator[Fixture]:
    written = yaml.safe_load(Path(__file__).with_suffix(".yaml").read_text("utf-8"))
    for rule_id, sides in written.items():
        for side in ("raises", "silent"):
            for number, lines in enumerate(sides[side], 1):
                fixture = Fixture(rule_id, side == "raises", number, tuple(_postings(lines)))
                yield fixture._replace(postings=tuple(own(one, fixture.name) for one in fixture.postings))


def _postings(lines: list[dict[str, Any]]) -> Iterator[Posting]:
    """Yield postings in the order of time."""
    alike: list[tuple[int, dict[str, Any], int]] = []
    for line in lines:
        for nth in range(line.get("times", 1)):
            alike.append((NOON_MS + _ms(line["after"]) + nth * _ms(line.get("every", "0h")), line, nth))  # noqa: PERF401
    for sequence, (at_ms, line, nth) in enumerate(sorted(alike, key=lambda one: one[0]), 1):
        posting = _posting(at_ms, line, nth, sequence)
        yield posting
        if line.get("taken_back"):
            yield {**posting, "revision": 1, "leg": -1, "amount_tiyn": -posting["amount_tiyn"]}


def _posting(at_ms: int, line: dict[str, Any], nth: int, sequence: int) -> Posting:
    kind, tenge = next(iter(line.items()))
    at, card = line.get("at", 0), line.get("card")
    organizer_bin = BINS[nth if at == "each" else at]
    return {
        "iin": str(nth if line.get("by") == "each" else line.get("by", 0)),
        "entry_id": f"{organizer_bin}/desk-1/{sequence}", "organizer_bin": organizer_bin, "revision": 0, "leg": 1,
        "event_type": "PAYOUT" if kind in PAYOUTS else kind, "kind": kind if kind in PAYOUTS else None,
        "occurred_ms": at_ms, "amount_tiyn": int(Decimal(str(tenge)) * 100), "odds_milli": line.get("odds"),
        "flags": line.get("flags", 0),
        "wager_id": "" if kind in {"DEPOSIT", "WITHDRAWAL"} else line.get("bet", f"w{sequence}"),
        "instrument_hash": None if card is None else f"{nth if card == 'each' else card}" * 8,
        "selections": [selection(*one.split("/")) for one in line.get("bet_on", "").split()],
    }  # fmt: skip


def _ms(written: str) -> int:
    found = re.fullmatch(r"([\d_]+)(min|h)", written)
    assert found, written
    return int(found[1]) * UNITS_MS[found[2]]


FIXTURES = list(_read())
