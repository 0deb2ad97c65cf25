"""The AsyncAPI document says what the declarations say, and every reference in it leads somewhere."""

from __future__ import annotations

import io
from collections.abc import Iterator
from typing import Any

import fastavro
import pytest
import yaml

from docs.asyncapi import BIN, asyncapi
from esep.codec import HEADER_BYTES, encode_one
from esep.events import EVENT_RECORDS
from esep.schemas import schema
from esep.topics import all_topics
from tests.stream_apps.intake.made_up import wager

DOCUMENT = yaml.load(asyncapi(), yaml.CSafeLoader)
FIELDS = {  # What the AsyncAPI 3.0 specification asks for, and what else it allows, of each object that is used here.
    "document": ({"asyncapi", "info"}, {"id", "servers", "defaultContentType", "channels", "operations", "components"}),
    "info": (
        {"title", "version"},
        {"description", "termsOfService", "contact", "license", "tags", "externalDocs"},
    ),
    "server": (
        {"host", "protocol"},
        {"protocolVersion", "pathname", "description", "title", "summary", "variables", "security", "tags", "bindings"},
    ),
    "channel": (
        {"address"},
        {"messages", "title", "summary", "description", "servers", "parameters", "tags", "externalDocs", "bindings"},
    ),
    "operation": (
        {"action", "channel"},
        {"title", "summary", "description", "security", "tags", "bindings", "traits", "messages", "reply"},
    ),
    "message": (
        {"payload"},
        {"headers", "correlationId", "contentType", "name", "title", "summary", "description", "bindings", "examples"},
    ),
}


def references(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        if "$ref" in value:
            yield value["$ref"]
        for one in value.values():
            yield from references(one)
    elif isinstance(value, list):
        for one in value:
            yield from references(one)


def resolve(reference: str) -> Any:
    found: Any = DOCUMENT
    for name in reference.removeprefix("#/").split("/"):
        found = found[name]
    return found


def objects() -> Iterator[tuple[str, dict[str, Any]]]:
    yield "document", DOCUMENT
    yield "info", DOCUMENT["info"]
    for kind, found in (
        ("server", DOCUMENT["servers"]),
        ("channel", DOCUMENT["channels"]),
        ("operation", DOCUMENT["operations"]),
        ("message", DOCUMENT["components"]["messages"]),
    ):
        yield from ((kind, one) for one in found.values())


def test_every_reference_leads_somewhere() -> None:
    found = list(references(DOCUMENT))
    assert len(found) > 12
    assert all(resolve(reference) for reference in found)


def test_objects_have_the_members_that_version_3_asks_for_and_no_others() -> None:
    """The specification's own JSON schema is no package of Python's; the document has passed it (decision 0014)."""
    assert DOCUMENT["asyncapi"] == "3.0.0"
    for kind, one in objects():
        required, allowed = FIELDS[kind]
        assert required <= set(one) <= required | allowed, kind
    assert {operation["action"] for operation in DOCUMENT["operations"].values()} == {"send", "receive"}


def test_every_topic_is_a_channel_unless_it_is_a_changelog() -> None:
    addresses = {channel["address"].replace("{bin}", BIN) for channel in DOCUMENT["channels"].values()}
    topics = {topic.name for topic in all_topics([BIN], events_partitions=2, ledger_partitions=4)}
    assert addresses == {topic for topic in topics if not topic.endswith(".changelog")}


def test_messages_of_an_organizer_are_those_that_intake_takes() -> None:
    """Clauses O9-4.3, D934-42: a record is announced as soon as it is taken."""
    messages = DOCUMENT["channels"]["events"]["messages"].values()
    names = {resolve(message["$ref"])["name"].lower() for message in messages}
    assert names == EVENT_RECORDS


@pytest.mark.parametrize("name", DOCUMENT["components"]["messages"])
def test_payload_is_the_schema_as_it_stands_in_the_contract(name: str) -> None:
    payload = DOCUMENT["components"]["messages"][name]["payload"]
    assert payload["schemaFormat"].startswith("application/vnd.apache.avro")
    record, version = name.rsplit("V", 1)
    assert payload["schema"] == schema(record, int(version)).parsed()


def test_message_can_be_read_with_nothing_but_the_document() -> None:
    record = wager()
    value = encode_one(record, schema("wager"))
    announced = fastavro.parse_schema(DOCUMENT["components"]["messages"]["wagerV1"]["payload"]["schema"])
    assert fastavro.schemaless_reader(io.BytesIO(value[HEADER_BYTES:]), announced, None) == record
