"""Stories about money that passes through an organizer and comes out looking won: cashing out, turnover without risk.

Reads     `Story`
Returns   events told to it
Promises  written from D934-7 … D934-11 (cashing out) and the AML law's words alone, see answers.yaml
"""

from __future__ import annotations

from tests.planted.teller import ACCOUNT, CASH, Device, Story, bank_account, card, on, story, wallet


@story
def deposits_cut_small(s: Story) -> None:
    """Nine deposits of 91,000 to 99,000 in cash within one day, at four organizers, each below 100,000."""
    who = s.person("courier")
    for n in range(9):
        organizer = (1, 3, 5, 2)[n % 4]
        s.deposit(who, organizer, on(12, 10, 70 * n), 91_000 + 1_000 * n, CASH)
    for organizer, amount in ((1, 280_000), (3, 180_000), (5, 190_000), (2, 190_000)):
        s.withdraw(who, organizer, on(14, 12, organizer), amount, bank_account("own"))


@story
def payday_deposits(s: Story) -> None:
    """After payday somebody puts 40,000 with one organizer and 20,000 with another one, and plays it over the month."""
    who = s.person("fan")
    s.deposit(who, 1, on(10, 18), 40_000, card("own"))
    s.deposit(who, 3, on(10, 18, 20), 20_000, card("own"))
    for n in range(12):
        organizer = 1 if n % 3 else 3
        bet = s.bet(who, organizer, on(11 + n, 19), 4_500, 2.0, on="aktobe-ordabasy")
        if n % 2:
            s.win(bet, 120)


@story
def in_and_out(s: Story) -> None:
    """Two millions come in by card, ten thousand are bet, and two hours later the rest goes to a bank account."""
    who = s.person("launderer")
    s.deposit(who, 3, on(7, 11), 2_000_000, card("own"))
    s.bet(who, 3, on(7, 11, 30), 10_000, 1.5)
    s.withdraw(who, 3, on(7, 13), 1_985_000, bank_account("own"))


@story
def in_and_out_in_pieces(s: Story) -> None:
    """The same spread out: eight times 250,000 come in and 240,000 go out the next day, with a bet of 5,000 between."""
    who = s.person("launderer")
    for n in range(8):
        s.deposit(who, 5, on(3 + 3 * n, 12), 250_000, card("own"))
        s.bet(who, 5, on(3 + 3 * n, 15), 5_000, 1.4, on=f"basketball-{n}")
        s.withdraw(who, 5, on(4 + 3 * n, 10), 240_000, bank_account("own"))


@story
def changed_his_mind(s: Story) -> None:
    """Somebody puts 30,000 on an account and takes it back the same evening."""
    who = s.person("fan")
    s.deposit(who, 3, on(9, 18), 30_000, card("own"))
    s.withdraw(who, 3, on(9, 21), 30_000, card("own"))


