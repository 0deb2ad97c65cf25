"""A mapping that loads is whole; one that is not says which key is wrong and what to do."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from esep.errors import MappingInvalid
from esep.producers.mapping import EVENT_NAMES, included_mappings, load_mapping
from esep.register import load_register
from tests.producers.bets import DESK, ROOT

ORGANIZER = "940140000385"


def _document() -> dict[str, Any]:
    document: dict[str, Any] = DESK.model_dump(exclude_unset=True, mode="json")
    return document


def _load(folder: Path, document: object) -> object:
    path = folder / "desk.yaml"
    path.write_text(yaml.safe_dump(document), encoding="utf-8")
    return load_mapping(str(path))


def test_mapping_of_a_file_is_what_the_file_says(tmp_path: Path) -> None:
    assert _load(tmp_path, _document()) == DESK


@pytest.mark.parametrize("name", included_mappings())
def test_included_mapping_loads_by_name(name: str) -> None:
    mapping = load_mapping(name)
    assert {event for event in EVENT_NAMES if mapping.sources(event)} == {"wager", "payout"}


def test_sites_of_the_included_mapping_are_registered_with_their_organizers() -> None:
    register = load_register(ROOT / "examples" / "register.yaml")
    mapping = load_mapping("bustabit")
    assert mapping.split
    assert mapping.split.organizers == register.bins
    sites = mapping.sources("wager")["site_id"].by_organizer
    assert sites == {organizer.bin: organizer.sites[0].id for organizer in register.organizers}


@pytest.mark.parametrize(
    ("path", "value", "said"),
    [
        (("wager", "colour"), {"text": "stake"}, "wager.colour: Extra inputs"),
        (("wager", "amount_tiyn"), {"text": "stake"}, "wager.amount_tiyn cannot come from text: use tenge"),
        (("wager", "amount_tiyn"), {"tenge": "stake", "text": "stake"}, "wager.amount_tiyn: give exactly one of"),
        (("wager", "amount_tiyn"), {}, "wager.amount_tiyn: give exactly one of"),
        (("wager", "amount_tiyn"), {"tenge": "sum"}, "wager.amount_tiyn names column 'sum', which is not in columns"),
        (("wager", "amount_tiyn"), None, "wager.amount_tiyn has no source: add one"),
        (("wager", "channel"), {"constant": "CARRIER_PIGEON"}, "wager.channel must be one of ONLINE, RETAIL"),
        (("wager", "channel"), {"constant": 5}, "wager.channel must be a text"),
        (("deposit",), {"payment_id": {"text": "ticket"}}, "deposit.balance_before_tiyn has no source: add one"),
        (("wager", "bonus_tiyn"), {"text": "stake"}, "wager.bonus_tiyn cannot come from text: use tenge"),
        (("wager", "bet_kind"), {"constant": "HUNCH"}, "wager.bet_kind must be one of SINGLE, EXPRESS"),
        (("both", "device_kind"), {"constant": "ABACUS"}, "device_kind must be one of PHONE, TABLET"),
        (("both", "payment_id"), {"text": "ticket"}, "both.payment_id: Extra inputs"),
        (("payout", "when"), {"column": "when"}, "payout.when names column 'when', which is not in columns"),
        (("payout", "instrument_key_version"), {"constant": "1"}, "payout.instrument_key_version must be a number"),
        (("both", "site_id"), {"by_organizer": {"940140000386": "X"}}, "not a BIN with a right control digit"),
        (("columns",), ["ticket", "ticket"], "columns: a name stands twice"),
        (("columns",), ["_line"], "columns.0: String should match"),
        (("split",), {"column": "desk", "organizers": [ORGANIZER]}, "split names column 'desk'"),
        (("shift_days",), "some", "shift_days"),
        (("shift_days",), 10**6, "shift_days"),
    ],
)
def test_mapping_that_is_wrong_says_file_key_and_what_to_do(
    tmp_path: Path, path: tuple[str, ...], value: object, said: str
) -> None:
    document = _document()
    place = document
    for key in path[:-1]:
        place = place[key]
    place[path[-1]] = value
    with pytest.raises(MappingInvalid) as caught:
        _load(tmp_path, document)
    assert "desk.yaml" in caught.value.what
    assert said in caught.value.detail
    assert caught.value.hint


def test_organizer_of_the_split_without_a_text_is_refused(tmp_path: Path) -> None:
    document = _document()
    document["split"] = {"column": "person", "organizers": [ORGANIZER, "950341000052"]}
    document["both"]["site_id"] = {"by_organizer": {ORGANIZER: "ALA-1"}}
    with pytest.raises(MappingInvalid, match=r"wager\.site_id has no text for organizer 950341000052"):
        _load(tmp_path, document)


def test_mapping_without_events_is_refused(tmp_path: Path) -> None:
    with pytest.raises(MappingInvalid, match="neither wager nor payout"):
        _load(tmp_path, {"columns": ["ticket"]})


@pytest.mark.parametrize("content", [b"columns: [", b"\xff\xfe", b"- ticket", b""])
def test_file_that_is_no_mapping_is_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "desk.yaml").write_bytes(content)
    with pytest.raises(MappingInvalid, match=r"desk\.yaml"):
        load_mapping(str(tmp_path / "desk.yaml"))


def test_unknown_name_is_refused_with_the_known_ones() -> None:
    with pytest.raises(MappingInvalid, match="bustabit"):
        load_mapping("bustabit-b")


def test_own_section_goes_before_both() -> None:
    document = _document()
    document["payout"]["payment_method"] = {"constant": "CARD"}
    changed = type(DESK).model_validate(document)
    assert changed.sources("wager")["payment_method"].constant == "CASH"
    assert changed.sources("payout")["payment_method"].constant == "CARD"
