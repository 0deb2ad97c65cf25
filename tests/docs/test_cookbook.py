"""Every question of the cookbook, asked of a simulation, against the same answer from the ledger's rows in polars."""

from __future__ import annotations

import re
import uuid
from collections.abc import Callable, Iterator
from datetime import date, datetime
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

import polars as pl
import pytest

from bench.simulated import load_simulation
from docs.cookbook import PAGE, PLAN, Question, ask, digest, picture, questions
from esep.clock import ALMATY
from esep.settings import Settings
from esep.sinks.clickhouse.client import connect
from esep.sinks.clickhouse.migrate import migrate

if TYPE_CHECKING:
    from clickhouse_connect.driver.client import Client

    from esep.embedded.clickhouse import ClickHouseServer

pytestmark = [pytest.mark.clickhouse, pytest.mark.long]
C = pl.col
LEDGER = """
SELECT iin, organizer_bin, organizer_name, wager_id, entry_id, event_type, kind, channel, funding, payment_method,
       instrument_hash, amount_tiyn, leg, revision, odds_milli, occurred_at, received_at, person_year_wager_tiyn,
       balance_before_tiyn, balance_after_tiyn
FROM ledger
"""
BAND = [(1.0, 1_500), (1.5, 2_000), (2.0, 3_000), (3.0, 5_000), (5.0, 10_000)]
PER_WAGER = ("iin", "organizer_bin", "wager_id")


@pytest.fixture(scope="module")
def client(clickhouse: ClickHouseServer) -> Iterator[Client]:
    own = Settings(clickhouse_url=clickhouse.url, clickhouse_database=f"cookbook_{uuid.uuid4().hex[:8]}")
    migrate(own)
    load_simulation(own, PLAN)
    with connect(own) as opened:
        yield opened


@pytest.fixture(scope="module")
def ledger(client: Client) -> pl.DataFrame:
    answer = client.query(LEDGER)
    frame = pl.DataFrame(dict(zip(answer.column_names, answer.result_columns, strict=True)), strict=False)
    local = {name: C(name).dt.convert_time_zone(ALMATY) for name in ("occurred_at", "received_at")}
    return frame.with_columns(**local).with_columns(day=C("occurred_at").dt.date(), hour=C("occurred_at").dt.hour())


def of(event_type: str, what: str = "amount_tiyn") -> pl.Expr:
    """Sum of a column over postings of one type."""
    return C(what).filter(C("event_type") == event_type).sum()


def person_days(ledger: pl.DataFrame) -> pl.DataFrame:
    return ledger.group_by("iin", "day", "organizer_bin").agg(
        wagers=of("WAGER", "leg"), staked=of("WAGER"), paid=of("PAYOUT")
    )


def wagers(ledger: pl.DataFrame) -> pl.DataFrame:
    """Each wager with what was paid on it, corrections settled."""
    is_stake = (C("event_type") == "WAGER") & (C("leg") == 1)
    made = ledger.filter(C("event_type").is_in(["WAGER", "PAYOUT"])).group_by(PER_WAGER).agg(
        wager_count=of("WAGER", "leg"), payout_count=of("PAYOUT", "leg"), stake=of("WAGER"), paid=of("PAYOUT"),
        odds=C("odds_milli").filter(is_stake & C("odds_milli").is_not_null()).sort_by(
            C("revision").filter(is_stake & C("odds_milli").is_not_null())
        ).last(),
        won=C("amount_tiyn").filter(C("kind") == "WINNING").sum(),
        channel=C("channel").filter((C("event_type") == "WAGER") & C("channel").is_not_null()).first(),
        staked_at=C("occurred_at").filter(is_stake).min(),
        paid_at=C("occurred_at").filter((C("event_type") == "PAYOUT") & (C("leg") == 1)).max(),
    )  # fmt: skip
    known = made.filter((C("wager_count") > 0) | (C("payout_count") > 0)).with_columns(
        payable=(C("stake") * C("odds") + 999) // 1_000
    )
    return known.with_columns(
        status=pl.when(C("wager_count") <= 0).then(pl.lit("PAID_WITHOUT_WAGER"))
        .when((C("paid") > C("payable")).fill_null(value=False)).then(pl.lit("PAID_ABOVE_ODDS"))
        .when(C("payout_count") <= 0).then(pl.lit("UNPAID")).otherwise(pl.lit("PAID")),
    )  # fmt: skip