@story
def played_and_left(s: Story) -> None:
    """200,000 come in, are bet several times over, and 320,000 go out after a lucky week."""
    who = s.person("fan")
    s.deposit(who, 3, on(12, 18), 200_000, card("own"))
    for n in range(20):
        bet = s.bet(who, 3, on(12 + n // 3, 19, 20 * (n % 3)), 30_000, 2.1, on=f"match-{n}")
        if n % 5 in {0, 2, 4}:
            s.win(bet, 110)
    s.withdraw(who, 3, on(20, 12), 320_000, card("own"))


@story
def card_in_cash_out(s: Story) -> None:
    """Eight times 400,000 come in by card and leave in cash at the desk, after a bet of 4,000: a bank card emptied."""
    who = s.person("casher")
    for n in range(8):
        s.deposit(who, 1, on(2 + 3 * n, 12), 400_000, card("own"))
        s.bet(who, 1, on(2 + 3 * n, 12, 40), 4_000, 1.3, on=f"tennis-{n}")
        s.withdraw(who, 1, on(2 + 3 * n, 17), 392_000, CASH)


@story
def cash_player(s: Story) -> None:
    """A pensioner pays in cash, plays nearly all of it, and takes what he wins in cash."""
    who = s.person("pensioner")
    for n in range(8):
        s.deposit(who, 1, on(2 + 3 * n, 12), 10_000, CASH)
        for m in range(4):
            bet = s.bet(who, 1, on(2 + 3 * n, 13, 15 * m), 2_500, 2.0, on=f"races-{n}-{m}")
            if m in {1, 3}:
                s.win(bet, 20)
        s.withdraw(who, 1, on(2 + 3 * n, 17), 8_000, CASH)


@story
def refunds_to_another_card(s: Story) -> None:
    """Twelve stakes of 300,000 by card are refunded in cash within half an hour: a desk that plays along."""
    who = s.person("casher")
    for n in range(12):
        bet = s.bet(who, 2, on(3 + 2 * n, 16), 300_000, 1.8, on=f"friendly-{n}", means=card("own"))
        s.refund(bet, 25, to=CASH)


@story
def match_called_off(s: Story) -> None:
    """A match is not played: forty persons get their stakes back within ten minutes, one of them 400,000."""
    for n, who in enumerate(s.people("fan", 40)):
        stake = 400_000 if n == 17 else 1_500 + 300 * (n % 9)
        bet = s.bet(who, 3, on(18, 10, 5 * n), stake, 2.0, on="okzhetpes-turan", means=card(f"of-{who.role}"))
        s.refund(bet, 600 - 5 * n + n / 4)


@story
def cash_out_at_once(s: Story) -> None:
    """Fifteen bets of 200,000 are sold back after three minutes for 97 %: money that only wanted to be paid out."""
    who = s.person("launderer")
    for n in range(15):
        bet = s.bet(who, 1, on(5 + n, 13, 7 * n), 200_000, 1.9, on=f"volleyball-{n}", means=card("own"))
        s.cash_out(bet, 3, 194_000)


@story
def nervous_fan(s: Story) -> None:
    """A fan sells six ordinary bets back in the second half, for more or less than the stake."""
    who = s.person("fan")
    for n in range(6):
        bet = s.bet(who, 1, on(4 + 4 * n, 19), 3_000, 2.6, on=f"match-{n}", means=card("own"))
        s.cash_out(bet, 70 + n, 1_500 + 700 * n)


@story
def hardly_any_risk(s: Story) -> None:
    """Twenty bets of 500,000 at odds of 1.01 to 1.03 in ten days, nineteen of them won: turnover without risk."""
    who = s.person("launderer")
    s.deposit(who, 5, on(8, 10), 600_000, card("own"))
    for n in range(20):
        bet = s.bet(who, 5, on(8 + n // 2, 12, 240 * (n % 2)), 500_000 if n < 19 else 100_000, 1.01 + 0.01 * (n % 3),
                    on=f"certain-{n}")  # fmt: skip
        if n != 19:
            s.win(bet, 120)
    s.withdraw(who, 5, on(19, 11), 650_000, bank_account("own"))


@story
def backer_of_favourites(s: Story) -> None:
    """A cautious fan backs favourites at odds of 1.1 to 1.3 with 2,000."""
    who = s.person("fan")
    for n in range(20):
        bet = s.bet(who, 5, on(3 + n, 19), 2_000, 1.1 + 0.01 * n, on=f"favourite-{n}", means=card("own"))
        if n % 7:
            s.win(bet, 120)


@story
def all_outcomes_alone(s: Story) -> None:
    """One person backs all three outcomes of a match at three organizers so that he gets the same whichever comes."""
    who = s.person("launderer")
    outcomes = (("1", 1, 2.0), ("X", 3, 3.6), ("2", 5, 4.2))
    for n in range(8):
        for outcome, organizer, odds in outcomes:
            bet = s.bet(who, organizer, on(4 + 3 * n, 16, 4 * organizer), round(400_000 / odds), odds,
                        on=f"premier-league-{n}", outcome=outcome, means=card("own"))  # fmt: skip
            if outcome == "1X2"[n % 3]:
                s.win(bet, 170, 400_000, to=bank_account("own"))


@story
def hedge_once(s: Story) -> None:
    """A fan backs his team with 5,000 and, when it leads, the other one with 2,000 at the same organizer."""
    who = s.person("fan")
    bet = s.bet(who, 1, on(17, 18), 5_000, 2.8, on="kairat-astana", outcome="1", means=card("own"))
    s.bet(who, 1, on(17, 19, 30), 2_000, 6.0, on="kairat-astana", outcome="2", means=card("own"))
    s.win(bet, 115)


@story
def both_sides_by_two(s: Story) -> None:
    """Two persons back the two sides of ten matches at one organizer, minutes apart, with the same sum: one pays the
    other through the organizer."""
    sender, receiver = s.person("sender"), s.person("receiver")
    for n in range(10):
        match, at = f"doubles-{n}", on(3 + 2 * n, 15, 11 * n)
        s.deposit(sender, 3, on(3 + 2 * n, 14), 400_000, card("of-sender"))
        s.deposit(receiver, 3, on(3 + 2 * n, 14, 3), 400_000, card("of-receiver"))
        lost = s.bet(sender, 3, at, 400_000, 1.95, on=match, market="winner", outcome="1")
        won = s.bet(receiver, 3, on(3 + 2 * n, 15, 11 * n + 4), 400_000, 1.95, on=match, market="winner", outcome="2")
        s.win(lost if n in {2, 6} else won, 100)
    s.withdraw(receiver, 3, on(23, 12), 5_500_000, bank_account("of-receiver"))


@story
def rivals(s: Story) -> None:
    """Two friends back the two sides of one derby with 2,000 each."""
    for n, who in enumerate(s.people("friend", 2)):
        bet = s.bet(who, 3, on(17, 18, 3 * n), 2_000, 1.9, on="tobol-atyrau", outcome="12"[n], means=CASH)
        if n:
            s.win(bet, 120)


@story
def both_sides_at_two_organizers(s: Story) -> None:
    """The same between two organizers, who call the match by other names."""
    sender, receiver = s.person("sender"), s.person("receiver")
    for n in range(8):
        s.bet(sender, 1, on(4 + 3 * n, 15), 350_000, 1.95, on=f"SET-{n}-A", outcome="home", means=card("of-sender"))
        won = s.bet(receiver, 5, on(4 + 3 * n, 15, 6), 350_000, 1.95, on=f"2026/{n}/set", outcome="2",
                    means=card("of-receiver"))  # fmt: skip
        s.win(won, 100, to=bank_account("of-receiver"))


@story
def handover_between_accounts(s: Story) -> None:
    """Money goes on from hand to hand in two days: what one takes out by a wallet, the next one brings in by it."""
    hands = s.people("hand", 4)
    amount = 900_000
    for n, who in enumerate(hands):
        organizer = (1, 3, 5, 2)[n]
        s.deposit(who, organizer, on(20, 10, 600 * n), amount, card("first") if n == 0 else wallet(f"link-{n}"))
        s.bet(who, organizer, on(20, 10, 600 * n + 40), 5_000, 1.6)
        amount -= 10_000
        s.withdraw(who, organizer, on(20, 10, 600 * n + 300), amount, wallet(f"link-{n + 1}"))


@story
def birthday_gift(s: Story) -> None:
    """An aunt pays 10,000 on her nephew's account with her wallet, which she uses herself, too."""
    aunt, nephew = s.person("aunt"), s.person("nephew")
    s.deposit(aunt, 1, on(8, 18), 8_000, wallet("of-aunt"))
    s.bet(aunt, 1, on(8, 19), 4_000, 2.0)
    s.deposit(nephew, 1, on(9, 18), 10_000, wallet("of-aunt"))
    for n in range(3):
        s.bet(nephew, 1, on(10 + n, 19), 3_000, 2.0)


@story
def loses_on_purpose(s: Story) -> None:
    """A debtor of a bribe loses 3,000,000 in twelve bets at odds of 40 on impossible outcomes; the organizer's owner is
    whom he owes."""
    who = s.person("payer")
    for n in range(12):
        s.bet(who, 5, on(12 + n // 4, 11, 20 * (n % 4)), 250_000, 40.0, on=f"impossible-{n}", means=bank_account("own"))


@story
def machine_of_a_shop(s: Story) -> None:
    """Sixty persons bet small sums at one terminal of a shop: it is everybody's."""
    terminal = Device("TERMINAL", "terminal-7")
    for n, who in enumerate(s.people("customer", 60)):
        bet = s.bet(who, 3, on(2 + n // 3, 14, 45 * (n % 3)), 1_000 + 100 * (n % 8), 2.0, on=f"evening-{n // 3}",
                    means=CASH, device=terminal)  # fmt: skip
        if n % 2:
            s.win(bet, 100, to=CASH)


@story
def all_in_ones_own_name(s: Story) -> None:
    """A regular customer of four organizers plays through everything that he brings, all with one card."""
    who = s.person("fan")
    for n in range(24):
        organizer = (1, 2, 3, 5)[n % 4]
        s.deposit(who, organizer, on(2 + n, 18), 15_000, card("own"))
        for m in range(3):
            bet = s.bet(who, organizer, on(2 + n, 19, 20 * m), 5_000, 2.0, on=f"match-{n}-{m}", means=ACCOUNT)
            if m == n % 3:
                s.win(bet, 110)
