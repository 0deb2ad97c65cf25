"""Try every forbidden thing as every role, and see that it was refused and that the audit log says so.

Reads     a server whose users have roles
Returns   a `Cell` for each role and thing
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple
from uuid import uuid4

from tests.roles.forbidden import FORBIDDEN, GUARDED, visible

if TYPE_CHECKING:
    from tests.roles.forbidden import Thing
    from tests.support.role_books import RoleBooks

ALLOWED, REFUSED, LET_THROUGH = "allowed", "refused", "LET THROUGH"


class Cell(NamedTuple):
    """What became of a thing that a role tried. tried: statements; logged: those that the audit log has as refused."""

    role: str
    thing: str
    outcome: str
    tried: int
    logged: int
    through: tuple[str, ...] = ()


def matrix(books: RoleBooks, whole: tuple[str, ...] = GUARDED) -> list[Cell]:
    """Return a cell for each role and thing, things first. whole: roles that try every statement, not the first."""
    asked = [(thing, role, _try(books, thing, role, role in whole)) for thing in FORBIDDEN for role in GUARDED]
    audited = books.audited()
    asked_lines = {line["query_id"]: line["n"] for line in audited if line["kind"] == "ASKED"}
    codes = {line["asked"]: line["code"] for line in audited if line["kind"] == "ANSWERED"}
    turned_away = [line for line in audited if line["kind"] == "REFUSED"]
    cells = []
    for thing, role, answers in asked:
        if role in thing.allowed:
            cells.append(Cell(role, thing.name, ALLOWED, 0, 0))
            continue
        through = tuple(statement for statement, query_id, refused in answers if not refused)
        logged = sum(
            codes.get(asked_lines.get(query_id, 0), 0) != 0 or _was_turned_away(turned_away, role, thing)
            for _, query_id, _ in answers
        )
        cells.append(Cell(role, thing.name, LET_THROUGH if through else REFUSED, len(answers), logged, through))
    return cells


def _try(books: RoleBooks, thing: Thing, role: str, is_whole: bool) -> list[tuple[str, str, bool]]:
    """Return statement, query id and whether it was refused, for each; nothing where the role may."""
    found = []
    for statement in () if role in thing.allowed else thing.statements[: None if is_whole else 1]:
        sql = statement.replace("{visible}", visible(role)).replace("{{", "{").replace("}}", "}")
        query_id = str(uuid4())
        answer = books.ask(role, sql, body=thing.body, query_id=query_id, **dict(thing.fields))
        found.append((sql, query_id, answer.status != 200))
    return found


def _was_turned_away(lines: list[dict[str, object]], role: str, thing: Thing) -> bool:
    """Whether the request itself was refused, before there was a statement: such a line has no query id."""
    return "role" in dict(thing.fields) and any(line["user"] == f"{role}.one" for line in lines)
