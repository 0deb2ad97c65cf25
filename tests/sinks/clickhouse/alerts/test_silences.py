"""The nightly run says of organizers' silences what brute force finds, and says it once."""

from __future__ import annotations

import json
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import example, given
from hypothesis import settings as profile

from esep.dispositions import Decision, Dispositions
from esep.register import Licence, Organizer
from esep.rules import RULES_FILE, parse_rules
from esep.sinks.clickhouse.alerts.facts import document
from esep.sinks.clickhouse.alerts.query import seen, story_of
from esep.sinks.clickhouse.alerts.silences import Register
from esep.sinks.clickhouse.alerts.text import lines_of, plain_text
from esep.sinks.clickhouse.client import connect
from tests.support.examples import examples
from tests.support.night import Night
from tests.support.rule_ledger import book, ledger_of
from tests.support.silence_histories import (
    BINS,
    HOUR_MS,
    LOW,
    MONDAY_MS,
    SLOTS,
    WEEK_MS,
    WEEKS,
    History,
    Posting,
    corrected,
    histories,
    posting,
    rule_of,
    slot_ms,
)
from tests.support.silence_oracle import Licences, silences_by_looking

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from esep.embedded.clickhouse import ClickHouseServer

pytestmark = pytest.mark.clickhouse
PLACES = 20  # Histories lie so many apart in time, where they do not meet; the next ones lie beside the first.
APART_MS = 12 * WEEK_MS
FAR_MS = MONDAY_MS + (PLACES + 1) * APART_MS
LAST = WEEKS - 1  # The week in which something lacks.
ONE_RULE = parse_rules(RULES_FILE.read_text("utf-8")).model_copy(update={"rules": (), "silences": (rule_of(LOW),)})


def register(bins: Iterable[str]) -> Register:
    """Return one of made-up organizers, licensed for ever."""
    licence = Licence(number="1", kind="BOOKMAKER", valid_from=datetime(2020, 1, 1, tzinfo=UTC))
    return Register([Organizer.model_construct(bin=bin_, licences=(licence,)) for bin_ in bins], 7)


def own(one: Posting, number: int) -> Posting:
    """Return a posting as the one of a history of its own: other organizers, at another time."""
    bin_ = f"{number:04}{one['organizer_bin'][4:]}"
    return {
        **one, "organizer_bin": bin_, "entry_id": bin_ + one["entry_id"][len(bin_) :],
        "occurred_ms": one["occurred_ms"] + number % PLACES * APART_MS,
    }  # fmt: skip


def standing(night: Night) -> dict[tuple[str, str], tuple[int, int | None, int]]:
    """Return the alerts that stand by the table, as the oracle has them."""
    with connect(night.settings) as client:
        rows = client.query(
            "SELECT organizer_bin, bucket, toUnixTimestamp64Milli(silence_began_at),"
            " toUnixTimestamp64Milli(silence_ended_at), observations[1].value FROM alerts_current"
            " WHERE status != 'WITHDRAWN'"
        ).result_rows
    return {tuple(row[:2]): tuple(row[2:]) for row in rows}


def book_all(night: Night, postings: list[Posting]) -> None:
    with connect(night.settings) as client:
        book(client, postings)


def usual(*stop: str) -> list[Posting]:
    """Return a posting of each organizer at each usual hour; those that stop have none in the last week."""
    return [
        posting(bin_, 100 * week + slot, slot_ms(week, slot))
        for bin_ in BINS
        for week in range(WEEKS)
        for slot in range(len(SLOTS))
        if week < LAST or bin_ not in stop
    ]


def missing(slot: int) -> Posting:
    return posting(BINS[0], 900 + slot, slot_ms(LAST, slot))


