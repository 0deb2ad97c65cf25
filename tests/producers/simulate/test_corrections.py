"""Corrections say what was in force and what is right; each target is corrected once."""

from __future__ import annotations

from collections import Counter

import polars as pl
import pytest

from esep.checks import check_form
from esep.codec import decode, decode_one, wire_header
from esep.events import RECORD_BY_TYPE, corrected
from esep.producers.simulate.corrections import REPAIR, REPLACE, VOID, correction_kind
from esep.producers.simulate.generator import ACCEPTED, CORRECTING, REJECTED
from esep.schemas import versions
from esep.versions import upgraded
from tests.producers.simulate.made import all_messages, plan
from tests.stream_apps.intake.made_up import decode_any

HEADERS = {wire_header(one): one for record in RECORD_BY_TYPE.values() for one in versions(record)}


@pytest.fixture(scope="module")
def made() -> pl.DataFrame:
    return all_messages(plan(12_000, bad=0.3, corrections=0.1))


def _identity(record: dict) -> tuple[str, str, int]:  # type: ignore[type-arg]
    return record["organizer_bin"], record["stream_id"], record["sequence"]


def test_was_is_what_was_sent_and_null_for_what_was_refused(made: pl.DataFrame) -> None:
    sent = {}
    how: Counter[str] = Counter()
    targets = set()
    for value, kind, verdict in made.select("value", "kind", "verdict").iter_rows():
        if kind == CORRECTING:
            correction = decode_any(value, "correction")
            target = *_identity(correction)[:2], correction["target_sequence"]
            assert target not in targets, "corrected once"
            targets.add(target)
            record = sent[target]
            if record is None:
                assert correction["was"] is None
            else:
                said = {name: field for name, field in correction["was"].items() if name in record}
                assert said == {name: record[name] for name in said}
                assert (correction["was"]["event_type"] == "PAYOUT") == ("kind" in record)
                assert (correction["was"]["wager_id"] == "") == ("wager_id" not in record)
            how[REPAIR if record is None else VOID if correction["now"] is None else REPLACE] += 1
        elif verdict == ACCEPTED or (verdict == REJECTED and value and value[:5] in HEADERS):
            try:
                record = decode_one(value, HEADERS[value[:5]])
            except ValueError:
                continue  # Cut, joined, or an instant that Python does not hold.
            if verdict == ACCEPTED:
                sent[_identity(record)] = record
            else:
                sent.setdefault(_identity(record), None)
    assert min(how[kind] for kind in (VOID, REPLACE, REPAIR)) > 50


def test_right_values_pass_every_check(made: pl.DataFrame) -> None:
    values = made.filter(pl.col("kind") == CORRECTING)["value"].to_list()
    corrections = upgraded(decode(values, frozenset({"correction"})).frames, "correction")
    now = corrected(corrections, "now")
    assert check_form(now).null_count() == now.height > 100
    assert set(now["event_type"]) == {"WAGER", "PAYOUT", "DEPOSIT", "WITHDRAWAL"}


def test_what_was_refused_is_repaired_whatever_the_number() -> None:
    assert {correction_kind(number, target_refused=True) for number in range(4)} == {REPAIR}
    assert {correction_kind(number, target_refused=False) for number in range(4)} == {VOID, REPLACE}
