"""The demo's own sums, and what makes it fail; the demo as a whole is what `make demo` runs."""

from __future__ import annotations

from pathlib import Path

from esep.cli.demo import Check, _file_sums
from tests.integration.oracle import postings

ROOT = Path(__file__).resolve().parent.parent.parent
BETS = ROOT / "examples" / "bustabit-a.csv"


def test_sums_of_the_file_are_the_oracle_s() -> None:
    with BETS.open(encoding="utf-8") as file:
        names = {line.split(",")[2] for line in file}
    found = postings(BETS, dict.fromkeys(names, "any"), 0)
    stakes = sum(posting.amount_tiyn for posting in found if posting.event_type == "WAGER")
    payouts = sum(posting.amount_tiyn for posting in found if posting.event_type == "PAYOUT")
    assert _file_sums(BETS) == (stakes, payouts)


def test_check_agrees_only_where_both_sides_are_equal() -> None:
    assert Check("rows", 3, 3).agrees
    assert not Check("rows", 3, 4).agrees
