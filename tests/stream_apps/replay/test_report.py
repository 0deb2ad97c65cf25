"""Equal is only what was replayed and is the same: a difference, a sum or a refused input makes it not so."""

from __future__ import annotations

import polars as pl
import pytest

from esep.lineage import Lane, TopicPartition
from esep.stream_apps.replay.differences import Difference
from esep.stream_apps.replay.findings import Findings
from esep.stream_apps.replay.log import Cut
from esep.stream_apps.replay.report import Input, Replayed

SOURCE = TopicPartition("accepted", 0)
DIFFERENCE = Difference(Lane(SOURCE, TopicPartition("ledger", 0)), "MISSING", 3, None)


@pytest.mark.parametrize(
    ("replayed", "equal"),
    [
        (Replayed("totals"), True),
        (Replayed("totals", [Input(SOURCE, Cut(0, 9, 9), read=9, compared=9)]), True),
        (Replayed("totals", cells=2, differing_cells=pl.DataFrame({"bin": []})), True),
        (Replayed("totals", cells=2, differing_cells=pl.DataFrame({"bin": [1]})), False),
        (Replayed("totals", [Input(SOURCE, Cut(7, 9, 9), refused="deleted")]), False),
        (Replayed("totals", findings=Findings([DIFFERENCE])), False),
        (Replayed("totals", findings=Findings([], 1)), False),
    ],
)
def test_answer_is_yes_only_if_nothing_speaks_against_it(replayed: Replayed, equal: bool) -> None:
    assert replayed.equal == replayed.to_json()["equal"] == equal


def test_document_names_inputs_and_differences() -> None:
    told = Replayed("totals", [Input(SOURCE, Cut(0, 8, 9), read=4)], Findings([DIFFERENCE])).to_json()
    assert (told["inputs"][0]["input"], told["inputs"][0]["through_offset"]) == ("accepted/0", 9)
    assert told["differences"] == [DIFFERENCE.to_json()]
    assert (told["cells"], told["differing_cells"]) == (None, None)
