"""Stories about persons and money that lists and law name: officials, debtors, the young, credit, barred payees.

Reads     `Story`
Returns   events told to it
Promises  written from the facts around the law and from R2021-1 … R2021-3 alone, see answers.yaml; who stands on which
          list is said there, too
"""

from __future__ import annotations

from datetime import date

from tests.planted.teller import CASH, Story, card, credit_card, on, story

LICENCE_ENDED, LICENCE_WITHDRAWN = 8, 9  # Places of organizers that the background has nothing to do with.


def _plays(s: Story, role: str, organizer: int, first: int, last: int, stake: int, born: date | None = None) -> None:
    """Bet every third day; win every third time."""
    who = s.person(role, born)
    for n, day in enumerate(range(first, last + 1, 3)):
        bet = s.bet(who, organizer, on(day, 19, n), stake, 2.4, on=f"match-{day}", means=card("own"))
        if n % 3 == 1:
            s.win(bet, 115)


@story
def debtor_wins_in_cash(s: Story) -> None:
    """A debtor bets 15,000 every third day and takes 300,000 in cash, of which his creditors see nothing."""
    who = s.person("debtor")
    for n in range(9):
        bet = s.bet(who, 2, on(2 + 3 * n, 18), 15_000, 20.0 if n == 5 else 2.0, on=f"match-{n}", means=CASH)
        if n == 5:
            s.win(bet, 160)


@story
def debt_was_paid(s: Story) -> None:
    """A debtor has paid and is off the register since the 5th; he bets from the 7th on."""
    _plays(s, "former debtor", 2, 7, 30, 3_000)


@story
def official_plays(s: Story) -> None:
    """An official bets 25,000 every third day."""
    _plays(s, "official", 1, 4, 29, 25_000)


@story
def official_from_the_20th_on(s: Story) -> None:
    """Somebody is appointed on the 20th and has stopped to bet on the 19th."""
    _plays(s, "later official", 1, 4, 19, 4_000)


@story
def excluded_and_plays(s: Story) -> None:
    """Somebody who has excluded himself in March for a year is let in by two organizers all the same."""
    _plays(s, "excluded", 3, 3, 15, 8_000)
    _plays(s, "excluded", 5, 16, 30, 8_000)


@story
def exclusion_is_over(s: Story) -> None:
    """Somebody's exclusion has ended with September."""
    _plays(s, "once excluded", 3, 3, 30, 3_000)


@story
def nineteen_years_old(s: Story) -> None:
    """Somebody born in May 2007 bets on line."""
    _plays(s, "minor", 5, 5, 25, 2_000, date(2007, 5, 14))


@story
def twenty_one_since_the_tenth(s: Story) -> None:
    """Somebody turns 21 on the 10th and bets for the first time on the 11th."""
    _plays(s, "of age", 5, 11, 30, 2_000, date(2005, 10, 10))


@story
def plays_on_credit(s: Story) -> None:
    """Somebody puts 1,000,000 on his account from a credit card in five pieces and loses it."""
    who = s.person("borrower")
    for n in range(5):
        s.deposit(who, 1, on(6 + 2 * n, 20), 200_000, credit_card("own"))
        for m in range(4):
            s.bet(who, 1, on(6 + 2 * n, 20, 20 + 15 * m), 50_000, 2.2, on=f"match-{n}-{m}")


@story
def bets_by_credit_card(s: Story) -> None:
    """Somebody pays seven stakes straight with a credit card."""
    who = s.person("borrower")
    for n in range(7):
        s.bet(who, 3, on(5 + 3 * n, 21), 30_000, 2.2, on=f"match-{n}", means=credit_card("own"))


@story
def pays_by_debit_card(s: Story) -> None:
    """The same sums as those of who plays on credit, once, by a debit card."""
    who = s.person("fan")
    for n in range(5):
        s.bet(who, 3, on(5 + 5 * n, 21), 10_000, 2.2, on=f"match-{n}", means=card("own"))


@story
def licence_has_ended(s: Story) -> None:
    """An organizer whose licence has ended with the 12th reports bets until the 25th."""
    for n, who in enumerate(s.people("customer", 6)):
        for day in range(8 + n, 26, 3):
            s.bet(who, LICENCE_ENDED, on(day, 18, 5 * n), 5_000, 2.0, on=f"match-{day}", means=card(f"of-{who.role}"))


@story
def licence_withdrawn_in_hindsight(s: Story) -> None:
    """On the 20th the register says that an organizer's licence was withdrawn on the 8th; it has gone on until then."""
    for n, who in enumerate(s.people("customer", 6)):
        for day in range(4 + n, 20, 3):
            s.bet(who, LICENCE_WITHDRAWN, on(day, 18, 5 * n), 5_000, 2.0, on=f"match-{day}",
                  means=card(f"of-{who.role}"))  # fmt: skip


@story
def last_bets_under_the_licence(s: Story) -> None:
    """Customers of the same organizer bet before the licence was withdrawn."""
    for n, who in enumerate(s.people("customer", 4)):
        for day in (2, 4, 6):
            s.bet(who, LICENCE_WITHDRAWN, on(day, 12, 5 * n), 3_000, 2.0, on=f"match-{day}",
                  means=card(f"of-{who.role}"))  # fmt: skip


@story
def paid_through_an_illegal_casino(s: Story) -> None:
    """Deposits with a licensed organizer are brought by the payee of an illegal internet casino of the register."""
    for n, who in enumerate(s.people("player", 4)):
        for day in range(6 + n, 28, 7):
            s.deposit(who, 3, on(day, 22), 60_000, card(f"of-{who.role}"), provider="777-slots.example")
            s.bet(who, 3, on(day, 22, 20), 50_000, 2.0, on=f"match-{day}")


@story
def paid_out_by_a_foreign_organizer(s: Story) -> None:
    """Withdrawals are paid by the payee of a foreign organizer to whom and from whom payments are banned."""
    who = s.person("player")
    s.deposit(who, 5, on(5, 20), 400_000, card("own"))
    for n in range(3):
        s.bet(who, 5, on(6 + 5 * n, 19), 20_000, 2.0, on=f"match-{n}")
        s.withdraw(who, 5, on(7 + 5 * n, 12), 90_000, card("own"), provider="winbet-pay.example")


@story
def barred_only_from_november(s: Story) -> None:
    """A payment agent is in the register of illegal resources from 1 November on; in October it was not."""
    who = s.person("fan")
    for n in range(5):
        s.deposit(who, 3, on(5 + 5 * n, 18), 9_000, card("own"), provider="speedpay.example")
        s.bet(who, 3, on(5 + 5 * n, 19), 8_000, 2.0, on=f"match-{n}")


@story
def taken_off_the_register(s: Story) -> None:
    """A payment agent was barred until the end of August, and is lawful again."""
    who = s.person("fan")
    for n in range(5):
        s.deposit(who, 1, on(4 + 5 * n, 18), 9_000, card("own"), provider="oldpay.example")
        s.bet(who, 1, on(4 + 5 * n, 19), 8_000, 2.0, on=f"match-{n}")
