"""Stories about winnings: what is reported for its size, and how that is got around.

Reads     `Story`
Returns   events told to it
Promises  written from the words of the AML law and of the typologies alone, see answers.yaml
"""

from __future__ import annotations

from tests.planted.teller import ACCOUNT, CASH, Story, bank_account, card, on, story


@story
def million_exactly(s: Story) -> None:
    """A winning of 1,000,000 tenge exactly, which the law includes."""
    who = s.person("winner")
    s.deposit(who, 1, on(6, 18), 60_000, card("own"))
    bet = s.bet(who, 1, on(6, 18, 20), 50_000, 21.0, on="kairat-astana")
    s.win(bet, 130, 1_050_000)
    s.withdraw(who, 1, on(7, 11), 1_000_000, card("own"))


@story
def just_below_a_million(s: Story) -> None:
    """An honest single winning of 999,900, once in a life."""
    who = s.person("fan")
    for day in (3, 10, 17, 24):
        s.bet(who, 3, on(day, 19), 2_000, 2.1, means=card("own"))
    bet = s.bet(who, 3, on(25, 19, 10), 10_000, 100.99, on="barys-avtomobilist", means=card("own"))
    s.win(bet, 150, 1_009_900)


@story
def refund_of_a_large_stake(s: Story) -> None:
    """A stake of 1,500,000 comes back whole, as the match was not played: nothing was won."""
    who = s.person("rich fan")
    bet = s.bet(who, 2, on(11, 15), 1_500_000, 1.9, on="shakhter-kaisar", means=card("own"))
    s.refund(bet, 300)


@story
def winnings_over_four_organizers(s: Story) -> None:
    """Four winnings of 940,000 to 970,000 within two days, each with another organizer, each below the million."""
    who = s.person("winner")
    slices = ((13, 1, 970_000), (13, 2, 940_000), (14, 3, 960_000), (14, 5, 955_000))
    for day, organizer, won in slices:
        bet = s.bet(who, organizer, on(day, 17, organizer * 9), 60_000, (won + 60_000) / 60_000, means=card("own"))
        s.win(bet, 140, won + 60_000)


@story
def three_middling_winnings(s: Story) -> None:
    """Somebody has a good month: three winnings of 350,000, 410,000 and 180,000 at one organizer, among many losses."""
    who = s.person("fan")
    s.deposit(who, 5, on(1, 18), 150_000, card("own"))
    odds = {5: 88.5, 16: 103.5, 27: 46.0}  # Of the bets that are won.
    for day in range(2, 30):
        bet = s.bet(who, 5, on(day, 20, day), 4_000, odds.get(day, 5.5), on="aktobe-ordabasy")
        if day in odds:
            s.win(bet, 120)
    s.withdraw(who, 5, on(28, 12), 500_000, card("own"))


@story
def one_bet_cut_into_tickets(s: Story) -> None:
    """One bet of 1,000,000 is bought as ten tickets of 100,000 in cash within twenty minutes; each pays 190,000."""
    who = s.person("bettor")
    bets = [s.bet(who, 2, on(8, 16, 2 * n), 100_000, 2.9, on="kairat-astana", means=CASH) for n in range(10)]
    for n, bet in enumerate(bets):
        s.win(bet, 180 + 3 * n, 290_000)


@story
def ten_small_tickets(s: Story) -> None:
    """A fan in good mood buys ten tickets of 500 on ten outcomes of one evening."""
    who = s.person("fan")
    for n in range(10):
        bet = s.bet(who, 2, on(9, 17, n), 500, 2.2 + n / 5, on=f"evening-{n}", means=CASH)
        if n in {2, 7}:
            s.win(bet, 160)


@story
def honest_big_winner(s: Story) -> None:
    """Three months of ordinary bets with one organizer, then 930,000 won at long odds, paid to the own card."""
    who = s.person("fan")
    for month in (8, 9, 10):
        for day in (2, 7, 12, 17, 22):
            s.deposit(who, 1, on(day, 18, 30, month=month), 12_000, card("own"))
            for n in range(3):
                bet = s.bet(who, 1, on(day, 19, 10 * n, month=month), 4_000, 1.9, on="tobol-atyrau")
                if n == 1:
                    s.win(bet, 115)
    bet = s.bet(who, 1, on(23, 19), 15_000, 63.0, on="barys-avtomobilist", outcome="X")
    s.win(bet, 140)
    s.withdraw(who, 1, on(24, 13), 700_000, card("own"))


@story
def bought_winning_tickets(s: Story) -> None:
    """Nine strangers' winning tickets are cashed by one and the same person, who has not bet himself."""
    buyer = s.person("buyer")
    for n, stranger in enumerate(s.people("stranger", 9)):
        bet = s.bet(stranger, 2, on(4 + n, 18, 3 * n), 8_000, 12.0 + n, on="aktobe-ordabasy", means=CASH)
        s.win(bet, 300, to=CASH, by=buyer)


@story
def son_collects_once(s: Story) -> None:
    """A son collects his father's ticket of 9,000 once."""
    father, son = s.person("father"), s.person("son")
    for day in (5, 12, 19):
        s.bet(father, 2, on(day, 17), 2_000, 4.5, means=CASH)
    bet = s.bet(father, 2, on(20, 17), 2_000, 4.5, means=CASH)
    s.win(bet, 240, to=CASH, by=son)


