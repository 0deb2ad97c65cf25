"""A register is taken as a whole or not at all, and its facts hold for the spans that they name (O9-3, O9-4.1)."""

from __future__ import annotations

from copy import deepcopy
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from esep.errors import FileUnusable
from esep.register import Organizer, Register, load_register
from tests.support.records import BINS, instants

GOOD: dict[str, Any] = {
    "version": 3,
    "organizers": [
        {
            "bin": BINS[0],
            "name_kk": "«Тұлпар» букмекерлік кеңсесі",
            "name_ru": "Букмекерская контора «Тулпар»",
            "licences": [
                {
                    "number": "БК-0001",
                    "kind": "BOOKMAKER",
                    "valid_from": "2020-01-01T00:00:00+06:00",
                    "valid_to": "2025-01-01T00:00:00+05:00",
                },
                {"number": "БК-0107", "kind": "BOOKMAKER", "valid_from": "2025-01-01T00:00:00+05:00"},
            ],
            "sites": [{"id": "ALA-1", "address": "Алматы қаласы, Абай даңғылы 10"}],
        },
        {
            "bin": BINS[2],
            "name_kk": "«Бәйге» тотализаторы",
            "name_ru": "Тотализатор «Байга»",
            "licences": [{"number": "ТЗ-0004", "kind": "TOTALIZATOR", "valid_from": "2021-06-01T00:00:00Z"}],
            "sites": [{"id": "AST-1", "address": "Астана қаласы, Мәңгілік Ел 55"}],
        },
    ],
}


def written(folder: Path, content: Any) -> Path:
    path = folder / "register.yaml"
    path.write_text(content if isinstance(content, str) else yaml.safe_dump(content, allow_unicode=True), "utf-8")
    return path


def test_good_file_is_read(tmp_path: Path) -> None:
    register = load_register(written(tmp_path, GOOD))
    assert register.version == 3
    assert register.bins == (BINS[0], BINS[2])
    totalizator = register.find(BINS[2])
    assert totalizator is not None
    assert totalizator.licences[0].kind == "TOTALIZATOR"
    assert register.find(BINS[1]) is None


def test_instants_are_the_same_written_as_text_or_as_yaml_does(tmp_path: Path) -> None:
    quoted = written(tmp_path, GOOD).read_text("utf-8")
    plain = quoted.replace("'2020-01-01T00:00:00+06:00'", "2020-01-01T00:00:00+06:00")
    assert plain != quoted
    assert load_register(written(tmp_path, plain)) == Register.model_validate(GOOD)


def test_example_of_the_project_is_a_good_file() -> None:
    for path in (Path(__file__).resolve().parents[2] / "examples").glob("*register*.yaml"):
        assert load_register(path).organizers


def faulty(*path: Any, value: Any) -> Any:
    """Return the good content with another value at a place; a value of `...` takes the place away."""
    content = deepcopy(GOOD)
    inner: Any = content
    for key in path[:-1]:
        inner = inner[key]
    if value is ...:
        del inner[path[-1]]
    else:
        inner[path[-1]] = value
    return content


def first(*path: Any, value: Any) -> Any:
    return faulty("organizers", 0, *path, value=value)


@pytest.mark.parametrize(
    ("content", "where"),
    [
        pytest.param("", "", id="empty"),
        pytest.param("version: [", "not YAML", id="no YAML"),
        pytest.param("- a\n- list", "", id="another shape"),
        pytest.param(faulty("version", value=0), "version", id="version"),
        pytest.param(faulty("version", value=...), "version", id="no version"),
        pytest.param(faulty("organiser", value=[]), "organiser", id="unknown field"),
        pytest.param(first("bin", value="940140000386"), "organizers.0.bin", id="control digit"),
        pytest.param(first("bin", value=940140000385), "organizers.0.bin", id="BIN as a number"),
        pytest.param(first("bin", value="900101300007"), "organizers.0.bin", id="IIN for a BIN"),
        pytest.param(first("bin", value=BINS[2]), "same BIN", id="BIN twice"),
        pytest.param(first("name_kk", value=""), "name_kk", id="no name"),
        pytest.param(first("name_ru", value=...), "name_ru", id="a name in one language only"),
        pytest.param(first("licences", value=[]), "licences", id="no licence"),
        pytest.param(first("licences", 0, "kind", value="CASINO"), "kind", id="kind that the law does not know"),
        pytest.param(first("licences", 0, "valid_from", value="2020-01-01T00:00:00"), "valid_from", id="no zone"),
        pytest.param(first("licences", 0, "valid_to", value=None), "at the same time", id="two without end"),
        pytest.param(
            first("licences", 0, "valid_to", value="2025-01-01T00:00:01+05:00"),
            "at the same time",
            id="a second shared",
        ),
        pytest.param(
            first("licences", 0, "valid_to", value="2019-01-01T00:00:00Z"), "ends before it begins", id="ends too soon"
        ),
        pytest.param(first("sites", value=[]), "sites", id="no site"),
        pytest.param(first("sites", 0, "address", value=""), "address", id="site without an address"),
    ],
)
def test_faulty_file_is_refused_with_its_place(tmp_path: Path, content: Any, where: str) -> None:
    path = written(tmp_path, content)
    with pytest.raises(FileUnusable) as caught:
        load_register(path)
    assert where in str(caught.value)
    assert str(path) in caught.value.what


def test_file_that_is_not_there_is_named_with_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(FileUnusable, match="ESEP_REGISTER_FILE"):
        load_register(tmp_path / "register.yaml")


def test_file_that_is_no_text_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "register.yaml"
    path.write_bytes(b"version: \xff\xfe")
    with pytest.raises(FileUnusable, match="not YAML"):
        load_register(path)


def test_licence_is_in_force_from_its_first_instant_to_before_its_last() -> None:
    bookmaker = Register.model_validate(GOOD).organizers[0]
    first_licence, second = bookmaker.licences
    assert first_licence.valid_to is not None
    moment = timedelta(milliseconds=1)
    assert bookmaker.licence_at(first_licence.valid_from - moment) is None
    assert bookmaker.licence_at(first_licence.valid_from) == first_licence
    assert bookmaker.licence_at(first_licence.valid_to - moment) == first_licence
    assert bookmaker.licence_at(first_licence.valid_to) == second
    assert bookmaker.licence_at(datetime(2199, 1, 1, tzinfo=UTC)) == second


@given(st.lists(instants(), min_size=2, max_size=6, unique=True), instants(), st.randoms())
def test_at_most_one_licence_is_in_force_whatever_the_order_of_the_file(
    ends: list[datetime], asked: datetime, random: Any
) -> None:
    spans = list(zip(sorted(ends), sorted(ends)[1:], strict=False))
    licences = [
        {"number": str(place), "kind": "BOOKMAKER", "valid_from": since, "valid_to": until}
        for place, (since, until) in enumerate(spans)
    ]
    random.shuffle(licences)
    organizer = Organizer.model_validate(GOOD["organizers"][0] | {"licences": licences})
    found = organizer.licence_at(asked)
    expected = [str(place) for place, (since, until) in enumerate(spans) if since <= asked < until]
    assert ([] if found is None else [found.number]) == expected
