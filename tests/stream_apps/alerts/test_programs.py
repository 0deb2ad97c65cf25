"""Files of rules that follow one another, against brute force: each posting by the file in force when it came."""

from __future__ import annotations

from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from esep.rule_files import RuleFiles
from esep.stream_apps.alerts.stage import AlertsStage
from esep.stream_apps.stage import PartitionState
from tests.support.changed_rules import RULE_IDS, alerts_of_files, rule_files
from tests.support.examples import examples
from tests.support.rule_histories import PARTITIONS, Arrival, RuleRun, histories, placed
from tests.support.stage_run import cut


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


@given(st.data(), histories(in_turn=True), st.lists(st.integers(0, 20), max_size=4))
@settings(max_examples=examples(120), deadline=None)
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
