"""Rules for a line of tests: those of esep, and LIVE also some that are about means of payment.

Reads     esep/rules.yaml
Returns   `live_rules`: a file
Promises  thresholds are as they are
"""

from __future__ import annotations

from pathlib import Path

from esep.rules import RULES_FILE, load_rules


def live_rules(folder: Path, *rule_ids: str) -> Path:
    """Write the file into a folder; return where it is. rule_ids: by default all that are about means of payment."""
    text = RULES_FILE.read_text(encoding="utf-8")
    for rule in load_rules().all_rules:
        if rule.rule_id in rule_ids or (not rule_ids and rule.subject == "instrument"):
            head = f"  - rule: {rule.rule_id}\n    version: {rule.version}\n    mode: "
            assert text.count(head + "SHADOW") == 1, rule.rule_id
            text = text.replace(head + "SHADOW", head + "LIVE")
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "live-rules.yaml"
    path.write_text(text, encoding="utf-8")
    return path
