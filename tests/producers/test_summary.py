"""A summary says how it ended by its exit code, and what to do."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from esep.producers.row_codes import LANGUAGES, Language
from esep.producers.summary import WHAT_TO_DO, Outcome, RowReject, Summary

CLEAN = Summary(
    file="desk-7.csv",
    organizer_bin="940140000385",
    stream_id="desk-7",
    shift_days=0,
    outcome=Outcome.COMPLETE,
    rows=3,
    rows_rejected=0,
    rows_waiting=0,
    events_numbered=5,
    events_skipped=0,
    events_sent=5,
    events_accepted=3,
    events_duplicate=2,
    events_rejected=0,
    send_s=0.5,
    total_s=1.0,
    rejects=(),
)
REJECT = RowReject(3, "IIN_INVALID", "iin")


@pytest.mark.parametrize(
    ("outcome", "without_rejects", "with_rejects"),
    [
        (Outcome.COMPLETE, 0, 1),
        (Outcome.NOT_AWAITED, 0, 1),
        (Outcome.STOPPED_BY_CONFLICT, 1, 1),
        (Outcome.RECEIPTS_OUTSTANDING, 75, 75),
        (Outcome.STREAM_SHARED, 75, 75),
    ],
)
def test_exit_code_says_how_it_ended(outcome: Outcome, without_rejects: int, with_rejects: int) -> None:
    assert replace(CLEAN, outcome=outcome).exit_code == without_rejects
    assert replace(CLEAN, outcome=outcome, rejects=(REJECT,)).exit_code == with_rejects


@pytest.mark.parametrize("language", LANGUAGES)
def test_document_is_json_with_every_count_and_reason(language: Language) -> None:
    document = json.loads(json.dumps(replace(CLEAN, rejects=(REJECT,)).document(language)))
    assert document["outcome"] == "COMPLETE"
    assert (document["events_accepted"], document["events_duplicate"], document["events_per_s"]) == (3, 2, 10)
    assert document["rejects"][0]["line"] == 3
    assert document["rejects"][0]["text"]


def test_every_outcome_but_the_complete_one_says_what_to_do() -> None:
    assert [outcome for outcome in Outcome if not WHAT_TO_DO[outcome]] == [Outcome.COMPLETE]


def test_rate_of_nothing_is_zero() -> None:
    assert replace(CLEAN, events_sent=0, send_s=0.0).events_per_s == 0
