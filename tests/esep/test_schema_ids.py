"""Ids on the wire by the manifest or by a registry: one interface; what a process uses stays until it is told."""

from __future__ import annotations

import pytest

from esep.codec import decode, encode_one, wire_header
from esep.schema_ids import ManifestIds, RegistryIds, SchemaIds, current, use
from esep.schemas import all_schemas, schema, schema_by_id
from tests.stream_apps.intake.made_up import wager

GIVEN = RegistryIds({one: 7_000 + place for place, one in enumerate(all_schemas())})
both = pytest.mark.parametrize("ids", [ManifestIds(), GIVEN], ids=["manifest", "registry"])


@both
def test_each_schema_has_an_id_that_leads_back_to_it(ids: SchemaIds) -> None:
    """DESIGN §3."""
    assert [ids.schema_of(ids.id_of(one)) for one in all_schemas()] == list(all_schemas())
    assert ids.schema_of(0) is None


def test_manifest_gives_its_own_ids_and_knows_no_others() -> None:
    assert [ManifestIds().id_of(one) for one in all_schemas()] == [one.id for one in all_schemas()]
    some = ManifestIds([schema("wager")])
    assert some.schema_of(1004) is None
    with pytest.raises(KeyError):
        some.id_of(schema("wager", 2))
    assert schema_by_id(1004) == schema("wager", 2)


@both
def test_what_is_written_with_some_ids_is_read_with_them_and_no_others(ids: SchemaIds) -> None:
    before = use(ids)
    try:
        assert current() is ids
        value = encode_one(wager(), schema("wager"))
        assert value[1:5] == ids.id_of(schema("wager")).to_bytes(4, "big") == wire_header(schema("wager"))[1:]
        assert decode([value], frozenset({"wager"})).bad == {}
        use(RegistryIds({schema("wager"): 9_999}))
        assert decode([value], frozenset({"wager"})).bad == {0: "SCHEMA_UNKNOWN"}
    finally:
        use(before)
