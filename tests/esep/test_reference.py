"""Reference data: a file is taken as a whole, facts supersede each other, what counts was published in time."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from esep.clock import to_ms
from esep.errors import FileUnusable
from esep.reference import (
    BARRED_ORGANIZER,
    HOLIDAY,
    KINDS,
    ORGANIZER,
    REFERENCE_DELAY_MS,
    Fact,
    Load,
    Reference,
    ReferenceFile,
    load_reference,
    organizer_in,
)

ROOT = Path(__file__).resolve().parents[2]
ORGANIZER_OF_FILE = {
    "bin": "940140000385",
    "name_kk": "«Алатау» букмекерлік кеңсесі",
    "name_ru": "Букмекерская контора «Алатау»",
    "licences": [{"number": "BK-0001", "kind": "BOOKMAKER", "valid_from": "2015-01-01T00:00:00+05:00"}],
    "sites": [{"id": "ALA-1", "address": "Алматы"}],
}
BARRED = {"id": "bet-x", "name": "Bet X", "why": "ILLEGAL", "valid_from": "2026-01-01T00:00:00+05:00"}
RESOURCE = {"address": "bet-x.example", "why": "FOREIGN", "organizer": "bet-x", "valid_from": "2026-01-01T00:00:00Z"}
HOLIDAY_OF_FILE = {
    "day": "2026-12-16",
    "kind": "DAY_OFF",
    "name_kk": "Тәуелсіздік күні",
    "name_ru": "День Независимости",
}
GOOD: dict[str, Any] = {
    "organizers": [ORGANIZER_OF_FILE],
    "barred_organizers": [BARRED],
    "barred_resources": [RESOURCE],
    "holidays": [HOLIDAY_OF_FILE],
}
T0 = datetime(2026, 1, 1, tzinfo=UTC)
MS = timedelta(milliseconds=1)


def test_good_file_gives_a_fact_of_each_kind(tmp_path: Path) -> None:
    """Clauses R2021-1, R2021-2: barred organizers and resources are facts with their time, foreign ones too."""
    path = tmp_path / "reference.yaml"
    path.write_text(yaml.safe_dump(GOOD, allow_unicode=True))
    facts = load_reference(path).facts()
    assert tuple(fact.kind for fact in facts) == KINDS
    assert [fact.key for fact in facts] == ["940140000385", "bet-x", "bet-x.example", "2026-12-16"]
    assert organizer_in(facts[0]).model_dump() == load_reference(path).organizers[0].model_dump()


def test_register_of_the_project_is_a_reference_file() -> None:
    assert len(load_reference(ROOT / "examples" / "register.yaml").facts()) == 4


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"holidays": [HOLIDAY_OF_FILE | {"kind": "FREE"}]}, "holidays.0.kind"),
        ({"barred_organizers": [BARRED | {"why": "RUDE"}]}, "barred_organizers.0.why"),
        ({"barred_organizers": [BARRED | {"valid_to": "2025-01-01T00:00:00Z"}]}, "ends before it begins"),
        ({"barred_organizers": [BARRED, BARRED]}, "BARRED_ORGANIZER bet-x stands here twice"),
        ({"organizers": [ORGANIZER_OF_FILE | {"bin": "900101300007"}]}, "organizers.0.bin"),
        ({"casinos": []}, "casinos"),
    ],
)
def test_one_wrong_fact_refuses_the_whole_file(tmp_path: Path, change: dict[str, Any], why: str) -> None:
    path = tmp_path / "reference.yaml"
    path.write_text(yaml.safe_dump(GOOD | change, allow_unicode=True))
    with pytest.raises(FileUnusable) as caught:
        load_reference(path)
    assert why in str(caught.value)


def facts(**changes: Any) -> list[Fact]:
    return ReferenceFile.model_validate(GOOD | changes).facts()


def test_file_loaded_again_differs_in_nothing() -> None:
    """Instants are compared as they are, however they are written."""
    reference = Reference()
    assert reference.difference(facts()).added == facts()
    reference.publish(Load(9, to_ms(T0)), list(enumerate(facts())))
    same = BARRED | {"valid_from": "2025-12-31T19:00:00.000400Z"}
    assert not reference.difference(facts(barred_organizers=[same]))
    changed = reference.difference(facts(barred_organizers=[BARRED | {"name": "Bet Y"}]))
    assert not changed.added
    assert [fact.key for fact in changed.changed] == ["bet-x"]


def test_superseded_fact_stays_in_the_history() -> None:
    reference = Reference()
    for place, name in enumerate(("Bet X", "Bet Y")):
        (fact,) = ReferenceFile.model_validate({"barred_organizers": [BARRED | {"name": name}]}).facts()
        reference.publish(Load(2 * place + 1, to_ms(T0)), [(2 * place, fact)])
    ((older, newer),) = reference.of_kind(BARRED_ORGANIZER)
    assert (older.load, newer.load, newer.offset) == (0, 1, 2)
    assert [one.fact.content for one in reference.latest(BARRED_ORGANIZER)] == [newer.fact.content]
    assert reference.version == 3
    assert reference.latest(HOLIDAY) == []
    assert reference.bins == ()


def test_load_counts_from_a_minute_after_it_was_published_and_not_before_an_earlier_one() -> None:
    """The second broker's clock runs behind."""
    reference = Reference()
    reference.publish(Load(1, 1_000_000), [])
    reference.publish(Load(2, 970_000), [])
    first = 1_000_000 + REFERENCE_DELAY_MS
    assert reference.counted(np.array([0, first - 1, first, first + 1])).tolist() == [0, 0, 2, 2]


@given(
    st.lists(st.tuples(st.integers(0, 300_000), st.integers(0, 3), st.integers(0, 3)), max_size=5),
    st.integers(0, 400_000),
    st.integers(-1, 4),
)
def test_fact_that_counts_is_the_last_one_published_in_time_if_it_is_in_force(
    published: list[tuple[int, int, int]], received_ms: int, occurred: int
) -> None:
    reference, expected = Reference(), None
    for place, (published_ms, since, length) in enumerate(sorted(published)):
        span = {"valid_from": T0 + since * MS, "valid_to": T0 + (since + length) * MS}
        (fact,) = ReferenceFile.model_validate({"barred_organizers": [BARRED | span]}).facts()
        reference.publish(Load(place + 1, published_ms), [(place, fact)])
        if published_ms + REFERENCE_DELAY_MS <= received_ms:
            expected = fact if since <= occurred < since + length else None
    assert reference.as_of(BARRED_ORGANIZER, "bet-x", received_ms, T0 + occurred * MS) == expected
    assert reference.as_of(ORGANIZER, "bet-x", received_ms, T0) is None
