"""Which alerts must stand, by looking through all postings for each window of each rule: nothing clever.

Reads     rules.yaml as it is written; postings as dicts with the names of the ledger's columns
Returns   the alerts by rule, person or means of payment, and bucket: evidence and observations
Promises  shares no code with the stream or with SQL, nor with the reading of rules (DESIGN §7)
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from fractions import Fraction
from typing import Any
from zoneinfo import ZoneInfo

ALMATY = ZoneInfo("Asia/Almaty")
UNIT_MS = {"min": 60_000, "h": 3_600_000, "d": 86_400_000}
OWNERS = {"person": "iin", "instrument": "instrument_hash"}
FLAG_BITS = {
    "UNDER_21_HINT": 1, "CREDIT_MONEY": 2, "RESTRICTED": 4, "DEBTOR": 8, "OFFICIAL": 16, "UNLICENSED": 32,
    "ILLEGAL_RESOURCE": 64,
}  # fmt: skip
Posting = dict[str, Any]
Alerts = dict[tuple[str, Any, str], tuple[list[tuple[Any, ...]], list[tuple[str, int, int]]]]


def alerts_of(
    rules: dict[str, Any],
    postings: list[Posting],
    engines: tuple[str, ...] = ("stream",),
    is_event: Callable[[Posting], bool] = lambda _: True,
) -> Alerts:
    """Return every alert; rules: the file as YAML says it. What is about means of payment tells the persons, too.

    engines: whose rules. is_event: which postings may fulfil a rule.
    """
    features = {one["feature"]: one for one in rules["features"]}
    found: Alerts = {}
    sides = [(field, value) for field in OWNERS.values() for value in {one[field] for one in postings} - {None}]
    for field, owner in sides:
        stand = sorted(in_force([one for one in postings if one[field] == owner]), key=_order)
        for rule in rules["rules"]:
            if rule["mode"] != "LIVE" or rule.get("engine", "stream") not in engines:
                continue
            if OWNERS[rule.get("subject", "person")] != field:
                continue
            seen = [one for one in stand if not rule.get("since") or _local(one).date() >= rule["since"]]
            for place, event in enumerate(seen):
                told = (
                    _fulfilled(rule, features, seen[: place + 1])
                    if _passes(rule["event"], event) and is_event(event)
                    else None
                )
                if told is not None:
                    found.setdefault((rule["rule"], owner, _bucket(rule["bucket"], event)), told)
    return found


def in_force(own: list[Posting]) -> list[Posting]:
    """Return those of an owner's postings that are booked and not taken back."""

    def taken_back(one: Posting) -> bool:
        return any(
            other["leg"] == -1 and other["entry_id"] == one["entry_id"] and other["revision"] > one["revision"]
            and other["occurred_ms"] == one["occurred_ms"] and other["amount_tiyn"] == -one["amount_tiyn"]
            for other in own
        )  # fmt: skip

    return [one for one in own if one["leg"] == 1 and not taken_back(one)]


