"""Files of rules that follow one another, and which alerts must stand then, by looking through all postings.

Reads     tests/support/rule_histories.py: all rules, LIVE, with thresholds within reach
Returns   `rule_files`: files with rules LIVE, SHADOW, changed and new; `alerts_of_files`
Promises  the alerts come from the oracle, which shares no code with the stage; each posting is an event under the file
          that was in force when it came, and windows see all that had come before the file went
"""

from __future__ import annotations

import copy
import re
from datetime import date
from typing import TYPE_CHECKING, Any

import yaml

from esep.rule_files import RuleFile, RuleFiles, faults_of_next
from esep.rules import RuleSet
from esep.stream_apps.alerts.kept import begin_too_early
from tests.support.rule_histories import REACHABLE_TEXT
from tests.support.rule_oracle import alerts_of

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from tests.support.rule_oracle import Alerts, Posting

BASE: dict[str, Any] = yaml.safe_load(REACHABLE_TEXT)
RULE_IDS = [rule["rule"] for rule in BASE["rules"] if rule.get("engine", "stream") == "stream"]
LESS = 2  # A version of an even number asks for half of what the others ask for,
OTHER = 3  # and one that three divides looks at postings that no other looks at, over windows of twice the length.
WINDOW = re.compile(r"([0-9]+)(min|h|d)")


def file_of(versions: Mapping[str, int], since: Mapping[str, date] | None = None) -> dict[str, Any]:
    """Return a file as YAML says it. versions: of the rules that are LIVE. since: of some of them, by rule."""
    file = copy.deepcopy(BASE)
    for rule in file["rules"]:
        version = versions.get(rule["rule"], 0)
        rule["mode"] = "LIVE" if version else "SHADOW"
        rule["version"] = version or 99
        if since and rule["rule"] in since:
            rule["since"] = since[rule["rule"]]
        conditions = [part for one in rule.get("when", []) for part in one.get("any", one.get("score", [one]))]
        for condition in conditions if version and version % LESS == 0 else []:
            if "at_least" in condition and "of" not in condition:
                condition["at_least"] = max(1, condition["at_least"] // LESS)
        for condition in conditions if version and version % OTHER == 0 else []:
            for part in {"feature", "of"} & condition.keys():
                condition[part] = _other(file, condition[part])
    return file


def _other(file: dict[str, Any], name: str) -> str:
    """Add a feature that is much like another one; return its name."""
    features = {one["feature"]: one for one in file["features"]}
    other = copy.deepcopy(features[name]) | {"feature": f"{name}_other"}
    if found := WINDOW.fullmatch(other["window"]):
        other["window"] = f"{int(found[1]) * 2}{found[2]}"
    other.setdefault("filter", {}).setdefault("amount_tiyn", {"from": 2})
    if other["feature"] not in features:
        file["features"].append(other)
    return str(other["feature"])


def rule_files(versions: Sequence[Mapping[str, int]], instants_ms: Sequence[int]) -> tuple[RuleFiles, list[Any]]:
    """Return files, and what each says; a rule that may not follow as it is gets the day from which it is allowed."""
    said: list[dict[str, Any]] = []
    files: list[RuleFile] = []
    since: dict[str, date] = {}
    known: dict[tuple[str, int], date] = {}
    for of_file, from_ms in zip(versions, (0, *instants_ms), strict=True):
        since = {name: known[name, version] for name, version in of_file.items() if (name, version) in known}
        one = file_of(of_file, since)
        if files:
            early = begin_too_early(files, RuleSet.model_validate(one), from_ms)
            since |= {found.rule.rule_id: found.first_day for found in early}
            one = file_of(of_file, since)
            rules = RuleSet.model_validate(one)
            assert begin_too_early(files, rules, from_ms) == []
            assert list(faults_of_next(files, rules, from_ms)) == []
        known |= {(name, of_file[name]): day for name, day in since.items()}
        said.append(one)
        files.append(RuleFile(len(files) + 1, from_ms, "", RuleSet.model_validate(one)))
    return RuleFiles(files), said


def alerts_of_files(files: RuleFiles, said: Sequence[Any], postings: list[Posting]) -> Alerts:
    """Return the alerts that stand at the end, of every version that was ever LIVE: rule/version, owner, bucket."""
    found: Alerts = {}
    for (rule_id, version), (first, last) in _reigns(said).items():
        known = [one for one in postings if files.place_at(one["received_ms"]) <= last]
        file = {**said[first], "rules": [rule for rule in said[first]["rules"] if rule["rule"] == rule_id]}

        def came_under_it(one: Posting, first: int = first) -> bool:
            return files.place_at(one["received_ms"]) >= first

        for (_, owner, bucket), told in alerts_of(file, known, is_event=came_under_it).items():
            found[f"{rule_id}/{version}", owner, bucket] = told
    return found


def _reigns(said: Sequence[Any]) -> dict[tuple[str, int], tuple[int, int]]:
    """Return the places of the first and the last file of each version that was LIVE."""
    reigns: dict[tuple[str, int], tuple[int, int]] = {}
    for place, file in enumerate(said):
        for rule in file["rules"]:
            if rule["mode"] == "LIVE":
                key = rule["rule"], rule["version"]
                reigns[key] = (reigns.get(key, (place, place))[0], place)
    return reigns
