"""What a mapping makes of a file is what the csv module and Decimal make of it, row by row and in sum."""

from __future__ import annotations

import csv
from collections import defaultdict
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from esep.checks import check_form
from esep.errors import MappingInvalid, UsageError
from esep.events import empty_events
from esep.identifiers import is_iin
from esep.producers.files import LINE, read_rows
from esep.producers.mapping import LAST_BET_YESTERDAY, Mapping, load_mapping
from esep.producers.rows import Mapped, map_rows, shift_to_yesterday
from tests.producers.bets import DESK, HEADER, IINS, REAL_BETS, lost, won, write_file
from tests.support.examples import examples

if TYPE_CHECKING:
    from pathlib import Path

ORGANIZER = "940140000385"
TODAY = date(2026, 11, 21)


@pytest.fixture(scope="module")
def real() -> dict[str, Mapped]:
    """The real bets as the events of each of the four organizers."""
    mapping = load_mapping("bustabit")
    assert mapping.split
    rows = read_rows(REAL_BETS, mapping.columns)
    return {bin_: map_rows(rows, mapping, bin_, TODAY) for bin_ in mapping.split.organizers}


def test_real_bets_keep_each_stake_and_payout_to_the_tiyn(real: dict[str, Mapped]) -> None:
    """The oracle reads the file with the csv module, counts in Decimal, and knows nothing of the mapping."""
    with REAL_BETS.open(encoding="utf-8", newline="") as file:
        bets = list(csv.DictReader(file))
    paid = [bet for bet in bets if bet["CashedOut"] != "NA"]
    expected = {("WAGER", bet["Id"]): Decimal(bet["Bet"]) for bet in bets}
    expected |= {("PAYOUT", bet["Id"]): Decimal(bet["Bet"]) + Decimal(bet["Profit"]) for bet in paid}
    events = pl.concat(mapped.events for mapped in real.values())
    got = {
        (kind, wager): Decimal(tiyn) / 100
        for kind, wager, tiyn in events.select("event_type", "wager_id", "amount_tiyn").rows()
    }
    assert got == expected
    assert events.height == len(expected) == 36_975
    assert sum(got.values()) == Decimal("83714941") + Decimal("87754108.11")


def test_real_bets_pass_every_check_and_none_is_left_out(real: dict[str, Mapped]) -> None:
    assert sum(mapped.rows for mapped in real.values()) == 23_690
    for mapped in real.values():
        assert mapped.rejects.is_empty()
        assert check_form(mapped.events).null_count() == mapped.events.height


def test_player_belongs_to_one_organizer_and_one_iin(real: dict[str, Mapped]) -> None:
    with REAL_BETS.open(encoding="utf-8", newline="") as file:
        names = {bet["Id"]: bet["Username"] for bet in csv.DictReader(file)}
    seen: defaultdict[str, set[tuple[str, str]]] = defaultdict(set)
    for bin_, mapped in real.items():
        for wager_id, iin in mapped.events.select("wager_id", "iin").rows():
            seen[names[wager_id]].add((bin_, iin))
    assert len(seen) == 2081
    assert all(len(places) == 1 for places in seen.values())


def test_last_real_bet_falls_on_yesterday_and_times_of_day_stay(real: dict[str, Mapped]) -> None:
    events = pl.concat(mapped.events for mapped in real.values())
    last = events["occurred_at"].dt.convert_time_zone("Asia/Almaty").max()
    assert isinstance(last, datetime)
    assert last.date() == TODAY - timedelta(days=1)
    assert {mapped.shift_days for mapped in real.values()} == {1805}
    assert events["occurred_at"].max() == datetime(2021, 12, 10, 20, 4, 51, tzinfo=UTC) + timedelta(days=1805)


@settings(deadline=None)
@given(
    st.datetimes(datetime(2000, 1, 1), datetime(2026, 1, 1)),  # noqa: DTZ001 - the zone is set below
    st.dates(date(2024, 3, 3), date(2040, 1, 1)),
)
def test_shift_brings_any_instant_to_yesterday(naive: datetime, today: date) -> None:
    last = naive.replace(microsecond=0, tzinfo=UTC)
    days = shift_to_yesterday(pl.Series([last], dtype=pl.Datetime("ms", "UTC")), today)
    assert (last + timedelta(days=days)).astimezone(ZoneInfo("Asia/Almaty")).date() == today - timedelta(days=1)


