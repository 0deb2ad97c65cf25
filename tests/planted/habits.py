"""Stories about habits that change, and about nobody's habits: dormant accounts, jumps, nights, machines.

Reads     `Story`
Returns   events told to it
Promises  written from the signs that typologies give (activity that does not fit person or time), see answers.yaml
"""

from __future__ import annotations

from datetime import date

from tests.planted.teller import CASH, Device, Story, bank_account, card, on, story


@story
def dormant_account_wakes(s: Story) -> None:
    """Nothing since January; on the 14th 1,500,000 come in, large bets, and half of it leaves within two days."""
    who = s.person("sleeper")
    for day in (5, 12, 19):
        s.deposit(who, 3, on(day, 18, month=1), 3_000, card("old"))
        s.bet(who, 3, on(day, 19, month=1), 2_500, 2.0)
    for n in range(3):
        s.deposit(who, 3, on(14, 9, 40 * n), 500_000, card("new"))
    for n in range(6):
        bet = s.bet(who, 3, on(14, 15, 30 * n), 120_000, 1.7, on=f"match-{n}")
        if n % 2:
            s.win(bet, 115)
    s.withdraw(who, 3, on(16, 10), 800_000, bank_account("new"))


@story
def back_after_the_summer(s: Story) -> None:
    """A fan who has made a break from June to September bets again as he did."""
    who = s.person("fan")
    for month in (3, 4, 5, 10):
        for day in (4, 11, 18, 25):
            bet = s.bet(who, 3, on(day, 18, month=month), 3_000, 2.0, on=f"match-{month}-{day}", means=card("own"))
            if day in {11, 25}:
                s.win(bet, 110)


@story
def sudden_jump(s: Story) -> None:
    """Three months of 2,000 a week, then forty bets of 80,000 in two days, every third of them won."""
    who = s.person("bettor")
    for month in (7, 8, 9):
        for day in (3, 10, 17, 24):
            s.bet(who, 1, on(day, 19, month=month), 2_000, 2.0, on=f"match-{month}-{day}", means=card("own"))
    for n in range(40):
        bet = s.bet(who, 1, on(17 + n // 20, 12, 25 * (n % 20)), 80_000, 2.0, on=f"match-{n}", means=card("own"))
        if n % 3 == 0:
            s.win(bet, 115)


@story
def once_for_the_cup_final(s: Story) -> None:
    """Three months of 2,000 a week, then once 12,000 for the final."""
    who = s.person("fan")
    for month in (7, 8, 9, 10):
        for day in (3, 10, 17, 24):
            s.bet(who, 1, on(day, 19, month=month), 2_000, 2.0, on=f"match-{month}-{day}", means=card("own"))
    s.bet(who, 1, on(25, 19), 12_000, 2.4, on="cup-final", means=card("own"))


@story
def burst_in_the_night(s: Story) -> None:
    """Sixty bets of 20,000 between three and half past four in the night, ninety seconds apart."""
    who, computer = s.person("bettor"), Device("COMPUTER", "unattended")
    for n in range(60):
        bet = s.bet(who, 5, on(13, 3, 1.5 * n), 20_000, 1.9, on=f"virtual-{n}", means=card("own"), device=computer)
        if n % 2:
            s.win(bet, 2)


@story
def taxi_driver(s: Story) -> None:
    """A taxi driver bets two or three times on some nights between fares."""
    who = s.person("driver")
    for night in range(2, 30, 4):
        for n in range(2 + night % 2):
            bet = s.bet(who, 5, on(night, 3, 25 * n), 1_500, 2.0, on=f"nba-{night}-{n}", means=card("own"))
            if n:
                s.win(bet, 120)


@story
def machine_that_never_sleeps(s: Story) -> None:
    """A bet of 5,000 every twenty minutes for four days and nights: no person does that."""
    who = s.person("name on the account")
    s.deposit(who, 3, on(10, 8), 600_000, card("own"))
    for n in range(288):
        bet = s.bet(who, 3, on(10, 9, 20 * n), 5_000, 1.9, on=f"virtual-{n}")
        if n % 2:
            s.win(bet, 5)


@story
def weekend_of_a_keen_fan(s: Story) -> None:
    """A keen fan makes forty small bets from Saturday noon to Sunday night, and sleeps between."""
    who = s.person("fan")
    for n in range(40):
        day, place = (24, n) if n < 20 else (25, n - 20)
        bet = s.bet(who, 3, on(day, 12, 32 * place), 700, 2.0, on=f"match-{n}", means=card("own"))
        if n % 2:
            s.win(bet, 30)


@story
def a_little_more_each_week(s: Story) -> None:
    """Stakes grow from 1,000 to 3,000 over the month."""
    who = s.person("fan")
    for n in range(10):
        bet = s.bet(who, 1, on(2 + 3 * n, 19), 1_000 + 200 * n, 2.0, on=f"match-{n}", means=CASH)
        if n % 3 == 0:
            s.win(bet, 110)


@story
def pensioner_with_millions(s: Story) -> None:
    """A person born in 1950 who has never bet stakes 9,000,000 within a week at five organizers, in sums of 300,000,
    and gets most of it back: money that does not fit the person."""
    who = s.person("pensioner", date(1950, 3, 7))
    for n in range(30):
        organizer = (1, 2, 3, 5, 7)[n % 5]
        bet = s.bet(
            who, organizer, on(19 + n // 5, 11, 60 * (n % 5)), 300_000, 1.85, on=f"match-{n}", means=card("own")
        )
        if n % 2:
            s.win(bet, 115)


@story
def many_organizers_small(s: Story) -> None:
    """Somebody compares odds, and bets small sums with five organizers."""
    who = s.person("fan")
    for n in range(25):
        organizer = (1, 2, 3, 5, 7)[n % 5]
        bet = s.bet(who, organizer, on(3 + n, 19), 2_500, 2.1, on=f"match-{n}", means=card("own"))
        if n % 3 == 0:
            s.win(bet, 110)
