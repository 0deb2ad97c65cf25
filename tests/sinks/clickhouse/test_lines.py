"""Whatever kind of line there is, paper has a size and a distance for it."""

from __future__ import annotations

from typing import get_args

from esep.sinks.clickhouse import paper
from esep.sinks.clickhouse.lines import Kind


def test_every_kind_of_line_has_its_look_on_paper() -> None:
    assert tuple(paper._SIZES_PT) == tuple(paper._BEFORE_MM) == get_args(Kind)
