"""Files of rules that follow one another, and which alerts must stand then, by looking through all postings.

Reads     tests/support/rule_histories.py: all rules, LIVE, with thresholds within reach
Returns   `files_of`: files with rules LIVE, SHADOW, changed and new; `alerts_of_files`
Promises  the alerts come from the oracle, which shares no code with the stage; each posting is an event under the file
          that was in force when it came, and windows see all that had come before the file went
"""

from __future__ import annotations

import copy
from datetime import date
from typing import TYPE_CHECKING, Any

import yaml

from esep.rule_files import RuleFile, RuleFiles, faults_of_next
from esep.rules import parse_rules
from esep.stream_apps.alerts.kept import begin_too_early
from tests.support.rule_histories import REACHABLE_TEXT
from tests.support.rule_oracle import OWNERS, alerts_of

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from tests.support.rule_oracle import Alerts, Posting

BASE: dict[str, Any] = yaml.safe_load(REACHABLE_TEXT)
RULE_IDS = [rule["rule"] for rule in BASE["rules"] if rule.get("engine", "stream") == "stream"]
LESS = 2  # A version of an even number asks for half of what the others ask for.


def file_of(versions: Mapping[str, int], since: Mapping[str, date] | None = None) -> dict[str, Any]:
    """Return a file as YAML says it. versions: of the rules that are LIVE. since: of some of them, by rule."""
    file = copy.deepcopy(BASE)
    for rule in file["rules"]:
        version = versions.get(rule["rule"], 0)
        rule["mode"] = "LIVE" if version else "SHADOW"
        rule["version"] = version or 99
        if since and rule["rule"] in since:
            rule["since"] = since[rule["rule"]]
        if version % LESS == 0:
            for condition in rule.get("when", []):
                if "at_least" in condition and "of" not in condition and "score" not in condition:
                    condition["at_least"] = max(1, condition["at_least"] // LESS)
    return file


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
            early = begin_too_early(files, parse_rules(yaml.safe_dump(one)), from_ms)
            since |= {found.rule.rule_id: found.first_day for found in early}
            one = file_of(of_file, since)
            rules = parse_rules(yaml.safe_dump(one))
            assert begin_too_early(files, rules, from_ms) == []
            assert list(faults_of_next(files, rules, from_ms)) == []
        known |= {(name, of_file[name]): day for name, day in since.items()}
        said.append(one)
        files.append(RuleFile(len(files) + 1, from_ms, "", parse_rules(yaml.safe_dump(one))))
    return RuleFiles(files), said


def alerts_of_files(said: Sequence[Any], places: Mapping[str, Sequence[int]], postings: list[Posting]) -> Alerts:
    """Return the alerts that stand at the end, of every version that was ever LIVE.

    places: under which file each posting came, for rules about persons and for those about means of payment.
    """
    found: Alerts = {}
    for subject, under in places.items():
        for rule_id, version, first, last in _reigns(said, subject):
            known = [one for one, place in zip(postings, under, strict=True) if place <= last]
            events = {_event(one) for one, place in zip(postings, under, strict=True) if first <= place <= last}
            file = copy.deepcopy(said[first])
            file["rules"] = [rule for rule in file["rules"] if rule["rule"] == rule_id]
            for (_, owner, bucket), told in alerts_of(file, known, events=events).items():
                found[f"{rule_id}/{version}", owner, bucket] = told
    return found


def _reigns(said: Sequence[Any], subject: str) -> list[tuple[str, int, int, int]]:
    """Return each version that was LIVE, with the places of its first and its last file."""
    reigns: dict[tuple[str, int], tuple[int, int]] = {}
    for place, file in enumerate(said):
        for rule in file["rules"]:
            if rule["mode"] == "LIVE" and rule.get("subject", "person") == subject:
                key = rule["rule"], rule["version"]
                reigns[key] = (reigns.get(key, (place, place))[0], place)
    return [(*key, *reign) for key, reign in reigns.items()]


def _event(one: Posting) -> tuple[Any, ...]:
    return one["entry_id"], one["revision"], one["leg"], *(one[name] for name in OWNERS.values())
