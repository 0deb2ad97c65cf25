"""What a replay says in the end.

Reads     nothing: the replays fill it
Returns   `Replayed` per stage, and its inputs
Promises  no person's data but sums under a person's key; equal only if all that was asked for was replayed and is the
          same (box: replay)
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from esep.stream_apps.replay.findings import Findings

if TYPE_CHECKING:
    import polars as pl

    from esep.lineage import TopicPartition
    from esep.stream_apps.replay.log import Cut


@dataclass(slots=True)
class Input:
    """One input partition that was replayed.

    read: records of it. begun: what the state was at its start. refused: why it could not be replayed. compared:
    records of its outputs that were; not_kept: those that Kafka has deleted since.
    """

    source: TopicPartition
    cut: Cut
    read: int = 0
    begun: str = "empty"
    refused: str | None = None
    compared: int = 0
    not_kept: int = 0

    def to_json(self) -> dict[str, Any]:
        """Return it for a program."""
        return {
            "input": str(self.source),
            "first_offset": self.cut.first,
            "through_offset": self.cut.through,
            "begun": self.begun,
            "read": self.read,
            "compared": self.compared,
            "not_kept": self.not_kept,
            "refused": self.refused,
        }


@dataclass(slots=True)
class Replayed:
    """One stage. cells: how many sums of persons were compared; differing_cells: those that are not the same."""

    stage: str
    inputs: list[Input] = field(default_factory=list)
    findings: Findings = field(default_factory=Findings)
    cells: int | None = None
    differing_cells: pl.DataFrame | None = None

    @property
    def equal(self) -> bool:
        """Say whether every input was replayed, and all of it is as it was committed."""
        cells = self.differing_cells is None or self.differing_cells.is_empty()
        return self.findings.none and cells and all(one.refused is None for one in self.inputs)

    def to_json(self) -> dict[str, Any]:
        """Return it for a program, the cells that differ apart."""
        return {
            "stage": self.stage,
            "equal": self.equal,
            "inputs": [one.to_json() for one in self.inputs],
            "differences": [one.to_json() for one in self.findings.differences],
            "more": self.findings.more,
            "cells": self.cells,
            "differing_cells": None if self.differing_cells is None else self.differing_cells.height,
        }
