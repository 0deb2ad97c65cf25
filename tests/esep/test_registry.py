"""A real registry takes our schemas, gives them ids, and refuses what would break a reader (clause D934-42)."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from esep.errors import RegistryUnavailable, SchemaIncompatible, SchemaUnknown, SettingInvalid
from esep.registry import LEVEL, Registry, adopt, subject_of
from esep.schema_ids import current, use
from esep.schemas import Schema, all_schemas, newest, schema
from esep.settings import Settings
from tests.support import registry as real


@pytest.fixture(scope="module")
def empty(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Registry]:
    """A registry of its own: the first test here finds it without any schema, and leaves it with all."""
    with real.registry(tmp_path_factory.mktemp("registry")) as url:
        yield Registry(url)


def changed(of: Schema, **field: object) -> Schema:
    """Return a next version of a record with one field more."""
    content = of.parsed()
    content["fields"].append({"name": "coupon_id", "doc": "A coupon.", **field})
    return Schema(of.record, of.version + 1, 1999, json.dumps(content), (*of.fields, "coupon_id"))


@pytest.mark.long
def test_schemas_are_published_once_and_have_ids_of_the_registrys_own(empty: Registry) -> None:
    unknown = empty.standing(schema("wager"))
    assert (unknown.id, unknown.is_fine, unknown.faults) == (None, False, ())
    with pytest.raises(SchemaUnknown, match="does not know wager, version 1") as caught:
        empty.ids()
    assert "esep schemas publish" in caught.value.hint
    in_order = sorted(all_schemas(), key=lambda one: one.version)
    given = {one: empty.publish(one) for one in in_order}
    assert len(set(given.values())) == len(given)
    assert {one: empty.publish(one) for one in in_order} == given
    ids = empty.ids()
    assert {one: ids.id_of(one) for one in in_order} == given
    assert all(empty.standing(one).is_fine for one in all_schemas())
    assert empty.standing(schema("wager", 2)).subject == subject_of(schema("wager")) == "kz.esep.v1.Wager"


@pytest.mark.parametrize("record", ["wager", "correction", "ledger"])
def test_registry_would_take_a_field_with_a_default_and_refuses_one_without(empty: Registry, record: str) -> None:
    for one in sorted(all_schemas(), key=lambda one: one.version):
        empty.publish(one)
    good = empty.standing(changed(newest(record), type=["null", "string"], default=None))
    assert (good.id, good.level, good.faults) == (None, LEVEL, ())
    breaking = changed(newest(record), type="string")
    assert empty.standing(breaking).faults
    assert not empty.standing(breaking).is_fine
    with pytest.raises(SchemaIncompatible, match=f"refuses {record}"):
        empty.publish(breaking)
    assert empty.id_of(breaking) is None


def test_process_takes_the_ids_of_the_registry_that_its_settings_name(empty: Registry) -> None:
    for one in sorted(all_schemas(), key=lambda one: one.version):
        empty.publish(one)
    before = current()
    try:
        adopt(Settings())
        assert current() is before
        adopt(Settings(schema_registry_url=empty.url))
        assert current().id_of(schema("wager")) == empty.id_of(schema("wager"))
    finally:
        use(before)


def test_address_that_is_none_and_server_that_is_away_are_told() -> None:
    with pytest.raises(SettingInvalid, match="no address of a registry"):
        Registry(str(Path("/etc/registry")))
    with pytest.raises(RegistryUnavailable, match="did not answer as one"):
        Registry("http://127.0.0.1:9").id_of(schema("wager"))