def top(frame: pl.DataFrame, *by: str) -> pl.DataFrame:
    """Sort by the first column downwards, then by the others upwards."""
    return frame.sort(by, descending=[True] + [False] * (len(by) - 1))


def _person(ledger: pl.DataFrame) -> pl.DataFrame:
    keenest = top(ledger.group_by("iin").agg(staked=of("WAGER")), "staked", "iin")["iin"][0]
    days = ledger.filter(C("iin") == keenest).group_by("day").agg(staked=of("WAGER"), paid=of("PAYOUT")).sort("day")
    return days.select("day", C("staked").cum_sum(), C("paid").cum_sum(), net=(C("paid") - C("staked")).cum_sum())


def _organizers(ledger: pl.DataFrame) -> pl.DataFrame:
    persons = ledger.group_by("iin").agg(organizers=C("organizer_bin").n_unique(), staked=of("WAGER"))
    return persons.group_by("organizers").agg(pl.len(), C("staked").sum()).sort("organizers")


def _concentration(ledger: pl.DataFrame) -> pl.DataFrame:
    staked = ledger.group_by("iin").agg(staked=of("WAGER")).filter(C("staked") > 0)
    keenest = top(staked, "staked", "iin")
    return keenest.select(pl.int_range(1, pl.len() + 1) / pl.len(), C("staked").cum_sum() / C("staked").sum())


def _won_most(ledger: pl.DataFrame) -> pl.DataFrame:
    november = ledger.filter(C("day").is_between(date(2026, 11, 1), date(2026, 11, 30))).group_by("iin")
    found = november.agg(net=of("PAYOUT") - of("WAGER"), wagers=of("WAGER", "leg"), of=C("organizer_bin").n_unique())
    return top(found, "net", "iin").head(20)


def _at_night(ledger: pl.DataFrame) -> pl.DataFrame:
    bets = ledger.filter((C("event_type") == "WAGER") & (C("leg") == 1) & (C("revision") == 0)).group_by("iin")
    found = bets.agg(night=(C("hour") < 6).sum(), all=pl.len(), staked=C("amount_tiyn").sum())
    found = found.filter((C("all") >= 10) & (C("night") > 0)).with_columns(share=C("night") / C("all"))
    return top(found, "share", "iin").head(20).drop("share")


def _doubled(ledger: pl.DataFrame) -> pl.DataFrame:
    age = (ledger["day"].max() - C("day")).dt.total_days()
    weeks = ledger.filter(C("event_type") == "WAGER").group_by("iin").agg(
        this=C("amount_tiyn").filter(age < 7).sum(), before=C("amount_tiyn").filter((age >= 7) & (age < 14)).sum()
    )  # fmt: skip
    found = weeks.filter((C("before") > 0) & (C("this") > 2 * C("before")) & (C("this") >= 100_000_00))
    return top(found, "this", "iin")


def _passed_through(ledger: pl.DataFrame) -> pl.DataFrame:
    sums = ledger.group_by("iin", "organizer_bin").agg(put=of("DEPOSIT"), staked=of("WAGER"), off=of("WITHDRAWAL"))
    found = sums.filter((C("put") > 0) & (C("off") * 2 >= C("put")) & (C("staked") < C("off")))
    return top(found, "off", "iin", "organizer_bin")


