"""The contract holds together: ids, files, types that the columnar readers know, words for every field."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import fastavro
import pytest

from esep import schemas
from esep.schemas import Schema, all_schemas, newest, schema, schema_by_id, versions

FOLDER = Path(schemas.__file__).resolve().parent
MANIFEST = json.loads((FOLDER / "manifest.json").read_text(encoding="utf-8"))
MOVEMENTS = ("wager", "payout", "deposit", "withdrawal")
SENT_BY_ORGANIZERS = {*MOVEMENTS, "correction"}
FLAT = {"string", "bytes", "int", "long"}
INSTANT = {"type": "long", "logicalType": "timestamp-millis"}
LINEAGE = ("row", "received_at", "cause_topic", "cause_partition", "cause_offset")  # DESIGN §3, §5.
of_every_schema = pytest.mark.parametrize("of", all_schemas(), ids=lambda one: f"{one.record}-v{one.version}")


def fields_within(kind: Any) -> Iterator[dict[str, Any]]:
    """Give every field of a schema, those of nested records too."""
    if isinstance(kind, list):
        for choice in kind:
            yield from fields_within(choice)
    elif isinstance(kind, dict):
        yield from fields_within(kind.get("items"))
        for field in kind.get("fields", []):
            yield field
            yield from fields_within(field["type"])


def types_of(of: Schema) -> dict[str, Any]:
    return {field["name"]: without_words(field["type"]) for field in of.parsed()["fields"]}


def without_words(kind: Any) -> Any:
    """Return a type without docs, names of records and defaults: what is on the wire."""
    if isinstance(kind, list):
        return [without_words(choice) for choice in kind]
    if not isinstance(kind, dict):
        return kind
    kept = {key: without_words(value) for key, value in kind.items() if key in {"type", "items", "logicalType"}}
    fields = [(field["name"], without_words(field["type"])) for field in kind.get("fields", [])]
    return kept | ({"fields": fields} if fields else {})


# --- The manifest


def test_ids_are_never_given_twice() -> None:
    assert max(Counter(entry["id"] for entry in MANIFEST).values()) == 1
    assert max(Counter((entry["record"], entry["version"]) for entry in MANIFEST).values()) == 1


def test_ids_say_who_writes() -> None:
    """From 1001 on organizers, from 2001 on the authority."""
    for of in all_schemas():
        assert (1001 <= of.id <= 2000) == (of.record in SENT_BY_ORGANIZERS)
        assert of.id > 1000


def test_manifest_names_every_file_and_no_other() -> None:
    named = {FOLDER / entry["record"] / f"v{entry['version']}.avsc" for entry in MANIFEST}
    assert named == set(FOLDER.rglob("*.avsc"))


def test_versions_of_a_record_begin_with_one_and_have_no_hole() -> None:
    for record in {entry["record"] for entry in MANIFEST}:
        versions = [entry["version"] for entry in MANIFEST if entry["record"] == record]
        assert versions == list(range(1, len(versions) + 1))


@of_every_schema
def test_schema_is_found_by_record_and_by_id(of: Schema) -> None:
    assert schema(of.record, of.version) is of
    assert schema_by_id(of.id) is of
    assert {"record": of.record, "version": of.version, "id": of.id} in MANIFEST


def test_schema_that_is_not_there_is_not_found() -> None:
    assert schema_by_id(0) is None
    for ask in (schema, versions, newest):
        with pytest.raises(KeyError, match="bonus"):
            ask("bonus")
    with pytest.raises(KeyError, match="99"):
        schema("wager", 99)


@of_every_schema
def test_change_of_a_parsed_schema_reaches_nobody_else(of: Schema) -> None:
    of.parsed()["fields"].clear()
    assert tuple(field["name"] for field in of.parsed()["fields"]) == of.fields


# --- Each schema


@of_every_schema
def test_schema_is_avro(of: Schema) -> None:
    """No name of a nested record is given twice either: fastavro refuses it."""
    assert fastavro.parse_schema(of.parsed())["type"] == "record"


@of_every_schema
def test_name_is_that_of_the_folder_and_the_same_in_every_version(of: Schema) -> None:
    """Avro matches records by name: the namespace changes only with a contract that breaks with this one."""
    content = of.parsed()
    assert content["namespace"] == "kz.esep.v1"
    assert re.sub(r"(?<=[a-z])(?=[A-Z])", "_", content["name"]).lower() == of.record


@of_every_schema
def test_every_field_says_what_it_is(of: Schema) -> None:
    assert of.parsed()["doc"].endswith(".")
    for field in fields_within(of.parsed()):
        assert field.get("doc", "").strip(), field["name"]


def refused_by_columnar_readers(kind: Any, *, nullable: bool = False) -> str:
    """Return what is wrong with a type, or nothing (DESIGN §3: what the columnar reader knows)."""
    if isinstance(kind, list):
        if len(kind) != 2 or kind[0] != "null":
            return "a union is of null and one type, in this order"
        return refused_by_columnar_readers(kind[1], nullable=True)
    if isinstance(kind, str):
        return "" if kind in FLAT else f"the type {kind}"
    if kind["type"] == "array":
        return "an array that may be null" if nullable else refused_by_columnar_readers(kind["items"])
    if kind["type"] == "record":
        return next(filter(None, (refused_by_columnar_readers(field["type"]) for field in kind["fields"])), "")
    return "" if kind == INSTANT else f"the type {kind}"


@of_every_schema
def test_types_are_those_that_columnar_readers_know(of: Schema) -> None:
    """So no maps, no enums, no unions of three, no decimals or uuids, and no second use of a nested record by name."""
    assert refused_by_columnar_readers(of.parsed()) == ""


@pytest.mark.parametrize(
    "kind",
    [
        {"type": "map", "values": "long"},
        ["null", "string", "long"],
        ["string", "null"],
        ["null", {"type": "enum", "name": "Kind", "symbols": ["WINNING"]}],
        {"type": "enum", "name": "Kind", "symbols": ["WINNING"]},
        {"type": "bytes", "logicalType": "decimal", "precision": 20, "scale": 2},
        {"type": "array", "items": {"type": "map", "values": "long"}},
        ["null", {"type": "array", "items": "string"}],
        {"type": "long", "logicalType": "timestamp-micros"},
        {"type": "record", "name": "Part", "fields": [{"name": "a", "type": "double"}]},
        "Selection",
    ],
)
def test_rule_of_types_finds_what_is_not_known(kind: Any) -> None:
    assert refused_by_columnar_readers(kind)


@of_every_schema
def test_bytes_stand_at_the_top_only(of: Schema) -> None:
    """The codec reads them as text and turns whole columns back (esep.codec)."""
    for name, kind in types_of(of).items():
        assert kind in ("bytes", ["null", "bytes"]) or "bytes" not in json.dumps(kind), name


@of_every_schema
def test_field_names_keep_to_the_house_words(of: Schema) -> None:
    for field in fields_within(of.parsed()):
        name, kind = field["name"], without_words(field["type"])
        of_one = kind[1] if isinstance(kind, list) else kind
        assert re.fullmatch(r"[a-z][a-z0-9]*(_[a-z0-9]+)*", name)
        assert (of_one == INSTANT) == name.endswith("_at"), name
        if name.endswith("_tiyn"):
            assert of_one == "long", name
        if name.endswith(("_bin", "iin", "_id", "_sha256")) and name != "schema_id":  # Confluent's ids are numbers.
            assert of_one == "string", name


@of_every_schema
def test_field_that_may_be_null_is_so_by_default(of: Schema) -> None:
    """A later version may then leave it out: old and new side by side (D934-42)."""
    for field in fields_within(of.parsed()):
        if isinstance(field["type"], list):
            assert field.get("default", ...) is None, field["name"]


# --- Between schemas


@pytest.mark.parametrize("version", [1, 2])
def test_accepted_is_in_the_ledger_field_by_field(version: int) -> None:
    """Totals passes all of an accepted record on; what it adds are its own causes and the totals."""
    accepted, ledger = types_of(schema("accepted", version)), types_of(schema("ledger", version))
    assert {name: ledger.get(name) for name in accepted} == accepted
    added = set(ledger) - set(accepted)
    assert {"origin_topic", "origin_partition", "origin_offset"} < added
    assert all(re.fullmatch(r"origin_\w+|(person|organizer)_(year|ever)_\w+_(count|tiyn)", name) for name in added)


def test_ledger_carries_every_total() -> None:
    """Clause O9-4.6: growing totals, of the calendar year and of all time, per person and with the organizer."""
    expected = {
        f"{scope}_{span}_{measure}_{unit}"
        for scope in ("person", "organizer")
        for span in ("year", "ever")
        for measure in ("wager", "winning", "refund", "cash_out", "deposit", "withdrawal")
        for unit in ("count", "tiyn")
    }
    ledger = types_of(schema("ledger"))
    assert {name for name in ledger if name.startswith(("person_", "organizer_"))} - expected == {
        "organizer_bin",
        "organizer_name",
        "organizer_kind",
    }
    assert {ledger[name] for name in expected} == {"long"}


def test_accepted_has_every_field_of_the_events() -> None:
    """Clause D934-42: of the newest versions."""
    accepted = types_of(newest("accepted"))
    for record in MOVEMENTS:
        for name, kind in types_of(newest(record)).items():
            assert accepted[name] in (kind, ["null", kind]), name


@pytest.mark.parametrize("part", ["was", "now"])
def test_correction_repeats_every_value_of_the_events(part: str) -> None:
    correction = newest("correction")
    values = correction.parsed()["fields"][correction.fields.index(part)]["type"][1]
    types = {field["name"]: without_words(field["type"]) for field in values["fields"]}
    for record in MOVEMENTS:
        for name, kind in types_of(newest(record)).items():
            if name not in {"organizer_bin", "stream_id", "sequence"}:
                assert types[name] in (kind, ["null", kind]), name


def test_newer_version_keeps_the_fields_of_the_older_ones_in_their_places() -> None:
    for older, newer in pairwise(sorted(all_schemas(), key=lambda one: (one.record, one.version))):
        if older.record == newer.record:
            assert newer.fields[: len(older.fields)] == older.fields


@pytest.mark.parametrize("record", ["accepted", "rejected", "ledger", "receipt", "alert", "disposition"])
def test_internal_record_names_its_row_and_its_cause(record: str) -> None:
    assert schema(record).fields[: len(LINEAGE)] == LINEAGE


@pytest.mark.parametrize(
    ("record", "fields"),
    [
        ("wager", {"iin", "occurred_at", "amount_tiyn", "payment_method", "site_id", "odds_milli", "selections"}),
        ("payout", {"iin", "occurred_at", "amount_tiyn", "payment_method", "site_id", "kind", "won_tiyn"}),
        ("deposit", {"iin", "occurred_at", "amount_tiyn", "payment_method", "site_id", "payment_provider"}),
        ("withdrawal", {"iin", "occurred_at", "amount_tiyn", "payment_method", "site_id", "balance_after_tiyn"}),
        ("rejected", {"reject_code", "field", "body", "message_key", "organizer_bin"}),
        ("alert", {"observations", "evidence", "basis", "reason_kk", "reason_ru", "reason_en"}),
    ],
)
def test_record_has_what_the_law_asks(record: str, fields: set[str]) -> None:
    """Clauses O9-L1 to O9-L5, O9-4.1, O9-4.3, O9-5.3."""
    assert fields <= set(schema(record).fields)


@pytest.mark.parametrize("record", ["wager", "payout"])
def test_second_version_has_the_longer_list(record: str) -> None:
    """Clause D934-42: device, payment provider, balance before and after, bonus money apart; markets of a wager."""
    asked = {"device_kind", "device_id", "payment_provider", "balance_before_tiyn", "balance_after_tiyn", "bonus_tiyn"}
    assert asked | ({"bet_kind", "market_names"} if record == "wager" else set()) <= set(newest(record).fields)


@pytest.mark.parametrize("record", ["receipt", "receipt_content", "disposition"])
def test_nothing_that_an_organizer_reads_or_an_officer_writes_tells_of_a_person(record: str) -> None:
    """Flags and hints are the authority's (DESIGN §4); an alert names its person, what is decided about it does not."""
    names = {field["name"] for field in fields_within(schema(record).parsed())}
    assert not names & {"iin", "flags", "birth_year_hint", "sex_hint", "person_key", "instrument_hash"}
