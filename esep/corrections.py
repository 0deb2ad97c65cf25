"""What can be said of a correction by itself, without what its stream remembers: the same code for intake and offline.

Reads     corrections with their time of receipt; how events stand with the register
Returns   a verdict per correction
Promises  no I/O, no clock, no state; its right values are judged as an event's are (DESIGN §4 "Corrections"; clauses
          O9-3, O9-4.3, O9-4.5; boxes: producers, intake)
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import polars as pl

from esep.checks import check_correction
from esep.clock import AHEAD_MAX
from esep.events import corrected
from esep.instants import check_instants
from esep.precedence import fault, places

if TYPE_CHECKING:
    from collections.abc import Callable


def check_alone(corrections: pl.DataFrame, standing: Callable[[pl.DataFrame], np.ndarray] | None) -> np.ndarray:
    """Return the verdict on each correction (see `precedence`) by form, time and register.

    corrections: the columns of the schema and `received_at`. standing: gives the verdicts on events by licence and
    site; None passes these over.
    """
    verdicts = places(check_correction(corrections))
    fault(verdicts, (corrections["corrected_at"] > corrections["received_at"] + AHEAD_MAX).to_numpy(), "INSTANT_AHEAD")
    received = corrections.select("received_at").with_row_index("place")
    now = corrected(corrections, "now").join(received, on="place", how="left", maintain_order="left")
    found = check_instants(now)
    if standing is not None:
        np.minimum(found, standing(now), out=found)
    at = now["place"].to_numpy()
    verdicts[at] = np.minimum(verdicts[at], found)
    return verdicts
