"""Reading once through: digests of the lanes that are compared; what is no record or has no cause is told."""

from __future__ import annotations

from esep.lineage import TopicPartition
from esep.stream_apps.replay.findings import Findings
from esep.stream_apps.replay.scan import Scanned
from esep.topics import ACCEPTED
from tests.stream_apps.intake.made_up import ALATAU, ESIL, source_of
from tests.stream_apps.replay.memory import line, outputs


def scanned(is_cause: object, *, garbage: bool = False) -> tuple[Scanned, Findings, list[object]]:
    log, found, findings, seen = line().copy(), Scanned(), Findings(), []
    output = outputs(log, ACCEPTED)[0]
    if garbage:
        log.topics[output][3] = (*log.topics[output][3][:3], b"\x00 and no more")

    def tell(*said: object) -> None:
        seen.append(said)

    span = log.spans([output])[output]
    found.scan(log, output, span, ACCEPTED, is_cause=is_cause, findings=findings, tell=tell)  # type: ignore[arg-type]
    return found, findings, seen


def test_lanes_of_the_causes_asked_for_are_digested_and_others_passed_over() -> None:
    every, findings, seen = scanned(lambda _: True)
    some, _, _ = scanned(lambda cause: cause == source_of(ALATAU, 0))
    assert findings.none
    assert every.records == sum(digest.count for digest in every.digests.values())
    assert {lane.cause for lane in every.digests} == {source_of(bin_, at) for bin_ in (ALATAU, ESIL) for at in (0, 1)}
    assert {lane.cause for lane in some.digests} == {source_of(ALATAU, 0)}
    assert all(every.digests[lane].stretches == digest.stretches for lane, digest in some.digests.items())
    assert seen[-1][2] == seen[-1][3]  # type: ignore[index]


def test_what_is_no_record_and_what_has_no_such_cause_are_told() -> None:
    _, findings, _ = scanned(lambda _: True, garbage=True)
    (difference,) = findings.differences
    assert (difference.kind, difference.offset, difference.fields) == ("UNREADABLE", 9, ("SCHEMA_UNKNOWN",))
    found, findings, _ = scanned(lambda cause: None if cause == source_of(ESIL, 1) else True)
    assert {one.kind for one in findings.differences} == {"UNKNOWN_CAUSE"}
    assert {one.lane.cause for one in findings.differences} == {TopicPartition(source_of(ESIL, 1).topic, 1)}
    assert found.records + len(findings.differences) + findings.more == scanned(lambda _: True)[0].records