@pytest.mark.timeout(7200)
def test_run_ends_with_the_silences_of_brute_force_and_says_nothing_twice(clickhouse: ClickHouseServer) -> None:
    """O9-4.3, O9-4.4: whatever comes late, is voided or is moved to another hour between two nights."""
    first: list[Posting] = []
    later: list[Posting] = []

    @profile(deadline=None, max_examples=examples(40))
    @given(histories())
    @example(History(usual(BINS[0]), [missing(0)]))
    @example(History(usual(BINS[0]), [missing(1), missing(3)]))
    def draw(history: History) -> None:
        number = len({one["organizer_bin"][:4] for one in first}) + 1
        first.extend(own(one, number) for one in history.first)
        later.extend(own(one, number) for one in history.later)

    draw()
    bins = {one["organizer_bin"] for one in first + later}
    licences: Licences = {bin_: [(0, None)] for bin_ in bins}
    with ledger_of(clickhouse, first) as settings:
        night = Night(settings, ONE_RULE, register=register(bins))
        assert {one["status"] for one in night.run(FAR_MS)} == {"OPEN"}
        assert standing(night) == silences_by_looking(LOW, first, licences, FAR_MS)
        assert night.run(FAR_MS + 1) == []
        book_all(night, later)
        assert {one["status"] for one in night.run(FAR_MS + 2)} >= {"UPDATED", "WITHDRAWN"}
        assert standing(night) == silences_by_looking(LOW, first + later, licences, FAR_MS)
        assert night.run(FAR_MS + 3) == []


@contextmanager
def night_of(clickhouse: ClickHouseServer, postings: list[Posting], **said: Any) -> Iterator[Night]:
    rules = ONE_RULE.model_copy(update={"silences": (rule_of({**LOW, **said}),)})
    with ledger_of(clickhouse, postings) as settings:
        yield Night(settings, rules, register=register(BINS))


def hour_after(slot: int) -> int:
    return slot_ms(LAST, slot) + HOUR_MS


def test_silence_is_opened_goes_on_is_shortened_ends_and_is_withdrawn(clickhouse: ClickHouseServer) -> None:
    """O9-4.3: about an organizer, and about no person and no posting."""
    quiet, at = BINS[0], slot_ms(LAST, 0)
    with night_of(clickhouse, usual(quiet)) as night:
        assert night.run(hour_after(0)) == []  # One hour alone is none.
        (opened,) = night.run(hour_after(1))
        assert (opened["status"], opened["revision"], opened["bucket"]) == ("OPEN", 1, "2026-03-30")
        assert (opened["organizer_bin"], opened["organizer_bins"]) == (quiet, [quiet])
        assert (opened["iin"], opened["instrument_hash"], opened["evidence"]) == ("", None, [])
        assert opened["reason_en"].startswith("The organizer has no event in 2 hours in which it usually has some")
        assert (opened["cause_topic"], opened["reference_version"]) == ("compliance.settlements", 7)
        (longer,) = night.run(hour_after(3))
        assert (longer["status"], longer["revision"], longer["observations"][0]["value"]) == ("UPDATED", 2, 4)
        assert longer["alert_id"] == opened["alert_id"]
        assert night.run(hour_after(3) + 2 * HOUR_MS) == []  # It goes on, in hours that are not usual.
        late = posting(quiet, 900, at)
        book_all(night, [late])
        (shorter,) = night.run(hour_after(3) + 3 * HOUR_MS)
        assert (shorter["status"], shorter["observations"][0]["value"]) == ("UPDATED", 3)
        assert standing(night) == {(quiet, "2026-03-30"): (at + HOUR_MS, None, 3)}
        book_all(night, [posting(quiet, 901, at + 6 * HOUR_MS)])
        (ended,) = night.run(hour_after(3) + 4 * HOUR_MS)
        assert ended["silence_ended_at"] is not None
        assert standing(night) == {(quiet, "2026-03-30"): (at + HOUR_MS, at + 6 * HOUR_MS, 3)}
        book_all(night, [posting(quiet, 902, at + 2 * HOUR_MS)])
        (withdrawn,) = night.run(hour_after(3) + 5 * HOUR_MS)
        assert (withdrawn["status"], withdrawn["revision"], withdrawn["organizer_bin"]) == ("WITHDRAWN", 5, quiet)
        assert standing(night) == {}
        book_all(night, corrected(posting(quiet, 902, at + 2 * HOUR_MS), None))
        (again,) = night.run(hour_after(3) + 6 * HOUR_MS)
        assert (again["status"], again["revision"], again["alert_id"]) == ("OPEN", 6, opened["alert_id"])


