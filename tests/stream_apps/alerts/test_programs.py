"""Files of rules that follow one another, against brute force: each posting by the file in force when it came."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from esep.rule_files import RuleFiles
from esep.stream_apps.alerts.stage import AlertsStage
from esep.stream_apps.stage import PartitionState
from tests.support.changed_rules import RULE_IDS, alerts_of_files, rule_files
from tests.support.examples import examples
from tests.support.rule_histories import (
    DAY_MS,
    FROM_MS,
    HOUR_MS,
    LATE_MS,
    LATE_MS_MAX,
    PARTITIONS,
    Arrival,
    RuleRun,
    histories,
    placed,
)
from tests.support.stage_run import BINS, IINS, cut


class Run(RuleRun):
    """Tells versions of a rule apart, and may lose all that is in memory."""

    def standing(self) -> Any:
        self.latest = {
            key: {**record, "rule_id": f"{record['rule_id']}/{record['rule_version']}"}
            for key, record in self.latest.items()
        }
        return super().standing()

    def begin_again(self, stage: AlertsStage) -> None:
        """Go on as another process, with what the changelogs say."""
        self.stage = stage
        for source, records in self.changelog.items():
            latest = dict(records)  # As compaction leaves it: the last of each key, where that one stands.
            keys = [key for place, (key, _) in enumerate(records) if key not in dict(records[place + 1 :])]
            data = stage.empty(source)
            stage.restore(data, keys[: len(keys) // 2], [latest[key] for key in keys[: len(keys) // 2]])
            if keys:
                stage.restore(data, keys[len(keys) // 2 :], [latest[key] for key in keys[len(keys) // 2 :]])
            self.states[source] = PartitionState(self.states[source].position, data)


INSTANT_MS = FROM_MS + DAY_MS  # Midnight in Almaty.
# Corrections in turn come as late as the latest of their entry, whose own instant may be a moment later.
IN_TIME_MS = LATE_MS.map(lambda ms: min(ms, LATE_MS_MAX - DAY_MS))
ONE_AND_OTHER = [{"WIN_STRUCTURED": 1}, {"WIN_STRUCTURED": 2}]  # 100,000,000 in 24 hours; then half of that.


def win(sequence: int, amount_tiyn: int, hours: float, after: float | None = None, revision: int = 0) -> Arrival:
    """Return a win so many hours after the instant; after: when it came. revision: what takes it back."""
    occurred_ms = INSTANT_MS + int(hours * HOUR_MS)
    posting: dict[str, Any] = {
        "iin": IINS[0], "entry_id": f"{BINS[0]}/desk-1/{sequence}", "organizer_bin": BINS[0], "revision": revision,
        "leg": -1 if revision else 1, "event_type": "PAYOUT", "kind": "WINNING", "occurred_ms": occurred_ms,
        "amount_tiyn": -amount_tiyn if revision else amount_tiyn, "odds_milli": None, "flags": 0,
        "instrument_hash": None, "wager_id": "w1", "selections": [],
    }  # fmt: skip
    return Arrival(posting, occurred_ms if after is None else INSTANT_MS + int(after * HOUR_MS))


@pytest.mark.parametrize(
    ("arrivals", "told"),
    [
        # A window that spans the instant; what fulfilled the new version before is not told.
        ([win(1, 60_000_000, -2), win(2, 10_000_000, 1)], {("WIN_STRUCTURED/2", "2026-03-12"): [1, 2]}),
        # A late win is the event, though one of before it would have been.
        ([win(1, 60_000_000, -2), win(2, 10_000_000, -1, 1)], {("WIN_STRUCTURED/2", "2026-03-11"): [1, 2]}),
        # What the old version told stays; what is gone takes no part in what the new one tells.
        (
            [win(1, 60_000_000, -3), win(2, 50_000_000, -2), win(1, 60_000_000, -3, 0, 1), win(3, 1, 1)],
            {("WIN_STRUCTURED/1", "2026-03-11"): [1, 2], ("WIN_STRUCTURED/2", "2026-03-12"): [2, 3]},
        ),
        # The clock decides, not the stamp: what is behind it comes under the new file.
        (
            [win(1, 60_000_000, -1), win(2, 1, 0), win(3, 50_000_000, -1, -0.5)],
            {("WIN_STRUCTURED/2", "2026-03-11"): [1, 3], ("WIN_STRUCTURED/2", "2026-03-12"): [1, 3, 2]},
        ),
    ],
)
@pytest.mark.parametrize("cuts", [[], [1], [1, 2, 3]])
def test_rule_that_begins_is_fulfilled_by_what_arrives_and_sees_what_had(
    arrivals: list[Arrival], told: dict[tuple[str, str], list[int]], cuts: list[int]
) -> None:
    """D934-1..3: nothing of before the instant is told a second time, and nothing after it is missed."""
    files, _ = rule_files(ONE_AND_OTHER, [INSTANT_MS])
    run = Run(AlertsStage(files, partitions=PARTITIONS))
    for poll in cut(arrivals, cuts):
        run.feed(poll)
    assert {
        (rule, bucket): [int(one[0].rpartition("/")[2]) for one in evidence]
        for (rule, _, bucket), (evidence, _) in run.standing().items()
    } == told


def test_poll_is_cut_at_the_instant_and_what_is_cut_off_is_left() -> None:
    files, _ = rule_files(ONE_AND_OTHER, [INSTANT_MS])
    run = Run(AlertsStage(files, partitions=PARTITIONS))
    arrivals = [win(1, 1, -1), win(2, 1, -1), win(3, 1, 0), win(4, 1, 1)]
    result = run.stage.process(run.batches(cut(arrivals, [])[0]), run.states)
    assert [position.next_offset for position in result.positions.values()] == [2]
    assert [batch.offsets for batch in result.left] == [[2, 3]]


@st.composite
def versions_of_files(draw: st.DrawFn, count: int) -> list[dict[str, int]]:
    """Draw which version of each rule is LIVE in each file; one that is gone never comes back."""
    highest = {name: draw(st.integers(1, 3)) for name in RULE_IDS}
    files = [{name: version for name, version in highest.items() if draw(st.integers(0, 4))}]
    for _ in range(count - 1):
        file = {}
        for name in RULE_IDS:
            before = files[-1].get(name)
            what = draw(st.sampled_from(["as before", "as before", "changed", "gone"]))
            if before is not None and what == "as before":
                file[name] = before
            elif what == "changed":
                file[name] = highest[name] = highest[name] + draw(st.integers(1, 3))
        files.append(file)
    return files


@st.composite
def changes(draw: st.DrawFn, arrivals: list[Arrival]) -> tuple[RuleFiles, list[Any]]:
    """Draw files that are put in force while a history goes on, at instants of its postings or a moment before."""
    at = st.sampled_from([one.received_ms for one in arrivals]).flatmap(
        lambda ms: st.sampled_from([ms, ms - 1, ms + 1])
    )
    instants_ms = sorted(draw(st.sets(at, min_size=1, max_size=2)))
    return rule_files(draw(versions_of_files(len(instants_ms) + 1)), instants_ms)


@given(st.data(), histories(IN_TIME_MS, in_turn=True), st.lists(st.integers(0, 20), max_size=4))
@settings(max_examples=examples(60), deadline=None)
def test_each_posting_is_watched_by_the_file_in_force_when_it_came_however_polls_are_cut(
    data: st.DataObject, arrivals: list[Arrival], cuts: list[int]
) -> None:
    """D934-1..3: with a restart between any two polls, and whichever process goes on; what is gone is left as it is."""
    files, said = data.draw(changes(arrivals))
    run = Run(AlertsStage(files, partitions=PARTITIONS))
    for poll in cut(arrivals, cuts):
        if data.draw(st.booleans()):
            run.begin_again(AlertsStage(files, partitions=PARTITIONS))
        run.feed(poll)
    assert run.standing() == alerts_of_files(files, said, placed(arrivals))
