"""Who may do what in ClickHouse: the roles, declared once, from which a server and the embedded engine are told.

Reads     store_roles.yaml beside this file
Returns   `ROLES` by name; `analysts_database`, the names of databases; `BASIS`, how a query states its legal basis
Promises  there is no second list: GRANTs, row policies and limits of a server and of the embedded engine come from here
          (clauses O9-5.1, J127-5, J127-7; decision 0029)
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from pydantic import BaseModel, ConfigDict, TypeAdapter

from esep.yaml_text import from_yaml

if TYPE_CHECKING:
    from collections.abc import Iterator

BASIS_SETTING = "log_comment"  # Free text that every client can set and ClickHouse keeps with the query.
BASIS_HINT = 'state case and legal basis in log_comment: "<case>: <basis>"'
DEFINER = "esep_views"  # Reads the tables for the analysts' views. Nobody can log in as it.
SUFFIX = "_analysts"
_BASIS = re.compile(r"(?P<case>[^:\s][^:]{0,99}):\s*(?P<basis>\S.{2,299})", re.DOTALL)


class Role(BaseModel):
    """One role. use: views (SELECT alone), tables (SELECT, and INSERT where granted) or everything.

    grants: privilege → objects; basis: whether each query states its own. limits: settings that the role cannot change.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    role: str
    use: Literal["views", "tables", "everything"]
    basis: bool
    says: str
    grants: dict[str, tuple[str, ...]]
    limits: dict[str, int]

    @property
    def is_guarded(self) -> bool:
        """Whether the embedded server looks at each statement of the role's before it runs it."""
        return self.use != "everything"

    def granted(self, database: str) -> Iterator[tuple[str, str]]:
        """Yield privilege and object, whose name bears its database.

        >>> list(ROLES["keeper"].granted("esep"))[0]
        ('SELECT, INSERT', 'esep.pseudonyms')
        """
        for privilege, names in self.grants.items():
            for name in names:
                yield privilege, qualified(name, database)


def analysts_database(database: str) -> str:
    """Return the database of the analysts' views.

    >>> analysts_database("esep")
    'esep_analysts'
    """
    return database + SUFFIX


def qualified(name: str, database: str) -> str:
    """Return a name of the declaration with its database.

    >>> qualified("ledger", "esep"), qualified("analysts.ledger", "esep"), qualified("system.one", "esep")
    ('esep.ledger', 'esep_analysts.ledger', 'system.one')
    """
    first, _, rest = name.rpartition(".")
    return f"{ {'': database, 'analysts': analysts_database(database)}.get(first, first) }.{rest}"


def case_and_basis(text: str) -> tuple[str, str] | None:
    """Return the number of the case and the legal basis that a text states, or None if it states none.

    >>> case_and_basis("7-114/26: AML law 191-IV, Art. 4")
    ('7-114/26', 'AML law 191-IV, Art. 4')
    >>> case_and_basis("because") is None
    True
    """
    found = _BASIS.fullmatch(text.strip())
    return (found["case"].strip(), found["basis"].strip()) if found else None


_DECLARED = Path(__file__).with_name("store_roles.yaml").read_text(encoding="utf-8")
ROLES = {role.role: role for role in TypeAdapter(list[Role]).validate_python(from_yaml(_DECLARED))}

# Tables of which a row tells of a person; a test compares them with the tables' columns.
OF_PERSONS = (
    *("ledger", "rejected", "alerts", "person_day", "person_month", "person_posting", "closing_balances"),
    *("extract_steps", "retention_holds", "pseudonyms"),
)
