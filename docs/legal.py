"""Write the page that leads from each clause of the law to what implements it and to the test that proves it, and back.

Reads     docs/legal.yaml; docstrings and comments of the modules, schemas and migrations; docstrings of the tests;
          reject codes and the golden records that prove them
Returns   the text of docs/legal.md; `clauses`, `implementations`, `proofs`, `unknown_ids`
Promises  an id counts where it is written, and nowhere else: ranges such as "O9-L1 … O9-L5" are spelt out; a clause
          claimed without a test fails tests/docs
"""

from __future__ import annotations

import ast
import io
import json
import re
import tokenize
from collections import defaultdict
from functools import cache
from pathlib import Path
from typing import Literal, NamedTuple

from pydantic import BaseModel, ConfigDict

from esep.codes import REJECT_CODES
from esep.yaml_text import from_yaml

ROOT = Path(__file__).resolve().parent.parent
FOLDERS = ("schemas", "esep", "producers", "stream_apps", "sinks", "embedded", "gateway", "cli")
_ID_SHAPED = re.compile(r"(?<![\w-])(?:O9|D934|R2021|J127|O114)-[A-Z0-9][\w.]*")
_RANGE = re.compile(r"O9-L(\d)\s*(?:…|\.\.|to|-|–)\s*(?:O9-)?L?(\d)")
_TEST_OF_CODES = "tests/conformance/test_golden.py"


class Clause(BaseModel):
    """One clause: our short text of it, and how much of it is claimed."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    id: str
    place: str
    claim: Literal["whole", "part", "none"]
    asks: str
    open: str = ""


class Place(NamedTuple):
    """A file of ours, and what it says of itself."""

    path: str
    text: str


@cache
def _declared() -> dict[str, object]:
    content: dict[str, object] = from_yaml((ROOT / "docs" / "legal.yaml").read_text(encoding="utf-8"))
    return content


@cache
def clauses() -> dict[str, Clause]:
    """Return every clause by id, in the order of the law."""
    listed = _declared()["clauses"]
    assert isinstance(listed, list)  # noqa: S101 - the file is ours, and a test reads it
    return {clause.id: clause for clause in map(Clause.model_validate, listed)}


def ids_in(text: str) -> set[str]:
    """Return the ids of the clauses that a text names.

    >>> sorted(ids_in("Clauses O9-L1 … O9-L3, D934-1..3 and O9-4.1."))
    ['D934-1..3', 'O9-4.1', 'O9-L1', 'O9-L2', 'O9-L3']
    """
    spelt = _RANGE.sub(lambda found: " ".join(f"O9-L{n}" for n in range(int(found[1]), int(found[2]) + 1)), text)
    return {_known(found) or found for found in _ID_SHAPED.findall(spelt)}


def _known(found: str) -> str | None:
    """Return the clause that an id-shaped word names, be there a full stop behind it."""
    return next((candidate for candidate in (found, found.rstrip(".")) if candidate in clauses()), None)


@cache
def implementations() -> dict[str, list[Place]]:
    """Return by clause the files whose docstrings or comments name it, and what the reject codes do for it."""
    found: defaultdict[str, list[Place]] = defaultdict(list)
    for path in _sources():
        spoken, first_line = _spoken(path)
        for clause in ids_in(spoken):
            found[clause].append(Place(path.relative_to(ROOT).as_posix(), first_line))
    for code in REJECT_CODES:
        found[code.clause].append(Place("esep/codes.yaml", code.code))
    return dict(found)


@cache
def proofs() -> dict[str, list[Place]]:
    """Return by clause the tests whose docstring, or whose module's docstring, names it."""
    found: defaultdict[str, list[Place]] = defaultdict(list)
    for path in sorted((ROOT / "tests").rglob("test_*.py")):
        module, name = ast.parse(path.read_text(encoding="utf-8")), path.relative_to(ROOT).as_posix()
        for clause in ids_in(ast.get_docstring(module) or ""):
            found[clause].append(Place(name, ""))
        for node in module.body:
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.name.startswith("test_"):
                for clause in ids_in(ast.get_docstring(node) or ""):
                    found[clause].append(Place(name, node.name))
    for clause, names in _golden().items():
        found[clause].append(Place(_TEST_OF_CODES, f"test_intake_gives_the_verdict[{', '.join(names)}]"))
    return dict(found)


