"""Records that look real, for Hypothesis: numbers of persons and organizers, amounts, instants, every record we have.

Reads     the Avro schemas, for the names and types of fields; nothing else of the code that is tested
Returns   strategies: `iins`, `bins`, `amounts_tiyn`, `instants`, `wagers`, `payouts`, `corrections`; `records` of any
          schema; `edge_records`, with every value that its type allows
Promises  what `wagers` and `payouts` give passes every check that needs no state; all persons are made up (LEGAL)
"""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Any

from hypothesis import strategies as st

SCHEMAS = Path(__file__).resolve().parents[2] / "schemas"
BINS = ("940140000385", "950341000052", "961141000023", "070941024691")  # Of LEGAL, "IIN and BIN".
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
MILLISECOND = timedelta(milliseconds=1)
EDGE_INSTANTS = (datetime(1, 1, 2, tzinfo=UTC), datetime(9999, 12, 30, tzinfo=UTC))  # What Python can hold.
TEXT_CHARS_MAX = 120
BALANCES = ("balance_before_tiyn", "balance_after_tiyn")

Record = dict[str, Any]
ValueOf = Callable[[str, Any], st.SearchStrategy[Any]]  # From a field's name and type to its values.


def control_digit_of(eleven: str) -> int | None:
    """Return the twelfth digit by the letter of LEGAL, or None where the number is not in use; plain Python."""
    for weights in (range(1, 12), (3, 4, 5, 6, 7, 8, 9, 10, 11, 1, 2)):
        control = sum(int(digit) * weight for digit, weight in zip(eleven, weights, strict=True)) % 11
        if control < 10:
            return control
    return None


def iins() -> st.SearchStrategy[str]:
    """Give valid IINs of people born from 1930 to 2012."""
    return st.builds(_iin, st.dates(date(1930, 1, 1), date(2012, 12, 31)), st.booleans(), st.integers(0, 9999))


def bins() -> st.SearchStrategy[str]:
    """Give valid BINs, those of LEGAL among them."""
    made = st.builds(
        lambda year, month, kind, detail, serial: _with_control(f"{year:02}{month:02}{kind}{detail}", serial, 5),
        st.integers(0, 99),
        st.integers(1, 12),
        st.integers(4, 6),
        st.integers(0, 3),
        st.integers(0, 99_999),
    )
    return st.sampled_from(BINS) | made


def amounts_tiyn() -> st.SearchStrategy[int]:
    """Give amounts from 1 tiyn to the most that is allowed, everyday ones mostly."""
    return st.integers(100, 50_000_000) | st.sampled_from([1, 99, 100_000_000, 10**13 - 1, 10**13])


def odds_milli() -> st.SearchStrategy[int]:
    """Give decimal odds in thousandths."""
    return st.integers(1000, 50_000) | st.sampled_from([1000, 1001, 2**31 - 1])