_GOOD = {"person": IINS[0], "at": "2026-11-20T10:00:00Z", "stake": "500", "paid": "", "paid_at": "", "kind": ""}
_PAID = {"paid": "950.50", "paid_at": "2026-11-20T11:00:00+00:00", "kind": "WINNING"}
_BROKEN: list[tuple[dict[str, str], str, str | None]] = [
    ({"person": "900101300008"}, "IIN_INVALID", "iin"),
    ({"person": ""}, "VALUE_MISSING", "person"),
    ({"stake": "-5"}, "AMOUNT_NOT_POSITIVE", "amount_tiyn"),
    ({"stake": "0"}, "AMOUNT_NOT_POSITIVE", "amount_tiyn"),
    ({"stake": "1e12"}, "AMOUNT_TOO_LARGE", "amount_tiyn"),
    ({"stake": "five"}, "VALUE_UNREADABLE", "stake"),
    ({"stake": "0.001"}, "VALUE_UNREADABLE", "stake"),
    ({"stake": ""}, "VALUE_MISSING", "stake"),
    ({"at": "20.11.2026"}, "VALUE_UNREADABLE", "at"),
    ({"at": ""}, "VALUE_MISSING", "at"),
    ({"at": "1890-01-01T00:00:00Z"}, "INSTANT_INVALID", "occurred_at"),
    ({**_PAID, "kind": "GIFT"}, "KIND_UNKNOWN", "kind"),
    ({**_PAID, "kind": ""}, "VALUE_MISSING", "kind"),
    ({**_PAID, "paid": "-1"}, "AMOUNT_NOT_POSITIVE", "amount_tiyn"),
    ({**_PAID, "paid": "lots"}, "VALUE_UNREADABLE", "paid"),
    ({**_PAID, "paid_at": "2026-11-20T09:00:00Z"}, "PAYOUT_BEFORE_WAGER", "wager_occurred_at"),
]


def _row(ticket: str, values: dict[str, str]) -> str:
    return ",".join([ticket, *({**_GOOD, **values}[name] for name in HEADER.split(",")[1:])])


@pytest.mark.parametrize(("values", "code", "field"), _BROKEN)
def test_broken_row_is_rejected_whole_with_code_field_and_line(
    tmp_path: Path, values: dict[str, str], code: str, field: str | None
) -> None:
    path = write_file(tmp_path / "desk-7.csv", won("t-1"), _row("t-2", values), lost("t-3"))
    mapped = map_rows(read_rows(path, DESK.columns), DESK, ORGANIZER, TODAY)
    assert mapped.rejects.rows() == [(3, code, field)]
    assert mapped.events.select(LINE, "event_type").rows() == [(2, "WAGER"), (2, "PAYOUT"), (4, "WAGER")]
    assert mapped.rows == 3


@settings(deadline=None, max_examples=examples(25))
@given(choices=st.lists(st.integers(-8, len(_BROKEN) - 1), max_size=30))
def test_each_row_is_either_rejected_or_events_and_no_other_row_changes_that(
    choices: list[int], tmp_path_factory: pytest.TempPathFactory
) -> None:
    """Negative numbers are good rows: even ones lost, odd ones won."""
    values = [_BROKEN[choice][0] if choice >= 0 else (_PAID if choice % 2 else {}) for choice in choices]
    path = write_file(
        tmp_path_factory.mktemp("bets") / "desk-7.csv",
        *(_row(f"t-{place}", value) for place, value in enumerate(values)),
    )
    mapped = map_rows(read_rows(path, DESK.columns), DESK, ORGANIZER, TODAY)
    expected_rejects = [(line, *_BROKEN[choice][1:]) for line, choice in enumerate(choices, 2) if choice >= 0]
    good = [(line, choice) for line, choice in enumerate(choices, 2) if choice < 0]
    assert mapped.rejects.rows() == expected_rejects
    assert mapped.events.filter(event_type="WAGER")[LINE].to_list() == [line for line, _ in good]
    assert mapped.events.filter(event_type="PAYOUT")[LINE].to_list() == [line for line, choice in good if choice % 2]
    assert mapped.events["amount_tiyn"].sum() == sum(145_050 if choice % 2 else 50_000 for _, choice in good)


