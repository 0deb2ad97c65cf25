"""The golden records: what each is like, and the verdict that it must earn.

Reads     nothing
Returns   `CASES`, each with a name of its own
Promises  at least one for every code of esep/codes.yaml that a message can deserve, and for both sides of every bound
          (tests/conformance)
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

ALATAU, ESIL, BAIGE = "940140000385", "950341000052", "070941024691"  # Baige is not in register.yaml.
PARTITIONS = 4  # Of the organizers' topics here.
RECEIVED_AT = datetime(2026, 3, 1, 12, tzinfo=UTC)
DESK = "desk-7"
ACCEPTED, DUPLICATE, HELD = "ACCEPTED", "DUPLICATE", "HELD"
MS, MINUTE = timedelta(milliseconds=1), timedelta(minutes=1)
HORIZON = datetime(
    2020, 12, 31, 18, tzinfo=UTC
)  # What is received in 2026 may be of 1 January 2021, Almaty (UTC+6 then).
LICENCE_ENDS, LICENCE_BEGINS = datetime(2024, 12, 31, 19, tzinfo=UTC), datetime(2025, 1, 31, 19, tzinfo=UTC)
SELECTION = {"event_id": "e-1", "market_id": "m-1", "outcome_id": "o-1", "odds_milli": 1_500}
MOVED = {
    "account_id": "A-17",
    "payment_provider": "Халық Банкі",
    "balance_before_tiyn": 0,
    "balance_after_tiyn": 500_00,
}
LONGER = {**MOVED, "bonus_tiyn": 100_00, "device_kind": "PHONE", "device_id": "0f" * 8}
NEWS = {"bet_kind": "SINGLE", "market_names": ["Исход матча"]}
BACK = {"balance_before_tiyn": 500_00, "balance_after_tiyn": 0}
INSTRUMENT = {"instrument_kind": "CARD", "instrument_hash": "ab" * 32, "instrument_key_version": 1}

WAGER: dict[str, Any] = {
    "organizer_bin": ALATAU,
    "stream_id": DESK,
    "sequence": 1,
    "site_id": "ALA-1",
    "iin": "900101300007",
    "wager_id": "ticket-1",
    "occurred_at": RECEIVED_AT - MINUTE,
    "amount_tiyn": 500_00,
    "payment_method": "CARD",
    "instrument_kind": None,
    "instrument_hash": None,
    "instrument_key_version": None,
    "channel": "RETAIL",
    "funding": "CARD",
    "odds_milli": 1_500,
    "selections": [SELECTION],
}
PAYOUT: dict[str, Any] = {
    **{name: WAGER[name] for name in WAGER if name not in {"channel", "funding", "odds_milli", "selections"}},
    "sequence": 2,
    "occurred_at": RECEIVED_AT - MINUTE / 2,
    "amount_tiyn": 750_00,
    "kind": "WINNING",
    "won_tiyn": 250_00,
    "wager_occurred_at": RECEIVED_AT - MINUTE,
    "wager_amount_tiyn": 500_00,
}


def values(record: dict[str, Any], **changes: Any) -> dict[str, Any]:
    """Return the values of a wager or payout as they stand in a correction of version 1."""
    absent = dict.fromkeys(("channel", "funding", "odds_milli", "kind", "won_tiyn"))
    absent |= {"wager_occurred_at": None, "wager_amount_tiyn": None, "selections": []}
    own = {name: value for name, value in record.items() if name not in {"organizer_bin", "stream_id", "sequence"}}
    return {"event_type": "PAYOUT" if "kind" in record else "WAGER", **absent, **own, **changes}


def newer_values(record: dict[str, Any], **changes: Any) -> dict[str, Any]:
    """Return the values of any event as they stand in a correction of version 2."""
    absent: dict[str, Any] = dict.fromkeys((*LONGER, "payment_id", "bet_kind")) | {"market_names": [], "wager_id": ""}
    event_type = {} if "wager_id" in record else {"event_type": "DEPOSIT"}
    return absent | values(record, **event_type, **changes)


CORRECTION: dict[str, Any] = {
    "organizer_bin": ALATAU,
    "stream_id": DESK,
    "sequence": 3,
    "target_sequence": 1,
    "replaces_revision": 0,
    "corrected_at": RECEIVED_AT - MINUTE / 4,
    "reason": "entered twice",
    "was": values(WAGER),
    "now": None,
}
DEPOSIT: dict[str, Any] = {
    **{name: WAGER[name] for name in ("organizer_bin", "stream_id", "site_id", "iin", "occurred_at", "amount_tiyn")},
    **INSTRUMENT,
    **MOVED,
    "sequence": 1,
    "payment_id": "top-up-1",
    "payment_method": "CARD",
    "device_kind": "PHONE",
    "device_id": "0f" * 8,
}
WITHDRAWAL: dict[str, Any] = {**DEPOSIT, "payment_id": "pay-off-1", **BACK}
RECORDS = {
    ("wager", 1): WAGER,
    ("wager", 2): {**WAGER, **LONGER, **NEWS},
    ("payout", 1): PAYOUT,
    ("payout", 2): {**PAYOUT, **LONGER, **BACK},
    ("deposit", 1): DEPOSIT,
    ("withdrawal", 1): WITHDRAWAL,
    ("correction", 1): CORRECTION,
    ("correction", 2): {**CORRECTION, "was": newer_values(WAGER, **LONGER, **NEWS)},
}


@dataclass(frozen=True)
class Case:
    """One golden record.

    verdict: ACCEPTED, DUPLICATE, HELD or a code. record, version: which of RECORDS, with `changes`. value: what is done
    to its bytes. key: other than the stream id. partition: how many beside the right one. after: the names of the cases
    that come before it, in order, from an empty topic on. after_times: how often the last of these comes, its sequence
    and its target's one higher each time.
    """

    name: str
    verdict: str
    record: str = "wager"
    version: int = 1
    changes: dict[str, Any] = field(default_factory=dict)
    value: Callable[[bytes], bytes | None] | None = None
    key: bytes | None = DESK.encode()
    partition: int = 0
    topic_bin: str = ALATAU
    received_at: datetime = RECEIVED_AT
    after: tuple[str, ...] = ()
    after_times: int = 1


def _wager(name: str, verdict: str, **changes: Any) -> Case:
    return Case(name, verdict, "wager", 1, changes)


def _payout(name: str, verdict: str, **changes: Any) -> Case:
    return Case(name, verdict, "payout", 1, changes)


def _newer(name: str, verdict: str, record: str = "wager", **changes: Any) -> Case:
    return Case(name, verdict, record, 2, changes)


def _deposit(name: str, verdict: str, **changes: Any) -> Case:
    return Case(name, verdict, "deposit", 1, changes)


def _withdrawal(name: str, verdict: str, **changes: Any) -> Case:
    return Case(name, verdict, "withdrawal", 1, changes)


def _correction(name: str, verdict: str, before: tuple[str, ...] = (), **changes: Any) -> Case:
    return Case(name, verdict, "correction", 1, changes, after=("wager-plain", "payout-after-its-wager", *before))


def _stream(name: str, verdict: str, stream_id: str) -> Case:
    return Case(name, verdict, "wager", 1, {"stream_id": stream_id}, key=stream_id.encode())


BYTES = (
    Case("no-value", "EMPTY", value=lambda _: None),
    Case("empty-value", "EMPTY", value=lambda _: b""),
    Case("json-instead-of-avro", "NOT_WIRE_FORMAT", value=lambda _: b'{"sequence": 1}'),
    Case("no-zero-byte", "NOT_WIRE_FORMAT", value=lambda value: b"\x01" + value[1:]),
    Case("header-cut", "NOT_WIRE_FORMAT", value=lambda value: value[:4]),
    Case("schema-nobody-has", "SCHEMA_UNKNOWN", value=lambda value: b"\0" + bytes([0, 0, 0x27, 0x0F]) + value[5:]),
    Case("schema-of-the-authority", "SCHEMA_UNKNOWN", value=lambda value: b"\0" + bytes([0, 0, 7, 0xD1]) + value[5:]),
    Case("body-cut", "UNDECODABLE", value=lambda value: value[:-1]),
    Case("byte-left-over", "UNDECODABLE", value=lambda value: value + b"\0"),
    Case("payout-named-a-wager", "UNDECODABLE", "payout", value=lambda value: b"\0\0\0\x03\xe9" + value[5:]),
    Case("text-not-utf-8", "UNDECODABLE", value=lambda value: value.replace(b"ALA-1", b"ALA-\xff")),
)
ORIGIN = (
    Case("bin-of-another", "BIN_MISMATCH", changes={"organizer_bin": ESIL}),
    Case("bin-empty", "BIN_MISMATCH", changes={"organizer_bin": ""}),
    _stream("stream-120-characters", ACCEPTED, "d" * 120),
    _stream("stream-121-characters", "STREAM_INVALID", "d" * 121),
    _stream("stream-empty", "STREAM_INVALID", ""),
    _stream("stream-with-slash", "STREAM_INVALID", "desk/7"),
    _stream("stream-in-cyrillic", "STREAM_INVALID", "касса-7"),
    _wager("sequence-0", "SEQUENCE_INVALID", sequence=0),
    _wager("sequence-negative", "SEQUENCE_INVALID", sequence=-1),
    Case("key-of-another-stream", "KEY_MISMATCH", key=b"desk-8"),
    Case("key-missing", "KEY_MISMATCH", key=None),
    Case("next-partition", "WRONG_PARTITION", partition=1),
)
SEQUENCE = (
    Case("sent-again", DUPLICATE, after=("wager-plain",)),
    Case("sent-again-after-reject", DUPLICATE, changes={"iin": "000813159890"}, after=("iin-wrong-control",)),
    Case("number-used-by-another", "SEQUENCE_CONFLICT", changes={"wager_id": "ticket-2"}, after=("wager-plain",)),
    Case("rejected-event-mended-in-place", "SEQUENCE_CONFLICT", after=("iin-wrong-control",)),
    Case("undecodable-sent-again-mended", ACCEPTED, after=("body-cut",)),
    Case("payout-after-its-wager", ACCEPTED, "payout", after=("wager-plain",)),
    Case("gap-is-accepted", ACCEPTED, changes={"sequence": 9, "wager_id": "ticket-9"}, after=("wager-plain",)),
    Case("gap-is-filled", ACCEPTED, "payout", after=("wager-plain", "gap-is-accepted")),
    Case("conflict-before-form", "SEQUENCE_CONFLICT", changes={"amount_tiyn": 0}, after=("wager-plain",)),
)
WAGERS = (
    _wager("wager-plain", ACCEPTED),
    _wager("wager-of-a-totalizator", ACCEPTED, odds_milli=None, selections=[]),
    _wager("wager-with-instrument", ACCEPTED, **INSTRUMENT),
    _wager("wager-with-two-selections", ACCEPTED, selections=[SELECTION, SELECTION | {"event_id": "Қайрат — Астана"}]),
    _wager("wager-with-credit-card", ACCEPTED, payment_method="CREDIT_CARD"),
    _wager("iin-second-pass", ACCEPTED, iin="900101300811"),
    _wager("iin-wrong-control", "IIN_INVALID", iin="000813159890"),
    _wager("iin-11-digits", "IIN_INVALID", iin="90010130000"),
    _wager("iin-arabic-digits", "IIN_INVALID", iin="٩٠٠١٠١٣٠٠٠٠٧"),
    _wager("iin-is-a-bin", "IIN_INVALID", iin=ALATAU),
    _wager("site-empty", "SITE_INVALID", site_id=""),
    _wager("site-121-characters", "SITE_INVALID", site_id="Ш" * 121),
    _wager("site-of-another", "SITE_UNKNOWN", site_id="AST-1"),
    _wager("wager-id-120-characters", ACCEPTED, wager_id="№" * 120),
    _wager("wager-id-121-characters", "WAGER_ID_INVALID", wager_id="№" * 121),
    _wager("wager-id-empty", "WAGER_ID_INVALID", wager_id=""),
    _wager("amount-1-tiyn", ACCEPTED, amount_tiyn=1),
    _wager("amount-most", ACCEPTED, amount_tiyn=10**13),
    _wager("amount-0", "AMOUNT_NOT_POSITIVE", amount_tiyn=0),
    _wager("amount-negative", "AMOUNT_NOT_POSITIVE", amount_tiyn=-1),
    _wager("amount-more-than-most", "AMOUNT_TOO_LARGE", amount_tiyn=10**13 + 1),
    _wager("method-unknown", "PAYMENT_METHOD_UNKNOWN", payment_method="BARTER"),
    _wager("method-in-lower-case", "PAYMENT_METHOD_UNKNOWN", payment_method="card"),
    _wager("instrument-without-hash", "INSTRUMENT_INVALID", instrument_kind="CARD"),
    _wager("instrument-hash-in-capitals", "INSTRUMENT_INVALID", **INSTRUMENT | {"instrument_hash": "AB" * 32}),
    _wager("instrument-kind-unknown", "INSTRUMENT_INVALID", **INSTRUMENT | {"instrument_kind": "SHELL"}),
    _wager("channel-unknown", "CHANNEL_UNKNOWN", channel="TELEPATHY"),
    _wager("funding-unknown", "FUNDING_UNKNOWN", funding="PROMISE"),
    _wager("odds-1.000", ACCEPTED, odds_milli=1_000),
    _wager("odds-0.999", "ODDS_INVALID", odds_milli=999),
    _wager("selection-without-event", "SELECTION_INVALID", selections=[SELECTION | {"event_id": ""}]),
    _wager("selection-odds-0.999", "SELECTION_INVALID", selections=[SELECTION, SELECTION | {"odds_milli": 999}]),
)
PAYOUTS = (
    _payout("payout-plain", ACCEPTED),
    _payout("payout-refund", ACCEPTED, kind="REFUND", won_tiyn=0, amount_tiyn=500_00),
    _payout("payout-cash-out", ACCEPTED, kind="CASH_OUT"),
    _payout("payout-at-the-instant-of-its-wager", ACCEPTED, occurred_at=RECEIVED_AT - MINUTE),
    _payout("payout-before-its-wager", "PAYOUT_BEFORE_WAGER", occurred_at=RECEIVED_AT - MINUTE - MS),
    _payout("kind-unknown", "KIND_UNKNOWN", kind="GIFT"),
    _payout("won-all", ACCEPTED, won_tiyn=750_00),
    _payout("won-more-than-paid", "WON_INVALID", won_tiyn=750_01),
    _payout("won-negative", "WON_INVALID", won_tiyn=-1),
    _payout("stake-of-the-wager-0", "WAGER_AMOUNT_INVALID", wager_amount_tiyn=0),
    _payout("stake-of-the-wager-more-than-most", "WAGER_AMOUNT_INVALID", wager_amount_tiyn=10**13 + 1),
)
INSTANTS = (
    _wager("instant-of-1989", "INSTANT_INVALID", occurred_at=datetime(1990, 1, 1, tzinfo=UTC) - MS),
    _wager("instant-of-2200", "INSTANT_INVALID", occurred_at=datetime(2200, 1, 1, tzinfo=UTC)),
    _wager("ahead-5-minutes", ACCEPTED, occurred_at=RECEIVED_AT + 5 * MINUTE),
    _wager("ahead-more-than-5-minutes", "INSTANT_AHEAD", occurred_at=RECEIVED_AT + 5 * MINUTE + MS),
    _wager("first-instant-that-is-kept", ACCEPTED, occurred_at=HORIZON),
    _wager("last-instant-that-is-not", "INSTANT_EXPIRED", occurred_at=HORIZON - MS),
    _payout("payout-of-an-expired-wager", "INSTANT_EXPIRED", wager_occurred_at=HORIZON - MS),
)
REGISTER = (
    Case("organizer-unknown", "ORGANIZER_UNKNOWN", changes={"organizer_bin": BAIGE}, topic_bin=BAIGE),
    Case("other-organizer", ACCEPTED, changes={"organizer_bin": ESIL, "site_id": "AST-1"}, topic_bin=ESIL),
    _wager("licence-last-instant", ACCEPTED, occurred_at=LICENCE_ENDS - MS),
    _wager("licence-ended", "LICENCE_NOT_IN_FORCE", occurred_at=LICENCE_ENDS),
    _wager("licence-not-yet", "LICENCE_NOT_IN_FORCE", occurred_at=LICENCE_BEGINS - MS),
    _wager("licence-first-instant", ACCEPTED, occurred_at=LICENCE_BEGINS),
)
TWO_FAULTS = (
    _wager("two-faults-of-form", "IIN_INVALID", iin="000813159890", amount_tiyn=0),
    _wager("form-before-time", "AMOUNT_NOT_POSITIVE", amount_tiyn=0, occurred_at=HORIZON - MS),
    _wager("time-before-register", "INSTANT_EXPIRED", occurred_at=HORIZON - MS, site_id="AST-1"),
    Case("bin-before-key", "BIN_MISMATCH", changes={"organizer_bin": ESIL}, key=b"desk-8"),
)
NOTHING_NEW: dict[str, Any] = dict.fromkeys((*LONGER, "bet_kind")) | {"market_names": []}
REPAIR: dict[str, Any] = {"was": None, "now": values(WAGER)}
AGAIN: dict[str, Any] = {"sequence": 4, "target_sequence": 3}
HELD_MAX = 1_000  # Corrections of a stream that may wait.
CORRECTIONS = (
    _correction("correction-void", ACCEPTED),
    _correction("correction-of-the-amount", ACCEPTED, now=values(WAGER, amount_tiyn=50_00)),
    _correction("correction-of-the-person", ACCEPTED, now=values(WAGER, iin="900101300811")),
    _correction("correction-of-the-type", ACCEPTED, now=values(PAYOUT)),
    _correction("correction-of-a-payout", ACCEPTED, target_sequence=2, was=values(PAYOUT)),
    _correction(
        "correction-again",
        ACCEPTED,
        ("correction-of-the-amount",),
        sequence=4,
        replaces_revision=1,
        was=values(WAGER, amount_tiyn=50_00),
    ),
    Case(
        "correction-of-a-refused-event", ACCEPTED, "correction", 1, REPAIR, after=("iin-wrong-control", "payout-plain")
    ),
    Case("correction-before-its-target", HELD, "correction"),
    Case("correction-long-before-its-target", HELD, "correction", 1, {"sequence": 2 * HELD_MAX + 1}),
    Case(
        "correction-when-a-thousand-wait",
        "CORRECTION_NOT_HELD",
        "correction",
        1,
        {"sequence": 3 * HELD_MAX + 1, "target_sequence": HELD_MAX + 1},
        after=("correction-long-before-its-target",),
        after_times=HELD_MAX,
    ),
    _correction("correction-said-twice", DUPLICATE, ("correction-void",), sequence=4),
    Case("correction-of-another-bin", "BIN_MISMATCH", "correction", 1, {"organizer_bin": ESIL}),
    _correction("correction-of-itself", "CORRECTION_TARGET_INVALID", target_sequence=3),
    _correction("correction-of-revision-minus-1", "CORRECTION_REVISION_INVALID", replaces_revision=-1),
    _correction("correction-without-reason", "CORRECTION_REASON_INVALID", reason=""),
    _correction("correction-of-nothing-by-nothing", "CORRECTION_EMPTY", was=None),
    _correction("correction-lacks-a-field", "CORRECTION_VALUES_INVALID", now=values(WAGER, channel=None)),
    _correction("correction-has-a-payouts-field", "CORRECTION_VALUES_INVALID", now=values(WAGER, kind="WINNING")),
    _correction("correction-to-a-wrong-person", "IIN_INVALID", now=values(WAGER, iin="000813159890")),
    _correction("correction-to-the-future", "INSTANT_AHEAD", now=values(WAGER, occurred_at=RECEIVED_AT + 6 * MINUTE)),
    _correction("correction-made-in-the-future", "INSTANT_AHEAD", corrected_at=RECEIVED_AT + 6 * MINUTE),
    _correction("correction-of-a-correction", "CORRECTION_OF_CORRECTION", ("correction-void",), **AGAIN),
    _correction(
        "correction-says-otherwise", "CORRECTION_CONFLICT", ("correction-void",), sequence=4, now=values(PAYOUT)
    ),
    _correction("correction-of-a-later-revision", "CORRECTION_REVISION_UNKNOWN", replaces_revision=1),
    _correction("correction-of-other-values", "CORRECTION_MISMATCH", was=values(WAGER, amount_tiyn=499_99)),
    _correction("correction-as-if-refused", "CORRECTION_MISMATCH", **REPAIR),
)
ONCE_MORE = Case("sent-again-in-version-2", DUPLICATE, "wager", 2, NOTHING_NEW, after=("wager-plain",))
LONGER_LIST = (
    _newer("wager-with-the-longer-list", ACCEPTED),
    ONCE_MORE,
    _newer("wager-that-says-nothing-new", ACCEPTED, **NOTHING_NEW),
    Case("sent-again-with-news", "SEQUENCE_CONFLICT", "wager", 2, after=("wager-plain",)),
    _newer("payout-with-the-longer-list", ACCEPTED, "payout"),
    _deposit("deposit-plain", ACCEPTED),
    _withdrawal("withdrawal-plain", ACCEPTED),
    _deposit("deposit-of-credit-money", ACCEPTED, payment_method="CREDIT_CARD"),
    _deposit("deposit-without-device", ACCEPTED, device_kind=None, device_id=None),
    _deposit("deposit-of-nobody", "IIN_INVALID", iin="000813159890"),
    _deposit("deposit-of-nothing", "AMOUNT_NOT_POSITIVE", amount_tiyn=0),
    _withdrawal("withdrawal-ahead", "INSTANT_AHEAD", occurred_at=RECEIVED_AT + 6 * MINUTE),
    _deposit("payment-id-120-characters", ACCEPTED, payment_id="№" * 120),
    _deposit("payment-id-121-characters", "PAYMENT_ID_INVALID", payment_id="№" * 121),
    _withdrawal("payment-id-empty", "PAYMENT_ID_INVALID", payment_id=""),
    _deposit("account-empty", "ACCOUNT_INVALID", account_id=""),
    _newer("account-121-characters", "ACCOUNT_INVALID", account_id="№" * 121),
    _withdrawal("provider-empty", "PAYMENT_PROVIDER_INVALID", payment_provider=""),
    _newer("provider-121-characters", "PAYMENT_PROVIDER_INVALID", payment_provider="№" * 121),
    _deposit("balance-most", ACCEPTED, balance_after_tiyn=10**13),
    _deposit("balance-more-than-most", "BALANCE_INVALID", balance_after_tiyn=10**13 + 1),
    _withdrawal("balance-negative", "BALANCE_INVALID", balance_after_tiyn=-1),
    _newer("balance-before-alone", "BALANCE_INVALID", balance_after_tiyn=None),
    _newer("bonus-all-of-the-stake", ACCEPTED, bonus_tiyn=500_00),
    _newer("bonus-more-than-the-stake", "BONUS_INVALID", bonus_tiyn=500_01),
    _newer("bonus-negative", "BONUS_INVALID", "payout", bonus_tiyn=-1),
    _newer("device-kind-unknown", "DEVICE_INVALID", device_kind="ABACUS"),
    _newer("device-without-kind", "DEVICE_INVALID", device_kind=None),
    _deposit("device-id-empty", "DEVICE_INVALID", device_id=""),
    _newer("bet-kind-unknown", "BET_KIND_UNKNOWN", bet_kind="HUNCH"),
    _newer("markets-not-named", ACCEPTED, market_names=[]),
    _newer("market-name-empty", "MARKET_INVALID", market_names=[""]),
    _newer("two-markets-for-one-selection", "MARKET_INVALID", market_names=["Исход матча", "Тотал"]),
)
_NEWS_OF_WAGER = ("wager-with-the-longer-list", "payout-after-its-wager")
LONGER_CORRECTIONS = (
    Case("correction-of-the-longer-list", ACCEPTED, "correction", 2, after=_NEWS_OF_WAGER),
    Case(
        "correction-to-the-longer-list",
        ACCEPTED,
        "correction",
        2,
        {"was": newer_values(WAGER), "now": newer_values(WAGER, **LONGER, **NEWS)},
        after=("wager-plain", "payout-after-its-wager"),
    ),
    Case("correction-that-leaves-out-the-news", "CORRECTION_MISMATCH", "correction", after=_NEWS_OF_WAGER),
    Case(
        "correction-of-a-deposit",
        ACCEPTED,
        "correction",
        2,
        {"was": newer_values(DEPOSIT), "now": newer_values(DEPOSIT, amount_tiyn=5_00)},
        after=("deposit-plain", "payout-plain"),
    ),
    Case(
        "correction-of-a-deposit-with-a-wagers-id",
        "CORRECTION_VALUES_INVALID",
        "correction",
        2,
        {"was": newer_values(DEPOSIT, wager_id="ticket-1")},
        after=("deposit-plain", "payout-plain"),
    ),
)
CASES = (
    *(*WAGERS, *PAYOUTS, *INSTANTS, *BYTES, *ORIGIN, *SEQUENCE, *REGISTER, *TWO_FAULTS),
    *(*CORRECTIONS, *LONGER_LIST, *LONGER_CORRECTIONS),
)
