"""Make the golden files from the cases and esep's own code.

Reads     `CASES`, register.yaml
Returns   the text of each file by name: JSON Lines
Promises  the same code gives the same bytes; a test fails while a file is stale, and where intake's verdict is another
          (`make golden`)
"""

from __future__ import annotations

import base64
import json
from datetime import datetime
from functools import cache
from hashlib import sha256
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from cryptography.hazmat.primitives.serialization import Encoding

from conformance.cases import CASES, DUPLICATE, PARTITIONS, RECEIVED_AT, RECORDS, Case
from conformance.intake import ROOT, SIGNING_KEY, Message, take
from esep.clock import to_ms
from esep.codec import decode_body, decode_one, encode_one
from esep.codes import BY_CODE
from esep.events import Wager
from esep.identifiers import is_bin, is_iin
from esep.instruments import InstrumentKey, normalised
from esep.keys import key_id
from esep.partitioner import murmur2, partition_of
from esep.producers.own_copy import OwnCopy
from esep.producers.receipt_proof import check_proof, prove_growth, prove_inclusion
from esep.producers.spool import Spool
from esep.producers.spool_reader import SpoolReader
from esep.schemas import schema
from esep.topics import events_topic

KEYS = [
    *("0123456789"[:length] for length in range(10)),
    *("desk-7", "desk-8", "cash-desk-1", "online-03", "ALA.kassa_12", "1+2_3.4-5", "d" * 120, "касса-7", "ұялы-Ә"),
]
NUMBERS = [
    ("IIN", "900101300007", "first pass of the weights"),
    ("IIN", "900101300811", "second pass of the weights"),
    ("IIN", "061211600012", "born in the 2000s"),
    ("IIN", "830717350867", "second pass of the weights"),
    ("IIN", "000813159890", "wrong control digit"),
    ("IIN", "821214240092", "wrong control digit"),
    ("IIN", "90010130000", "eleven digits"),
    ("IIN", "9001013000070", "thirteen digits"),
    ("IIN", "900101300007\n", "a line break behind it"),
    ("IIN", "٩٠٠١٠١٣٠٠٠٠٧", "digits of another script"),
    ("IIN", "940140000385", "a BIN: its fifth digit is 4"),
    ("BIN", "940140000385", "a legal entity"),
    ("BIN", "950341000052", "a branch"),
    ("BIN", "961141000023", "a branch"),
    ("BIN", "070941024691", "a branch"),
    ("BIN", "940140000386", "wrong control digit"),
    ("BIN", "900101300007", "an IIN: its fifth digit is 0"),
]
INSTRUMENT_KEY = InstrumentKey(1, bytes(range(32)))
INSTRUMENTS = [
    *(("CARD", text) for text in ("4111 1111 1111 1111", "5555-5555-5555-4444", "378282246310005", "4111111111111112")),
    *(("BANK_ACCOUNT", text) for text in ("KZ86 125K ZT50 0410 0100", "kz86125kzt5004100100", "KZ86125KZT5004100101")),
    *(("BANK_ACCOUNT", text) for text in ("DE89 3704 0044 0532 0130 00",)),
    *(("WALLET", text) for text in ("Kaspi: A.B@mail.kz", "qiwi:77011234567", "77011234567")),
    *(("PHONE", text) for text in ("8 (701) 123-45-67", "+7 701 123 45 67", "7011234567", "0044 20 7946 0958")),
    *(("PHONE", text) for text in ("2079460958", "+7 701 123 45 6")),
]
_RECEIPTS_OF = ("wager-plain", "sent-again", "iin-wrong-control", "number-used-by-another", "gap-is-accepted")