def test_events_have_the_columns_and_types_of_the_unified_frame_but_for_the_numbering(tmp_path: Path) -> None:
    path = write_file(tmp_path / "desk-7.csv", won("t-1"))
    mapped = map_rows(read_rows(path, DESK.columns), DESK, ORGANIZER, TODAY)
    expected = dict(empty_events().schema)
    for name in ("organizer_bin", "stream_id", "sequence"):
        expected.pop(name)
    assert dict(mapped.events.schema) == {**expected, LINE: pl.UInt32()}
    assert mapped.events.select("selections", "market_names").rows() == [([], []), ([], [])]


_ACCOUNT = """when,person,kind,sum,before,after,bank,id,account
2026-11-20T10:00:00Z,900101300007,IN,1500.50,0,1500.50,Kaspi Bank,P-1,A-17
2026-11-20T11:00:00Z,900101300007,OUT,500,1500.50,1000.50,Kaspi Bank,P-2,A-17
2026-11-20T12:00:00Z,900101300007,IN,20,1000.50,-1,Kaspi Bank,P-3,A-17
2026-11-20T13:00:00Z,900101300007,IN,20,1000.50,1020.50,,P-4,A-17
"""
_MOVEMENTS = Mapping.model_validate(
    {
        "columns": _ACCOUNT.split("\n", maxsplit=1)[0].split(","),
        "both": {
            "site_id": {"constant": "ALA-1"}, "iin": {"text": "person"}, "occurred_at": {"instant": "when"},
            "amount_tiyn": {"tenge": "sum"}, "payment_method": {"constant": "CARD"}, "account_id": {"text": "account"},
            "payment_provider": {"text": "bank"}, "balance_before_tiyn": {"tenge": "before"},
            "balance_after_tiyn": {"tenge": "after"}, "device_kind": {"constant": "PHONE"},
        },
        "deposit": {"when": {"column": "kind", "one_of": ["IN"]}, "payment_id": {"text": "id"}},
        "withdrawal": {"when": {"column": "kind", "one_of": ["OUT"]}, "payment_id": {"text": "id"}},
    }
)  # fmt: skip


def test_rows_of_an_account_become_deposits_and_withdrawals(tmp_path: Path) -> None:
    """Clauses O9-L2, O9-L4, D934-42: with the bank and the balances that the file names."""
    path = tmp_path / "account.csv"
    path.write_text(_ACCOUNT, encoding="utf-8")
    mapped = map_rows(read_rows(path, _MOVEMENTS.columns), _MOVEMENTS, ORGANIZER, TODAY)
    assert mapped.rejects.rows() == [(4, "BALANCE_INVALID", "balance_after_tiyn"), (5, "VALUE_MISSING", "bank")]
    columns = ("event_type", "payment_id", "amount_tiyn", "balance_after_tiyn", "payment_provider", "wager_id")
    assert mapped.events.select(columns).rows() == [
        ("DEPOSIT", "P-1", 150_050, 150_050, "Kaspi Bank", ""),
        ("WITHDRAWAL", "P-2", 50_000, 100_050, "Kaspi Bank", ""),
    ]
    assert check_form(mapped.events).null_count() == 2


def test_row_that_the_mapping_makes_nothing_of_is_rejected_not_lost(tmp_path: Path) -> None:
    document = DESK.model_dump(exclude_unset=True)
    document["wager"]["when"] = {"column": "kind", "one_of": ["STAKE", "WINNING"]}
    path = write_file(tmp_path / "desk-7.csv", lost("t-1"), won("t-2"), _row("t-3", {"kind": "STAKE"}))
    mapped = map_rows(read_rows(path, DESK.columns), Mapping.model_validate(document), ORGANIZER, TODAY)
    assert mapped.rejects.rows() == [(2, "ROW_WITHOUT_EVENT", None)]
    assert mapped.events.select(LINE, "event_type").rows() == [(3, "WAGER"), (3, "PAYOUT"), (4, "WAGER")]


