"""What a supervisor looks at: who looked up what on which basis, and which look-ups nobody has justified yet.

Reads     lines of the audit log, the calendar, the numbers of the cases that there are
Returns   `Lookup` per statement of a person's, with what speaks against it; `per_user` sums
Promises  no I/O and no clock: the same lines give the same report; the text of a statement is not in it, for it may
          hold a person's number (clauses J127-7, J127-19)
"""

from __future__ import annotations

from collections import Counter
from datetime import date, datetime
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, NamedTuple

from esep.calendar import is_working_day
from esep.store_roles import ROLES, case_and_basis

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Set

    from esep.calendar import Holidays

ROWS_MAX = 10_000  # More of them at once is no look-up for a case.
HOURS = (8, 20)  # From, to: when people work.
NO_BASIS, CASE_UNKNOWN, OUTSIDE_HOURS, MANY_ROWS, DENIED, UNFINISHED = (
    "NO_BASIS",
    "CASE_UNKNOWN",
    "OUTSIDE_HOURS",
    "MANY_ROWS",
    "DENIED",
    "UNFINISHED",
)
_DENIALS = frozenset((164, 395, 497, 512))  # 395: how a server's row policy refuses.


class Lookup(NamedTuple):
    """One statement of somebody who has a role. line: its number in the log; rows: None if no end of it is noted."""

    line: int
    at: str
    user: str
    role: str
    case: str
    basis: str
    rows: int | None
    ms: float
    code: int
    faults: tuple[str, ...]


class UserSum(NamedTuple):
    """What one user did."""

    user: str
    role: str
    lookups: int
    cases: int
    rows: int
    refused: int
    unjustified: int


def lookups(
    lines: Iterable[dict[str, Any]],
    holidays: Holidays,
    *,
    roles: Mapping[str, str] = MappingProxyType({}),
    cases: Set[str] | None = None,
    first: date = date.min,
    last: date = date.max,
) -> list[Lookup]:
    """Return the statements of people with a role, in order, from one day to another, both included.

    roles: of the users that a server's lines name, which say no role. cases: the numbers of the cases that there are;
    None: any number does.
    """
    asked: dict[int, dict[str, Any]] = {}
    ends: dict[int, dict[str, Any]] = {}
    for line in lines:
        if line.get("kind") == "ASKED" and first <= _day(line) <= last:
            asked[line["n"]] = line
        elif line.get("kind") == "ANSWERED":
            ends[line["asked"]] = line
        elif line.get("kind") == "SERVER" and line["user"] in roles and first <= _day(line) <= last:
            asked[line["n"]], ends[line["n"]] = {**line, "role": roles[line["user"]]}, line
    return [_lookup(line, ends.get(number), holidays, cases) for number, line in asked.items()]


def per_user(found: Iterable[Lookup]) -> list[UserSum]:
    """Return the sums of each user, the one with most look-ups to justify first."""
    counts: dict[tuple[str, str], Counter[str]] = {}
    cases: dict[tuple[str, str], set[str]] = {}
    for one in found:
        count = counts.setdefault((one.user, one.role), Counter())
        count.update(
            lookups=1, rows=one.rows or 0, refused=int(one.code in _DENIALS), unjustified=int(bool(one.faults))
        )
        cases.setdefault((one.user, one.role), set()).update({one.case} - {""})
    sums = [
        UserSum(
            user, role, count["lookups"], len(cases[user, role]), count["rows"], count["refused"], count["unjustified"]
        )
        for (user, role), count in counts.items()
    ]
    return sorted(sums, key=lambda one: (-one.unjustified, one.user))


def _lookup(line: dict[str, Any], end: dict[str, Any] | None, holidays: Holidays, cases: Set[str] | None) -> Lookup:
    stated = case_and_basis(line.get("basis", ""))
    case, basis = stated or ("", "")
    code = int(end["code"]) if end else 0
    rows = int(end["rows"]) if end else None
    faults = []
    role = ROLES.get(line["role"])
    needs = role is not None and role.basis
    if code in _DENIALS:
        faults.append(NO_BASIS if needs and stated is None else DENIED)
    if needs and stated is not None and cases is not None and case not in cases:
        faults.append(CASE_UNKNOWN)
    if needs and _is_outside(datetime.fromisoformat(line["at"]), holidays):
        faults.append(OUTSIDE_HOURS)
    if needs and (rows or 0) > ROWS_MAX:
        faults.append(MANY_ROWS)
    if end is None:
        faults.append(UNFINISHED)
    ms = float(end["ms"]) if end else 0.0
    return Lookup(line["n"], line["at"], line["user"], line["role"], case, basis, rows, ms, code, tuple(faults))


def _is_outside(at: datetime, holidays: Holidays) -> bool:
    return not (HOURS[0] <= at.hour < HOURS[1] and is_working_day(at.date(), holidays))


def _day(line: dict[str, Any]) -> date:
    return date.fromisoformat(str(line["at"])[:10])
