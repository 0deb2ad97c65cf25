"""The next working day by the calendar that was published for 2025 to 2027 (O9-5.3, J127-17)."""

from __future__ import annotations

import doctest
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from esep import calendar
from esep.calendar import HOLIDAYS_FILE, Holidays, end_of_day, is_working_day, load_holidays, next_working_day
from esep.clock import almaty_day_of, to_ms
from esep.errors import FileUnusable

HOLIDAYS = load_holidays()
FIRST, LAST = date(HOLIDAYS.first_year, 1, 1), date(HOLIDAYS.last_year, 12, 25)
DAY = timedelta(days=1)
# Weekdays off in 2026 as the calendar of electronic government had them, less 31 August, which the Constitution of 2026
# made a working day.
PUBLISHED_2026 = ["01-01", "01-02", "01-07", "03-09", "03-23", "03-24", "03-25", "05-01", "05-07", "05-11", "05-27"]
PUBLISHED_2026 += ["07-06", "10-26", "12-16"]


@st.composite
def calendars(draw: st.DrawFn) -> Holidays:
    """Draw a calendar with any days off and any weekend days worked, none of them both."""
    around = st.dates(date(2026, 1, 1), date(2026, 12, 31))
    off = draw(st.frozensets(around, max_size=40))
    worked = {day for day in draw(st.frozensets(around, max_size=10)) if day.weekday() >= 5} - off
    return Holidays(off, frozenset(worked), 2025, 2027)


@given(calendars(), st.dates(date(2025, 12, 1), date(2027, 1, 31)))
def test_next_working_day_is_the_first_worked_one_after_the_day(holidays: Holidays, day: date) -> None:
    found = next_working_day(day, holidays)
    assert found > day
    assert is_working_day(found, holidays)
    assert found not in holidays.off
    between = [day + n * DAY for n in range(1, (found - day).days)]
    assert not any(is_working_day(one, holidays) for one in between)


@given(st.dates(FIRST, LAST), st.dates(FIRST, LAST))
def test_later_day_has_no_earlier_next_working_day(one: date, other: date) -> None:
    first, second = sorted([one, other])
    assert next_working_day(first, HOLIDAYS) <= next_working_day(second, HOLIDAYS)


def test_days_off_of_2026_are_those_that_were_published() -> None:
    days = [date(2026, 1, 1) + n * DAY for n in range(365)]
    off = [day for day in days if day.weekday() < 5 and not is_working_day(day, HOLIDAYS)]
    assert off == [date.fromisoformat(f"2026-{day}") for day in PUBLISHED_2026]


@pytest.mark.parametrize(
    ("day", "following"),
    [
        ("2025-01-02", "2025-01-05"),  # Friday the 3rd was moved to Sunday the 5th.
        ("2026-03-20", "2026-03-26"),  # Nauryz on Saturday and Sunday: two days more.
        ("2025-08-29", "2025-09-02"),  # Constitution Day on a Saturday; so until 2025.
        ("2026-08-28", "2026-08-31"),  # No holiday any more.
        ("2027-03-12", "2027-03-16"),  # It is on 15 March now.
        ("2027-05-14", "2027-05-17"),  # Kurban Ait on a Sunday moves nothing.
        ("2026-11-20", "2026-11-23"),
        ("2026-12-31", "2027-01-05"),  # The 2nd is a holiday on a Saturday.
    ],
)
def test_next_working_day_of_the_country(day: str, following: str) -> None:
    assert next_working_day(date.fromisoformat(day), HOLIDAYS) == date.fromisoformat(following)


@given(st.dates(FIRST, LAST))
def test_end_of_a_day_is_its_last_millisecond_in_almaty(day: date) -> None:
    end = end_of_day(day)
    assert almaty_day_of(to_ms(end)) == day
    assert almaty_day_of(to_ms(end) + 1) == day + DAY
    assert end.astimezone(UTC) == datetime.combine(day, datetime.max.time(), UTC).replace(
        microsecond=999_000
    ) - timedelta(hours=5)


def test_year_that_the_file_does_not_know_is_an_error() -> None:
    with pytest.raises(FileUnusable, match=f"does not know the year {HOLIDAYS.last_year + 1}"):
        next_working_day(date(HOLIDAYS.last_year, 12, 31), HOLIDAYS)


@pytest.mark.parametrize(
    ("change", "text"),
    [
        ({"kurban_ait": [{"day": "2026-05-27"}, {"day": "2028-05-05"}]}, "leaves out a year"),
        ({"moved": [{"free": "2026-01-05"}]}, "does not say what it must"),
        ({"kurban_ait": []}, "does not say what it must"),
    ],
)
def test_file_that_is_wrong_is_refused(tmp_path: Path, change: dict[str, object], text: str) -> None:
    content = yaml.safe_load(HOLIDAYS_FILE.read_text(encoding="utf-8"))
    path = tmp_path / "holidays.yaml"
    path.write_text(yaml.safe_dump({**content, **change}, allow_unicode=True), encoding="utf-8")
    with pytest.raises(FileUnusable, match=text):
        load_holidays(path)


def test_file_that_is_not_there_or_no_yaml_is_refused(tmp_path: Path) -> None:
    with pytest.raises(FileUnusable, match="cannot be read"):
        load_holidays(tmp_path / "none.yaml")
    (tmp_path / "broken.yaml").write_text("holidays: [", encoding="utf-8")
    with pytest.raises(FileUnusable, match="is not YAML"):
        load_holidays(tmp_path / "broken.yaml")


def test_calendar_without_a_working_day_is_an_error_and_no_endless_search() -> None:
    off = frozenset(date(2026, 1, 1) + n * DAY for n in range(365))
    with pytest.raises(FileUnusable, match="no working day within"):
        next_working_day(date(2026, 2, 1), Holidays(off, frozenset(), 2026, 2026))


def test_examples_in_the_docstrings_run() -> None:
    assert doctest.testmod(calendar).attempted == 2
    assert doctest.testmod(calendar).failed == 0