def test_text_that_means_nothing_is_a_missing_value(tmp_path: Path) -> None:
    changed = DESK.model_copy(update={"no_value": ("NA",)})
    path = write_file(tmp_path / "desk-7.csv", _row("t-1", {"stake": "NA"}), _row("t-2", {"paid": "NA"}))
    mapped = map_rows(read_rows(path, changed.columns), changed, ORGANIZER, TODAY)
    assert mapped.rejects.rows() == [(2, "VALUE_MISSING", "stake")]
    assert mapped.events["event_type"].to_list() == ["WAGER"]


def test_row_that_does_not_say_whose_it_is_is_rejected_for_each_organizer(tmp_path: Path) -> None:
    mapping = load_mapping("bustabit")
    assert mapping.split
    path = tmp_path / "bets.csv"
    path.write_bytes(
        b"Id,GameID,Username,Bet,CashedOut,Bonus,Profit,BustedAt,PlayDate\n"
        b"1,1,,5,NA,NA,NA,1.35,2021-10-31T15:38:55Z\n"
        b"2,1,rsf,5,NA,NA,NA,1.35,2021-10-31T15:38:55Z\n"
    )
    rows = read_rows(path, mapping.columns)
    all_mapped = [map_rows(rows, mapping, bin_, TODAY) for bin_ in mapping.split.organizers]
    assert [mapped.rejects.rows() for mapped in all_mapped] == [[(2, "VALUE_MISSING", "Username")]] * 4
    assert sorted(mapped.events.height for mapped in all_mapped) == [0, 0, 0, 1]
    assert is_iin(next(mapped.events["iin"][0] for mapped in all_mapped if mapped.events.height))


def test_dates_move_by_the_days_that_are_asked_for(tmp_path: Path) -> None:
    rows = read_rows(write_file(tmp_path / "desk-7.csv", won("t-1"), lost("t-2")), DESK.columns)
    as_they_are, moved = (map_rows(rows, DESK, ORGANIZER, TODAY, days) for days in (None, "-7"))
    assert moved.shift_days == -7
    for column in ("occurred_at", "wager_occurred_at"):
        difference = as_they_are.events[column] - moved.events[column]
        assert set(difference.drop_nulls()) == {timedelta(days=7)}


def test_file_without_readable_dates_is_not_shifted(tmp_path: Path) -> None:
    rows = read_rows(write_file(tmp_path / "desk-7.csv", lost("t-1", at="soon")), DESK.columns)
    assert map_rows(rows, DESK, ORGANIZER, TODAY, LAST_BET_YESTERDAY).shift_days == 0


def test_instant_that_no_check_lets_pass_does_not_move_the_others(tmp_path: Path) -> None:
    never = lost("t-2", at="9999-12-31T23:00:00Z")
    rows = read_rows(write_file(tmp_path / "desk-7.csv", lost("t-1", at="2026-11-10T10:00:00Z"), never), DESK.columns)
    mapped = map_rows(rows, DESK, ORGANIZER, TODAY, LAST_BET_YESTERDAY)
    assert mapped.shift_days == 10
    assert mapped.rejects.rows() == [(3, "INSTANT_INVALID", "occurred_at")]


@pytest.mark.parametrize("shift_days", ["some", "1.5", 10**6])
def test_shift_that_is_none_is_refused(tmp_path: Path, shift_days: int | str) -> None:
    rows = read_rows(write_file(tmp_path / "desk-7.csv", lost("t-1")), DESK.columns)
    with pytest.raises(UsageError, match="no shift of days"):
        map_rows(rows, DESK, ORGANIZER, TODAY, shift_days)


def test_organizer_that_the_mapping_does_not_know_is_refused(tmp_path: Path) -> None:
    mapping = load_mapping("bustabit")
    rows = read_rows(REAL_BETS, mapping.columns)
    with pytest.raises(UsageError, match="knows no organizer 961141000130"):
        map_rows(rows, mapping, "961141000130", TODAY)
    document = DESK.model_dump(exclude_unset=True)
    document["both"]["site_id"] = {"by_organizer": {"950341000052": "AST-1"}}
    desk_rows = read_rows(write_file(tmp_path / "desk-7.csv", lost("t-1")), DESK.columns)
    with pytest.raises(MappingInvalid, match="no text for organizer 940140000385"):
        map_rows(desk_rows, Mapping.model_validate(document), ORGANIZER, TODAY)
