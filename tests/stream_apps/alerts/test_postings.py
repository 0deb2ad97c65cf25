"""The remembered postings against a dict of lists."""

from __future__ import annotations

from collections import defaultdict

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from esep.rules import DAY_MS
from esep.stream_apps.alerts import postings as module
from esep.stream_apps.alerts.columns import Posting, columns_of, day_of, slots_of
from esep.stream_apps.alerts.postings import Postings
from esep.stream_apps.poll import person_words

PERSONS = [bytes([number]) * 16 for number in range(3)]
DAYS = range(20_000, 20_004)
SLOT = st.tuples(st.sampled_from(PERSONS), st.sampled_from(DAYS))
PUT = st.lists(st.tuples(SLOT, st.sampled_from([5, 7, -7]), st.text("abc/1", max_size=9)), min_size=1, max_size=20)
STEPS = st.lists(st.one_of(PUT, st.sets(SLOT)), max_size=8)


def slots(pairs: list[tuple[bytes, int]]) -> np.ndarray:
    return slots_of(person_words([person for person, _ in pairs]), np.array([day for _, day in pairs], np.int64))


@pytest.mark.parametrize("compact_rows_min", [0, 10_000])
@settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(steps=STEPS)
def test_slots_hold_what_was_put_and_not_dropped(
    monkeypatch: pytest.MonkeyPatch, compact_rows_min: int, steps: list[object]
) -> None:
    monkeypatch.setattr(module, "_COMPACT_ROWS_MIN", compact_rows_min)
    store, known, offset = Postings(), defaultdict(list), 0
    for step in steps:
        if isinstance(step, set):
            store.drop_days(slots(sorted(step)))
            for slot in step:
                known.pop(slot, None)
            continue
        persons, put = [], []
        for (person, day), amount, entry_id in step:  # type: ignore[attr-defined]
            offset += 1
            posting = Posting(day * DAY_MS, entry_id, offset, 1 if amount > 0 else -1, amount, offset)
            known[person, day].append(posting)
            persons.append(person)
            put.append(posting)
        store.put(columns_of(persons, put))
    assert len(store) == sum(map(len, known.values()))
    for person in PERSONS:
        for day in DAYS:
            own = known.get((person, day), [])
            assert sorted(store.of(slots([(person, day)])).postings()) == sorted(own)
    past = store.held(store.past(DAYS[2], 1000))
    assert sorted(past.postings()) == sorted(one for (_, day), own in known.items() if day < DAYS[2] for one in own)


def test_past_gives_the_oldest_slots_first_and_no_more_than_asked_for() -> None:
    store, pairs = Postings(), [(person, day) for day in reversed(DAYS) for person in PERSONS]
    postings = [Posting(day * DAY_MS, "940140000385/desk-1/1", 0, 1, 5, 0) for _, day in pairs]
    store.put(columns_of([person for person, _ in pairs], postings))
    assert {day_of(one.occurred_ms) for one in store.held(store.past(DAYS[3], 4)).postings()} == {DAYS[0], DAYS[1]}
    assert len(store.past(DAYS[3], 4)) == 4
    assert len(store.past(DAYS[3], 100)) == 9


def test_posting_takes_at_most_200_bytes() -> None:
    count, store = 50_000, Postings()
    keys = np.random.default_rng(5).integers(0, 2**63, (count, 2), dtype=np.uint64)
    persons = [row.tobytes() for row in keys]
    postings = [Posting(number, f"940140000385/desk-1/{number}", 0, 1, 5, number) for number in range(count)]
    for start in range(0, count, 5_000):
        store.put(columns_of(persons[start : start + 5_000], postings[start : start + 5_000]))
    assert store.nbytes / len(store) < 200
