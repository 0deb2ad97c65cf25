"""A decision has one form, names no person by number, is numbered densely per lane and stands until a later one."""

from __future__ import annotations

from collections import defaultdict
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from esep import dispositions
from esep.codec import decode_one, encode_one
from esep.dispositions import LETTERS_MAX, VERDICTS, Decision, Dispositions, Seen, decision, headers_of
from esep.errors import UsageError
from esep.schemas import schema

AT = datetime(2026, 11, 20, 7, 30, tzinfo=UTC)
ALERT_IDS = [f"{number:032x}" for number in range(3)]
GOOD = {"reference": "2026/117", "reason": "Paid at once and in cash.", "officer": "a.serikova"}
seen_alerts = st.builds(
    lambda number, revision: Seen(ALERT_IDS[number], revision, AT, number % 2, 10 * number + revision),
    st.integers(0, 2),
    st.integers(1, 2),
)
decisions = st.sampled_from([decision(verdict, **GOOD) for verdict in VERDICTS])


@given(st.lists(st.tuples(seen_alerts, decisions), max_size=30))
def test_rows_are_dense_per_lane_and_what_stands_is_recorded_once(told: list[tuple[Seen, Decision]]) -> None:
    """Held to an oracle that keeps of each alert what was told last."""
    known, last, rows = Dispositions(), {}, defaultdict(list)
    for seen, decided in told:
        news = last.get(seen.alert_id) != (seen.revision, decided)
        assert known.stands(seen, decided) == (not news)
        if news:
            record = known.next_record(seen, decided, AT)
            rows[record["cause_partition"]].append(record["row"])
            known.add(decode_one(encode_one(record, schema("disposition")), schema("disposition")))
        last[seen.alert_id] = (seen.revision, decided)
    assert all(numbers == list(range(1, len(numbers) + 1)) for numbers in rows.values())


def test_record_names_the_revision_that_was_seen_and_where_it_stands() -> None:
    seen = Seen(ALERT_IDS[1], 2, AT - timedelta(hours=1), 3, 41)
    record = Dispositions().next_record(seen, decision("REPORTED", **GOOD), AT)
    stored = decode_one(encode_one(record, schema("disposition")), schema("disposition"))
    assert (stored["cause_topic"], stored["cause_partition"], stored["cause_offset"]) == ("compliance.alerts", 3, 41)
    assert (stored["alert_id"], stored["revision"], stored["verdict"]) == (ALERT_IDS[1], 2, "REPORTED")
    assert (stored["received_at"], stored["decided_at"]) == (seen.received_at, AT)
    headers = dict(headers_of(record, AT))
    assert headers["ce_subject"] == ALERT_IDS[1].encode()
    assert headers["ce_time"] == b"2026-11-20T07:30:00.000Z"
    assert b"a.serikova" not in b"".join(headers.values()), "headers name neither officer nor reason"


@pytest.mark.parametrize(
    ("verdict", "changed", "text"),
    [
        ("MAYBE", {}, "no verdict"),
        ("FALSE", {"reason": "  "}, "needs: reason"),
        ("FALSE", {"officer": ""}, "needs: officer"),
        ("REPORTED", {"reference": " "}, "found by its number"),
        *(("CONFIRMED", {name: "x" * (most + 1)}, "longer than") for name, most in LETTERS_MAX.items()),
        *(("CONFIRMED", {name: "see 900101300007."}, "number of a person") for name in GOOD),
        ("900101300007", {}, "no verdict"),
    ],
)
def test_what_cannot_be_recorded_is_refused_without_a_number_of_a_person(
    verdict: str, changed: dict[str, str], text: str
) -> None:
    with pytest.raises(UsageError, match=text) as caught:
        decision(verdict, **{**GOOD, **changed})
    assert "900101300007" not in str(caught.value)


def test_reference_may_be_empty_unless_a_report_has_gone() -> None:
    assert decision("FALSE", **{**GOOD, "reference": ""}).reference == ""


def test_organizer_s_number_is_no_person_s() -> None:
    assert decision("FALSE", **{**GOOD, "reason": "BIN 940140000385 asked."}).reason.endswith("asked.")


def test_example_in_the_docstring_runs() -> None:
    import doctest

    assert doctest.testmod(dispositions) == doctest.TestResults(0, 1)
