"""The first differences are told one by one, all others are counted."""

from __future__ import annotations

from esep.lineage import Lane, TopicPartition
from esep.stream_apps.replay.checks import LaneCheck
from esep.stream_apps.replay.differences import Difference
from esep.stream_apps.replay.digests import LaneDigest
from esep.stream_apps.replay.findings import DIFFERENCES_MAX, Findings
from tests.stream_apps.replay.memory import MemoryLog

LANE = Lane(TopicPartition("accepted", 0), TopicPartition("ledger", 0))


def test_past_the_first_ones_differences_are_counted() -> None:
    findings = Findings()
    assert findings.none
    findings.add(Difference(LANE, "MISSING", row, None) for row in range(DIFFERENCES_MAX + 3))
    assert (len(findings.differences), findings.more, findings.none) == (DIFFERENCES_MAX, 3, False)


def test_once_enough_is_told_stretches_are_counted_without_being_read() -> None:
    findings, check = Findings(), LaneCheck(LANE, LaneDigest())
    findings.add(Difference(LANE, "MISSING", row, None) for row in range(DIFFERENCES_MAX))
    check.take(1, [b"k"], [b"v"])
    check.require()
    check.finish()
    assert len(check.suspects) == 1
    findings.resolve(MemoryLog({}), "ledger", check, LaneDigest())
    assert (len(findings.differences), findings.more) == (DIFFERENCES_MAX, 1)
