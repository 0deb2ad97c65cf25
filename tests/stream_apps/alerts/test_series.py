"""Values of features against a look through all postings."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from esep.rules import Feature
from esep.stream_apps.alerts.columns import Posting
from esep.stream_apps.alerts.series import Values
from tests.support import rule_oracle
from tests.support.examples import examples

BIT = 4
FEATURES = [
    {"aggregate": "count"},
    {"aggregate": "sum", "field": "amount_tiyn"},
    {"aggregate": "sum", "field": "return_tiyn", "filter": {"has": ["odds_milli"]}},
    {"aggregate": "sum", "field": "amount_tiyn", "key": ["organizer_bin", "wager_id"]},
    {"aggregate": "count", "key": ["instrument_hash"]},
    {"aggregate": "mean", "field": "odds_milli", "filter": {"has": ["odds_milli"]}},
    {"aggregate": "distinct", "field": "organizer_bin"},
    {"aggregate": "distinct", "field": "instrument_hash", "filter": {"has": ["instrument_hash"]}},
    {"aggregate": "distinct", "field": "instrument_hash", "filter": {"has": ["instrument_hash"]}, "key": ["wager_id"]},
    {"aggregate": "distinct", "field": "organizer_bin", "key": ["wager_id", "instrument_hash"]},
]
POSTINGS = st.builds(
    Posting, st.integers(0, 40_000), st.sampled_from(["940140000385/a/1", "950341000052/a/2"]), st.integers(0, 9),
    st.just(1), st.integers(1, 10**13), st.just(0), st.just(0), st.sampled_from([1000, 1500, 2**31 - 1]), st.just(0),
    st.sampled_from(["w1", "w2"]), st.sampled_from(["", "ab"]), st.sampled_from([BIT, BIT | 1, 0]),
)  # fmt: skip


def as_written(one: Posting) -> dict[str, object]:
    return {
        "occurred_ms": one.occurred_ms, "amount_tiyn": one.amount_tiyn, "odds_milli": one.odds_milli, "flags": 0,
        "organizer_bin": one.organizer_bin, "wager_id": one.wager_id, "instrument_hash": one.linked,
        "event_type": "WAGER", "kind": None,
    }  # fmt: skip


@pytest.mark.parametrize("said", FEATURES, ids=lambda said: "-".join(map(str, said.values())))
@pytest.mark.parametrize("window", ["event", "10min"], ids=str)
@settings(max_examples=examples(15))
@given(
    postings=st.lists(POSTINGS, min_size=1, max_size=10, unique_by=lambda one: one[:4]),
    taken=st.sets(st.integers(0, 9)),
    data=st.data(),
)
def test_value_and_evidence_are_those_of_a_look_through_all(
    said: dict[str, object], window: str, postings: list[Posting], taken: set[int], data: st.DataObject
) -> None:
    feature = Feature.model_validate({"feature": "f", "observed": "f", "window": window, **said})
    scale = 60_000  # Instants in ms would seldom meet a boundary of ten minutes.
    postings = [one._replace(occurred_ms=one.occurred_ms // 4_000 * scale) for one in postings]
    postings = list({one[:4]: one for one in postings}.values())
    values = Values(feature, BIT)
    passing = [one for one in postings if one.bits & BIT]
    for one in passing:
        values.put(one)
    for one in [one for number, one in enumerate(passing) if number in taken]:
        values.take(one)
    left = [one for one in postings if not (one.bits & BIT and passing.index(one) in taken)]
    event = data.draw(st.sampled_from(left)) if left else None
    if event is not None:
        known = [as_written(one) for one in sorted(left) if one <= event and (one.bits & BIT or one is event)]
        if not event.bits & BIT:
            known[-1] = {**known[-1], "kind": "not counted"}
            said = {**said, "filter": {**said.get("filter", {}), "kinds": ["WAGER"]}}  # type: ignore[dict-item]
            known[-1]["event_type"] = "DEPOSIT"
        asked = {"window": window, **said}
        assert values.at(event) == rule_oracle._value(asked, known)
        told = [(one.occurred_ms, one.amount_tiyn) for one in sorted(values.evidence(event))]
        window_of = rule_oracle._window(asked, known)
        assert sorted(told) == sorted((one["occurred_ms"], one["amount_tiyn"]) for one in window_of)