def instants(first: datetime | None = None, last: datetime | None = None) -> st.SearchStrategy[datetime]:
    """Give instants in whole milliseconds, UTC, by default of the years 2021 to 2026."""
    low = first or datetime(2021, 1, 1, tzinfo=UTC)
    high = last or datetime(2026, 12, 31, tzinfo=UTC)
    return st.integers((low - EPOCH) // MILLISECOND, (high - EPOCH) // MILLISECOND).map(_instant)


def stream_ids() -> st.SearchStrategy[str]:
    """Give stream ids, up to the longest that is allowed."""
    return st.sampled_from(["desk-7", "online-03", "ALA.kassa_12", "+", "a" * TEXT_CHARS_MAX])


def wagers(**fixed: Any) -> st.SearchStrategy[Record]:
    """Give whole wagers that pass every check of form; fixed: values of fields, as they are."""
    return records("wager").map(lambda record: {**record, **fixed})


def payouts(**fixed: Any) -> st.SearchStrategy[Record]:
    """Give whole payouts that pass every check of form; fixed: values of fields, as they are."""
    return records("payout").map(lambda record: {**record, **fixed})


def newer_wagers() -> st.SearchStrategy[Record]:
    """Give whole wagers of version 2 that pass every check of form; some of them say nothing new (D934-42)."""
    return records("wager", 2)


def newer_payouts() -> st.SearchStrategy[Record]:
    """Give whole payouts of version 2 that pass every check of form."""
    return records("payout", 2)


def deposits() -> st.SearchStrategy[Record]:
    """Give whole deposits that pass every check of form."""
    return records("deposit")


def withdrawals() -> st.SearchStrategy[Record]:
    """Give whole withdrawals that pass every check of form."""
    return records("withdrawal")


def corrections(**fixed: Any) -> st.SearchStrategy[Record]:
    """Give whole corrections, voids and repairs of rejected events among them."""
    return records("correction").map(lambda record: {**record, **fixed})


@cache
def records(record: str, version: int = 1) -> st.SearchStrategy[Record]:
    """Give whole records of a schema whose values look real and agree with each other."""
    return _of_fields(_fields(record, version), _real).map(_coherent)


@cache
def edge_records(record: str, version: int = 1) -> st.SearchStrategy[Record]:
    """Give whole records of a schema with every value that its types allow: they can be written, no more."""
    return _of_fields(_fields(record, version), _edge)


def _fields(record: str, version: int) -> list[dict[str, Any]]:
    content = json.loads((SCHEMAS / record / f"v{version}.avsc").read_text(encoding="utf-8"))
    fields: list[dict[str, Any]] = content["fields"]
    return fields


def _of_fields(fields: list[dict[str, Any]], value_of: ValueOf) -> st.SearchStrategy[Record]:
    return st.fixed_dictionaries({field["name"]: value_of(field["name"], field["type"]) for field in fields})


def _instant(milliseconds: int) -> datetime:
    return EPOCH + milliseconds * MILLISECOND


def _iin(born: date, is_male: bool, serial: int) -> str:
    century = 2 * (born.year // 100 - 18) + (1 if is_male else 2)
    return _with_control(f"{born:%y%m%d}{century}", serial, 4)


def _with_control(head: str, serial: int, width: int) -> str:
    """Return the number with this serial, or with the next one that is in use (about one in a hundred is not)."""
    for following in range(serial, serial + 10**width):
        eleven = f"{head}{following % 10**width:0{width}}"
        control = control_digit_of(eleven)
        if control is not None:
            return f"{eleven}{control}"
    raise AssertionError("no number of this head is in use")


def _hex(size_bytes: int) -> st.SearchStrategy[str]:
    return st.binary(min_size=size_bytes, max_size=size_bytes).map(bytes.hex)


REAL: dict[str, st.SearchStrategy[Any]] = {
    "organizer_bin": st.sampled_from(BINS),
    "organizer_bins": st.lists(st.sampled_from(BINS), min_size=1, max_size=3, unique=True),
    "iin": iins(),
    "stream_id": stream_ids(),
    "sequence": st.integers(1, 10**12),
    "target_sequence": st.integers(1, 10**12),
    "row": st.integers(1, 10**12),
    "site_id": st.sampled_from(["ALA-1", "Астана, Қабанбай батыр 53", "Ш" * TEXT_CHARS_MAX]),
    "wager_id": st.integers(1, 10**9).map("W-{}".format) | st.just("№" * TEXT_CHARS_MAX),
    "event_type": st.sampled_from(["WAGER", "PAYOUT", "DEPOSIT", "WITHDRAWAL"]),
    "payment_method": st.sampled_from(["CASH", "CARD", "CREDIT_CARD", "BANK_TRANSFER", "E_MONEY", "MOBILE", "ACCOUNT"]),
    "instrument_kind": st.sampled_from(["CARD", "BANK_ACCOUNT", "WALLET", "PHONE"]),
    "instrument_hash": _hex(32),
    "instrument_key_version": st.integers(1, 9),
    "payment_id": st.integers(1, 10**9).map("P-{}".format),
    "account_id": st.integers(1, 10**9).map("A-{}".format) | st.just("№" * TEXT_CHARS_MAX),
    "payment_provider": st.sampled_from(["Халық Банкі", "940140000385"]),
    "device_kind": st.sampled_from(["PHONE", "TABLET", "COMPUTER", "TERMINAL", "CASH_DESK"]),
    "device_id": _hex(8),
    "bet_kind": st.sampled_from(["SINGLE", "EXPRESS", "SYSTEM", "POOL"]),
    "channel": st.sampled_from(["ONLINE", "RETAIL"]),
    "funding": st.sampled_from(["CASH", "CARD", "BANK_TRANSFER", "E_MONEY", "MOBILE", "ACCOUNT_BALANCE", "BONUS"]),
    "odds_milli": odds_milli(),
    "kind": st.sampled_from(["WINNING", "REFUND", "CASH_OUT"]),
    "event_id": st.sampled_from(["kairat-astana-2026-05-09", "Қайрат — Астана"]),
    "market_id": st.sampled_from(["1X2", "total-2.5"]),
    "outcome_id": st.sampled_from(["1", "X", "over"]),
    "organizer_kind": st.sampled_from(["BOOKMAKER", "TOTALIZATOR"]),
    "sex_hint": st.sampled_from(["M", "F"]),
    "birth_year_hint": st.integers(1930, 2012),
    "leg": st.sampled_from([1, -1]),
    "revision": st.integers(0, 3),
    "replaces_revision": st.integers(0, 3),
    "flags": st.integers(0, 3),
    "body_sha256": _hex(32),
    "content_sha256": _hex(32),
    "reject_code": st.sampled_from(["UNDECODABLE", "IIN_INVALID", "SEQUENCE_CONFLICT"]),
    "status": st.sampled_from(["OPEN", "UPDATED", "WITHDRAWN"]),
    "cause_topic": st.sampled_from([f"organizer.{BINS[0]}.events", "accepted", "ledger"]),
    "reason": st.sampled_from(["Касса қатесі", "Ошибка кассы", "Stake typed twice"]),
}


def _real(name: str, kind: Any) -> st.SearchStrategy[Any]:
    """Give what a field of this name holds; a field that may be null is so now and then."""
    if isinstance(kind, list):
        return st.none() | _real(name, kind[1])
    if name in REAL:
        return REAL[name]
    if isinstance(kind, dict):
        return _nested(kind, _real)
    if kind in {"int", "long"}:
        return amounts_tiyn() if name.endswith("_tiyn") else st.integers(0, 2**31 - 1)
    return st.binary(max_size=40) if kind == "bytes" else st.sampled_from(["2026-05-09", "Сөз", "LIVE", "A-114"])


def _nested(kind: dict[str, Any], value_of: ValueOf) -> st.SearchStrategy[Any]:
    if kind["type"] == "array":
        return st.lists(value_of("", kind["items"]), max_size=3)
    if kind["type"] == "record":
        return _of_fields(kind["fields"], value_of)
    return instants() if value_of is _real else instants(*EDGE_INSTANTS)


def _coherent(record: Record) -> Record:
    """Return the record with the facts that hang together made to: of one event type, one instrument, one bet."""
    record = {name: _coherent(value) if isinstance(value, dict) else value for name, value in record.items()}
    instrument = ("instrument_kind", "instrument_hash", "instrument_key_version")
    if any(record.get(name) is None for name in instrument):
        record |= {name: None for name in instrument if name in record}
    if record.get("device_id") is not None:
        record["device_kind"] = record["device_kind"] or "PHONE"
    if any(record.get(name) is None for name in BALANCES):
        record |= {name: None for name in BALANCES if name in record}
    if "event_type" in record and "amount_tiyn" in record:
        record |= _other_types_absent(record)
    if record.get("bonus_tiyn") is not None:
        record["bonus_tiyn"] = min(record["bonus_tiyn"], record["amount_tiyn"])
    if record.get("market_names"):
        record["market_names"] = ["Исход матча"] * len(record["selections"])
    if record.get("wager_occurred_at"):
        first, second = sorted([record["wager_occurred_at"], record["occurred_at"]])
        record |= {"wager_occurred_at": first, "occurred_at": second}
    if record.get("won_tiyn") is not None:
        record["won_tiyn"] = min(record["won_tiyn"], record["amount_tiyn"])
    if "entry_id" in record and "stream_id" in record:
        record["entry_id"] = f"{record['organizer_bin']}/{record['stream_id']}/{record['sequence']}"
    return record


OF_WAGER = {"channel": "ONLINE", "funding": "CASH", "odds_milli": None, "bet_kind": None}
OF_PAYOUT = {"kind": "WINNING", "won_tiyn": 0, "wager_occurred_at": None, "wager_amount_tiyn": 100}
OF_ACCOUNT = {"payment_id": "P-1", "account_id": "A-1", "payment_provider": "Kaspi Bank"}


def _other_types_absent(record: Record) -> Record:
    """Return what makes the record of one type: what that needs is there, what only others have is not."""
    event_type = record["event_type"]
    if "payment_id" not in record:  # Version 1 knows wagers and payouts only.
        event_type = {"DEPOSIT": "WAGER", "WITHDRAWAL": "PAYOUT"}.get(event_type, event_type)
    empty = {name: [] for name in ("selections", "market_names") if name in record}
    absent = {name: None for name in (*OF_WAGER, *OF_PAYOUT, "payment_id") if name in record} | empty
    own = {"WAGER": OF_WAGER, "PAYOUT": OF_PAYOUT}.get(event_type, OF_ACCOUNT)
    present = {name: record[name] or default for name, default in own.items() if name in record}
    if event_type == "PAYOUT" and "wager_occurred_at" in record:
        present["wager_occurred_at"] = record["wager_occurred_at"] or record["occurred_at"]
    if event_type == "WAGER":
        present |= {name: record[name] for name in empty}
    if own is OF_ACCOUNT:
        present |= {name: record[name] or 0 for name in BALANCES if name in record} | {"wager_id": ""}
        present |= {name: None for name in ("bonus_tiyn",) if name in record}
    return absent | present | {"event_type": event_type}


def _edge(name: str, kind: Any) -> st.SearchStrategy[Any]:
    if isinstance(kind, list):
        return st.none() | _edge(name, kind[1])
    return _nested(kind, _edge) if isinstance(kind, dict) else EDGE[kind]


EDGE: dict[str, st.SearchStrategy[Any]] = {
    "string": st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
    | st.sampled_from(["", "\x00", "a\nb", "\ufeff", "👩‍👩‍👧‍👦", "ﷺ" * 3000, "x" * 70_000]),
    "bytes": st.binary(max_size=40) | st.sampled_from([b"", b"\xff\xfe\x00", bytes(range(256)) * 300]),
    "int": st.integers(-(2**31), 2**31 - 1),
    "long": st.integers(-(2**63), 2**63 - 1),
}
