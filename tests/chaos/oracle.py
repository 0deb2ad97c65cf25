"""What a line must have booked, worked out in plain Python without any code of esep.

Reads     message values as they lie on the topics; which of them are meant to be accepted
Returns   postings, ledger rows with running totals, sums per person
Promises  shares nothing with the stages: fastavro over the schemas' files, and dicts only (DESIGN §3, §4)
"""

from __future__ import annotations

import io
import json
import struct
from collections import defaultdict
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime, timedelta
from functools import cache
from itertools import groupby
from pathlib import Path
from typing import Any, NamedTuple

import fastavro

Record = dict[str, Any]
SCHEMAS = Path(__file__).resolve().parent.parent.parent / "schemas"
MEASURES = ("wager", "winning", "refund", "cash_out", "deposit", "withdrawal")
SCOPES = (("person", "year"), ("person", "ever"), ("organizer", "year"), ("organizer", "ever"))
_ALMATY = timedelta(hours=5)  # Of every instant since 1 March 2024, and simulations lie after it.
_SIGNED = ("amount_tiyn", "won_tiyn", "bonus_tiyn")
_VALUES = (
    "event_type", "site_id", "iin", "wager_id", "occurred_at", "payment_method", "channel", "funding", "odds_milli",
    "selections", "kind", "wager_occurred_at", "wager_amount_tiyn", "account_id", "payment_id", "payment_provider",
    "balance_before_tiyn", "balance_after_tiyn", "device_kind", "device_id", "bet_kind", "market_names",
    "instrument_hash",
)  # fmt: skip
_LISTS = ("selections", "market_names")
_NO_BET = {"DEPOSIT", "WITHDRAWAL"}  # In the ledger their wager_id is empty.
_COMPARED = ("organizer_bin", "stream_id", "sequence", *_VALUES, *_SIGNED)


class Posting(NamedTuple):
    """A posting by its identity, and what stands in it (columns of _COMPARED)."""

    entry_id: str
    revision: int
    leg: int
    values: tuple[Any, ...]


def read(value: bytes) -> Record:
    """Return the record in a message value; instants as ms since 1970."""
    schema_id = int.from_bytes(value[1:5], "big")
    record: Record = fastavro.schemaless_reader(io.BytesIO(value[5:]), _schema(schema_id))
    return record if "event_type" in record else {**record, "event_type": _named(schema_id)["record"].upper()}


@cache
def _named(schema_id: int) -> Record:
    manifest = json.loads((SCHEMAS / "manifest.json").read_text(encoding="utf-8"))
    (one,) = [entry for entry in manifest if entry["id"] == schema_id]
    return dict(one)


@cache
def _schema(schema_id: int) -> Any:
    one = _named(schema_id)
    text = (SCHEMAS / one["record"] / f"v{one['version']}.avsc").read_text(encoding="utf-8")
    bare = json.loads(text, object_hook=lambda node: {k: v for k, v in node.items() if k != "logicalType"})
    return fastavro.parse_schema({**bare, "name": f"{bare['name']}{schema_id}"})


def postings_of_message(record: Record) -> list[Posting]:
    """Return what an accepted message books: an event one posting, a correction minus `was` and plus `now`."""
    if "target_sequence" not in record:
        return [_posting(record, record["sequence"], 0, 1, record)]
    sides = ((-1, record["was"]), (1, record["now"]))
    revision, target = record["replaces_revision"] + 1, record["target_sequence"]
    return [_posting(record, target, revision, leg, values) for leg, values in sides if values is not None]


def posting_of_record(record: Record) -> Posting:
    """Return a record of `accepted` or `ledger` as a posting."""
    return Posting(
        record["entry_id"], record["revision"], record["leg"], tuple(_compared(n, record) for n in _COMPARED)
    )


def _posting(message: Record, sequence: int, revision: int, leg: int, values: Record) -> Posting:
    fields = {
        **{name: values.get(name) for name in _VALUES},
        **{name: None if values.get(name) is None else leg * values[name] for name in _SIGNED},
        "organizer_bin": message["organizer_bin"],
        "stream_id": message["stream_id"],
        "sequence": sequence,
        "wager_id": "" if values["event_type"] in _NO_BET else values["wager_id"],
    }
    entry_id = f"{message['organizer_bin']}/{message['stream_id']}/{sequence}"
    return Posting(entry_id, revision, leg, tuple(_compared(name, fields) for name in _COMPARED))


