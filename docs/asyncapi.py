"""Write the AsyncAPI 3 document: every topic that holds records, their schemas, keys and settings.

Reads     esep/topics.py, schemas/, the defaults of esep/settings.py
Returns   the text of docs/asyncapi.yaml
Promises  the same declarations give the same bytes; the Avro schemas stand in it as they are in schemas/ (D934-42)
"""

from __future__ import annotations

from typing import Any

import yaml

from esep import __version__
from esep.events import EVENT_RECORDS
from esep.schemas import Schema, versions
from esep.settings import Settings
from esep.topics import Topic, all_topics, events_topic, receipts_topic

BIN = "940140000385"  # Of the demo's register; the document has a parameter in its place.
AVRO = "application/vnd.apache.avro;version=1.9.0"  # The media type by which AsyncAPI knows an Avro schema.
BINDING = "0.5.0"
_RECORDS_BY_TOPIC = {
    events_topic(BIN): tuple(sorted(EVENT_RECORDS, reverse=True)),
    receipts_topic(BIN): ("receipt",),
    "reference": ("reference_fact",),
    "compliance.rules": ("rule_file",),
    "accepted": ("accepted",),
    "rejected": ("rejected",),
    "ledger": ("ledger",),
    "alerts.instruments": ("instrument_posting",),
    "compliance.alerts": ("alert",),
    "compliance.dispositions": ("disposition",),
    "compliance.settlements": ("settlement",),
}
_INTRODUCTION = """\
Written from the side of the authority's line: what it receives, an organizer sends; what it sends, an organizer reads.
How to use it from another language: integrate.md. Only the channels `events` and `receipts` are open to organizers."""


def asyncapi() -> str:
    """Return the document as YAML."""
    return yaml.safe_dump(document(), sort_keys=False, allow_unicode=True, width=120)


def document() -> dict[str, Any]:
    """Return the document as values."""
    defaults = Settings.model_construct()
    declared = all_topics(
        [BIN], events_partitions=defaults.events_partitions, ledger_partitions=defaults.ledger_partitions
    )
    topics = {topic.name: topic for topic in declared if topic.name in _RECORDS_BY_TOPIC}
    return {
        "asyncapi": "3.0.0",
        "info": {
            "title": "esep",
            "version": __version__,
            "description": _INTRODUCTION,
            "license": {"name": "Apache-2.0"},
        },
        "servers": {"kafka": _server()},
        "channels": {_channel_id(name): _channel(topics[name]) for name in _RECORDS_BY_TOPIC},
        "operations": dict(_operation(name) for name in _RECORDS_BY_TOPIC),
        "components": {
            "messages": {
                _message_id(schema): _message(schema, topics[name].key)
                for name in _RECORDS_BY_TOPIC
                for schema in _schemas_on(name)
            },
            "securitySchemes": {
                "password": {"type": "scramSha512", "description": "User: the BIN. Over TLS."},
            },
        },
    }


def _server() -> dict[str, Any]:
    return {
        "host": "{bootstrap}",
        "protocol": "kafka-secure",
        "description": "Kafka brokers of the authority.",
        "variables": {"bootstrap": {"description": "host:port, as the authority names it."}},
        "security": [{"$ref": "#/components/securitySchemes/password"}],
    }


def _channel_id(topic: str) -> str:
    """Return the name of a topic's channel: without the organizer, and without dots."""
    return topic.removeprefix(f"organizer.{BIN}.").removeprefix("compliance.")


def _channel(topic: Topic) -> dict[str, Any]:
    names = [_message_id(schema) for schema in _schemas_on(topic.name)]
    kept = {name: int(topic.config[name]) for name in ("retention.ms", "max.message.bytes") if name in topic.config}
    channel: dict[str, Any] = {
        "address": topic.name.replace(BIN, "{bin}"),
        "description": _described(topic),
        "messages": {name: {"$ref": f"#/components/messages/{name}"} for name in names},
    }
    if BIN in topic.name:
        channel["parameters"] = {"bin": {"description": "BIN of the organizer, 12 digits.", "examples": [BIN]}}
    channel["bindings"] = {
        "kafka": {"partitions": topic.partitions, "topicConfiguration": kept, "bindingVersion": BINDING}
    }
    return channel


def _schemas_on(topic: str) -> list[Schema]:
    """Return every version of every record on a topic: old and new stand side by side (D934-42)."""
    return [schema for record in _RECORDS_BY_TOPIC[topic] for schema in versions(record)]


def _message_id(schema: Schema) -> str:
    return f"{schema.record}V{schema.version}"


def _described(topic: Topic) -> str:
    writer = " and ".join("the organizer" if writer == BIN else writer for writer in topic.writers)
    readers = ", ".join("the organizer" if reader == BIN else reader for reader in topic.readers)
    stamp = " LogAppendTime: the broker's stamp is the only clock." if "message.timestamp.type" in topic.config else ""
    return f"Written by {writer}, read by {readers}. Key: {topic.key}.{stamp}"


def _operation(topic: str) -> tuple[str, dict[str, Any]]:
    channel = _channel_id(topic)
    action = "receive" if topic == events_topic(BIN) else "send"
    return f"{action}{channel.capitalize()}", {"action": action, "channel": {"$ref": f"#/channels/{channel}"}}


def _message(schema: Schema, key: str) -> dict[str, Any]:
    parsed = schema.parsed()
    return {
        "name": parsed["name"],
        "title": f"{parsed['name']}, version {schema.version}, id {schema.id}",
        "summary": parsed["doc"],
        "contentType": "application/vnd.apache.avro",
        "bindings": {
            "kafka": {
                "key": {"type": "string", "description": key},
                "schemaIdLocation": "payload",
                "schemaIdPayloadEncoding": "confluent",
                "bindingVersion": BINDING,
            }
        },
        "payload": {"schemaFormat": AVRO, "schema": parsed},
    }