def unknown_ids() -> set[str]:
    """Return what looks like a clause in code or tests and is none of docs/legal.yaml."""
    return ({*implementations()} | {*proofs()}) - {*clauses()}


def legal() -> str:
    """Return the page."""
    documents = _declared()["documents"]
    assert isinstance(documents, dict)  # noqa: S101 - the file is ours, and a test reads it
    lines = [
        "# From the law to the test, and back",
        "",
        "Made from `docs/legal.yaml` and from the ids in docstrings, comments and tests by `make pages`. A clause that",
        "is claimed and that no test names fails the build. *Open* is what is missing or lies outside software, and",
        "why. The other way round: search the tree for an id.",
    ]
    for document, title in documents.items():
        lines += [
            "",
            f"## {document}: {title}",
            "",
            "| clause | claimed | implemented by | proved by |",
            "|---|---|---|---|",
        ]
        lines += [_row(clause) for clause in clauses().values() if clause.id.startswith(f"{document}-")]
    return "\n".join(lines) + "\n"


def _row(clause: Clause) -> str:
    asks = f"**{clause.id}** ({clause.place}) {clause.asks}"
    claimed = clause.claim + (f"<br>*Open:* {clause.open}" if clause.open else "")
    cells = (asks, claimed, _cell(implementations().get(clause.id, [])), _cell(proofs().get(clause.id, [])))
    return f"| {' | '.join(cell.replace('|', '/') for cell in cells)} |"


def _cell(places: list[Place]) -> str:
    """Return places by file: what each says of itself, or the tests in it by name."""
    by_path: defaultdict[str, list[str]] = defaultdict(list)
    for place in places:
        by_path[place.path] += [place.text] if place.text else []
    return "<br>".join(f"`{path}`{': ' if texts else ''}{', '.join(texts)}" for path, texts in sorted(by_path.items()))


def _sources() -> list[Path]:
    """Return modules, schemas and migrations; what esep/ links to is taken once, from its own folder."""
    found = [
        path for folder in FOLDERS for path in (ROOT / folder).rglob("*") if path.suffix in {".py", ".sql", ".avsc"}
    ]
    linked = {ROOT / "esep" / folder for folder in FOLDERS}
    return sorted(path for path in found if not linked & set(path.parents))


def _spoken(path: Path) -> tuple[str, str]:
    """Return what a file says in docstrings and comments, and the first line of that."""
    text = path.read_text(encoding="utf-8")
    if path.suffix == ".sql":
        comments = [line.removeprefix("--").strip() for line in text.splitlines() if line.startswith("--")]
        return "\n".join(comments), comments[0] if comments else ""
    if path.suffix == ".avsc":
        return text, str(json.loads(text).get("doc", ""))
    documented = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)
    module = ast.parse(text)
    docstrings = [ast.get_docstring(node) or "" for node in ast.walk(module) if isinstance(node, documented)]
    tokens = tokenize.generate_tokens(io.StringIO(text).readline)
    comments = [token.string for token in tokens if token.type == tokenize.COMMENT]
    return "\n".join(docstrings + comments), (ast.get_docstring(module) or "").partition("\n")[0]


def _golden() -> dict[str, list[str]]:
    """Return by clause the reject codes that golden records prove; a test holds intake to each of them."""
    text = (ROOT / "conformance" / "records.jsonl").read_text(encoding="utf-8")
    found: defaultdict[str, list[str]] = defaultdict(list)
    for record in map(json.loads, text.splitlines()):
        if record["code"] and record["code"] not in found[record["clause"]]:
            found[record["clause"]].append(record["code"])
    return dict(found)