def _fulfilled(rule: dict[str, Any], features: dict[str, Any], known: list[Posting]) -> Any:
    """Return evidence and observations if the last of the postings fulfils the rule, or None."""
    evidence, observed = [known[-1]], []
    for condition in rule.get("when", []):
        told, points = [], 0
        for plain in condition.get("any", condition.get("score", [condition])):
            feature = features[plain["feature"]]
            window, value = _window(feature, known), _value(feature, known)
            least = "at_least" in plain
            limit = Fraction(str(plain["at_least" if least else "at_most"]))
            whole: list[Posting] = []
            if "of" in plain:
                whole, of = _window(features[plain["of"]], known), _value(features[plain["of"]], known)
                limit = limit * of if of else None  # type: ignore[assignment]
            if value is None or limit is None or (value < limit if least else value > limit):
                continue
            evidence += window + whole
            threshold = -((-limit) // 1) if least else limit // 1
            told.append((feature["observed"], value, int(threshold)))
            points += plain.get("weight", 1)
            if "score" in condition:
                told.append((f"{feature['observed']}.weight", plain["weight"], condition["at_least"]))
        if points < (condition["at_least"] if "score" in condition else 1):
            return None
        observed += [("score", points, condition["at_least"]), *told] if "score" in condition else told
    unique = {_order(one): one for one in evidence}
    names = (
        "entry_id", "revision", "leg", "occurred_ms", "amount_tiyn", "ledger_partition", "ledger_offset",
        *(["iin"] if rule.get("subject") == "instrument" else []),
    )  # fmt: skip
    told = [tuple(unique[key][name] for name in names) for key in sorted(unique)]
    return told, observed


def _window(feature: dict[str, Any], known: list[Posting]) -> list[Posting]:
    event = known[-1]
    within = [event]
    if feature["window"] != "event":
        digits = "".join(sign for sign in feature["window"] if sign.isdigit())
        length_ms = int(digits) * UNIT_MS[feature["window"].removeprefix(digits)]
        within = [one for one in known if one["occurred_ms"] > event["occurred_ms"] - length_ms]
    return [
        one for one in within
        if _passes(feature.get("filter", {}), one)
        and all(_field(one, key) == _field(event, key) for key in feature.get("key", []))
    ]  # fmt: skip


def _value(feature: dict[str, Any], known: list[Posting]) -> int | None:
    window, field = _window(feature, known), feature.get("field")
    if feature["aggregate"] == "count":
        return len(window)
    if feature["aggregate"] == "distinct":
        return len({_field(one, field) for one in window})
    if feature["aggregate"] == "mean":
        stakes = sum(one["amount_tiyn"] for one in window)
        return sum(one["amount_tiyn"] * one["odds_milli"] for one in window) // stakes if stakes else None
    if field == "return_tiyn":
        return sum(one["amount_tiyn"] * one["odds_milli"] // 1000 for one in window)
    return sum(one["amount_tiyn"] for one in window)


def _passes(said: dict[str, Any], one: Posting) -> bool:
    kind = one["kind"] if one["event_type"] == "PAYOUT" else one["event_type"]
    return (
        (kind in said["kinds"] if "kinds" in said else True)
        and _within(said.get("amount_tiyn"), one["amount_tiyn"])
        and (
            "odds_milli" not in said
            or (one["odds_milli"] is not None and _within(said["odds_milli"], one["odds_milli"]))
        )
        and _within(said.get("hours"), _local(one).hour)
        and ("flags" not in said or any(one["flags"] & FLAG_BITS[flag] for flag in said["flags"]))
        and all(_field(one, field) is not None for field in said.get("has", []))
    )


def _field(one: Posting, name: str | None) -> Any:
    """Return a field of a posting; market and outcome are those of a bet that has one selection."""
    if name not in {"market", "outcome"}:
        return one[name or ""]
    selections = one.get("selections") or []
    if len(selections) != 1:
        return None
    (bet_on,) = selections
    # As a record has them, or as the four values of one in their order.
    event_id, market_id, outcome_id, _ = bet_on.values() if isinstance(bet_on, dict) else bet_on
    return outcome_id if name == "outcome" else (one["organizer_bin"], event_id, market_id)


def _within(span: dict[str, int] | None, number: int) -> bool:
    return span is None or (span.get("from", number) <= number < span.get("below", number + 1))


def _bucket(kind: str, one: Posting) -> str:
    local = _local(one)
    if kind == "entry":
        return str(one["entry_id"])
    return local.strftime({"day": "%Y-%m-%d", "week": "%G-W%V", "month": "%Y-%m"}[kind])


def _local(one: Posting) -> datetime:
    return datetime.fromtimestamp(one["occurred_ms"] // 1000, ALMATY)


def _order(one: Posting) -> tuple[Any, ...]:
    return one["occurred_ms"], one["entry_id"], one["revision"], one["leg"]