def test_run_waits_as_long_as_the_rule_says(clickhouse: ClickHouseServer) -> None:
    """What an organizer sends an hour late is no silence yet."""
    with night_of(clickhouse, usual(BINS[0]), waits="6h") as night:
        assert night.run(hour_after(1) + 6 * HOUR_MS - 1) == []
        assert [one["status"] for one in night.run(hour_after(1) + 6 * HOUR_MS)] == ["OPEN"]


def test_rule_that_is_not_live_says_nothing(clickhouse: ClickHouseServer) -> None:
    with night_of(clickhouse, usual(BINS[0]), mode="SHADOW") as night:
        assert night.run(FAR_MS) == []


def test_silence_whose_weeks_are_removed_stays_as_it_was_told(clickhouse: ClickHouseServer) -> None:
    """O9-4.7: what was removed is no reason that is gone."""
    with night_of(clickhouse, usual(BINS[0])) as night:
        assert [one["status"] for one in night.run(FAR_MS)] == ["OPEN"]
        with connect(night.settings) as client:
            client.command("ALTER TABLE organizer_hour DELETE WHERE month = 202603 SETTINGS mutations_sync = 2")
            log = [["ledger", 202603, 1, "a", state, 1] for state in ("BEGUN", "CLOSED", "REMOVED")]
            names = ["table_name", "month", "number", "attempt", "state", "row_count"]
            client.insert("retention_log", [[n, *one] for n, one in enumerate(log)], column_names=["entry", *names])
            lane = ["a", "ledger", 202603, "ledger", 0, 9, 9]
            lanes = ["attempt", "table_name", "month", "topic", "partition", "last_row", "last_offset"]
            client.insert("retention_lanes", [lane], column_names=lanes)
        assert night.run(FAR_MS + 1) == []


def test_alert_is_shown_decided_about_and_counted_like_any_other(clickhouse: ClickHouseServer) -> None:
    """`esep alerts show`, dispositions and the rule's precision."""
    with night_of(clickhouse, usual(BINS[0])) as night:
        (record,) = night.run(FAR_MS)
        alert_id = record["alert_id"]
        with connect(night.settings) as client:
            story = story_of(client, alert_id)
            told = json.loads(json.dumps(document(story, show_iin=False)))
            assert (told["iin"], told["organizer_bin"], told["evidence"]) == (None, BINS[0], [])
            assert (told["silence_began_at"], told["silence_ended_at"]) == ("2026-03-30T04:00:00.000Z", None)
            assert told["person_totals"] is None
            text = plain_text(lines_of(story, "en", due_at=None, show_iin=True))
            assert f"Organizer: BIN {BINS[0]}; without events: 30.03.2026 09:00:00 – goes on (Almaty)" in text
            assert "silent_hours: 5 (threshold 2) count" in text
            about = seen(client, alert_id)
            decided = Decision("FALSE", "", "Announced maintenance.", "a.serikova")
            row = Dispositions().next_record(about, decided, datetime(2026, 4, 1, tzinfo=UTC))
            row |= {"received_at": about.received_at, "decided_at": datetime(2026, 4, 1, tzinfo=UTC)}
            columns = [*row, "disposition_partition", "disposition_offset"]
            client.insert("dispositions", [[*row.values(), 0, 0]], column_names=columns)
            (precision,) = client.query("SELECT rule_id, raised, judged_false FROM rule_precision").result_rows
            assert precision == ("ORGANIZER_SILENT", 1, 1)
