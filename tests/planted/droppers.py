"""Stories about droppers: accounts and means of payment that their owners have handed to others.

Reads     `Story`
Returns   events told to it
Promises  written from the words of D934-1 … D934-3 alone, see answers.yaml: a dropper has given a third person
          access to an account or means of payment, or lets it be used for a reward
"""

from __future__ import annotations

from datetime import date

from tests.planted.teller import CASH, Device, Story, bank_account, card, on, story, wallet


@story
def one_card_fills_many_accounts(s: Story) -> None:
    """One card fills the accounts of eight persons at three organizers within a week."""
    for n, who in enumerate(s.people("dropper", 8)):
        organizer = (1, 3, 5)[n % 3]
        s.deposit(who, organizer, on(5 + n // 2, 13, 17 * n), 180_000, card("of-controller"))
        s.bet(who, organizer, on(5 + n // 2, 18, 11 * n), 20_000, 1.7, on=f"match-{n}")
        s.withdraw(who, organizer, on(7 + n // 2, 12, 9 * n), 150_000, card(f"of-{who.role}"))


@story
def family_of_two(s: Story) -> None:
    """A husband and a wife pay with one card all month and are paid on it."""
    wife, husband = s.person("wife"), s.person("husband")
    for n in range(8):
        for who in (wife, husband):
            at = on(3 + 3 * n, 18, 30 if who is wife else 50)
            s.deposit(who, 1, at, 10_000, card("of-family"))
            bet = s.bet(who, 1, on(3 + 3 * n, 20), 9_000, 2.0, on=f"match-{n}", outcome="1")
            if n % 3 == 0:
                s.win(bet, 110)
                s.withdraw(who, 1, on(4 + 3 * n, 12), 15_000, card("of-family"))


@story
def many_are_paid_to_one(s: Story) -> None:
    """Twelve persons pay in with cards of their own, play little, and all take out to one bank account."""
    for n, who in enumerate(s.people("dropper", 12)):
        organizer = (1, 3, 5)[n % 3]
        s.deposit(who, organizer, on(10 + n, 11), 300_000, card(f"of-{who.role}"))
        s.bet(who, organizer, on(10 + n, 15), 15_000, 1.5, on=f"match-{n}")
        s.withdraw(who, organizer, on(11 + n, 10), 280_000, bank_account("of-collector"))


@story
def sons_and_their_father(s: Story) -> None:
    """Two students take small winnings out to their father's card, once each, and he plays with it himself."""
    father = s.person("father")
    s.deposit(father, 1, on(4, 18), 15_000, card("of-father"))
    s.bet(father, 1, on(4, 20), 5_000, 2.0)
    for n, son in enumerate(s.people("son", 2)):
        s.deposit(son, 1, on(6 + n, 18), 8_000, card(f"of-{son.role}"))
        bet = s.bet(son, 1, on(6 + n, 19), 6_000, 2.2)
        s.win(bet, 110)
        s.withdraw(son, 1, on(8 + n, 12), 12_000, card("of-father"))


@story
def many_cards_fill_one_account(s: Story) -> None:
    """A student of 22, never seen before: nine strangers' cards fill his account, all leaves to a wallet."""
    who = s.person("dropper", date(2004, 2, 11))
    for n in range(9):
        s.deposit(who, 3, on(14 + n // 3, 12, 50 * (n % 3)), 140_000, card(f"of-stranger-{n}"))
    s.bet(who, 3, on(16, 18), 10_000, 1.4)
    for n in range(3):
        s.withdraw(who, 3, on(17, 9, 30 * n), 410_000, wallet("of-controller"))


@story
def lost_his_card(s: Story) -> None:
    """A customer loses his card and uses a new one from the middle of the month on."""
    who = s.person("fan")
    for n in range(10):
        s.deposit(who, 3, on(2 + 3 * n, 18), 7_000, card("old" if n < 5 else "new"))
        bet = s.bet(who, 3, on(2 + 3 * n, 19), 6_000, 2.1, on=f"match-{n}")
        if n % 3 == 1:
            s.win(bet, 110)
            s.withdraw(who, 3, on(3 + 3 * n, 12), 8_000, card("old" if n < 5 else "new"))


@story
def account_sold(s: Story) -> None:
    """A small bettor of Shymkent sells his account: from the 16th on another device, other cards, other sums."""
    who = s.person("owner")
    own, other = Device("PHONE", "phone-of-owner"), Device("COMPUTER", "computer-of-buyer")
    for month, day in ((8, 5), (8, 19), (9, 2), (9, 16), (9, 30), (10, 7), (10, 12)):
        s.deposit(who, 5, on(day, 18, month=month), 4_000, card("own"), device=own)
        s.bet(who, 5, on(day, 19, month=month), 3_500, 2.0, device=own)
    for n in range(7):
        s.deposit(who, 5, on(16 + n, 10), 200_000, card(f"of-buyer-{n % 3}"), device=other)
        s.bet(who, 5, on(16 + n, 10, 30), 8_000, 1.5, on=f"match-{n}", device=other)
        s.withdraw(who, 5, on(16 + n, 13), 190_000, wallet("of-buyer"), device=other)


@story
def new_phone(s: Story) -> None:
    """A customer buys a new phone, and plays on as before."""
    who = s.person("fan")
    for n in range(10):
        device = Device("PHONE", "old" if n < 5 else "new")
        s.deposit(who, 5, on(2 + 3 * n, 18), 5_000, card("own"), device=device)
        s.bet(who, 5, on(2 + 3 * n, 19), 4_500, 2.0, on=f"match-{n}", device=device)


@story
def one_computer_many_accounts(s: Story) -> None:
    """Fifteen accounts with fifteen cards are played from one computer in one night, the same bet on each."""
    computer = Device("COMPUTER", "farm-1")
    for n, who in enumerate(s.people("dropper", 15)):
        s.deposit(who, 3, on(19, 1, 6 * n), 90_000, card(f"of-{who.role}"), device=computer)
        bet = s.bet(who, 3, on(19, 1, 6 * n + 3), 85_000, 1.9, on="nba-night", outcome="12"[n % 2], device=computer)
        if n % 2:
            s.win(bet, 200)
            s.withdraw(who, 3, on(19, 9, 4 * n), 165_000, wallet(f"of-{who.role}"), device=computer)


@story
def couple_on_one_computer(s: Story) -> None:
    """A couple shares a computer."""
    computer = Device("COMPUTER", "at-home")
    for n in range(6):
        for who in s.people("spouse", 2):
            s.bet(who, 3, on(4 + 4 * n, 20), 2_000, 2.0, on=f"match-{n}", means=card(f"of-{who.role}"), device=computer)


@story
def a_reward_stays_behind(s: Story) -> None:
    """Five persons let 600,000 pass through their accounts and keep a reward of 5 %: 570,000 go on to one wallet."""
    for n, who in enumerate(s.people("dropper", 5)):
        organizer = (3, 1)[n % 2]
        s.deposit(who, organizer, on(22, 10, 35 * n), 600_000, bank_account("of-firm"))
        s.bet(who, organizer, on(22, 11, 35 * n), 3_000, 1.3, on=f"match-{n}")
        s.withdraw(who, organizer, on(22, 14, 35 * n), 570_000, wallet("of-controller"))
        s.withdraw(who, organizer, on(24, 12, n), 26_000, card(f"of-{who.role}"))


@story
def cards_in_turn(s: Story) -> None:
    """A group of six uses each other's cards crosswise: nobody pays with his own one twice."""
    group = s.people("member", 6)
    for n in range(18):
        who, owner = group[n % 6], group[(n + 1 + n // 6) % 6]
        organizer = (1, 3, 5)[n // 6]
        s.deposit(who, organizer, on(6 + n, 12), 120_000, card(f"of-{owner.role}"))
        s.bet(who, organizer, on(6 + n, 13), 6_000, 1.5, on=f"match-{n}")
        s.withdraw(who, organizer, on(6 + n, 18), 110_000, card(f"of-{group[(n + 2) % 6].role}"))


@story
def friends_at_a_desk(s: Story) -> None:
    """Six friends bet in cash at one desk every Saturday."""
    for saturday in (3, 10, 17, 24, 31):
        for n, who in enumerate(s.people("friend", 6)):
            bet = s.bet(who, 3, on(saturday, 17, 2 * n), 2_000, 2.3, on="derby", means=CASH)
            if n == saturday % 6:
                s.win(bet, 120)


@story
def sleeping_droppers(s: Story) -> None:
    """Ten accounts are opened within one hour with deposits of 1,000 by wallets of one pattern, and are all used on one
    day three weeks later, each for one pass of 250,000."""
    for n, who in enumerate(s.people("dropper", 10)):
        s.deposit(who, 5, on(4, 15, 5 * n), 1_000, wallet(f"of-{who.role}"))
        s.deposit(who, 5, on(26, 10, 12 * n), 250_000, card(f"of-{who.role}"))
        s.bet(who, 5, on(26, 12, 12 * n), 2_000, 1.2, on=f"match-{n}")
        s.withdraw(who, 5, on(26, 18, 12 * n), 245_000, wallet(f"of-{who.role}"))


@story
def students_join_together(s: Story) -> None:
    """Ten students open accounts in one evening after an advertisement, and play small sums with their own cards."""
    for n, who in enumerate(s.people("student", 10)):
        s.deposit(who, 5, on(9, 20, 5 * n), 2_000, card(f"of-{who.role}"))
        for m in range(3):
            bet = s.bet(who, 5, on(10 + 6 * m, 19, n), 600, 2.0, on=f"match-{m}")
            if (n + m) % 4 == 0:
                s.win(bet, 120)