def _large(ledger: pl.DataFrame) -> pl.DataFrame:
    gone = ledger.filter(C("leg") == -1).select("entry_id", C("revision") - 1)
    standing = ledger.filter((C("event_type") == "PAYOUT") & (C("leg") == 1)).join(
        gone, on=["entry_id", "revision"], how="anti"
    )
    largest = top(standing, "amount_tiyn", "entry_id").head(10)
    return largest.select("occurred_at", "organizer_name", "iin", "kind", "amount_tiyn", "person_year_wager_tiyn")


def _cohorts(ledger: pl.DataFrame) -> pl.DataFrame:
    active = person_days(ledger).filter(C("wagers") > 0).with_columns(week=C("day").dt.truncate("1w"))
    weeks = active.with_columns(first=C("week").min().over("iin"))
    later = weeks.with_columns(later=(C("week") - C("first")).dt.total_days() // 7)
    return later.group_by("first", "later").agg(C("iin").n_unique()).sort("first", "later")


def _week(ledger: pl.DataFrame) -> pl.DataFrame:
    largest = top(ledger.group_by("organizer_bin").agg(staked=of("WAGER")), "staked", "organizer_bin")
    days = ledger.filter(C("organizer_bin") == largest["organizer_bin"][0]).group_by("day")
    sums = days.agg(staked=of("WAGER"), paid=of("PAYOUT"), persons=C("iin").n_unique()).sort("day", descending=True)
    return sums.select("day", "staked", "paid", (C("staked") - C("paid")).alias("kept"), "persons").head(7)


def _hold(ledger: pl.DataFrame) -> pl.DataFrame:
    every = ledger.filter(C("event_type").is_in(["WAGER", "PAYOUT"])).group_by(PER_WAGER).agg(
        channel=C("channel").drop_nulls().first(), staked=of("WAGER"), paid=of("PAYOUT")
    )  # fmt: skip
    sums = every.drop_nulls("channel").group_by("organizer_bin", "channel").agg(C("staked").sum(), C("paid").sum())
    hold = (100 * (1 - C("paid") / C("staked"))).round(1)
    return sums.with_columns(hold=hold).sort("organizer_bin", "channel")


def _hours(ledger: pl.DataFrame) -> pl.DataFrame:
    hours = ledger.group_by(C("day").dt.weekday().alias("weekday"), "hour")
    return hours.agg(of("WAGER", "leg").alias("wagers"), of("WAGER").alias("staked")).sort("weekday", "hour")


def _market(ledger: pl.DataFrame) -> pl.DataFrame:
    months = ledger.group_by(C("day").dt.month_start().alias("month"), "organizer_bin").agg(staked=of("WAGER"))
    shares = months.with_columns(percent=(100 * C("staked") / C("staked").sum().over("month")).round(2))
    return shares.sort("month", "percent", "organizer_bin", descending=[False, True, False])


def _lost(ledger: pl.DataFrame) -> pl.DataFrame:
    days = ledger.group_by("organizer_bin", "day").agg(staked=of("WAGER"), paid=of("PAYOUT"), n=of("WAGER", "leg"))
    lost = days.filter(C("paid") > C("staked")).with_columns(lost=C("paid") - C("staked"))
    return top(lost, "lost", "organizer_bin", "day").select("organizer_bin", "day", "staked", "paid", "lost", "n")


def _bonus(ledger: pl.DataFrame) -> pl.DataFrame:
    stakes = ledger.filter(C("event_type") == "WAGER").group_by("organizer_bin")
    sums = stakes.agg(bonus=C("amount_tiyn").filter(C("funding") == "BONUS").sum(), staked=C("amount_tiyn").sum())
    return sums.with_columns(percent=(100 * C("bonus") / C("staked")).round(2)).sort("organizer_bin")


def _odds(ledger: pl.DataFrame) -> pl.DataFrame:
    known = wagers(ledger).filter((C("wager_count") == 1) & (C("odds") > 0))
    band = pl.lit(10.0)
    for start, end in reversed(BAND):
        band = pl.when(C("odds") < end).then(start).otherwise(band)
    bands = known.group_by(band.alias("band"))
    return bands.agg(
        n=pl.len(),
        won=(C("won") > 0).mean(),
        by_odds=(1_000 / C("odds")).mean(),
        back=C("paid").sum() / C("stake").sum(),
    ).sort("band")


def _above(ledger: pl.DataFrame) -> pl.DataFrame:
    found = wagers(ledger).filter(C("status") == "PAID_ABOVE_ODDS").with_columns(above=C("paid") - C("payable"))
    columns = ("organizer_bin", "wager_id", "stake", "odds", "payable", "paid", "above")
    return top(found, "above", "organizer_bin", "wager_id").select(columns)


def _unknown(ledger: pl.DataFrame) -> pl.DataFrame:
    found = wagers(ledger).filter(C("status") == "PAID_WITHOUT_WAGER").group_by("organizer_bin")
    sums = found.agg(n=pl.len(), paid=C("paid").sum(), largest=C("paid").max())
    return top(sums, "paid", "organizer_bin")


def _refunds(ledger: pl.DataFrame) -> pl.DataFrame:
    is_refund = C("kind") == "REFUND"
    sums = ledger.group_by("organizer_bin").agg(
        n=C("leg").filter(is_refund).sum(), back=C("amount_tiyn").filter(is_refund).sum(), staked=of("WAGER")
    )
    shares = sums.with_columns(percent=(100 * C("back") / C("staked")).round(2)).drop("staked")
    return top(shares, "percent", "organizer_bin")


def _how_soon(ledger: pl.DataFrame) -> pl.DataFrame:
    minute = C("paid_at").dt.epoch("s") // 60 - C("staked_at").dt.epoch("s") // 60
    paid = wagers(ledger).filter((C("status") == "PAID") & (C("wager_count") == 1)).with_columns(minutes=minute)
    by = paid.group_by("organizer_bin").agg(
        n=pl.len(), half=_nth((pl.len() - 1) // 2), most=_nth((pl.len() * 0.9).floor())
    )
    return by.sort("organizer_bin")


def _nth(place: pl.Expr) -> pl.Expr:
    return C("minutes").sort().get(place.cast(pl.Int64))


def _ties(ledger: pl.DataFrame) -> pl.DataFrame:
    payers = moved(ledger).drop_nulls("instrument_hash").select("instrument_hash", "iin").unique()
    pairs = payers.join(payers, on="instrument_hash").filter(C("iin") < C("iin_right"))
    return pairs.group_by("iin", "iin_right").len().sort("iin", "iin_right")


def moved(ledger: pl.DataFrame) -> pl.DataFrame:
    """What changed hands: no stake from the balance or a bonus, no payout to the account."""
    inside = (C("event_type") == "WAGER") & C("funding").is_in(["ACCOUNT_BALANCE", "BONUS"]).fill_null(value=False)
    return ledger.filter(~inside & ~((C("event_type") == "PAYOUT") & (C("payment_method") == "ACCOUNT")))


def _cash(ledger: pl.DataFrame) -> pl.DataFrame:
    is_cash = (C("payment_method") == "CASH") | (C("funding") == "CASH").fill_null(value=False)
    direction = pl.when(C("event_type").is_in(["DEPOSIT", "WAGER"])).then(pl.lit("IN")).otherwise(pl.lit("OUT"))
    sums = moved(ledger).group_by("organizer_bin", direction.alias("direction")).agg(
        cash=C("amount_tiyn").filter(is_cash).sum(), moved=C("amount_tiyn").sum()
    )  # fmt: skip
    return sums.with_columns(percent=(100 * C("cash") / C("moved")).round(1)).sort("organizer_bin", "direction")


def _balances(ledger: pl.DataFrame) -> pl.DataFrame:
    known = ledger.filter(
        C("event_type").is_in(["DEPOSIT", "WITHDRAWAL"]) & (C("leg") == 1) & C("balance_before_tiyn").is_not_null()
    )
    sign = pl.when(C("event_type") == "DEPOSIT").then(1).otherwise(-1)
    wrong = C("balance_after_tiyn") != C("balance_before_tiyn") + sign * C("amount_tiyn")
    return (
        known.group_by("organizer_bin", "event_type")
        .agg(n=pl.len(), wrong=wrong.sum())
        .sort("organizer_bin", "event_type")
    )


def _late(ledger: pl.DataFrame) -> pl.DataFrame:
    events = ledger.filter(C("revision") == 0)
    second, minute = (C("received_at").dt.epoch("s") // n - C("occurred_at").dt.epoch("s") // n for n in (1, 60))
    days = events.group_by("organizer_bin", C("received_at").dt.date().alias("of"))
    return days.agg(n=pl.len(), late=(second > 60).sum(), latest=minute.max()).sort("organizer_bin", "of")


def _changed(ledger: pl.DataFrame) -> pl.DataFrame:
    midnight = datetime(2026, 11, 2, tzinfo=ZoneInfo(ALMATY))
    stakes = ledger.filter((C("event_type") == "WAGER") & (C("day") == date(2026, 11, 1)))
    then, now = C("amount_tiyn").filter(C("received_at") <= midnight).sum(), C("amount_tiyn").sum()
    sums = stakes.group_by("organizer_bin").agg(then=then, now=now, changed=now - then)
    return sums.sort("organizer_bin")


EXPECTED: list[Callable[[pl.DataFrame], pl.DataFrame]] = [
    *(_person, _organizers, _concentration, _won_most, _at_night, _doubled, _passed_through, _large, _cohorts, _week),
    *(_hold, _hours, _market, _lost, _bonus, _odds, _above, _unknown, _refunds, _how_soon, _ties, _cash, _balances),
    *(_late, _changed),
]


@pytest.mark.parametrize("question", questions(), ids=lambda question: str(question.number))
def test_answer_is_what_the_rows_of_the_ledger_come_to(
    client: Client, ledger: pl.DataFrame, question: Question
) -> None:
    rows = [tuple(row.values()) for row in ask(client, question)]
    expected = EXPECTED[question.number - 1](ledger).rows()
    assert rows, "a question to which the simulation has no answer shows nothing"
    assert [_plain(row) for row in rows] == [_plain(row) for row in expected]


def _plain(row: tuple[Any, ...]) -> list[object]:
    """Fractions are compared as far as they do not depend on the order of a sum."""
    return [pytest.approx(value, abs=1e-6) if isinstance(value, float) else value for value in row]


def test_page_asks_five_and_twenty_questions_of_documented_views_only(client: Client) -> None:
    asked = questions()
    assert [question.number for question in asked] == list(range(1, 26))
    assert PAGE.read_text(encoding="utf-8").count("```sql") == len(asked)
    views = set(
        client.query(
            "SELECT name FROM system.tables WHERE database = currentDatabase() AND engine = 'View'"
        ).result_columns[0]
    )
    for question in asked:
        named = set(re.findall(r"(?:FROM|JOIN) (\w+)", question.sql)) - {"firsts", "payers"}
        assert named <= views, question.title


def test_pictures_are_those_of_the_answers(client: Client) -> None:
    pictured = [question for question in questions() if question.plot]
    folder = PAGE.parent / "plots"
    assert {question.plot for question in pictured} == {path.name for path in folder.iterdir()}
    for question in pictured:
        said = f"<dc:description>{digest(ask(client, question))}</dc:description>"
        assert said in (folder / question.plot).read_text(encoding="utf-8"), (
            f"{question.plot} is stale: `make cookbook`"
        )


def test_picture_is_drawn_the_same_again_and_names_nobody(client: Client) -> None:
    (network,) = [question for question in questions() if question.plot == "21-network.svg"]
    rows = ask(client, network)
    drawn = picture(network, rows)
    assert drawn == (PAGE.parent / "plots" / network.plot).read_text(encoding="utf-8")
    assert not any(row[name] in drawn for row in rows for name in ("iin", "other_iin"))
