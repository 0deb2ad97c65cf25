"""Settled postings: every one in force is in one piece, beside all others of its owner."""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING

import pytest

from esep.rules import load_rules
from esep.sinks.clickhouse.alerts.search import run_in
from esep.sinks.clickhouse.alerts.settled import TABLE, Settled, Sought, whole_buckets
from esep.sinks.clickhouse.client import connect
from tests.support.rule_fixtures import FIXTURES, NOON_MS
from tests.support.rule_histories import HOUR_MS, Arrival, placed
from tests.support.rule_ledger import ledger_of
from tests.support.rule_oracle import in_force

if TYPE_CHECKING:
    from esep.embedded.clickhouse import ClickHouseServer
    from esep.rules import Subject

RULES = load_rules()


@pytest.mark.clickhouse
def test_pieces_hold_what_is_in_force_and_no_owner_twice(clickhouse: ClickHouseServer) -> None:
    postings = [one for fixture in FIXTURES for one in placed([Arrival(one, 0) for one in fixture.postings])]
    with ledger_of(clickhouse, postings) as settings, connect(settings, session_id=uuid.uuid4().hex) as client:
        settled = Settled(lambda statement: run_in(client, statement), piece_rows=500)

        def taken(subject: Subject, field: str) -> list[tuple[str, str]]:
            sought = [Sought(RULES, rule, None, None) for rule in RULES.rules if rule.subject == subject]
            pieces, rows = settled.pieces(subject, sought), list[tuple[str, str]]()
            assert len(pieces) > 1 or subject == "instrument"
            for piece in pieces:
                settled.take(piece)
                found = client.query(f"SELECT {field}, entry_id FROM {TABLE}").result_rows
                assert not {owner for owner, _ in rows} & {owner for owner, _ in found}
                rows += [(str(owner), str(entry)) for owner, entry in found]
            return sorted(rows)

        of_persons = [
            (iin, one["entry_id"])
            for iin in {one["iin"] for one in postings}
            for one in in_force([own for own in postings if own["iin"] == iin])
        ]
        assert len(of_persons) < len(postings)
        assert taken("person", "iin") == sorted(of_persons)
        shared = taken("instrument", "instrument_hash")
    persons: dict[str, set[str]] = {}
    for one in postings:
        persons.setdefault(one["instrument_hash"], set()).add(one["iin"])
    assert shared
    assert all(len(persons[owner]) > 1 for owner, _ in shared), "a means of payment that one person uses is taken"


def test_bucket_is_looked_at_from_its_beginning() -> None:
    first_ms = NOON_MS + 3 * HOUR_MS
    assert whole_buckets(RULES.rule("WIN_THRESHOLD"), first_ms) == first_ms
    assert whole_buckets(RULES.rule("WIN_STRUCTURED"), None) is None
    day_ms, month_ms = (whole_buckets(RULES.rule(name), first_ms) for name in ("WIN_STRUCTURED", "WIN_JUST_BELOW"))
    assert day_ms == NOON_MS - 12 * HOUR_MS
    assert month_ms is not None
    assert month_ms < day_ms
