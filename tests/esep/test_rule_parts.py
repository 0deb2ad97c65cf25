"""What every rule has: windows of time, the day from which it counts, and nothing that is unknown."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from pydantic import ValidationError

from esep.rule_parts import AnyRule

WRITTEN: dict[str, Any] = {
    "rule": "NIGHT_BURST", "version": 1, "mode": "SHADOW", "severity": "LOW", "basis": "D934-1..3",
    "reason": dict.fromkeys(("kk", "ru", "en"), "Something happened."), "confuses": "Somebody who works at night.",
}  # fmt: skip


@pytest.mark.parametrize(("written", "ms"), [("30min", 1_800_000), ("6h", 21_600_000), ("7d", 604_800_000)])
def test_time_to_wait_is_written_with_its_unit(written: str, ms: int) -> None:
    assert AnyRule.model_validate({**WRITTEN, "waits": written}).waits == ms


@pytest.mark.parametrize("wrong", [{"waits": "6 hours"}, {"waits": 6}, {"waits": "1831d"}, {"wait": "6h"}])
def test_what_is_no_time_and_what_is_unknown_are_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValidationError, match="wait"):
        AnyRule.model_validate({**WRITTEN, **wrong})


def test_rule_counts_from_the_beginning_of_an_almaty_day() -> None:
    """J127-17."""
    rule = AnyRule.model_validate({**WRITTEN, "since": "2026-12-01"})
    assert rule.since_ms == round(datetime(2026, 11, 30, 19, tzinfo=UTC).timestamp() * 1000)
    assert AnyRule.model_validate(WRITTEN).since_ms < 0
    assert not rule.raised