@story
def winnings_without_a_bet(s: Story) -> None:
    """An organizer's clerk books winnings on bets that were never reported, to one acquaintance."""
    who, ghost = s.person("acquaintance"), Story("winnings-without-a-bet-made-up")
    for n in range(6):
        bet = ghost.bet(who, 5, on(7 + 3 * n, 14), 20_000, 31.0, on="barys-avtomobilist", means=bank_account("own"))
        s.win(bet, 200)


@story
def bet_of_last_month(s: Story) -> None:
    """A bet of 30 September is paid out in October."""
    who = s.person("fan")
    bet = s.bet(who, 5, on(30, 22, month=9), 5_000, 3.0, means=card("own"))
    s.win(bet, 240)


@story
def wins_nearly_always(s: Story) -> None:
    """Twenty-eight bets of 40,000 at odds of 2 and more, twenty-six of them won: results known before."""
    who = s.person("insider")
    s.deposit(who, 3, on(2, 15), 200_000, card("own"))
    for n in range(28):
        bet = s.bet(who, 3, on(2 + n, 18, n), 40_000, 2.0 + (n % 4) / 10, on=f"lower-league-{n}")
        if n not in {9, 20}:
            s.win(bet, 125)
        if n % 5 == 4:
            s.withdraw(who, 3, on(3 + n, 10), 150_000, bank_account("own"))


@story
def bet_when_the_result_is_known(s: Story) -> None:
    """Six bets at odds of 15 are placed three minutes before they are paid: the match was over."""
    who = s.person("insider")
    for n in range(6):
        bet = s.bet(who, 5, on(6 + 4 * n, 21, 50), 45_000, 15.0, on=f"table-tennis-{n}", means=card("own"))
        s.win(bet, 3)


@story
def quick_live_bets(s: Story) -> None:
    """Live bets of 1,000 on the next goal are settled in a few minutes."""
    who = s.person("fan")
    s.deposit(who, 5, on(5, 18), 20_000, card("own"))
    for n in range(12):
        bet = s.bet(who, 5, on(5, 19, 4 * n), 1_000, 2.2, on="tobol-atyrau", market="next-goal", outcome=f"goal-{n}")
        if n % 3 == 0:
            s.win(bet, 3)


@story
def winning_split_by_correction(s: Story) -> None:
    """A winning of 2,400,000 is voided a day later and booked anew to three relatives, below a million each."""
    who, relatives = s.person("winner"), s.people("relative", 3)
    bet = s.bet(who, 3, on(15, 20), 100_000, 25.0, on="kairat-astana", means=bank_account("own"))
    number = s.win(bet, 130, 2_500_000)
    s.mend(number, on(16, 16), "Выплата оформлена ошибочно", None)
    for relative in relatives:
        s.win(bet, 1_260, 833_000, to=bank_account(f"of-{relative.role}"), by=relative)


@story
def typing_error(s: Story) -> None:
    """A cashier types 1,250,000 instead of 12,500 and mends it four minutes later."""
    who = s.person("fan")
    bet = s.bet(who, 2, on(19, 18), 5_000, 2.5, means=CASH)
    number = s.win(bet, 120, 1_250_000)
    right = {"amount_tiyn": 12_500_00, "won_tiyn": 7_500_00}
    s.mend(number, on(19, 20, 4), "Қате терілген сома", right)


@story
def crowd_on_a_fixed_match(s: Story) -> None:
    """Eighteen persons never seen before back one outcome of a third-league match within an hour at four organizers."""
    for n, who in enumerate(s.people("backer", 18)):
        organizer = (1, 2, 3, 5)[n % 4]
        s.deposit(who, organizer, on(21, 14, 2 * n), 150_000, card(f"of-{who.role}"))
        bet = s.bet(who, organizer, on(21, 15, 3 * n), 150_000, 4.8, on="zhaiyk-ii-kaspiy-ii", outcome="2")
        s.win(bet, 170)
        s.withdraw(who, organizer, on(21, 20, 2 * n), 700_000, bank_account(f"of-{who.role}"))


@story
def crowd_on_the_derby(s: Story) -> None:
    """Forty persons back the favourite of the derby with small sums."""
    for n, who in enumerate(s.people("fan", 40)):
        bet = s.bet(who, (1, 2, 3, 5)[n % 4], on(22, 17, n), 1_000 + 200 * (n % 7), 1.6, means=card(f"of-{who.role}"))
        s.win(bet, 160)


@story
def payout_moved_to_a_stranger(s: Story) -> None:
    """Winnings of an account with one name are withdrawn again and again to accounts of five others."""
    who = s.person("holder")
    s.deposit(who, 3, on(3, 12), 100_000, card("own"))
    for n in range(5):
        bet = s.bet(who, 3, on(4 + 4 * n, 19), 60_000, 7.0, on=f"ice-hockey-{n}")
        s.win(bet, 140)
        s.withdraw(who, 3, on(5 + 4 * n, 11), 355_000, bank_account(f"stranger-{n}"))


@story
def new_bank_account(s: Story) -> None:
    """A person closes one bank account and opens another one in the middle of the month."""
    who = s.person("fan")
    s.deposit(who, 3, on(3, 12), 40_000, bank_account("old"))
    bet = s.bet(who, 3, on(4, 19), 20_000, 2.2, means=ACCOUNT)
    s.win(bet, 140)
    s.withdraw(who, 3, on(5, 11), 30_000, bank_account("old"))
    s.deposit(who, 3, on(18, 12), 20_000, bank_account("new"))
    bet = s.bet(who, 3, on(18, 19), 20_000, 2.2, means=ACCOUNT)
    s.win(bet, 140)
    s.withdraw(who, 3, on(19, 11), 30_000, bank_account("new"))
