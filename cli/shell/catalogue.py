"""What there is to complete: relations, columns, functions, keywords; and which of it fits where the cursor stands.

Reads     system tables, as far as the user may; the text before and after the cursor
Returns   `Catalogue`; `Candidate`s
Promises  completing is pure and asks nobody; what the user may not see is not offered and no error (box: cli)
"""

from __future__ import annotations

import re
from collections import defaultdict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

from clickhouse_connect.driver.exceptions import ClickHouseError

from esep.cli.shell.meta import NAMES
from esep.cli.shell.text import in_quotes

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from clickhouse_connect.driver.client import Client

_COLUMNS = (
    "SELECT table, name, type FROM system.columns WHERE database = currentDatabase() AND NOT startsWith(table, '.')"
    " ORDER BY table, position"
)
_FUNCTIONS = "SELECT name FROM system.functions ORDER BY name"
_KEYWORDS = "SELECT keyword FROM system.keywords ORDER BY keyword"
_WORD = re.compile(r"[A-Za-z_][\w.]*$|\\\w*$")
_RELATION = re.compile(r"\b(?:FROM|JOIN|INTO|TABLE|DESCRIBE|DESC|VIEW|EXISTS)\s+[\w.]*$|^\s*\\d\s+\w*$", re.IGNORECASE)
_NAMED = re.compile(r"\b(?:FROM|JOIN|INTO)\s+(\w+)(?:\s+FINAL)?(?:\s+(?:AS\s+)?(\w+))?", re.IGNORECASE)
_MAX = 200  # Nobody reads further.


class Candidate(NamedTuple):
    """What may stand for the last `replaces` letters before the cursor. kind: what it is."""

    text: str
    kind: str
    replaces: int


@dataclass(frozen=True)
class Catalogue:
    """Names that can be completed. columns: by relation, each with its type."""

    columns: dict[str, list[tuple[str, str]]] = field(default_factory=dict)
    functions: tuple[str, ...] = ()
    keywords: tuple[str, ...] = ()

    def candidates(self, before: str, after: str = "") -> list[Candidate]:
        """Return what may stand at the cursor, the likeliest first."""
        if in_quotes(before):
            return []
        found = _WORD.search(before)
        word = found[0] if found else ""
        if _RELATION.search(before):
            return _fitting(((name, "relation") for name in sorted(self.columns)), word)
        if word.startswith("\\"):
            return _fitting(((name, "command") for name in NAMES), word)
        named = self._named(f"{before} {after}")
        if "." in word:
            alias, _, part = word.rpartition(".")
            return _fitting(self.columns.get(named.get(alias, alias), ()), part)
        return _fitting(self._anything(named), word) if word else []

    def _named(self, text: str) -> dict[str, str]:
        """Return the relations of a statement, by their names and by their aliases."""
        found: dict[str, str] = {}
        for name, alias in _NAMED.findall(text):
            if name in self.columns:
                found |= {name: name, alias or name: name}
        return found

    def _anything(self, named: dict[str, str]) -> Iterator[tuple[str, str]]:
        for relation in sorted(set(named.values())):
            yield from self.columns[relation]
        yield from ((name, "function") for name in self.functions)
        yield from ((name, "keyword") for name in self.keywords)
        yield from ((name, "relation") for name in sorted(self.columns))


def _fitting(names: Iterable[tuple[str, str]], word: str) -> list[Candidate]:
    begin, found = word.lower(), dict[str, str]()
    for name, kind in names:
        if len(found) == _MAX:
            break
        if name.lower().startswith(begin):
            found.setdefault(name, kind)
    return [Candidate(name, kind, len(word)) for name, kind in found.items()]


def load(client: Client) -> Catalogue:
    """Return what the user of a client may see."""
    columns: defaultdict[str, list[tuple[str, str]]] = defaultdict(list)
    for table, name, kind in _rows(client, _COLUMNS):
        columns[table].append((name, kind))
    functions = tuple(row[0] for row in _rows(client, _FUNCTIONS))
    return Catalogue(dict(columns), functions, tuple(row[0] for row in _rows(client, _KEYWORDS)))


def _rows(client: Client, statement: str) -> list[tuple[str, ...]]:
    try:
        return [tuple(row) for row in client.query(statement).result_rows]
    except ClickHouseError:
        return []