@cache
def files() -> dict[str, str]:
    """Return the text of each golden file by name."""
    made = {
        "records.jsonl": [line_of(case) for case in CASES],
        "partitions.jsonl": [_partitions(key.encode()) for key in KEYS],
        "identifiers.jsonl": [_identifier(*number) for number in NUMBERS],
        "instruments.jsonl": [_instrument(*instrument) for instrument in INSTRUMENTS],
        "receipts.jsonl": _receipts(),
        "proofs.jsonl": _proofs(),
    }
    return {
        name: "".join(json.dumps(line, ensure_ascii=False, sort_keys=False) + "\n" for line in lines)
        for name, lines in made.items()
    }


def case_named(name: str) -> Case:
    """Return the case of this name; KeyError if there is none."""
    return {case.name: case for case in CASES}[name]


def message_of(case: Case) -> Message:
    """Return the message that a case is."""
    value = encode_one(_record(case), schema(case.record, case.version))
    home = partition_of(case.key or b"", PARTITIONS)
    return Message(
        events_topic(case.topic_bin),
        (home + case.partition) % PARTITIONS,
        case.key,
        case.value(value) if case.value else value,
        case.received_at,
    )


def line_of(case: Case) -> dict[str, Any]:
    """Return the line of a case in records.jsonl."""
    message = message_of(case)
    code = case.verdict if case.verdict in BY_CODE else None
    return {
        "name": case.name,
        "topic": message.topic,
        "partition": message.partition,
        "key": _base64(message.key),
        "value": _base64(message.value),
        "record": case.record,
        "version": case.version,
        "schema_id": schema(case.record, case.version).id,
        "fields": None if case.value else _plain(_record(case)),
        "received_at": message.received_at.isoformat().replace("+00:00", "Z"),
        "after": list(case.after),
        "after_times": case.after_times,
        "verdict": "REJECTED" if code else case.verdict,
        "code": code,
        "field": BY_CODE[code].field if code else None,
        "clause": BY_CODE[code].clause if code else "O9-4.5" if case.verdict == DUPLICATE else "O9-4.3",
        "needs": BY_CODE[code].needs if code else None,
    }


def _record(case: Case) -> dict[str, Any]:
    return {**RECORDS[case.record, case.version], **case.changes}


def _plain(value: Any) -> Any:
    """Return a value as JSON has it: instants as Avro writes them, milliseconds since 1970 UTC."""
    if isinstance(value, dict):
        return {name: _plain(one) for name, one in value.items()}
    if isinstance(value, list):
        return [_plain(one) for one in value]
    return to_ms(value) if isinstance(value, datetime) else value


def _partitions(key: bytes) -> dict[str, Any]:
    digest = murmur2(key)
    return {
        "key": _base64(key),
        "text": key.decode(),
        "murmur2": digest - (digest >> 31 << 32),
        "partition_of": {str(count): partition_of(key, count) for count in (1, 2, 3, 4, 6, 12, 50, 100)},
    }


def _identifier(kind: str, number: str, why: str) -> dict[str, Any]:
    return {"kind": kind, "number": number, "valid": is_iin(number) if kind == "IIN" else is_bin(number), "why": why}


def _instrument(kind: str, written: str) -> dict[str, Any]:
    return {
        "kind": kind,
        "written": written,
        "normalised": normalised(kind, written),
        "key_hex": INSTRUMENT_KEY.secret.hex(),
        "instrument_key_version": INSTRUMENT_KEY.version,
        "instrument_hash": INSTRUMENT_KEY.digest(kind, written),
    }


def _receipts() -> list[dict[str, Any]]:
    """Return genuine receipts of one partition, then the last one tampered with in three ways."""
    _, values = take([message_of(case_named(name)) for name in _RECEIPTS_OF])
    genuine = [_receipt(f"genuine-{number}", value, genuine=True) for number, value in enumerate(values, 1)]
    record = decode_one(values[-1], schema("receipt"))
    content = bytes([record["content"][0] ^ 1]) + record["content"][1:]
    forgeries = {
        "content-changed": {"content": content},
        "content-and-hash-changed": {"content": content, "content_sha256": _sha256(content)},
        "signature-changed": {"signature": record["signature"][:-1] + bytes([record["signature"][-1] ^ 1])},
    }
    forged = [
        _receipt(name, encode_one(record | change, schema("receipt")), genuine=False)
        for name, change in forgeries.items()
    ]
    return genuine + forged


