"""What a file of rules changes against another: each change is told, with what it means for alerts."""

from __future__ import annotations

from datetime import date

import pytest

from esep.rule_diff import Difference, differences
from esep.rules import RULES_FILE, parse_rules

TODAY = date(2026, 12, 1)
TEXT = RULES_FILE.read_text("utf-8")
RULES = parse_rules(TEXT)


def changed(*edits: tuple[str, str]) -> dict[str, Difference]:
    text = TEXT
    for old, new in edits:
        assert old in text, old
        text = text.replace(old, new, 1)
    return {one.rule_id: one for one in differences(RULES, parse_rules(text), TODAY)}


def test_a_file_says_the_same_as_itself() -> None:
    assert differences(RULES, RULES, TODAY) == []


@pytest.mark.parametrize(
    ("old", "new", "rule_id", "told", "is_other"),
    [
        ("organizers_1h, at_least: 4", "organizers_1h, at_least: 3", "MULTI_ORGANIZER_VELOCITY", "≥ 3 or", True),
        ("{feature: winnings_just_below_30d, observed: winnings_count, aggregate: count, window: 30d",
         "{feature: winnings_just_below_30d, observed: winnings_count, aggregate: count, window: 20d",
         "WIN_JUST_BELOW", "within 20 days", True),
        ("observed: persons_24_hours", "observed: people", "FUNNEL_PAYOUT", "persons_24_hours → people", True),
        ("at_least: 0.8, of", "at_least: 0.85, of", "FAST_RETURN", "≥ 0.85 ×", True),
        ("event: {kinds: [WAGER], flags: [DEBTOR]}", "event: {flags: [DEBTOR]}", "DEBTOR", "any posting", True),
        ("    usual_in: 6", "    usual_in: 7", "ORGANIZER_SILENT", "usual_in: 6 → 7", True),
        ("    waits: 6h", "    waits: 1d", "ORGANIZER_SILENT", "waits: 21600000 → 86400000", True),
        ("others had.", "others had some.", "ORGANIZER_SILENT", "text (en)", False),
        ("severity: LOW", "severity: HIGH", "NIGHT_BURST", "severity: LOW → HIGH", False),
        ("from a person who stands", "from somebody who stands", "DEBTOR", "text (en)", False),
        ("mode: SHADOW\n    severity: LOW", "mode: LIVE\n    severity: LOW", "NIGHT_BURST", "has not begun", False),
        ("Withdrawn: after", "Taken back: after", "(every rule)", "withdrawn (en)", False),
    ],
)  # fmt: skip
def test_each_change_is_told(old: str, new: str, rule_id: str, told: str, is_other: bool) -> None:
    also = [("{persons_24_hours}", "{people}")] * 3 if "people" in new else []
    found = changed((old, new), *also)
    assert list(found) == [rule_id]
    assert told in "\n".join(found[rule_id].words)
    assert found[rule_id].is_other == is_other


def test_silence_that_comes_goes_or_changes_while_it_is_live_is_told() -> None:
    head = "rule: ORGANIZER_SILENT\n    version: 1\n    mode: "
    without = TEXT[: TEXT.index("silences:\n")]
    (come,), (gone,) = differences(parse_rules(without), RULES, TODAY), differences(RULES, parse_rules(without), TODAY)
    assert (come.kind, gone.kind, come.rule_id) == ("new", "gone", "ORGANIZER_SILENT")
    live = parse_rules(TEXT.replace(head + "SHADOW", head + "LIVE"))
    fewer = parse_rules(TEXT.replace(head + "SHADOW", head + "LIVE").replace("    hours: 6\n", "    hours: 5\n"))
    (changed,) = differences(live, fewer, TODAY)
    assert "new version" in changed.words[-1]
    (turned_on,) = differences(RULES, live, TODAY)
    assert turned_on.words == (
        "mode: SHADOW → LIVE", "`since` is not given: the first nightly run tells all silences of the ledger",
    )  # fmt: skip
    dated = parse_rules(TEXT.replace(head + "SHADOW", head + "LIVE\n    since: 2026-12-02"))
    (turned_on,) = differences(RULES, dated, TODAY)
    assert turned_on.words == ("mode: SHADOW → LIVE", "since: nothing → 2026-12-02")


def test_live_rule_whose_alerts_change_is_to_have_a_new_version() -> None:
    edit = ("feature: small_winnings_count_24h, at_least: 2", "feature: small_winnings_count_24h, at_least: 3")
    assert "new version" in changed(edit)["WIN_STRUCTURED"].words[-2]
    versioned = ("- rule: WIN_STRUCTURED\n    version: 1", "- rule: WIN_STRUCTURED\n    version: 2")
    words = changed(edit, versioned)["WIN_STRUCTURED"].words
    assert words[0] == "version: 1 → 2"
    assert not any("new version" in one for one in words)
    assert "has not begun" in words[-1]


@pytest.mark.parametrize(("day", "begun"), [("2026-12-01", True), ("2026-12-02", False)])
def test_rule_that_becomes_live_counts_from_a_day_that_has_not_begun(day: str, begun: bool) -> None:
    """In the stage a rule has no past: its windows would lack their beginning."""
    live = ("mode: SHADOW\n    severity: LOW", f"mode: LIVE\n    since: {day}\n    severity: LOW")
    assert ("has not begun" in changed(live)["NIGHT_BURST"].words[-1]) == begun


def test_rules_come_and_go() -> None:
    found = changed(("rule: DEBTOR\n", "rule: OWES\n"))
    assert {name: one.kind for name, one in found.items()} == {"OWES": "new", "DEBTOR": "gone"}
