"""Plans for the tests of the simulator: small, and the same each time."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import polars as pl

from esep.producers.simulate.generator import messages
from esep.producers.simulate.plan import Plan
from esep.producers.simulate.register import made_up_register

UNTIL = datetime(2026, 11, 20, 19, tzinfo=UTC)  # Midnight in Almaty.
SEED = 7


def plan(events: int = 2_000, organizers: int = 3, **changes: Any) -> Plan:
    """A plan with few persons, so that it is quick."""
    seed = changes.pop("seed", SEED)
    given = {"persons": 300, "partitions": 2, "register": made_up_register(organizers, seed, UNTIL)} | changes
    return Plan(events=events, seed=seed, until=UNTIL, **given)


def all_messages(of: Plan, batch: int = 20_000) -> pl.DataFrame:
    """All messages of a plan in one frame."""
    return pl.concat(messages(of, batch))
