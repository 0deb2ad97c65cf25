"""What differs is told by lane, row, offsets and entry: enough to find it, and no person."""

from __future__ import annotations

from esep.lineage import Lane, TopicPartition
from esep.stream_apps.replay.differences import Difference, Entry, changed_fields, content_of, explain, name_of
from esep.topics import ACCEPTED, LEDGER
from esep.versions import encode_record
from tests.stream_apps.replay.memory import line, outputs

LANE = Lane(TopicPartition(ACCEPTED, 0), TopicPartition(LEDGER, 0))


def entry() -> tuple[Entry, dict[str, object]]:
    log = line()
    _, _, key, value = log.topics[outputs(log, LEDGER)[0]][0]
    content = content_of(LEDGER, value)
    assert content is not None
    return Entry(1, 40, key, value), content


def test_sums_are_told_with_both_values_and_persons_by_the_field_alone() -> None:
    there, content = entry()
    other = content | {"iin": "900101300811", "person_year_wager_tiyn": 7, "organizer_name": "ТОО"}
    anew = Entry(1, None, b"other key", encode_record(other, LEDGER))
    was = content["person_year_wager_tiyn"]
    fields = changed_fields(LEDGER, there, anew)
    changed = {"iin"} if content["iin"] != "900101300811" else set()
    expected = {"the message key", "organizer_name", f"person_year_wager_tiyn is {was}, not 7"}
    assert set(fields) == expected | changed
    (difference,) = explain(LANE, LEDGER, [there], [anew])
    text = str(difference)
    assert text.startswith(f"accepted/0 to ledger/0: row 1 at offset 40 (entry {content['entry_id']} revision ")
    assert "is not what follows from the input: the message key; " in text
    assert str(content["iin"]) not in text + str(difference.to_json())
    assert difference.to_json()["kind"] == "CHANGED"


def test_of_several_with_one_row_the_right_one_counts() -> None:
    right, content = entry()
    wrong = Entry(1, 39, right.key, encode_record(content | {"sequence": 99}, LEDGER))
    again = right._replace(offset=41)
    for there in ([wrong, right], [right, wrong]):
        (difference,) = explain(LANE, LEDGER, there, [right._replace(offset=None)])
        assert (difference.kind, difference.offset) == ("REPEATED", 39)
    found = explain(LANE, LEDGER, [right, again], [])
    assert [(one.kind, one.offset) for one in found] == [("SURPLUS", 40), ("SURPLUS", 41)]


def test_what_is_no_record_is_told_without_its_bytes() -> None:
    there, _ = entry()
    garbage = Entry(1, 40, there.key, b"900101300007")
    (difference,) = explain(LANE, LEDGER, [garbage], [there])
    assert difference == Difference(LANE, "CHANGED", 1, 40, fields=("it is no record of its topic",))
    assert "900101300007" not in str(difference)


def test_each_kind_of_record_has_a_name_without_an_iin() -> None:
    rejected = {"organizer_bin": "940140000385", "stream_id": "900101300007", "sequence": 4, "reject_code": "EMPTY"}
    assert name_of("rejected", rejected) == "entry 940140000385/************/4 EMPTY"
    assert name_of("rejected", rejected | {"stream_id": None}) == "EMPTY"
    assert name_of("alert", {"alert_id": "ab", "revision": 2}) == "alert ab revision 2"
    assert name_of("receipt", {"through_offset": 9}) == "receipt through offset 9"
    assert name_of("ledger", {}) is None
    forged = Difference(Lane(TopicPartition("of 900101300007", 0), LANE.output), "UNKNOWN_CAUSE", 1, 7)
    assert "900101300007" not in str(forged) + str(forged.to_json())
