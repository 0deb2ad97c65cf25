"""Signs of cashing out that the ledger can show of a person in a period, each with its thresholds.

Reads     `Conduct`: what a person's postings of a period come to
Returns   `signs_of` a person; `SIGNS` by code
Promises  pure; integers only; thresholds are ours and stand in each report: the methodology of item 8 of the decree and
          the signs of Order No. 13 are not in the texts that we have. A sign is a reason to look and proves nothing
          (D934-7..11, D934-1..3; decision 0028; box: sinks/clickhouse)
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable

LARGE_TIYN = 500_000_00  # Half of the threshold of monitoring: below it nobody is looked at by sum.
MONITORED_TIYN = 1_000_000_00  # AML law 191-IV, Art. 4(1)(1).
SAFE_ODDS_MILLI = 1_100  # Who stakes at 1.1 and less risks little for the way through an organizer's books.
SHARERS_MIN = 3  # A family shares a card; three persons paid by one means are a reason to ask.
MOST_PERCENT, HALF_PERCENT, LITTLE_PERCENT = 80, 50, 20


class Conduct(NamedTuple):
    """What is in force of a person's postings. split_days: Almaty days with two winnings or more, each below the
    threshold of monitoring and together not; sharers: persons paid by the most shared of the person's own means."""

    iin: str
    organizers: int
    in_cash_tiyn: int
    in_cashless_tiyn: int
    out_cash_tiyn: int
    out_cashless_tiyn: int
    deposit_tiyn: int
    withdrawal_tiyn: int
    stake_tiyn: int
    returned_tiyn: int
    safe_stake_tiyn: int
    split_days: int = 0
    sharers: int = 0


def _is_passed_through(one: Conduct) -> bool:
    """Money was put on the account and most of it taken off again, and little of it was staked."""
    taken = one.withdrawal_tiyn * 100 >= one.deposit_tiyn * MOST_PERCENT
    staked = one.stake_tiyn * 100 <= one.deposit_tiyn * LITTLE_PERCENT
    return one.deposit_tiyn >= LARGE_TIYN and taken and staked


def _is_turned_into_cash(one: Conduct) -> bool:
    """Much came in not in cash, and cash was paid out to most of that sum or more."""
    return one.in_cashless_tiyn >= LARGE_TIYN and one.out_cash_tiyn * 100 >= one.in_cashless_tiyn * MOST_PERCENT


def _is_returned(one: Conduct) -> bool:
    """Half of what was staked or more came back as refunds and early cash-outs, without a game."""
    return one.stake_tiyn >= LARGE_TIYN and one.returned_tiyn * 100 >= one.stake_tiyn * HALF_PERCENT


def _is_safe(one: Conduct) -> bool:
    return one.stake_tiyn >= LARGE_TIYN and one.safe_stake_tiyn * 100 >= one.stake_tiyn * MOST_PERCENT


SIGNS: dict[str, tuple[str, Callable[[Conduct], bool]]] = {  # Code → the word for its meaning, and the condition.
    "C1": ("PASSED_THROUGH", _is_passed_through),
    "C2": ("TURNED_INTO_CASH", _is_turned_into_cash),
    "C3": ("SPLIT", lambda one: one.split_days > 0),
    "C4": ("SHARED_MEANS", lambda one: one.sharers >= SHARERS_MIN),
    "C5": ("RETURNED", _is_returned),
    "C6": ("SAFE_BETS", _is_safe),
}


def signs_of(one: Conduct) -> tuple[str, ...]:
    """Return the codes of the signs that a person's conduct has, in order.

    >>> signs_of(Conduct("900101300007", 1, 0, 600_000_00, 590_000_00, 0, 0, 0, 600_000_00, 0, 0))
    ('C2',)
    """
    return tuple(code for code, (_, holds) in SIGNS.items() if holds(one))
