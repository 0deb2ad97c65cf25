"""What totals remember, as frames: the state that the next worker would begin with.

Reads     the offsets that the group `totals` has committed, `totals.changelog`
Returns   per partition of `accepted` a `Remembered`
Promises  each state is the one that its last committed transaction left, by the rule of the hand-over (DESIGN §5);
          nothing is joined and nothing written, so that the line works on meanwhile (box: totals)
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import polars as pl

from esep.lineage import TopicPartition
from esep.security import PLAIN
from esep.stream_apps.handover import restore
from esep.stream_apps.totals.cells import CELL_KEY, MEASURES, Cells
from esep.stream_apps.totals.stage import TotalsStage
from esep.topics import ACCEPTED, LEDGER, TOTALS

if TYPE_CHECKING:
    from collections.abc import Mapping


PERSON_COLUMNS = ("person_0", "person_1")  # The two words of a person's key.
VALUE_COLUMNS = tuple(f"{measure}_{unit}" for measure in MEASURES for unit in ("count", "tiyn"))


@dataclass(frozen=True, slots=True)
class Remembered:
    """One partition. next_offset: of `accepted`. row: the last one written to the same partition of `ledger`.

    cells: PERSON_COLUMNS (UInt64), bin (Int64), year (Int16, Almaty), VALUE_COLUMNS (Int64).
    """

    partition: int
    next_offset: int
    row: int
    cells: pl.DataFrame


def remembered(bootstrap_servers: str, partitions: int, security: Mapping[str, str] = PLAIN) -> list[Remembered]:
    """Return the state of each partition.

    Raises PositionMismatch and BrokerUnavailable as a worker would that was given all partitions.
    """
    sources = [TopicPartition(ACCEPTED, number) for number in range(partitions)]
    states = restore(
        TotalsStage(),
        sources,
        {},
        bootstrap_servers=bootstrap_servers,
        group=TOTALS,
        in_force=lambda: True,
        security=security,
    )
    found = []
    for source in sources:
        state = (states or {})[source]
        row = state.position.rows.get(TopicPartition(LEDGER, source.partition), 0)
        found.append(Remembered(source.partition, state.position.next_offset, row, frame_of(state.data)))
    return found


def cells_frame(persons: np.ndarray, bins: np.ndarray, years: np.ndarray, values: np.ndarray) -> pl.DataFrame:
    """Return cells as a frame; persons: words, a row each; values: as in `Cells`."""
    return pl.DataFrame(
        {
            **{name: persons[:, word] for word, name in enumerate(PERSON_COLUMNS)},
            "bin": bins.astype("int64"),
            "year": years.astype("int16"),
            **{name: values[:, place] for place, name in enumerate(VALUE_COLUMNS)},
        }
    )


def differing(one: pl.DataFrame, other: pl.DataFrame) -> pl.DataFrame:
    """Return the cells that are not the same in two frames of cells, by key; what one lacks is zero.

    The sums of the other stand beside those of the one, with `_other` behind their names.
    """
    key = [*PERSON_COLUMNS, "bin", "year"]
    both = one.join(other, on=key, how="full", coalesce=True, suffix="_other").fill_null(0)
    return both.filter(pl.any_horizontal(pl.col(name) != pl.col(f"{name}_other") for name in VALUE_COLUMNS)).sort(key)


def frame_of(cells: Cells) -> pl.DataFrame:
    """Return a state as a frame of its cells."""
    keys, values = cells.table()
    return cells_frame(keys["person"].copy(), keys["bin"].copy(), keys["year"].copy(), values)


def cells_in(frame: pl.DataFrame) -> Cells:
    """Return the cells that a frame holds: the inverse of `frame_of`."""
    cells, keys = Cells(), np.empty(frame.height, CELL_KEY)
    keys["person"] = frame.select(PERSON_COLUMNS).to_numpy()
    keys["bin"], keys["year"] = frame["bin"].to_numpy(), frame["year"].to_numpy()
    cells.put(keys, frame.select(VALUE_COLUMNS).to_numpy())
    return cells
