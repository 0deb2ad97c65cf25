"""Messages of the nightly run: the stage's ids, keys and partitions, and rows of lanes of its own."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from esep.codec import HEADER_BYTES, decode, wire_header
from esep.identifiers import PersonKeys
from esep.partitioner import partition_of
from esep.rules import load_rules
from esep.schemas import schema
from esep.settlements import Settlement
from esep.settling import Finding, News, Proof, Said, Silence, Value
from esep.stream_apps.alerts.instruments import instrument_key
from esep.stream_apps.alerts.message import alert_id
from esep.stream_apps.alerts.nightly import Nightly
from esep.versions import decode_record, upgraded

if TYPE_CHECKING:
    from esep.rules import Rule

RULES = load_rules()
KEYS = PersonKeys(b"k" * 32)
PERSON, CARD, SILENT = "900101300007", "5a" * 32, "940140000385"
PARTITIONS = 4
RUN = Settlement(3, 0, 9_000_000, {1: 10, 2: 20})


def finding(rule: Rule, owner: str, bucket: str) -> Finding:
    evidence = tuple(Proof(f"940140000385/desk-1/{n}", 0, 1, 1_000 + n, 100, 2, 40 + n) for n in range(2))
    return Finding(rule, owner, bucket, (Value(True, "persons", 3, 3, "count"),), evidence, (PERSON, PERSON), 7)


def said(rule: Rule, owner: str, bucket: str, partition: int) -> Said:
    return Said(rule, owner, bucket, 4, "OPEN", (), 500, 6, partition)


DAY, MONTH = "2026-03-11", "2026-03"
STRUCTURED, SHARED = RULES.rule("CREDIT_MONEY"), RULES.rule("SHARED_INSTRUMENT")
NEWS = [
    News(1, "OPEN", finding(STRUCTURED, PERSON, DAY), None),
    News(5, "WITHDRAWN", None, said(STRUCTURED, PERSON, "2026-03-12", 2)),
    News(1, "OPEN", finding(SHARED, CARD, MONTH), None),
]


def records() -> tuple[Nightly, list[dict[str, Any]]]:
    nightly = Nightly(NEWS, KEYS, PARTITIONS, RUN.rows)
    messages = nightly.messages(33, RUN, RULES.withdrawn)
    decoded = upgraded(decode([one.value for one in messages], frozenset({"alert"})).frames, "alert").to_dicts()
    return nightly, [
        {**record, "partition": one.target.partition, "key": one.key}
        for record, one in zip(decoded, messages, strict=True)
    ]


def test_alert_has_the_id_key_and_partition_that_the_stage_gives_it() -> None:
    _, (opened, withdrawn, card) = records()
    (person,) = KEYS([PERSON])
    assert (opened["key"], opened["partition"], opened["iin"]) == (person, 2, PERSON)
    assert opened["alert_id"] == alert_id(STRUCTURED, person, DAY)
    assert [one["ledger_partition"] for one in opened["evidence"]] == [2, 2]
    assert [one["ledger_offset"] for one in opened["evidence"]] == [40, 41]
    assert (withdrawn["partition"], withdrawn["revision"], withdrawn["evidence"]) == (2, 5, [])
    key = instrument_key(CARD)
    assert (card["key"], card["partition"], card["iin"]) == (key, partition_of(key, PARTITIONS), "")
    assert (card["instrument_hash"], card["evidence_iins"]) == (CARD, [PERSON, PERSON])
    assert [(one["ledger_partition"], one["ledger_offset"]) for one in card["evidence"]] == [(2, 40), (2, 41)]


def test_alert_about_an_organizer_has_its_number_for_a_key_and_names_nobody() -> None:
    """O9-4.3: id and partition are made as those of all alerts."""
    (rule,) = RULES.silences
    value = Value(True, "silent_hours", 9, rule.hours, "count")
    found = Finding(rule, SILENT, DAY, (value,), (), (), 7, Silence(3_600_000, 36_000_000, 9))
    before = Said(rule, SILENT, "2026-03-12", 2, "UPDATED", (), 500, 6, 3, Silence(0, None, 8))
    nightly = Nightly([News(1, "OPEN", found, None), News(3, "WITHDRAWN", None, before)], KEYS, PARTITIONS, {})
    (opened, withdrawn) = nightly.messages(33, RUN, RULES.withdrawn)
    assert (opened.key, opened.target.partition) == (SILENT.encode(), partition_of(SILENT.encode(), PARTITIONS))
    assert (withdrawn.key, withdrawn.target.partition) == (SILENT.encode(), 3)
    told = decode_record(opened.value, "alert")
    assert opened.value[:HEADER_BYTES] == wire_header(schema("alert", 3))
    assert told["alert_id"] == alert_id(rule, SILENT.encode(), DAY)
    assert (told["iin"], told["instrument_hash"], told["organizer_bin"], told["organizer_bins"]) == (
        "", None, SILENT, [SILENT],
    )  # fmt: skip
    assert (told["evidence"], told["reference_version"]) == ([], 7)
    assert [told[name].timestamp() for name in ("occurred_at", "silence_began_at", "silence_ended_at")] == [
        3_600, 3_600, 36_000,
    ]  # fmt: skip
    assert all("9" in told[f"reason_{language}"] for language in ("kk", "ru", "en"))
    gone = decode_record(withdrawn.value, "alert")
    assert (gone["organizer_bin"], gone["silence_began_at"], gone["observations"]) == (SILENT, None, [])
    assert gone["reason_en"] == RULES.withdrawn.en


def test_rows_go_on_from_the_run_before_in_lanes_of_the_settlements() -> None:
    nightly, told = records()
    place = told[2]["partition"]
    expected = {2: 22} | {place: RUN.rows.get(place, 0) + 1 + (2 if place == 2 else 0)}
    assert nightly.rows == expected
    assert [one["row"] for one in told[:2]] == [21, 22]
    assert {(one["cause_topic"], one["cause_partition"], one["cause_offset"]) for one in told} == {
        ("compliance.settlements", 0, 33)
    }
    assert nightly.written == {
        ("CREDIT_MONEY", 1, "OPEN"): 1, ("CREDIT_MONEY", 1, "WITHDRAWN"): 1, ("SHARED_INSTRUMENT", 1, "OPEN"): 1,
    }  # fmt: skip
    assert {round(one["received_at"].timestamp() * 1000) for one in told} == {RUN.until_ms}
