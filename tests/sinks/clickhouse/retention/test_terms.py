"""What may go is a matter of calendar years and holds alone: held to a second way of counting (O9-4.7)."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

from hypothesis import given
from hypothesis import strategies as st

from esep.clock import retention_horizon
from esep.sinks.clickhouse.retention.terms import Keeping, Place, Stored, Verdict, free_from, plan

ALMATY = ZoneInfo("Asia/Almaty")
INSTANTS = st.integers(1_420_000_000, 2_200_000_000).map(lambda second: datetime.fromtimestamp(second, UTC))
PLACES = st.builds(Place, st.sampled_from(["ledger", "rejected", "receipts"]), st.integers(201501, 203912))
HOLDS = st.lists(st.builds(Keeping, st.sampled_from(["h1", "h2"]), st.just("7-114/26"), st.integers(1, 9)), max_size=2)
BETS = st.dictionaries(PLACES, st.lists(INSTANTS, min_size=1, max_size=5), max_size=8)


def stored(bets: dict[Place, list[datetime]]) -> list[Stored]:
    return [Stored(place, len(instants), max(instants)) for place, instants in bets.items()]


@given(BETS, st.dictionaries(PLACES, HOLDS, max_size=4), INSTANTS)
def test_a_month_goes_if_every_bet_in_it_is_past_its_fifth_year_and_nobody_holds_it(
    bets: dict[Place, list[datetime]], kept: dict[Place, list[Keeping]], now: datetime
) -> None:
    """O9-4.7: bet by bet, five years from 1 January of the year after the bet's, in Almaty."""
    keeping = kept | {place: [Keeping("h", "1", 1)] for place in list(bets)[:1]}
    decisions = plan(stored(bets), keeping, retention_horizon(now))
    assert [one.stored.place for one in decisions] == sorted(bets, key=lambda place: (place.month, place.table))
    year_now = now.astimezone(ALMATY).year
    for one in decisions:
        place = one.stored.place
        over = all(at.astimezone(ALMATY).year + 1 + 5 <= year_now for at in bets[place])
        held = bool(keeping.get(place))
        assert (one.verdict is Verdict.GOES) == (over and not held)
        assert (one.verdict is Verdict.HELD) == (over and held)
        assert bool(one.holds) == (over and held)
        assert (one.free_from <= now.astimezone(ALMATY).date()) == over


@given(BETS, st.dictionaries(PLACES, HOLDS, max_size=4), INSTANTS, st.timedeltas(timedelta(0), timedelta(days=4000)))
def test_what_goes_goes_later_too_and_one_hold_more_lets_nothing_more_go(
    bets: dict[Place, list[datetime]], kept: dict[Place, list[Keeping]], now: datetime, later: timedelta
) -> None:
    def going(keeping: dict[Place, list[Keeping]], at: datetime) -> set[Place]:
        decisions = plan(stored(bets), keeping, retention_horizon(at))
        return {one.stored.place for one in decisions if one.verdict is Verdict.GOES}

    assert going(kept, now) <= going(kept, now + later)
    assert going({**kept, **{place: [Keeping("h", "1", 1)] for place in list(bets)[:2]}}, now) <= going(kept, now)
    assert going({place: [Keeping("h", "1", 1)] for place in bets}, now) == set()


@given(INSTANTS)
def test_term_ends_with_the_fifth_year_after_the_bets(at: datetime) -> None:
    day = free_from(at)
    assert (day.month, day.day) == (1, 1)
    midnight = datetime.combine(day, datetime.min.time(), ALMATY)
    assert at < retention_horizon(midnight)
    assert at >= retention_horizon(midnight - timedelta(milliseconds=1))


def test_reasons_say_until_when_and_in_which_case_and_name_nobody() -> None:
    place = Place("ledger", 202003)
    one = Stored(place, 9, datetime(2020, 3, 5, tzinfo=UTC))
    (in_term,) = plan([one], {}, retention_horizon(datetime(2025, 12, 31, tzinfo=UTC)))
    assert (in_term.verdict, in_term.free_from) == (Verdict.IN_TERM, date(2026, 1, 1))
    assert in_term.reason == "the youngest bet is of 2020, kept to the end of 2025"
    held = plan([one], {place: [Keeping("hold-7", "7-114/26", 2)]}, retention_horizon(datetime(2026, 1, 1, tzinfo=UTC)))
    assert held[0].reason == "held by hold-7 (case 7-114/26: 2 rows)"