def _compared(name: str, fields: Record) -> Any:
    """Return a field's value as it can stand in a set: lists as tuples, null where an older version has none."""
    if name not in _LISTS:
        return fields.get(name)
    return tuple(tuple(one.values()) if isinstance(one, dict) else one for one in fields.get(name) or ())


def ledger_rows(accepted: Iterable[tuple[int, int, Record]]) -> Iterator[Record]:
    """Yield the ledger records of `accepted`, given by partition, offset and record, ascending."""
    sums: defaultdict[tuple[str, str, int, str], list[int]] = defaultdict(lambda: [0, 0])
    for partition, of_partition in groupby(accepted, key=lambda one: one[0]):
        for row, (_, offset, record) in enumerate(of_partition, 1):
            booked = {
                "market_names": [],  # What the first version does not know is null, and a list empty.
                **record,
                **{f"origin_{part}": record[f"cause_{part}"] for part in ("topic", "partition", "offset")},
                "row": row,
                "cause_topic": "accepted",
                "cause_partition": partition,
                "cause_offset": offset,
            }
            yield booked | _totals_after(sums, record)


def _totals_after(sums: defaultdict[tuple[str, str, int, str], list[int]], record: Record) -> dict[str, int]:
    after = {}
    for scope, span in SCOPES:
        key = _scope(record, scope, span)
        cell = sums[(*key, measure_of(record))]
        cell[0] += record["leg"]
        cell[1] += record["amount_tiyn"]
        for measure in MEASURES:
            count, tiyn = sums.get((*key, measure), (0, 0))
            after[f"{scope}_{span}_{measure}_count"], after[f"{scope}_{span}_{measure}_tiyn"] = count, tiyn
    return after


def _scope(record: Record, scope: str, span: str) -> tuple[str, str, int]:
    organizer = record["organizer_bin"] if scope == "organizer" else ""
    return record["iin"], organizer, almaty(record["occurred_at"]).year if span == "year" else 0


def measure_of(record: Record) -> str:
    """Return the measure that a posting adds to."""
    return str(record["kind"] if record["event_type"] == "PAYOUT" else record["event_type"]).lower()


def almaty(instant_ms: int) -> datetime:
    """Return the wall clock in Almaty at an instant."""
    return datetime.fromtimestamp(instant_ms // 1000, UTC) + _ALMATY


def cells(accepted: Iterable[tuple[bytes, Record]]) -> dict[bytes, bytes]:
    """Return what the state of totals must be, as its changelog has it, by message key and record of `accepted`.

    A key is person key, BIN and year; a value count and sum of each measure; little endian.
    """
    sums: defaultdict[bytes, list[int]] = defaultdict(lambda: [0] * 2 * len(MEASURES))
    for person, record in accepted:
        place = 2 * MEASURES.index(measure_of(record))
        cell = sums[struct.pack("<16sqh", person, int(record["organizer_bin"]), almaty(record["occurred_at"]).year)]
        cell[place] += record["leg"]
        cell[place + 1] += record["amount_tiyn"]
    return {key: struct.pack(f"<{len(cell)}q", *cell) for key, cell in sums.items()}


def totals(postings: Iterable[Posting]) -> dict[tuple[str, str, int], dict[str, list[int]]]:
    """Return count and sum of each measure that is not nought, by person, organizer (or empty) and year (or 0)."""
    sums: defaultdict[tuple[str, str, int], defaultdict[str, list[int]]]
    sums = defaultdict(lambda: defaultdict(lambda: [0, 0]))
    for posting in postings:
        record = record_of(posting)
        for scope, span in SCOPES:
            cell = sums[_scope(record, scope, span)][measure_of(record)]
            cell[0] += posting.leg
            cell[1] += record["amount_tiyn"]
    return {key: {name: cell for name, cell in one.items() if cell != [0, 0]} for key, one in sums.items()}


def record_of(posting: Posting) -> Record:
    """Return what stands in a posting by name, its leg too."""
    return {**dict(zip(_COMPARED, posting.values, strict=True)), "leg": posting.leg}
