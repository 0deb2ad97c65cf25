"""What a supervisor is shown: every look-up, and those that somebody has to justify (clauses J127-7, J127-19)."""

from __future__ import annotations

from datetime import date
from typing import Any

import pytest

from esep.audit_report import lookups, per_user
from esep.calendar import load_holidays

BASIS = "7-114/26: AML law 191-IV, Art. 4"


def lines(*asked: dict[str, Any]) -> list[dict[str, Any]]:
    made = []
    for number, one in enumerate(asked):
        whole = {"user": "a.serikova", "role": "compliance", "basis": BASIS, "at": "2026-11-27T11:00:00.000+05:00"}
        made.append({"n": 2 * number + 1, "kind": "ASKED", "text": "SELECT 900101300007", **whole, **one})
        end = {"n": 2 * number + 2, "kind": "ANSWERED", "asked": 2 * number + 1, "rows": 5, "ms": 1.5, "code": 0}
        if not one.get("unfinished"):
            made.append(end | {name: one[name] for name in ("rows", "code") if name in one})
    return made


@pytest.mark.parametrize(
    ("asked", "faults"),
    [
        ({}, ()),
        ({"basis": "7-115/26: AML law"}, ("CASE_UNKNOWN",)),
        ({"basis": "", "code": 497}, ("NO_BASIS",)),
        ({"code": 497}, ("DENIED",)),
        ({"code": 62}, ()),
        ({"at": "2026-11-27T07:59:59.000+05:00"}, ("OUTSIDE_HOURS",)),
        ({"at": "2026-11-27T20:00:00.000+05:00"}, ("OUTSIDE_HOURS",)),
        ({"at": "2026-11-28T11:00:00.000+05:00"}, ("OUTSIDE_HOURS",)),  # A Saturday.
        ({"rows": 10_001}, ("MANY_ROWS",)),
        ({"unfinished": True}, ("UNFINISHED",)),
        ({"role": "analyst", "basis": "", "at": "2026-11-28T03:00:00.000+05:00", "rows": 99_999}, ()),
        ({"role": "analyst", "basis": "", "code": 497}, ("DENIED",)),
    ],
)
def test_lookup_is_told_with_what_speaks_against_it(asked: dict[str, Any], faults: tuple[str, ...]) -> None:
    (one,) = lookups(lines(asked), load_holidays(), cases={"7-114/26"})
    assert one.faults == faults
    assert "900101300007" not in repr(one)


def test_sums_are_those_of_the_lines_and_the_most_open_come_first() -> None:
    found = lookups(lines({}, {"user": "b.leaver", "code": 497}, {}, {"basis": "8: AML law"}), load_holidays())
    assert [tuple(one) for one in per_user(found)] == [
        ("b.leaver", "compliance", 1, 1, 5, 1, 1),
        ("a.serikova", "compliance", 3, 2, 15, 0, 0),
    ]


def test_line_of_a_server_counts_by_the_role_that_the_user_was_granted() -> None:
    line = {"n": 1, "kind": "SERVER", "at": "2026-11-27T11:00:00.000+05:00", "user": "a.serikova", "basis": ""}
    others = {"n": 2, "kind": "SERVER", "at": "2026-11-27T11:00:00.000+05:00", "user": "loader", "basis": ""}
    ends = {"rows": 0, "ms": 2.0, "code": 395}
    (one,) = lookups([line | ends, others | ends], load_holidays(), roles={"a.serikova": "compliance"})
    assert (one.user, one.role, one.faults) == ("a.serikova", "compliance", ("NO_BASIS",))


def test_days_are_those_of_almaty_both_included() -> None:
    asked = [{"at": f"2026-11-{day}T00:30:00.000+05:00"} for day in (25, 26, 27)]
    found = lookups(lines(*asked), load_holidays(), first=date(2026, 11, 26), last=date(2026, 11, 27))
    assert [one.at[:10] for one in found] == ["2026-11-26", "2026-11-27"]
