"""What ClickHouse knows of an alert is read whole; verdicts and what is still to be reported follow from the rows."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from esep.errors import UsageError
from esep.sinks.clickhouse.alerts import query
from esep.sinks.clickhouse.alerts.facts import document
from esep.sinks.clickhouse.alerts.query import seen, standing_mandatory, story_of
from esep.sinks.clickhouse.alerts.text import lines_of, plain_text
from esep.sinks.clickhouse.client import connect
from tests.support.alert_books import ALATAU, ESIL, FRIDAY_NOON, MILLION, PERSON, WIN_STRUCTURED, AlertBooks

if TYPE_CHECKING:
    from esep.embedded.clickhouse import ClickHouseServer

pytestmark = pytest.mark.clickhouse


@pytest.fixture
def books(clickhouse: ClickHouseServer) -> AlertBooks:
    return AlertBooks(clickhouse)


def standing(books: AlertBooks) -> list[tuple[str, int, str]]:
    with connect(books.settings) as client:
        rows = standing_mandatory(client)
    assert all(PERSON not in str({**row, "organizer_bins": ""}) for row in rows)
    return [(row["alert_id"], row["revision"], row["last_verdict"]) for row in rows]


def test_story_has_revisions_evidence_with_its_ledger_rows_totals_and_decisions(books: AlertBooks) -> None:
    first, second = books.pay(600_000_00), books.pay(700_000_00, bin_=ESIL)
    books.pay(5_00)
    alert_id = books.structured([first, second])
    books.decide(alert_id, "CONFIRMED")
    story = books.story(alert_id)
    assert (story.rule_id, story.rule_version, story.iin, story.severity) == ("WIN_STRUCTURED", 1, PERSON, "HIGH")
    assert [one.entry_id for one in story.current.evidence] == [first.entry_id, second.entry_id]
    rows = [story.posting(one) for one in story.current.evidence]
    assert [(row["organizer_bin"], row["amount_tiyn"]) for row in rows if row] == [
        (ALATAU, 600_000_00),
        (ESIL, 700_000_00),
    ]
    assert len(story.postings) == 2, "no other row of the person's"
    totals = story.totals()
    assert totals is not None
    assert (totals["entry_id"], totals["person_ever_winning_count"]) == (second.entry_id, 2)
    assert [(one.verdict, one.revision, one.officer) for one in story.decisions] == [("CONFIRMED", 1, "a.serikova")]
    assert story.current.evidence[0].occurred_at == FRIDAY_NOON


def test_story_about_a_means_of_payment_tells_the_person_of_each_posting(books: AlertBooks) -> None:
    """D934-1..3: it is about no one person, and its evidence is found all the same."""
    window = [books.pay(60 * MILLION // 100), books.pay(70 * MILLION // 100)]
    story = books.story(books.alert(window, by=WIN_STRUCTURED, bucket="2026-11", instrument_hash="ab" * 32))
    assert (story.iin, story.instrument_hash, story.totals()) == ("", "ab" * 32, None)
    assert [one.iin for one in story.grounds.evidence] == [PERSON, PERSON]
    assert all(story.posting(one) is not None for one in story.grounds.evidence)
    text = plain_text(lines_of(story, "en", due_at=None, show_iin=False))
    assert "Means of payment: " + "ab" * 32 + "; persons: 1" in text
    assert PERSON not in text + json.dumps(document(story, show_iin=False))
    assert plain_text(lines_of(story, "en", due_at=None, show_iin=True)).count(f"IIN {PERSON}") == len(window)


def test_alert_that_is_not_there_is_told(books: AlertBooks) -> None:
    with connect(books.settings) as client:
        for ask in (story_of, seen):
            with pytest.raises(UsageError, match="32 hex digits"):
                ask(client, PERSON)
            with pytest.raises(UsageError, match="there is no alert"):
                ask(client, "0" * 32)
        alert_id = books.alert([books.pay(MILLION)])
        with pytest.raises(UsageError, match="of revision 2"):
            seen(client, alert_id, 2)


def test_revision_that_was_seen_is_the_last_one_or_the_one_that_is_named(books: AlertBooks) -> None:
    paid = books.pay(MILLION)
    alert_id = books.alert([paid])
    books.alert([], 2, bucket=paid.entry_id)
    with connect(books.settings) as client:
        assert [(seen(client, alert_id, n).revision, seen(client, alert_id, n).offset) for n in (0, 1, 2)] == [
            (2, 1),
            (1, 0),
            (2, 1),
        ]


def test_mandatory_alert_stands_until_it_is_reported_refuted_or_withdrawn_as_it_is_now(books: AlertBooks) -> None:
    reported, refuted, confirmed, withdrawn, changed = [books.pay(MILLION + n) for n in range(5)]
    ids = [books.alert([one]) for one in (reported, refuted, confirmed, withdrawn, changed)]
    books.structured([books.pay(600_000_00), books.pay(600_000_00)])  # Is no mandatory one.
    assert standing(books) == sorted((one, 1, "") for one in ids)
    books.decide(ids[0], "REPORTED")
    books.decide(ids[1], "FALSE")
    books.decide(ids[2], "CONFIRMED")
    books.alert([], 2, bucket=withdrawn.entry_id)
    books.decide(ids[4], "REPORTED")
    assert standing(books) == [(ids[2], 1, "CONFIRMED")]
    books.alert([changed._replace(amount_tiyn=3 * MILLION)], 2)
    assert standing(books) == sorted([(ids[2], 1, "CONFIRMED"), (ids[4], 2, "REPORTED")])
    books.decide(ids[4], "REPORTED", 1)
    assert (ids[4], 2, "REPORTED") in standing(books), "decided about what it was before"
    books.decide(ids[4], "REPORTED", 2)
    assert standing(books) == [(ids[2], 1, "CONFIRMED")]


def test_precision_counts_each_alert_once_by_its_last_decision(books: AlertBooks) -> None:
    """Also for O9-4.6's neighbours: an alert that was changed has several revisions and is still one alert."""
    paid = [books.pay(MILLION + n) for n in range(6)]
    ids = [books.alert([one]) for one in paid]
    rule = "SELECT * FROM rule_precision WHERE rule_id = 'WIN_THRESHOLD'"
    (before,) = books.query(rule)
    assert (before["raised"], before["open"], before["precision"]) == (6, 6, None)
    books.alert([paid[0]._replace(amount_tiyn=2 * MILLION)], 2, bucket=paid[0].entry_id)
    books.alert([], 2, bucket=paid[5].entry_id)
    for alert_id, verdicts in zip(ids, (["FALSE", "CONFIRMED"], ["REPORTED"], ["FALSE"], ["CONFIRMED"]), strict=False):
        for verdict in verdicts:
            books.decide(alert_id, verdict)
    (after,) = books.query(rule)
    counts = {name: after[name] for name in ("raised", "confirmed", "reported", "judged_false", "open", "withdrawn")}
    assert counts == {"raised": 6, "confirmed": 2, "reported": 1, "judged_false": 1, "open": 1, "withdrawn": 1}
    assert after["precision"] == 0.75


def test_decisions_stand_beside_their_alert_and_name_no_person(books: AlertBooks) -> None:
    alert_id = books.alert([books.pay(MILLION)])
    books.decide(alert_id, "FALSE")
    books.decide(alert_id, "CONFIRMED")
    books.alert([], 2, bucket=f"{ALATAU}/desk-{PERSON}/1")
    rows = books.query("SELECT * FROM alert_dispositions ORDER BY disposition_offset")
    told = [
        (row["verdict"], row["is_last"], row["revision"], row["alert_revision"], row["alert_status"]) for row in rows
    ]
    assert told == [("FALSE", 0, 1, 2, "WITHDRAWN"), ("CONFIRMED", 1, 1, 2, "WITHDRAWN")]
    assert PERSON not in str(rows)


def test_person_s_number_is_in_no_statement(books: AlertBooks) -> None:
    """O9-5.1: what asks for a person's rows is written into ClickHouse's log of queries."""
    statements = [value for value in vars(query).values() if isinstance(value, str) and "SELECT" in value]
    assert len(statements) >= 4
    assert all("{iin" not in statement for statement in statements)
