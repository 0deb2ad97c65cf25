"""The rules as data."""

from __future__ import annotations

import pytest

from esep.stream_apps.alerts.rules import DAY_MS, KEPT_MS, LATENESS_MS, WIN_STRUCTURED, WIN_THRESHOLD, Rule


@pytest.mark.parametrize("rule", [WIN_THRESHOLD, WIN_STRUCTURED])
@pytest.mark.parametrize("language", ["kk", "ru", "en"])
def test_reason_is_a_sentence_in_each_language(rule: Rule, language: str) -> None:
    reason = getattr(rule.reason, language).format(sum="SUM", threshold="THRESHOLD", count="COUNT")
    assert reason.endswith(".")
    assert {"SUM", "THRESHOLD"} <= set(reason.replace(",", " ").replace(";", " ").split())
    assert ("COUNT" in reason) == (rule.payouts_min > 1)


def test_threshold_is_a_million_tenge() -> None:
    """AML law 191-IV, Art. 4(1)(1)."""
    assert WIN_THRESHOLD.sum_tiyn == WIN_STRUCTURED.sum_tiyn == 1_000_000 * 100
    assert (WIN_THRESHOLD.severity, WIN_STRUCTURED.severity) == ("MANDATORY", "HIGH")


def test_state_is_kept_as_long_as_a_posting_in_time_can_look_back() -> None:
    """DESIGN §7: the longest window and 45 days of lateness."""
    assert KEPT_MS == LATENESS_MS + DAY_MS == 46 * DAY_MS