def _receipt(name: str, value: bytes, *, genuine: bool) -> dict[str, Any]:
    public_key = SIGNING_KEY.key.public_key()
    record = decode_one(value, schema("receipt"))
    return {
        "name": name,
        "value": _base64(value),
        "root": _base64(ROOT.public_bytes(Encoding.DER)),
        "public_key": _base64(public_key.public_bytes_raw()),
        "key_id": key_id(public_key),
        "genuine": genuine,
        "content": decode_body(record["content"], schema("receipt_content")) if genuine else None,
    }


def _proofs() -> list[dict[str, Any]]:
    """Return a proof of each kind over eleven messages of one stream, then proofs that do not hold."""
    record = RECORDS["wager", 1]
    organizer_bin, stream_id = record["organizer_bin"], record["stream_id"]
    with TemporaryDirectory(prefix="esep-golden-") as folder:
        spool = Spool(Path(folder) / "esep.spool", organizer_bin, now_ms=lambda: 0)
        values_of = {name: value for name, value in record.items() if name in Wager.model_fields}
        wagers = [Wager.model_validate({**values_of, "wager_id": f"t-{number}"}) for number in range(1, 12)]
        with spool.transaction():
            spool.append(stream_id, wagers)
        spool.close()
        with SpoolReader(spool.path) as reader:
            values = [row["value"] for row in reader.page(0, len(wagers))]
        _, receipts = take([_message_on_the_stream(value, record) for value in values])
        with OwnCopy(organizer_bin, [spool.path]) as copy:
            event = json.loads(prove_inclusion(f"{organizer_bin}/{stream_id}/6", receipts[-1:], copy, ROOT))
            growth = json.loads(prove_growth(organizer_bin, stream_id, receipts[4:], copy, ROOT))
    changed = {
        "message-changed": {"message_sha256": _other(event["message_sha256"])},
        "path-changed": {"path": [*event["path"][:-1], _other(event["path"][-1])]},
        "peaks-changed": {"peaks": [_other(event["peaks"][0]), *event["peaks"][1:]]},
        "path-and-peaks-moved": {"path": event["path"][:-1], "peaks": [event["path"][-1], *event["peaks"]]},
        "other-sequence": {"entry_id": f"{organizer_bin}/{stream_id}/7"},
        "issued-too-early": {"receipt": {**event["receipt"], "issued_at_ms": 0}},
    }
    return [
        _proof("inclusion", event, holds=True),
        _proof("extension", growth, holds=True),
        *(_proof(name, event | change, holds=False) for name, change in changed.items()),
        _proof("nodes-changed", growth | {"nodes": [_other(growth["nodes"][0]), *growth["nodes"][1:]]}, holds=False),
    ]


def _message_on_the_stream(value: bytes, record: dict[str, Any]) -> Message:
    topic, key = events_topic(record["organizer_bin"]), record["stream_id"].encode()
    return Message(topic, partition_of(key, PARTITIONS), key, value, RECEIVED_AT)


def _other(digest: str) -> str:
    return f"{digest[:-1]}{int(digest[-1], 16) ^ 1:x}"


def _proof(name: str, proof: dict[str, Any], *, holds: bool) -> dict[str, Any]:
    shown = check_proof(json.dumps(proof).encode(), ROOT).document if holds else None
    return {
        "name": name,
        "root": _base64(ROOT.public_bytes(Encoding.DER)),
        "holds": holds,
        "shows": shown,
        "proof": proof,
    }


def _sha256(content: bytes) -> str:
    return sha256(content).hexdigest()


def _base64(value: bytes | None) -> str | None:
    return None if value is None else base64.b64encode(value).decode()
